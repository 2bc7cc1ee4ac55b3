/** A detector that is trained, or gone on with, by a recipe; in a folder of its own. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import {
  type DetectionRequest,
  type DetectionRun,
  readDetectionRun,
  resolveDetectionConfig,
  resumeDetector,
  trainDetector,
} from "../../src/rcnn/index.ts";
import type { RunEvents } from "../../src/train/index.ts";

export interface DetectionMeasureOptions {
  /** Folder of the data set, relative to the repository. */
  readonly data: string;
  /** File of the recipe. */
  readonly recipe: string;
  /** Folder of the runs. */
  readonly out: string;
  readonly fresh: boolean;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** @throws Error where the folder holds a run of another recipe */
export async function trainedDetector(
  request: DetectionRequest,
  run: string,
  {
    fresh,
    signal,
    command,
    onEpoch,
  }: Pick<DetectionMeasureOptions, "fresh" | "signal"> & Pick<RunEvents, "onEpoch"> & { readonly command: string },
): Promise<DetectionRun> {
  const config = resolveDetectionConfig(request);
  const options = { signal, command, onEpoch };
  if (!existsSync(join(run, "run.json")) || fresh) return trainDetector(request, { out: run, force: true, ...options });
  if (!isDeepStrictEqual((await readDetectionRun(run)).record.config, JSON.parse(JSON.stringify(config))))
    throw new Error(`${run}: holds a run of another recipe; --fresh replaces it, --out names another folder`);
  return resumeDetector(run, options);
}
