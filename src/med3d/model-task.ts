/** Which task a run folder or an exported model is for. */
import { readFile, stat } from "node:fs/promises";
import { ConfigError } from "../errors.ts";
import { readOnnx } from "../graph/index.ts";
import { readAnyRun, type Task } from "./run-folder.ts";

/** @throws ConfigError or DataError for what is neither a run nor an ONNX model */
export async function modelTask(path: string): Promise<Task> {
  const isFile = (await stat(path).catch(() => undefined))?.isFile() ?? false;
  if (!isFile) return (await readAnyRun(path)).task;
  const { metadata } = readOnnx(await readFile(path), path);
  if (metadata.task === "detection")
    throw new ConfigError(`${path}: is an exported detector, for other programs; predict here with its run`);
  // Models that say nothing are left to the segmenter, which names what is missing.
  return metadata.task === "classification" ? "classification" : "segmentation";
}
