/** Runs of Med3D by their own names: what the frame does for every task, typed for segmentation, classification and pre-training. */
import { readFile, stat } from "node:fs/promises";
import type { DataCase } from "../data/index.ts";
import { ConfigError } from "../errors.ts";
import type { CaseScores, ClassificationSummary, SegmentationSummary } from "../metrics/index.ts";
import {
  type BeginOptions,
  beginRun,
  type EvaluateOptions,
  type Evaluation,
  evaluateRun,
  folderStore,
  membersOf,
  type ResumeOptions,
  readRunOf,
  resumeRun,
  type Source,
} from "../train/index.ts";
import type { ClassificationRequest } from "./classification/config.ts";
import { type Classifier, type ClassifierOptions, openClassifierOf } from "./classification/prediction/classifier.ts";
import type { ClassificationScore, ScoredCase } from "./classification/scores.ts";
import type { ClassificationRun } from "./classification/session.ts";
import { classification } from "./classification/task.ts";
import type { PretrainingRequest } from "./pretraining/config.ts";
import type { PretrainingRun } from "./pretraining/session.ts";
import { pretraining } from "./pretraining/task.ts";
import type { SegmentationRequest } from "./segmentation/config.ts";
import type { SegmentationDecoder } from "./segmentation/network/network.ts";
import type { SegmenterParts } from "./segmentation/prediction/models.ts";
import {
  openSegmenterOf,
  type Segmenter,
  type SegmenterOptions,
  type SegmenterSource,
} from "./segmentation/prediction/segmenter.ts";
import { type SegmentationRun, withDecoder } from "./segmentation/session.ts";
import { segmentation, segmentationTask } from "./segmentation/task.ts";

/** Which weights of a run are opened; default: as the run says. */
/** Which of a run's two checkpoints is opened. */
export interface CheckpointChoice {
  readonly use?: "last" | "best";
}

/** What a segmentation of a decoder of one's own needs. */
export interface CustomDecoderOptions {
  /** The decoder of a run whose `decoder` is `custom`: a function cannot be written down, so it is given again every time. */
  readonly decoder?: SegmentationDecoder;
}

/**
 * Trains a segmentation; with `decoder`, one whose scores a function of one's own builds from the encoder's features.
 * @throws as {@link beginRun}; ConfigError for a `decoder` beside one that the request names
 */
export async function trainSegmentation(
  request: SegmentationRequest,
  { decoder, ...options }: BeginOptions & CustomDecoderOptions,
): Promise<SegmentationRun> {
  const { decoder: named = "custom" } = request;
  if (decoder === undefined) return beginRun(segmentation, request, options);
  if (named !== "custom")
    throw new ConfigError(`decoder: ${named} is named, and a function is given; leave one of them out`);
  return beginRun(segmentationTask(decoder), { ...request, decoder: named }, options);
}

/** Goes on with a segmentation that was stopped. */
export async function resumeSegmentation(
  folder: string,
  { decoder, ...options }: ResumeOptions & CustomDecoderOptions = {},
): Promise<SegmentationRun> {
  const task = segmentationTask(decoder);
  const run: SegmentationRun = await readRunOf(folderStore(folder), task);
  return resumeRun({ task, run }, options);
}

/** Scores a segmentation. @throws as {@link evaluateRun} */
export async function evaluateSegmentationRun(
  folder: string,
  { decoder, ...options }: EvaluateOptions & CustomDecoderOptions & { readonly cases?: readonly DataCase[] } = {},
): Promise<Evaluation<CaseScores, SegmentationSummary>> {
  const task = segmentationTask(decoder);
  const run: SegmentationRun = await readRunOf(folderStore(folder), task);
  return evaluateRun({ task, run }, options);
}

/**
 * Opens a segmentation for predicting: a run's folder (its folds together), a `model.onnx`, or weights and a network. Several are one
 * ensemble: their probabilities are averaged on the image's own grid.
 *
 * ```ts
 * await using segmenter = await openSegmenter("runs/mine");
 * await segmenter.predictFile("scan.nii.gz", "mask.nii.gz", { signal, onProgress: ({ share }) => console.log(share) });
 * ```
 * @throws ConfigError or DataError if a path is none of these, or several do not fit together; WeightsError for weights that are not the
 * network's
 */
