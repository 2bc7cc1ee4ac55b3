/** What `medvox info` says of a file of weights; of safetensors only the header is read. */
import { namedWeights, readSafetensorsHeader, readWeightsFile } from "../../files/index.ts";
import { SEEN } from "../../train/index.ts";
import type { Outcome } from "../command.ts";

interface Contents {
  readonly tensors: readonly { readonly name: string; readonly dtype: string; readonly shape: readonly number[] }[];
  readonly bytes: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** What stands among them and is not read, by name. */
  readonly unreadable: ReadonlyMap<string, string>;
}

export async function describeWeights(given: string): Promise<Outcome> {
  const bundled = namedWeights(given);
  const path = bundled ?? given;
  const { tensors, bytes, metadata, unreadable } = /\.safetensors$/i.test(path)
    ? await ofSafetensors(path)
    : await ofTorch(path);
  const values = tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const names = tensors.map(({ name }) => printable(name));
  const width = Math.max(0, ...names.map((name) => name.length));
  const text = [
    bundled === undefined ? path : `${given}  ${path}`,
    `${tensors.length} tensors, ${values} values, ${(bytes / 1e6).toFixed(1)} MB`,
    ...Object.entries(metadata).map(([key, value]) => printable(`${key}: ${key === SEEN ? seenText(value) : value}`)),
    // What comes with medvox is described by its card.
    ...(bundled === undefined ? [""] : []),
    ...(bundled === undefined ? tensors : []).map(
      ({ dtype, shape }, i) => `${names[i].padEnd(width)}  ${dtype.padEnd(4)}  [${shape.join(", ")}]`,
    ),
    ...[...unreadable].map(([name, what]) => `${printable(name)}  not read: ${printable(what)}`),
  ];
  const document = { kind: "weights", path: given, tensors, values, bytes, metadata };
  const left = unreadable.size === 0 ? {} : { unreadable: Object.fromEntries(unreadable) };
  return { document: { ...document, ...left }, text: text.join("\n") };
}

/** How many images weights have learned from; which ones, only their hashes say. */
function seenText(value: string): string {
  const count = value.split(",").length;
  return `hashes of ${count} images that these weights have learned from`;
}

async function ofSafetensors(path: string): Promise<Contents> {
  const { entries, metadata, unreadable } = await readSafetensorsHeader(path);
  const tensors = entries.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
  return { tensors, bytes: entries.at(-1)?.to ?? 0, metadata, unreadable };
}

/** A PyTorch checkpoint is unpickled, which runs nothing of it. */
async function ofTorch(path: string): Promise<Contents> {
  const found = await readWeightsFile(path);
  const tensors = [...found].map(([name, { dtype, shape, data }]) => ({
    name,
    dtype,
    shape,
    bytes: data.byteLength,
  }));
  const bytes = tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
  return {
    tensors: tensors.map(({ bytes: _, ...tensor }) => tensor),
    bytes,
    metadata: {},
    unreadable: found.unreadable,
  };
}

/** A file's text on a terminal: control characters, which could move its cursor or worse, are shown as \x1b. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
