/**
 * Batches for a detector: pictures on one canvas, or windows of volumes, with their boxes; and whole pictures and volumes, to
 * watch a training by. Boxes that are no good never come here: opening the data set left them out.
 */
import {
  type Augmentation,
  type BoxShape,
  lesionBoxAugmentation,
  type PictureAugmentation,
  type PicturePreparation,
  pictureAugmentations,
  resolveAugmentation,
} from "../../augment/index.ts";
import { ConfigError } from "../../errors.ts";
import type { Image2d } from "../../images/index.ts";
import type { DetectionItem } from "../boxes/detection.ts";
import { canvasFor, type PreparedBoxVolume, type VolumePreparation } from "../boxes/prepare.ts";
import { sortById } from "../plan/split.ts";
import type { CaseCache } from "./cache.ts";
import { type Loader, startLoader } from "./loader.ts";
import type { Mapper } from "./mapper.ts";
import { startWhole, type WholeItems } from "./whole.ts";

/** What a loader of images with boxes takes, whether it yields training or watched images. */
export interface DetectionLoaderBaseOptions {
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
  /** Memory that batches and watched images share; instead of `cacheBytes`. */
  readonly cache?: CaseCache;
  readonly signal?: AbortSignal;
}

export interface PictureLoaderOptions extends DetectionLoaderBaseOptions {
  readonly axes: 2;
  readonly prepare: PicturePreparation;
  /** Default `"flip"`. */
  readonly augmentation?: keyof typeof pictureAugmentations | PictureAugmentation;
  /** Width and height of the input; default: what holds every picture, see `canvasFor`. */
  readonly canvas?: readonly [width: number, height: number];
}

export interface VolumeLoaderOptions extends DetectionLoaderBaseOptions {
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

export interface DetectionLoader extends Loader<DetectionBatch> {
  /** Input size: x, y, (z). */
  readonly canvas: readonly number[];
  readonly channels: number;
}

/** The objects of one image of a batch. */
export interface DetectionBatchImage {
  readonly id: string;
  /** The part of the canvas that is image: x, y, (z). The rest is 0. */
  readonly size: readonly number[];
  /** `[R, 2·axes]` in pixels or voxels of the canvas. */
  readonly boxes: Float32Array;
  /** `[R]`, classes from 0. */
  readonly labels: Int32Array;
  /** `[R]`: 1 for difficult objects, 2 for crowds, which are neither objects nor background; else 0. */
  readonly ignored: Uint8Array;
}

/** The part of a loader's settings that depends on the dimension. */
export type DetectionInput =
  | {
      readonly axes: 2;
      readonly prepare: PicturePreparation;
      readonly augmentation: PictureAugmentation;
    }
  | {
      readonly axes: 3;
      readonly prepare: VolumePreparation;
      readonly augmentation: Augmentation;
      readonly objectProbability: number;
      readonly shape: BoxShape;
      readonly crop: "random" | "centre";
      readonly fill: number;
    };

/** How images are read: a picture as it is, a volume onto its working grid. */
export type DetectionReading = { readonly axes: 2 } | { readonly axes: 3; readonly prepare: VolumePreparation };

/** What a worker is told that makes images ready. */
export interface DetectionSetup {
  readonly reading: DetectionReading;
  /** Absent where whole images are wanted. */
  readonly windows?: {
    readonly input: DetectionInput;
    /** x, y, (z). */
    readonly canvas: readonly number[];
    readonly channels: number;
    readonly batch: number;
    readonly seed: number;
  };
}

/** An item's file in memory that all threads share. */
export type DetectionSource = Image2d | PreparedBoxVolume;

/** What a worker makes of a task. */
export type DetectionMade = Pick<DetectionBatch, "input" | "images">;

/** @throws ConfigError for options that make no sense */
export function createDetectionLoader(options: DetectionLoaderOptions): DetectionLoader {
  const { batch, seed, axes } = options;
  if (options.items.length === 0) throw new ConfigError("loader: items: expected at least one");
  const items = sortById(options.items);
  const canvas = options.axes === 2 ? (options.canvas ?? canvasFor(items, options.prepare)) : options.canvas;
  if (canvas.length !== axes || !canvas.every((n) => Number.isInteger(n) && n > 0)) {
    const wanted = axes === 2 ? "width,height" : "width,height,depth";
    throw new ConfigError(`loader: canvas: expected ${wanted}, each 1 or more; got ${canvas.join(",")}`);
  }
  const { channels } = options.prepare;
  const windows = { input: inputOf(options), canvas, channels, batch, seed };
  const loader = startLoader<DetectionItem, DetectionMade, DetectionBatch>(
    {
      ...detectionItems(items, { reading: options, windows }),
      batch,
      buffers: [4 * batch * channels * canvas.reduce((a, b) => a * b, 1)],
      batchOf: ({ input, images }, { epoch, step, waitedMs }) => ({ input, images, epoch, step, waitedMs }),
    },
    options,
  );
  return { ...loader, canvas, channels };
}

export interface PreparedImagesOptions {
  readonly items: readonly DetectionItem[];
  /** Threads that read images. Default 1. */
  readonly workers?: number;
  /** Images prepared ahead. Default: as many as workers. */
  readonly prefetch?: number;
  /** Memory for images. Default: a quarter of what the machine has free, at least 512 MiB. */
  readonly cacheBytes?: number;
  /** Memory that batches and watched images share; instead of `cacheBytes`. */
  readonly cache?: CaseCache;
  readonly signal?: AbortSignal;
}

/** Whole pictures, in the order of the list, read by workers; as {@link preparedCases}. */
export function preparedPictures(options: PreparedImagesOptions): WholeItems<Image2d> {
  return startWhole(detectionItems(options.items, { reading: { axes: 2 } }), options);
}

/** Whole volumes on their working grid, in the order of the list, made by workers; as {@link preparedCases}. */
export function preparedVolumes(
  options: PreparedImagesOptions & { readonly prepare: VolumePreparation },
): WholeItems<PreparedBoxVolume> {
  const { items, prepare } = options;
  return startWhole(detectionItems(items, { reading: { axes: 3, prepare } }), options);
}

/** What all that is made of detection images has in common. */
function detectionItems(
  items: readonly DetectionItem[],
  { reading, windows }: DetectionSetup,
): Pick<Mapper<DetectionItem, never, never>, "items" | "worker" | "keyOf" | "filesOf"> {
  const { axes } = reading;
  const setup: DetectionSetup = {
    reading: axes === 2 ? { axes } : { axes, prepare: reading.prepare },
    windows,
  };
  return {
    items,
    worker: { url: import.meta.url, stem: "./boxes-worker", setup },
    // A volume's boxes are brought to its working grid with it.
    keyOf: ({ id, image, boxes, size }) => JSON.stringify([setup.reading, id, image, axes === 3 ? [...boxes] : size]),
    filesOf: ({ image }) => (axes === 3 ? [image] : []),
  };
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
