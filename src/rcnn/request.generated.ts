/** What a detection training is told. Written by `npm run reference`; a test fails where it differs from the schema. */
import type { DetectorChanges } from "./network/config.ts";

/** What a detection training is asked for: what has a default may be left out. */
export interface DetectionRequest {
  /** The data set. Segmentation: its folder or a list of cases. Classification: a folder with `labels.csv`, or a CSV, TSV or JSON list. Detection: Pascal VOC, COCO or YOLO; of volumes a CSV of findings, label maps or a `nodules.json`. */
  readonly data: string;
  /**
   * Of volumes: voxel size along x, y, z that all are resampled to. null: what `spacing` says of the training cases (segmentation), the median of the data set (classification), as scanned (detection).
   * @default null
   */
  readonly spacingMm?: readonly [number, number, number] | null;
  /**
   * Lowest and highest intensity (HU) of a CT window scaled to [0, 1]. null: what `intensity` says (segmentation), from the plan (classification), z-score of each volume (detection).
   * @default null
   */
  readonly window?: readonly [number, number] | null;
  /**
   * Preset or settings; null: `flip` for pictures, made for lesions for volumes.
   * @default null
   */
  readonly augmentation?: string | Readonly<Record<string, unknown>> | null;
  /**
   * SGD with momentum, AdamW (decoupled weight decay), or Adam.
   * @default "sgd"
   */
  readonly optimizer?: "sgd" | "adamW" | "adam";
  /**
   * Of the encoder (a detector's backbone); what stands on it has `newLayerRate` times as much. The schedule's factor goes over both. Above 0.
   * @default 0.005
   */
  readonly learningRate?: number;
  /**
   * Norms and biases are not decayed. At least 0.
   * @default 0.0001
   */
  readonly weightDecay?: number;
  /**
   * Of `sgd`. At least 0, at most 0.9999.
   * @default 0.9
   */
  readonly momentum?: number;
  /**
   * Epochs over which the learning rate rises to its full size, from a twentieth of it (detection: a thousandth); 0 for none. At least 0.
   * @default 1
   */
  readonly warmupEpochs?: number;
  /**
   * Joint norm above which gradients are scaled down; null for none. Above 0.
   * @default 10
   */
  readonly clipNorm?: number | null;
  /**
   * Passes over the training cases, or over `stepsPerEpoch` batches. A whole number, above 0.
   * @default 26
   */
  readonly epochs?: number;
  /**
   * Images of a step. A whole number, above 0.
   * @default 2
   */
  readonly batch?: number;
  /**
   * Batches whose gradients are added up to one update: larger batches in the same memory. A whole number, above 0.
   * @default 1
   */
  readonly accumulate?: number;
  /**
   * Images kept for the score, a number or a share below 1; null: the data set's own test list, else its validation list, else a fifth. At least 0.
   * @default null
   */
  readonly heldOut?: number | null;
  /**
   * Training images watched during training, likewise; null: the data set's own validation list where it has a test list as well, else a tenth. At least 0.
   * @default null
   */
  readonly validation?: number | null;
  /**
   * Epochs between two looks at the watched cases. A whole number, above 0.
   * @default 1
   */
  readonly validateEvery?: number;
  /**
   * Stop after so many epochs without a better score of the watched cases; null: never. A whole number, above 0.
   * @default null
   */
  readonly patience?: number | null;
  /**
   * Which weights are scored and exported.
   * @default "last"
   */
  readonly use?: "last" | "best";
  /**
   * Of first weights, order, augmentation and all else that is drawn. A whole number, at least 0.
   * @default 0
   */
  readonly seed?: number;
  /**
   * Where ONNX Runtime computes; `webgpu` and `cuda` are experimental, and `medvox doctor` says whether they work here.
   * @default "cpu"
   */
  readonly device?: "cpu" | "webgpu" | "cuda";
  /**
   * Of the engine; null: all cores. The same number gives the same bits. A whole number, above 0.
   * @default null
   */
  readonly threads?: number | null;
  /**
   * Threads that prepare batches. A whole number, above 0.
   * @default 1
   */
  readonly workers?: number;
  /**
   * Time between two checkpoints; the end, and a stop by Ctrl-C, always write one. At least 0.
   * @default 30
   */
  readonly checkpointSeconds?: number;
  /**
   * A detector's weights to start from, a file or a run; what belongs to other classes stays new. null for none.
   * @default null
   */
  readonly from?: string | null;
  /**
   * Refuse a data set that anything has to be left out of.
   * @default false
   */
  readonly strict?: boolean;
  /**
   * Folder of the pictures or volumes, where it is not the usual one; null: the usual one.
   * @default null
   */
  readonly images?: string | null;
  /**
   * The classes that are wanted, in order; null: all the data set has.
   * @default null
   */
  readonly classes?: readonly string[] | null;
  /**
   * World coordinates of a CSV; null: LPS for LUNA16's columns, RAS for boxes.
   * @default null
   */
  readonly space?: "RAS" | "LPS" | null;
  /**
   * `modern`: torchvision's settings; `paper`: Faster R-CNN as published, 2D only.
   * @default "modern"
   */
  readonly preset?: "modern" | "paper";
  /**
   * null: the preset's, `resnet` for modern and `vgg16` for paper.
   * @default null
   */
  readonly network?: "resnet" | "vgg16" | null;
  /**
   * Of a ResNet; null: the preset's, 50 for pictures and 18 for volumes.
   * @default null
   */
  readonly depth?: 10 | 18 | 34 | 50 | 101 | 152 | 200 | null;
  /**
   * Norms of the backbone; null: `frozen` with weights to start from, `batch` without.
   * @default null
   */
  readonly norm?: "frozen" | "batch" | "group" | null;
  /**
   * Of pictures: the short side is brought to this; null: the preset's, 800 or 600. A whole number, above 0.
   * @default null
   */
  readonly minSide?: number | null;
  /**
   * And the long one is at most this; null: the preset's, 1333 or 1000. A whole number, above 0.
   * @default null
   */
  readonly maxSide?: number | null;
  /**
   * Width, height (and depth) of a training step's images, the rest filled up; null: what holds every picture, 96 × 96 × 64 for volumes.
   * @default null
   */
  readonly canvas?: readonly number[] | null;
  /**
   * Sides of anchors of each level, finest first, equally many on each; null: the preset's.
   * @default null
   */
  readonly anchorSizes?: readonly (readonly number[])[] | null;
  /**
   * Height to width of anchors; null: the preset's.
   * @default null
   */
  readonly anchorRatios?: readonly number[] | null;
  /**
   * Any keys of the detector's own configuration (`DetectorSettings`), laid over the preset.
   * @default {}
   */
  readonly detector?: DetectorChanges;
  /**
   * Of volumes: how often a window of a training step holds an object. At least 0, at most 1.
   * @default 0.5
   */
  readonly objectProbability?: number;
  /**
   * `joint`: both stages at once (approximate joint training); `alternating`: the paper's four steps.
   * @default "joint"
   */
  readonly schedule?: "joint" | "alternating";
  /**
   * Factor on the learning rate of what stands on the backbone: pyramid, RPN and region head. Above 0.
   * @default 1
   */
  readonly newLayerRate?: number;
  /**
   * How the learning rate falls over the epochs.
   * @default {"kind":"cosine","floor":0.01}
   */
  readonly learningRateSchedule?: {
    readonly kind: "constant";
  } | {
    readonly kind: "step";
    readonly milestones: readonly number[];
    /** Above 0. */
    readonly gamma: number;
  } | {
    readonly kind: "exponential";
    /** Above 0. */
    readonly gamma: number;
  } | {
    readonly kind: "polynomial";
    /** Above 0. */
    readonly power: number;
  } | {
    readonly kind: "cosine";
    /** At least 0, at most 1. */
    readonly floor?: number;
  };
  /**
   * Epochs of each of the four steps of the alternating schedule; null: `epochs` for each.
   * @default null
   */
  readonly phaseEpochs?: readonly [number, number, number, number] | null;
  /**
   * Steps of an epoch; null: enough to see every image once. A whole number, above 0.
   * @default null
   */
  readonly stepsPerEpoch?: number | null;
  /**
   * Draws who is held out and watched, where the data set has no lists for that; null: `seed`. A whole number, at least 0.
   * @default null
   */
  readonly splitSeed?: number | null;
  /**
   * The same for the backbone alone: torchvision's classifiers, encoders of medvox or MedicalNet.
   * @default null
   */
  readonly backbone?: string | null;
  /**
   * How many of the backbone's five stages learn, counted from its end, as torchvision's `trainable_backbone_layers`; the others stay as they were given. null: 3 with weights to start from (of VGG-16: from conv3_1, as in the paper), 5 without or where norms are `batch`. A whole number, at least 0, at most 5.
   * @default null
   */
  readonly trainableStages?: number | null;
}

