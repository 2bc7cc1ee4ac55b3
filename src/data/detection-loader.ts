/**
 * Batches for a detector, made in worker threads: pictures on one canvas, or windows of volumes, with their boxes.
 *
 * The result is a function of the seed, the epoch and the step, not of the number of workers. Files are read once and kept in
 * memory that all workers share, up to `cacheBytes`. Boxes that are no good never come here: opening the data set left them
 * out.
 */
import {
  type Augmentation,
  type BoxShape,
  lesionBoxAugmentation,
  type PictureAugmentation,
  type PicturePreparation,
  pictureAugmentations,
  resolveAugmentation,
} from "../augment/index.ts";
import { ConfigError } from "../errors.ts";
import { spawnWorker } from "../threads.ts";
import { createBatchQueue } from "./batch-queue.ts";
import type { DetectionItem } from "./detection.ts";
import {
  axisNames,
  bytesOfSource,
  type DetectionBatchAnswer,
  type DetectionBatchImage,
  type DetectionBatchTask,
  type DetectionInput,
  type DetectionSource,
  type DetectionWorkerSetup,
} from "./detection-loader-messages.ts";
import { canvasFor, type VolumePreparation } from "./detection-prepare.ts";
import { caseOrder } from "./order.ts";
import { sortById } from "./split.ts";

interface CommonOptions {
  readonly items: readonly DetectionItem[];
  readonly batch: number;
  readonly seed: number;
  /** Threads that prepare batches. Default 1. */
  readonly workers?: number;
  /** Batches prepared ahead. Default workers + 1. */
  readonly prefetch?: number;
  /** Default: enough to see every item once, the last batch filled up with further items. */
  readonly stepsPerEpoch?: number;
  /** A new order every epoch. Default true. */
  readonly shuffle?: boolean;
  /** Memory for files. Default: a quarter of what the machine has free, at least 512 MiB. */
  readonly cacheBytes?: number;
  readonly signal?: AbortSignal;
}

export interface PictureLoaderOptions extends CommonOptions {
  readonly axes: 2;
  readonly prepare: PicturePreparation;
  /** Default `"flip"`. */
  readonly augmentation?: keyof typeof pictureAugmentations | PictureAugmentation;
  /** Width and height of the input; default: what holds every picture, see `canvasFor`. */
  readonly canvas?: readonly [width: number, height: number];
}

export interface VolumeLoaderOptions extends CommonOptions {
  readonly axes: 3;
  readonly prepare: VolumePreparation;
  /** Default: made for lesions, which have no pose. */
  readonly augmentation?: Augmentation;
  /** Width, height and depth of the windows. */
  readonly canvas: readonly [width: number, height: number, depth: number];
  /** How often a window holds an object, where there is one. Default 0.5. */
  readonly objectProbability?: number;
  /** Where windows are cut. Default `"random"`. */
  readonly crop?: "random" | "centre";
  /** What boxes are taken to hold under oblique turns. Default `"ellipsoid"`. */
  readonly shape?: BoxShape;
  /** What volumes have beyond their edge. Default 0. */
  readonly fill?: number;
}

export type DetectionLoaderOptions = PictureLoaderOptions | VolumeLoaderOptions;

export interface DetectionBatch {
  /** `[N, C, H, W]` or `[N, C, D, H, W]`. */
  readonly input: Float32Array;
  readonly images: readonly DetectionBatchImage[];
  readonly epoch: number;
  readonly step: number;
  /** How long the consumer waited for this batch. */
  readonly waitedMs: number;
}

export interface DetectionLoader {
  readonly stepsPerEpoch: number;
  /** Input size: x, y, (z). */
  readonly canvas: readonly number[];
  readonly channels: number;
  /**
   * The batches of an epoch from a step on. One epoch is read at a time.
   * @throws DataError where an item cannot be prepared or a worker died; the abort reason after an abort
   */
  batches(epoch: number, fromStep?: number): AsyncGenerator<DetectionBatch, void, undefined>;
  close(): Promise<void>;
}

