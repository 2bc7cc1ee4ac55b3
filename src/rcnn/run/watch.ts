/** What a detector's training is watched by: loss and average precision of images it does not learn from. */
import {
  type CaseCache,
  type DetectionItem,
  type DetectionLoader,
  preparedPictures,
  preparedVolumes,
  type WholeItems,
} from "../../data/index.ts";
import { type DetectionImage, evaluateDetection, meanOf } from "../../metrics/index.ts";
import type { ValidationResult } from "../../train/index.ts";
import type { Detector } from "../detect/detector.ts";
import { type OpenedImage, pictureFor, preparedFor } from "../detect/images.ts";
import { scoredImage } from "../detect/scores.ts";
import { detectWhole } from "../detect/tiles.ts";
import type { CurrentDetector } from "../training/phases.ts";
import type { Phase } from "../training/schedule.ts";
import { trainingImages } from "./batches.ts";
import type { DetectionPlan } from "./data.ts";

/** Images as a detector takes them, in the list's order, made by workers. */
export interface WatchedImages {
  all(): AsyncGenerator<OpenedImage, void, undefined>;
  close(): Promise<void>;
}

/** @param plan says which images a detector takes */
export function openWatched(
  plan: DetectionPlan,
  options: {
    readonly items: readonly DetectionItem[];
    readonly workers?: number;
    readonly cache?: CaseCache;
    readonly signal?: AbortSignal;
  },
): WatchedImages {
  async function* opened<Source>(whole: WholeItems<Source>, open: (source: Source) => OpenedImage) {
    for await (const source of whole.all()) yield open(source);
  }
  if (plan.axes === 2) {
    const pictures = preparedPictures(options);
    return { all: () => opened(pictures, (picture) => pictureFor(picture, plan)), close: pictures.close };
  }
  const volumes = preparedVolumes({ ...options, prepare: plan.prepare! });
  return { all: () => opened(volumes, preparedFor), close: volumes.close };
}

export interface WatchOptions {
  readonly phase: Phase;
  readonly plan: DetectionPlan;
  readonly items: readonly DetectionItem[];
  /** The same images, whole. */
  readonly images: WatchedImages;
  /** The same images as the network trains on them. */
  readonly loader: DetectionLoader;
  readonly signal?: AbortSignal;
}

/**
 * Mean loss over the watched images, and their average precision: at IoU 0.5, in 3D at 0.1. Where the RPN is trained alone, that of
 * its proposals, all classes taken as one.
 */
export async function watch(current: CurrentDetector, options: WatchOptions): Promise<ValidationResult> {
  const { phase, plan, items, images: watched, loader, signal } = options;
  const losses: number[] = [];
  for await (const batch of loader.batches(0)) {
    signal?.throwIfAborted();
    losses.push(await current.loss(trainingImages(batch, loader.canvas)));
  }
  const proposes = phase.part === "rpn";
  const classes = proposes ? ["object"] : plan.classes.map(({ name }) => name);
  const detector = await current.detector();
  try {
    const images: DetectionImage[] = [];
    for await (const opened of watched.all()) {
      signal?.throwIfAborted();
      const item = items[images.length];
      images.push(await (proposes ? proposedImage : detectedImage)(detector, item, opened, plan));
    }
    const summary = evaluateDetection(images, { axes: plan.axes, classes });
    const at = plan.axes === 2 ? "ap50" : "ap10";
    return {
      loss: meanOf(losses) ?? Number.NaN,
      score: summary[at] ?? 0,
      details: Object.fromEntries(summary.classes.map((one) => [one.name, one[at] ?? null])),
    };
  } finally {
    await detector.close();
  }
}

async function detectedImage(
  detector: Detector,
  item: DetectionItem,
  opened: OpenedImage,
  plan: DetectionPlan,
): Promise<DetectionImage> {
  const { found } = await detectWhole(detector, opened.input, { canvas: plan.canvas });
  return scoredImage(item, opened.back(found));
}

/** Proposals as detections of the one class there then is. */
async function proposedImage(
  detector: Detector,
  item: DetectionItem,
  opened: OpenedImage,
  { axes }: DetectionPlan,
): Promise<DetectionImage> {
  const [{ boxes, scores }] = await detector.propose([opened.input]);
  const found = {
    axes,
    boxes,
    scores,
    labels: new Int32Array(scores.length),
  };
  return scoredImage({ ...item, labels: item.labels.map(() => 0) }, opened.back(found));
}
