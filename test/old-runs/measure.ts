/** Does with an old run what its kind says, and measures what comes out. */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { evaluate, exportModel, formerFile, readCheckpoint, readMask, resume } from "./adapter.ts";
import { writeData } from "./data.ts";
import { kinds } from "./kinds.ts";
import { filesIn, fixtureFolder, materialise } from "./materialise.ts";

/** What is compared with a fixture's `expected.json`. */
export interface Outcome {
  /** What `evaluate --json` prints, without paths. Keys may be added to it by later builds, none may go. */
  readonly evaluation?: Readonly<Record<string, unknown>>;
  /** What the evaluation wrote: detections as they stand in the file, of masks how many voxels each label has. */
  readonly predictions?: Readonly<Record<string, object>>;
  /** Lines of every log, without times. */
  readonly logs?: Readonly<Record<string, readonly object[]>>;
  /** Of every checkpoint: its position, and by group of tensors how many values there are and their Euclidean norm. */
  readonly checkpoints?: Readonly<Record<string, CheckpointSummary>>;
}

export interface CheckpointSummary {
  readonly position: object;
  readonly groups: Readonly<Record<string, { readonly values: number; readonly norm: number }>>;
}

/**
 * Lays data and run in a temporary folder, does what the kind says, measures, and clears up.
 * @returns the outcome, SHA-256 of what it was made of (of checkpoints and logs, or of the scores), and what a resume said
 */
export async function measure(
  name: string,
): Promise<{ outcome: Outcome; hashes: Record<string, string>; said: string }> {
  const root = mkdtempSync(join(tmpdir(), "medvox-old-"));
  try {
    const { data, runs = [], models = [], next, options = [], resumeLeaves = false } = kinds[name];
    for (const set of data) await writeData(root, set);
    for (const run of runs) await materialise(root, run);
    const folder = await materialise(root, name);
    for (const model of models) await exportModel(join(folder, model));
    if (next === "resume") {
      const said = await resume(folder);
      return {
        said,
        outcome: { logs: logsIn(folder), checkpoints: await summaries(folder) },
        hashes: await hashesIn(folder),
      };
    }
    const before = resumeLeaves ? await hashesIn(folder) : {};
    if (resumeLeaves) await resume(folder);
    const after = resumeLeaves ? await hashesIn(folder) : {};
    const changed = Object.keys(after).filter((file) => after[file] !== before[file]);
    if (changed.length > 0) throw new Error(`${name}: a resume of the finished run changed ${changed.join(", ")}`);
    const { run: _run, report: _report, predictions: _folder, ...evaluation } = await evaluate(folder, options);
    const outcome = { evaluation, predictions: await predictionsIn(folder) };
    return { said: "", outcome, hashes: { evaluation: sha256(Buffer.from(JSON.stringify(known(outcome, name)))) } };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

async function predictionsIn(folder: string): Promise<Record<string, object>> {
  const found: Record<string, object> = {};
  for (const file of filesIn(folder).filter((name) => /\bpredictions\//.test(name))) {
    if (file.endsWith(".json"))
      found[formerFile(file)] = JSON.parse(readFileSync(join(folder, file), "utf8")) as object;
    if (!file.endsWith(".nii.gz")) continue;
    const counts: Record<number, number> = {};
    for (const label of await readMask(join(folder, file))) counts[label] = (counts[label] ?? 0) + 1;
    found[formerFile(file)] = counts;
  }
  return found;
}

function logsIn(folder: string): Record<string, object[]> {
  const logs = filesIn(folder).filter((file) => file.endsWith(".jsonl"));
  return Object.fromEntries(logs.map((file) => [file, linesOf(join(folder, file))]));
}

/** Events of a log that the build of the fixtures did not write yet; what they say is no part of the training. */
const LATER_EVENTS = ["finished", "evaluated", "problems"];

/** Lines of a log without what depends on the machine's speed. */
function linesOf(path: string): object[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ event }) => !LATER_EVENTS.includes(event as string))
    .map(({ seconds: _seconds, waitingShare: _share, ...rest }) => rest);
}

const checkpointsIn = (folder: string): string[] => filesIn(folder).filter((file) => file.endsWith(".safetensors"));

async function summaries(folder: string): Promise<Record<string, CheckpointSummary>> {
  const all: Record<string, CheckpointSummary> = {};
  for (const file of checkpointsIn(folder)) {
    const { tensors, position } = await readCheckpoint(join(folder, file));
    const groups: Record<string, { values: number; norm: number }> = {};
    for (const [name, { data }] of tensors) {
      const group = groupOf(name);
      const { values, norm } = groups[group] ?? { values: 0, norm: 0 };
      let sum = 0;
      for (const value of data) sum += value * value;
      groups[group] = { values: values + data.length, norm: Math.hypot(norm, Math.sqrt(sum)) };
    }
    all[file] = { position: JSON.parse(position) as object, groups };
  }
  return all;
}

/** `optimizer.square.layer1.0.conv1.weight` belongs to `optimizer.square.layer1.0`. */
function groupOf(name: string): string {
  return /^(optimizer\.\w+\.)?(branch\.\w+\.)?\w+(\.\w+(?=\.))?/.exec(name)![0];
}

/** Of names, shapes and values of every checkpoint, whatever else stands in its header; to be compared on one machine. */
async function hashesIn(folder: string): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const file of checkpointsIn(folder)) {
    const { tensors } = await readCheckpoint(join(folder, file));
    const hash = createHash("sha256");
    for (const name of [...tensors.keys()].sort()) {
      const { shape, data } = tensors.get(name)!;
      hash.update(`${name} ${shape.join(",")}\n`);
      hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
    hashes[file] = hash.digest("hex");
  }
  return hashes;
}

/** An outcome without keys that `expected.json` does not have: later builds may say more. */
function known(outcome: Outcome, name: string): unknown {
  const path = join(fixtureFolder(name), "expected.json");
  return existsSync(path) ? common(outcome, JSON.parse(readFileSync(path, "utf8"))) : outcome;
}

function common(found: unknown, wanted: unknown): unknown {
  if (typeof found !== "object" || typeof wanted !== "object" || found === null || wanted === null) return found;
  if (Array.isArray(found)) return found.map((value, i) => common(value, (wanted as unknown[])[i]));
  const keys = Object.keys(wanted).filter((key) => key in found);
  return Object.fromEntries(keys.map((key) => [key, common(found[key as keyof object], wanted[key as keyof object])]));
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
