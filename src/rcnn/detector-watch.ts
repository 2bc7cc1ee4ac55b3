/** What a detector's training is watched by: loss and average precision of images it does not learn from. */
import { scaleBoxes } from "../boxes/index.ts";
import type { DetectionItem, DetectionLoader } from "../data/index.ts";
import { type DetectionImage, evaluateDetection, meanOf } from "../metrics/index.ts";
import type { ValidationResult } from "../train/index.ts";
import type { Detector } from "./detector.ts";
import { trainingImages } from "./detector-batches.ts";
import { openImage } from "./detector-images.ts";
import type { DetectionPlan } from "./detector-run.ts";
import { scoredImage } from "./detector-scores.ts";
import type { Phase } from "./schedule.ts";
import { detectWhole } from "./tiles.ts";
import type { CurrentDetector } from "./train-phases.ts";

export interface WatchOptions {
  readonly phase: Phase;
  readonly plan: DetectionPlan;
  readonly items: readonly DetectionItem[];
  /** The same images as the network trains on them. */
  readonly loader: DetectionLoader;
  readonly signal?: AbortSignal;
}

/**
 * Mean loss over the watched images, and their average precision: at IoU 0.5, in 3D at 0.1. Where the RPN is trained alone, that of
 * its proposals, all classes taken as one.
 */
export async function watch(current: CurrentDetector, options: WatchOptions): Promise<ValidationResult> {
  const { phase, plan, items, loader, signal } = options;
  const losses: number[] = [];
  for await (const batch of loader.batches(0)) losses.push(await current.loss(trainingImages(batch, loader.canvas)));
  const proposes = phase.part === "rpn";
  const classes = proposes ? ["object"] : plan.classes.map(({ name }) => name);
  const detector = await current.detector();
  try {
    const images: DetectionImage[] = [];
    for (const item of items) {
      signal?.throwIfAborted();
      images.push(await (proposes ? proposedImage : detectedImage)(detector, item, plan));
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

async function detectedImage(detector: Detector, item: DetectionItem, plan: DetectionPlan): Promise<DetectionImage> {
  const opened = await openImage(item, plan);
  const { found } = await detectWhole(detector, opened.input, { canvas: plan.canvas });
  return scoredImage(item, opened.back(found));
}

/** Proposals as detections of the one class there then is. */
async function proposedImage(detector: Detector, item: DetectionItem, plan: DetectionPlan): Promise<DetectionImage> {
  const { axes } = plan;
  const opened = await openImage(item, plan);
  const { proposals, sizes } = await detector.propose([opened.input]);
  const [{ boxes, scores }] = proposals;
  const factors = opened.input.size.map((length, axis) => length / sizes[0][axis]);
  const found = {
    axes,
    boxes: scaleBoxes(boxes, factors, axes),
    scores,
    labels: new Int32Array(scores.length).fill(1),
  };
  return scoredImage({ ...item, labels: item.labels.map(() => 0) }, opened.back(found));
}
