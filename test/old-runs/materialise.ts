/**
 * From a fixture to a run on disk. Fixtures keep what today's medvox wrote, but for two things: `{ROOT}` stands for the temporary
 * folder that data and runs lay in, and of each checkpoint only the header is kept (names, shapes, position). Its values are made by
 * formula from the tensors' names, so that every machine gets the same bytes.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { uniform } from "../golden-values.ts";

const FIXTURES = fileURLToPath(new URL("../fixtures/runs/", import.meta.url));

/** What stands in place of a checkpoint: `NAME.safetensors` is `NAME.header.json`. */
export interface CheckpointHeader {
  readonly metadata: Readonly<Record<string, string>>;
  /** Shapes by name, in the order of the data; all float32. */
  readonly tensors: Readonly<Record<string, readonly number[]>>;
}

/** Names of the fixtures, one for each kind of run. */
export function fixtureNames(): string[] {
  return readdirSync(FIXTURES, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
}

export const fixtureFolder = (name: string): string => join(FIXTURES, name);

/** Files of a folder and the folders in it, relative to it. */
export function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

/** Lays a fixture's run at `ROOT/runs/NAME`. @returns the folder */
export async function materialise(root: string, name: string): Promise<string> {
  const out = join(root, "runs", name);
  const run = join(fixtureFolder(name), "run");
  for (const file of filesIn(run)) {
    const text = readFileSync(join(run, file), "utf8");
    const path = join(out, file);
    mkdirSync(dirname(path), { recursive: true });
    if (file.endsWith(".header.json")) {
      await writeByFormula(path.replace(/\.header\.json$/, ".safetensors"), JSON.parse(text) as CheckpointHeader);
    } else writeFileSync(path, text.replaceAll("{ROOT}", root.replaceAll("\\", "/")));
  }
  return out;
}

/** Writes a safetensors file. It is written by hand, so that no change to medvox's own writer changes a fixture. */
export async function writeByFormula(path: string, { metadata, tensors }: CheckpointHeader): Promise<void> {
  const file = await open(path, "w");
  try {
    await file.write(encodeHeader({ metadata, tensors }));
    for (const [name, shape] of Object.entries(tensors)) await file.write(new Uint8Array(valuesOf(name, shape).buffer));
  } finally {
    await file.close();
  }
}

/** The first bytes of the file, up to the data. */
export function encodeHeader({ metadata, tensors }: CheckpointHeader): Uint8Array {
  let at = 0;
  const entries = Object.entries(tensors).map(([name, shape]) => {
    const from = at;
    at += 4 * countOf(shape);
    return [name, { dtype: "F32", shape, data_offsets: [from, at] }];
  });
  const json = JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(entries) });
  const bytes = Buffer.from(json.padEnd(Math.ceil(json.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  return Buffer.concat([length, bytes]);
}

/**
 * A tensor's values: weights by their fan-in, so that maps keep their size from layer to layer, variances above 0, norms' factors
 * around 1, an optimizer's first moments small and its second moments positive.
 */
export function valuesOf(name: string, shape: readonly number[]): Float32Array {
  const numbers = uniform(seedOf(name), countOf(shape));
  const [scale, offset] = rangeOf(name, shape);
  const values = new Float32Array(numbers.length);
  for (let i = 0; i < values.length; i++) values[i] = offset + scale * (numbers[i] - 0.5);
  return values;
}

/** Width of the uniform distribution, and its middle. */
function rangeOf(name: string, shape: readonly number[]): [width: number, middle: number] {
  const state = /^optimizer\.(\w+)\./.exec(name)?.[1];
  if (state === "gradient") return [0, 0];
  if (state === "square") return [4e-4, 3e-4];
  if (state !== undefined) return [0.02, 0];
  if (name.endsWith("running_var")) return [1, 1];
  if (shape.length === 1 && name.endsWith("weight")) return [0.5, 1];
  if (shape.length === 1) return [0.2, 0];
  const fan = countOf(shape.slice(1));
  // Scores of classes lie far enough apart that a detector finds something.
  const gain = name.includes("cls_score") ? 4 : 1.2;
  return [2 * gain * Math.sqrt(3 / fan), 0];
}

/** FNV-1a of the name, begun where these networks tell voxels apart instead of calling all of them one class. */
function seedOf(name: string): number {
  let hash = 0x811c9dc1;
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

function countOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}
