/** Runs of detection by their own names: what the frame does for every task, typed. */
import type { DetectionItem } from "../data/index.ts";
import type { DetectionSummary } from "../metrics/index.ts";
import {
  type BeginOptions,
  beginRun,
  type EvaluateOptions,
  type Evaluation,
  evaluateRun,
  folderStore,
  type ResumeOptions,
  readRunOf,
  resumeRun,
} from "../train/index.ts";
import type { DetectionRequest } from "./run/config.ts";
import type { DetectionRun } from "./run/data.ts";
import type { DetectionScore } from "./run/report.ts";
import { detection } from "./run/task.ts";

/** Trains a detector. @throws as {@link beginRun} */
export function trainDetector(request: DetectionRequest, options: BeginOptions): Promise<DetectionRun> {
  return beginRun(detection, request, options);
}

/** Goes on with a detection that was stopped. */
export async function resumeDetector(folder: string, options: ResumeOptions = {}): Promise<DetectionRun> {
  return resumeRun({ task: detection, run: await readDetectionRun(folder) }, options);
}

/** Scores a detection. @throws as {@link evaluateRun} */
export async function evaluateDetectionRun(
  folder: string,
  options: EvaluateOptions & { readonly cases?: readonly DetectionItem[] } = {},
): Promise<Evaluation<DetectionScore, DetectionSummary>> {
  return evaluateRun({ task: detection, run: await readDetectionRun(folder) }, options);
}

/** Reads a detection's run. @throws ConfigError if the folder is none */
export function readDetectionRun(folder: string): Promise<DetectionRun> {
  return readRunOf(folderStore(folder), detection);
}
