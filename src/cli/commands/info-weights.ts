/** What `medvox info` says of a safetensors file; only its header is read. */
import { readSafetensorsHeader } from "../../files/index.ts";
import type { Outcome } from "../command.ts";

export async function describeWeights(path: string): Promise<Outcome> {
  const { entries, metadata } = await readSafetensorsHeader(path);
  const tensors = entries.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
  const values = tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const bytes = entries.at(-1)?.to ?? 0;
  const names = tensors.map(({ name }) => printable(name));
  const width = Math.max(0, ...names.map((name) => name.length));
  const text = [
    path,
    `${tensors.length} tensors, ${values} values, ${(bytes / 1e6).toFixed(1)} MB`,
    ...Object.entries(metadata).map(([key, value]) => printable(`${key}: ${value}`)),
    "",
    ...tensors.map(({ dtype, shape }, i) => `${names[i].padEnd(width)}  ${dtype.padEnd(4)}  [${shape.join(", ")}]`),
  ];
  return { document: { kind: "weights", path, tensors, values, bytes, metadata }, text: text.join("\n") };
}

/** A file's text on a terminal: control characters, which could move its cursor or worse, are shown as \x1b. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
