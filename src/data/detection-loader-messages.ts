/** What the detection loader and its worker threads say to each other. Everything here survives a structured clone. */
import type { Augmentation, BoxShape, PictureAugmentation, PicturePreparation } from "../augment/index.ts";
import type { Axes } from "../boxes/index.ts";
import type { Image2d } from "../images/index.ts";
import type { DetectionItem } from "./detection.ts";
import type { PreparedBoxVolume, VolumePreparation } from "./detection-prepare.ts";

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

export interface DetectionWorkerSetup {
  readonly input: DetectionInput;
  /** x, y, (z). */
  readonly canvas: readonly number[];
  readonly channels: number;
  readonly batch: number;
  readonly seed: number;
  readonly working: Int32Array;
}

/** An item's file in memory that all threads share. */
export type DetectionSource = Image2d | PreparedBoxVolume;

export interface DetectionBatchTask {
  readonly epoch: number;
  readonly items: readonly {
    readonly index: number;
    readonly item: DetectionItem;
    /** Position in the epoch: names the random stream. */
    readonly position: number;
    readonly cached?: DetectionSource;
  }[];
}

export interface DetectionBatchAnswer {
  readonly input: Float32Array;
  readonly images: readonly DetectionBatchImage[];
  readonly prepared: readonly { readonly index: number; readonly source: DetectionSource }[];
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

export const bytesOfSource = (source: DetectionSource): number =>
  "width" in source ? source.data.byteLength : source.image.byteLength;

/** What an axis-count is written for in messages. */
export const axisNames = (axes: Axes): string => (axes === 2 ? "width,height" : "width,height,depth");
