/** Runs of detection by their own names: what the frame does for every task, typed. */
import type { DetectionItem } from "../data/index.ts";
import { ConfigError } from "../errors.ts";
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
import { CUSTOM_HEAD, type RegionHead } from "./network/head.ts";
import type { DetectionRequest } from "./run/config.ts";
import type { DetectionRun } from "./run/data.ts";
import type { DetectionScore } from "./run/report.ts";
import { detection, detectionTask } from "./run/task.ts";

/** What a detector with a head of one's own needs. */
export interface CustomHeadOptions {
  /** The head of a run whose `detector.regions.head` is `custom`: a function cannot be written down, so it is given again every time. */
  readonly head?: RegionHead;
}

/**
 * Trains a detector; with `head`, one whose pooled regions a function of one's own turns into vectors.
 * @throws as {@link beginRun}; ConfigError for a `head` beside one that the request names
 */
export async function trainDetector(
  request: DetectionRequest,
  { head, ...options }: BeginOptions & CustomHeadOptions,
): Promise<DetectionRun> {
  if (head === undefined) return beginRun(detection, request, options);
  const { detector = {} } = request;
  const { regions } = detector as { readonly regions?: { readonly head?: unknown } };
  if (regions?.head !== undefined && regions.head !== CUSTOM_HEAD && regions.head !== head)
    throw new ConfigError(
      `detector.regions.head: ${typeof regions.head === "string" ? regions.head : "another"} is named, and a function is given (head); leave one of them out`,
    );
  const asked = { ...detector, regions: { ...regions, head: CUSTOM_HEAD } };
  return beginRun(detectionTask(head), { ...request, detector: asked }, options);
}

/** Goes on with a detection that was stopped. */
export async function resumeDetector(
  folder: string,
  { head, ...options }: ResumeOptions & CustomHeadOptions = {},
): Promise<DetectionRun> {
  return resumeRun({ task: detectionTask(head), run: await readDetectionRun(folder) }, options);
}

/** Scores a detection. @throws as {@link evaluateRun} */
export async function evaluateDetectionRun(
  folder: string,
  { head, ...options }: EvaluateOptions & CustomHeadOptions & { readonly cases?: readonly DetectionItem[] } = {},
): Promise<Evaluation<DetectionScore, DetectionSummary>> {
  return evaluateRun({ task: detectionTask(head), run: await readDetectionRun(folder) }, options);
}

/** Reads a detection's run. @throws ConfigError if the folder is none */
export function readDetectionRun(folder: string): Promise<DetectionRun> {
  return readRunOf(folderStore(folder), detection);
}