/** @throws ConfigError for options that make no sense */
export function createDetectionLoader(options: DetectionLoaderOptions): DetectionLoader {
  const { batch, seed, axes, shuffle = true, workers = 1, prefetch = workers + 1, signal } = options;
  const { cacheBytes = Math.max(2 ** 29, process.availableMemory() / 4) } = options;
  signal?.throwIfAborted();
  const items = sortById(options.items);
  if (items.length === 0) throw new ConfigError("loader: items: expected at least one");
  const stepsPerEpoch = options.stepsPerEpoch ?? Math.ceil(items.length / batch);
  for (const [name, value] of Object.entries({ batch, workers, prefetch, stepsPerEpoch })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new ConfigError(`loader: ${name}: expected 1 or more, got ${value}`);
    }
  }
  const canvas = options.axes === 2 ? (options.canvas ?? canvasFor(items, options.prepare)) : options.canvas;
  if (canvas.length !== axes || !canvas.every((n) => Number.isInteger(n) && n > 0)) {
    throw new ConfigError(`loader: canvas: expected ${axisNames(axes)}, each 1 or more; got ${canvas.join(",")}`);
  }
  const { channels } = options.prepare;
  const order = caseOrder(items.length, seed, shuffle);
  const cache = new Map<number, DetectionSource>();
  let cachedBytes = 0;
  const setup = { input: inputOf(options), canvas, channels, batch, seed };
  const queue = createBatchQueue<DetectionBatchTask, DetectionBatchAnswer>({
    start: (working) =>
      spawnWorker(import.meta.url, "./detection-loader-worker", { ...setup, working } satisfies DetectionWorkerSetup),
    workers,
    prefetch,
    signal,
    nameOf: (index) => items[index].id,
    taskAt: (n) => {
      const epoch = Math.floor(n / stepsPerEpoch);
      const first = (n % stepsPerEpoch) * batch;
      return {
        epoch,
        items: Array.from({ length: batch }, (_, i) => {
          const index = order(epoch, first + i);
          return { index, item: items[index], position: first + i, cached: cache.get(index) };
        }),
      };
    },
    onAnswer: ({ prepared }) => {
      for (const { index, source } of prepared) {
        if (cache.has(index) || cachedBytes + bytesOfSource(source) > cacheBytes) continue;
        cache.set(index, source);
        cachedBytes += bytesOfSource(source);
      }
    },
  });
  let reading = 0;
  async function* batches(epoch: number, fromStep = 0): AsyncGenerator<DetectionBatch, void, undefined> {
    const mine = ++reading;
    for (let step = fromStep; step < stepsPerEpoch; step++) {
      if (mine !== reading) throw new ConfigError("loader: another epoch was asked for while this one was being read");
      const started = performance.now();
      const { input, images } = await queue.take(epoch * stepsPerEpoch + step);
      yield { input, images, epoch, step, waitedMs: performance.now() - started };
    }
  }
  return { stepsPerEpoch, canvas, channels, batches, close: () => queue.close() };
}

function inputOf(options: DetectionLoaderOptions): DetectionInput {
  if (options.axes === 2) {
    const { prepare, augmentation = "flip" } = options;
    const resolved = typeof augmentation === "string" ? pictureAugmentations[augmentation] : augmentation;
    if (resolved === undefined) {
      const known = Object.keys(pictureAugmentations).join(", ");
      throw new ConfigError(`augmentation: "${String(augmentation)}" is no preset; there are ${known}`);
    }
    return { axes: 2, prepare, augmentation: resolved };
  }
  const { prepare, objectProbability = 0.5, shape = "ellipsoid", crop = "random", fill = 0 } = options;
  const augmentation = resolveAugmentation(options.augmentation ?? lesionBoxAugmentation);
  return { axes: 3, prepare, augmentation, objectProbability, shape, crop, fill };
}