/** What a detection training is told, whole, as `run.json` keeps it. */
export interface DetectionConfig {
  /** The data set. Segmentation: its folder or a list of cases. Classification: a folder with `labels.csv`, or a CSV, TSV or JSON list. Detection: Pascal VOC, COCO or YOLO; of volumes a CSV of findings, label maps or a `nodules.json`. */
  readonly data: string;
  /**
   * Of volumes: voxel size along x, y, z that all are resampled to. null: what `spacing` says of the training cases (segmentation), the median of the data set (classification), as scanned (detection).
   * @default null
   */
  readonly spacingMm: readonly [number, number, number] | null;
  /**
   * Lowest and highest intensity (HU) of a CT window scaled to [0, 1]. null: what `intensity` says (segmentation), from the plan (classification), z-score of each volume (detection).
   * @default null
   */
  readonly window: readonly [number, number] | null;
  /**
   * Preset or settings; null: `flip` for pictures, made for lesions for volumes.
   * @default null
   */
  readonly augmentation: string | Readonly<Record<string, unknown>> | null;
  /**
   * SGD with momentum, AdamW (decoupled weight decay), or Adam.
   * @default "sgd"
   */
  readonly optimizer: "sgd" | "adamW" | "adam";
  /**
   * Of the encoder (a detector's backbone); what stands on it has `newLayerRate` times as much. The schedule's factor goes over both. Above 0.
   * @default 0.005
   */
  readonly learningRate: number;
  /**
   * Norms and biases are not decayed. At least 0.
   * @default 0.0001
   */
  readonly weightDecay: number;
  /**
   * Of `sgd`. At least 0, at most 0.9999.
   * @default 0.9
   */
  readonly momentum: number;
  /**
   * Epochs over which the learning rate rises to its full size, from a twentieth of it (detection: a thousandth); 0 for none. At least 0.
   * @default 1
   */
  readonly warmupEpochs: number;
  /**
   * Joint norm above which gradients are scaled down; null for none. Above 0.
   * @default 10
   */
  readonly clipNorm: number | null;
  /**
   * Passes over the training cases, or over `stepsPerEpoch` batches. A whole number, above 0.
   * @default 26
   */
  readonly epochs: number;
  /**
   * Images of a step. A whole number, above 0.
   * @default 2
   */
  readonly batch: number;
  /**
   * Batches whose gradients are added up to one update: larger batches in the same memory. A whole number, above 0.
   * @default 1
   */
  readonly accumulate: number;
  /**
   * Images kept for the score, a number or a share below 1; null: the data set's own test list, else its validation list, else a fifth. At least 0.
   * @default null
   */
  readonly heldOut: number | null;
  /**
   * Training images watched during training, likewise; null: the data set's own validation list where it has a test list as well, else a tenth. At least 0.
   * @default null
   */
  readonly validation: number | null;
  /**
   * Epochs between two looks at the watched cases. A whole number, above 0.
   * @default 1
   */
  readonly validateEvery: number;
  /**
   * Stop after so many epochs without a better score of the watched cases; null: never. A whole number, above 0.
   * @default null
   */
  readonly patience: number | null;
  /**
   * Which weights are scored and exported.
   * @default "last"
   */
  readonly use: "last" | "best";
  /**
   * Of first weights, order, augmentation and all else that is drawn. A whole number, at least 0.
   * @default 0
   */
  readonly seed: number;
  /**
   * Where ONNX Runtime computes; `webgpu` and `cuda` are experimental, and `medvox doctor` says whether they work here.
   * @default "cpu"
   */
  readonly device: "cpu" | "webgpu" | "cuda";
  /**
   * Of the engine; null: all cores. The same number gives the same bits. A whole number, above 0.
   * @default null
   */
  readonly threads: number | null;
  /**
   * Threads that prepare batches. A whole number, above 0.
   * @default 1
   */
  readonly workers: number;
  /**
   * Time between two checkpoints; the end, and a stop by Ctrl-C, always write one. At least 0.
   * @default 30
   */
  readonly checkpointSeconds: number;
  /**
   * A detector's weights to start from, a file or a run; what belongs to other classes stays new. null for none.
   * @default null
   */
  readonly from: string | null;
  /**
   * Refuse a data set that anything has to be left out of.
   * @default false
   */
  readonly strict: boolean;
  /**
   * Folder of the pictures or volumes, where it is not the usual one; null: the usual one.
   * @default null
   */
  readonly images: string | null;
  /**
   * The classes that are wanted, in order; null: all the data set has.
   * @default null
   */
  readonly classes: readonly string[] | null;
  /**
   * World coordinates of a CSV; null: LPS for LUNA16's columns, RAS for boxes.
   * @default null
   */
  readonly space: "RAS" | "LPS" | null;
  /**
   * `modern`: torchvision's settings; `paper`: Faster R-CNN as published, 2D only.
   * @default "modern"
   */
  readonly preset: "modern" | "paper";
  /**
   * null: the preset's, `resnet` for modern and `vgg16` for paper.
   * @default null
   */
  readonly network: "resnet" | "vgg16" | null;
  /**
   * Of a ResNet; null: the preset's, 50 for pictures and 18 for volumes.
   * @default null
   */
  readonly depth: 10 | 18 | 34 | 50 | 101 | 152 | 200 | null;
  /**
   * Norms of the backbone; null: `frozen` with weights to start from, `batch` without.
   * @default null
   */
  readonly norm: "frozen" | "batch" | "group" | null;
  /**
   * Of pictures: the short side is brought to this; null: the preset's, 800 or 600. A whole number, above 0.
   * @default null
   */
  readonly minSide: number | null;
  /**
   * And the long one is at most this; null: the preset's, 1333 or 1000. A whole number, above 0.
   * @default null
   */
  readonly maxSide: number | null;
  /**
   * Width, height (and depth) of a training step's images, the rest filled up; null: what holds every picture, 96 × 96 × 64 for volumes.
   * @default null
   */
  readonly canvas: readonly number[] | null;
  /**
   * Sides of anchors of each level, finest first, equally many on each; null: the preset's.
   * @default null
   */
  readonly anchorSizes: readonly (readonly number[])[] | null;
  /**
   * Height to width of anchors; null: the preset's.
   * @default null
   */
  readonly anchorRatios: readonly number[] | null;
  /**
   * Any keys of the detector's own configuration (`DetectorSettings`), laid over the preset.
   * @default {}
   */
  readonly detector: DetectorChanges;
  /**
   * Of volumes: how often a window of a training step holds an object. At least 0, at most 1.
   * @default 0.5
   */
  readonly objectProbability: number;
  /**
   * `joint`: both stages at once (approximate joint training); `alternating`: the paper's four steps.
   * @default "joint"
   */
  readonly schedule: "joint" | "alternating";
  /**
   * Factor on the learning rate of what stands on the backbone: pyramid, RPN and region head. Above 0.
   * @default 1
   */
  readonly newLayerRate: number;
  /**
   * How the learning rate falls over the epochs.
   * @default {"kind":"cosine","floor":0.01}
   */
  readonly learningRateSchedule: {
    readonly kind: "constant";
  } | {
    readonly kind: "step";
    readonly milestones: readonly number[];
    /** Above 0. */
    readonly gamma: number;
  } | {
    readonly kind: "exponential";
    /** Above 0. */
    readonly gamma: number;
  } | {
    readonly kind: "polynomial";
    /** Above 0. */
    readonly power: number;
  } | {
    readonly kind: "cosine";
    /** At least 0, at most 1. */
    readonly floor?: number;
  };
  /**
   * Epochs of each of the four steps of the alternating schedule; null: `epochs` for each.
   * @default null
   */
  readonly phaseEpochs: readonly [number, number, number, number] | null;
  /**
   * Steps of an epoch; null: enough to see every image once. A whole number, above 0.
   * @default null
   */
  readonly stepsPerEpoch: number | null;
  /**
   * Draws who is held out and watched, where the data set has no lists for that; null: `seed`. A whole number, at least 0.
   * @default null
   */
  readonly splitSeed: number | null;
  /**
   * The same for the backbone alone: torchvision's classifiers, encoders of medvox or MedicalNet.
   * @default null
   */
  readonly backbone: string | null;
  /**
   * How many of the backbone's five stages learn, counted from its end, as torchvision's `trainable_backbone_layers`; the others stay as they were given. null: 3 with weights to start from (of VGG-16: from conv3_1, as in the paper), 5 without or where norms are `batch`. A whole number, at least 0, at most 5.
   * @default null
   */
  readonly trainableStages: number | null;
}
