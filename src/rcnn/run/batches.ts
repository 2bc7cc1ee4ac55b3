/** From a run's images to the batches that a detector learns from or is watched by. */
import type {
  CaseCache,
  DetectionBatch,
  DetectionItem,
  DetectionLoader,
  DetectionLoaderOptions,
} from "../../data/index.ts";
import type { ImageSource } from "../training/phases.ts";
import type { TrainingImages } from "../training/training.ts";
import { pictureAugmentationOf, volumeAugmentationOf } from "./config.ts";
import type { DetectionPlan, DetectionRun } from "./data.ts";

/** Validation images come one by one, unchanged, the same windows of volumes in every epoch. */
export function loaderOptions(
  { config }: DetectionRun["record"],
  { axes, detector, canvas, prepare }: DetectionPlan,
  items: readonly DetectionItem[],
  use: "training" | "validation",
  cache?: CaseCache,
): DetectionLoaderOptions {
  const training = use === "training";
  const common = {
    items,
    cache,
    batch: training ? config.batch : 1,
    seed: config.seed,
    workers: training ? config.workers : 1,
    stepsPerEpoch: training ? (config.stepsPerEpoch ?? undefined) : items.length,
    shuffle: training,
  };
  if (axes === 3) {
    const { objectProbability } = config;
    return {
      ...common,
      axes,
      prepare: prepare!,
      canvas: canvas as [number, number, number],
      augmentation: training ? volumeAugmentationOf(config) : {},
      objectProbability: training ? objectProbability : 1,
    };
  }
  const { minSide, maxSide, mean, deviation } = detector.input;
  const channels = detector.channels as 1 | 3;
  return {
    ...common,
    axes,
    canvas: canvas as [number, number],
    prepare: {
      shortSide: minSide![0],
      longSide: maxSide!,
      channels,
      mean: mean.length > 0 ? mean : new Array<number>(channels).fill(0),
      std: deviation.length > 0 ? deviation : new Array<number>(channels).fill(1),
    },
    augmentation: training ? pictureAugmentationOf(config) : "none",
  };
}

/** What the schedule's phases learn from. @param images of a batch */
export function imageSource(loader: DetectionLoader, images: number): ImageSource {
  return {
    stepsPerEpoch: loader.stepsPerEpoch,
    images,
    size: loader.canvas,
    batches: async function* (epoch, fromStep) {
      for await (const batch of loader.batches(epoch, fromStep))
        yield {
          images: trainingImages(batch, loader.canvas),
          cases: batch.images.map(({ id }) => id),
          waitedMs: batch.waitedMs,
        };
    },
  };
}

/** Difficult objects and crowds are neither objects nor background. */
export function trainingImages({ input, images }: DetectionBatch, canvas: readonly number[]): TrainingImages {
  const width = 2 * canvas.length;
  return {
    data: input,
    size: canvas,
    sizes: images.map(({ size }) => size),
    truth: images.map(({ boxes, labels, ignored }) => {
      const those = (kind: number): number[] => Array.from(labels.keys()).filter((i) => ignored[i] === kind);
      const boxesOf = (rows: readonly number[]): Float32Array =>
        Float32Array.from(rows.flatMap((i) => [...boxes.subarray(i * width, (i + 1) * width)]));
      const objects = those(0);
      return {
        boxes: boxesOf(objects),
        labels: Int32Array.from(objects, (i) => labels[i]),
        difficult: boxesOf(those(1)),
        crowds: boxesOf(those(2)),
      };
    }),
  };
}
