/**
 * The only file here that calls the program: `medvox train --resume`, `medvox evaluate` and `medvox export`, in this process, and its
 * readers of checkpoints and masks. Where those are renamed, this file changes, and no fixture does.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runCommandLine } from "../../src/cli/frame.ts";
import { commands } from "../../src/cli/table.ts";
import { readSafetensors, readVolume } from "../../src/files/index.ts";

/** Goes on with a run to its end. @returns what is said on the way */
export async function resume(folder: string): Promise<string> {
  return (await medvox("train", "--resume", folder)).said;
}

/** Scores a run. @param more further options @returns what `--json` prints */
export async function evaluate(folder: string, more: readonly string[] = []): Promise<Record<string, unknown>> {
  return (await medvox("evaluate", folder, "--threads", "1", ...more)).document;
}

/** Writes the `model.onnx` that a finished training leaves in its folder; only where one lies is a run taken for finished. */
export async function exportModel(folder: string): Promise<void> {
  const out = join(folder, "model.onnx");
  writeFileSync(out, "");
  await medvox("export", folder, "--format", "onnx", "--out", out, "--force");
}

/** Tensors by name, and the position in the training. */
export async function readCheckpoint(
  path: string,
): Promise<{ tensors: ReadonlyMap<string, { shape: readonly number[]; data: Float32Array }>; position: string }> {
  const { tensors, metadata } = await readSafetensors(path);
  const floats = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [name, { shape, data }] of tensors) floats.set(name, { shape, data: data as Float32Array });
  return { tensors: floats, position: metadata.position };
}

/** Voxels of a mask by label. */
export async function readMask(path: string): Promise<number[]> {
  return Array.from((await readVolume(path)).data, Number);
}

/** Where the build of the fixtures wrote what is now in `file` of a run's folder: a branch's scores lay beside its weights. */
export function formerFile(file: string): string {
  return file.replace(/^evaluations\//, "branches/");
}

async function medvox(...argv: string[]): Promise<{ document: Record<string, unknown>; said: string }> {
  let [stdout, stderr] = ["", ""];
  const status = await runCommandLine([...argv, "--json"], commands, {
    stdout: { write: (text: string) => void (stdout += text) },
    stderr: { write: (text: string) => void (stderr += text) },
    signal: new AbortController().signal,
  });
  if (status !== 0) throw new Error(`medvox ${argv.join(" ")} ended with status ${status}:\n${stderr}`);
  return { document: JSON.parse(stdout) as Record<string, unknown>, said: stderr };
}