export async function openSegmenter(
  source: string | SegmenterParts | readonly (string | SegmenterParts)[],
  { use, decoder, ...options }: SegmenterOptions & CheckpointChoice & CustomDecoderOptions = {},
): Promise<Segmenter> {
  const sources: SegmenterSource[] = [];
  for (const [i, one] of [source].flat().entries()) {
    if (typeof one !== "string") sources.push({ name: `network ${i + 1}`, parts: one });
    else sources.push({ name: one, source: await knownSource(one, use, decoder) });
  }
  if (sources.length === 0) throw new ConfigError("openSegmenter: no run or model is named; at least one is needed");
  return openSegmenterOf(sources, options);
}

async function knownSource(
  path: string,
  use: "last" | "best" | undefined,
  decoder: SegmentationDecoder | undefined,
): Promise<Source<SegmentationRun>> {
  const found = await sourceOf<SegmentationRun>(path, segmentation, use);
  if (!("run" in found)) return found;
  const { run, members } = found;
  return { ...found, run: withDecoder(run, decoder), members: members.map((one) => withDecoder(one, decoder)) };
}

/** Trains a classifier. @throws as {@link beginRun} */
export function trainClassification(request: ClassificationRequest, options: BeginOptions): Promise<ClassificationRun> {
  return beginRun(classification, request, options);
}

/** Goes on with a classification that was stopped. */
export async function resumeClassification(folder: string, options: ResumeOptions = {}): Promise<ClassificationRun> {
  const run: ClassificationRun = await readRunOf(folderStore(folder), classification);
  return resumeRun({ task: classification, run }, options);
}

/** Scores a classification. @throws as {@link evaluateRun} */
export async function evaluateClassificationRun(
  folder: string,
  options: EvaluateOptions & { readonly cases?: readonly ScoredCase[] } = {},
): Promise<Evaluation<ClassificationScore, ClassificationSummary>> {
  const run: ClassificationRun = await readRunOf(folderStore(folder), classification);
  return evaluateRun({ task: classification, run }, options);
}

/**
 * Opens a classifier for predicting: a run's folder, all its networks together, or a `model.onnx`.
 * @throws ConfigError or DataError if the path is none of these
 */
export async function openClassifier(
  path: string,
  { use, ...options }: ClassifierOptions & CheckpointChoice = {},
): Promise<Classifier> {
  return openClassifierOf(await sourceOf<ClassificationRun>(path, classification, use), options);
}

/** Trains one encoder on many data sets. @throws as {@link beginRun} */
export function pretrain(request: PretrainingRequest, options: BeginOptions): Promise<PretrainingRun> {
  return beginRun(pretraining, request, options);
}

/** Goes on with a pre-training that was stopped. */
export async function resumePretraining(folder: string, options: ResumeOptions = {}): Promise<PretrainingRun> {
  const run: PretrainingRun = await readRunOf(folderStore(folder), pretraining);
  return resumeRun({ task: pretraining, run }, options);
}

/** Scores a branch of a pre-training as the segmentation it is. @throws as {@link evaluateRun} */
export async function evaluateBranch(
  folder: string,
  set: string | undefined,
  options: EvaluateOptions = {},
): Promise<Evaluation<CaseScores, SegmentationSummary>> {
  const run: PretrainingRun = await readRunOf(folderStore(folder), pretraining);
  return evaluateRun({ task: pretraining, run }, { ...options, set });
}

async function sourceOf<R>(
  path: string,
  task: typeof segmentation | typeof classification,
  use: "last" | "best" | undefined,
): Promise<Source<R>> {
  const isFile = (await stat(path).catch(() => undefined))?.isFile() ?? false;
  if (isFile) return { model: await readFile(path), path };
  const run = await readRunOf(folderStore(path), task);
  const members = (await membersOf({ task, run })).map((member) => member.run as R);
  return { run: run as R, members, use };
}
