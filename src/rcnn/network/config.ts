/**
 * Everything a detector is built and trained by, as one plain object: what the presets fill, what a run folder keeps, checked by
 * zod. Lengths are voxels of the network's input, lists of axes run x y (z).
 */
import { z } from "zod";
import { ConfigError } from "../../errors.ts";
import { checkedConfig } from "../../train/config/checked-config.ts";
import { SIDE_CLAMP } from "../parts/box-coder.ts";
import { CUSTOM_HEAD, type RegionHead } from "./head.ts";
import type { DetectorConfig, DetectorSettings } from "./settings.generated.ts";

export type { DetectorConfig, DetectorSettings } from "./settings.generated.ts";

/** A configuration as files hold it: a head that is a function is called {@link CUSTOM_HEAD} there. */
export function plainDetector(config: DetectorConfig): DetectorConfig {
  if (typeof config.regions.head !== "function") return config;
  return { ...config, regions: { ...config.regions, head: CUSTOM_HEAD } };
}

/**
 * A configuration out of a file with the function that its {@link CUSTOM_HEAD} stands for.
 * @param place the file or folder, for errors
 * @throws ConfigError for a head that is missing, or one that is not wanted
 */
export function withHead(config: DetectorConfig, head: RegionHead | undefined, place: string): DetectorConfig {
  const named = config.regions.head;
  if (named !== CUSTOM_HEAD) {
    if (head === undefined) return config;
    throw new ConfigError(`${place}: has the head "${String(named)}", and takes no other; leave out head`);
  }
  if (head === undefined)
    throw new ConfigError(
      `${place}: regions.head: custom; it was made with a head of its own, and the same function must be given again (head)`,
    );
  return { ...config, regions: { ...config.regions, head } };
}

const share = z.number().min(0).max(1);
const count = z.int().positive();
const weights = z.tuple([z.number().positive(), z.number().positive()]);

const backboneSchema = z.strictObject({
  /**
   * `resnet`: torchvision's, or in 3D MedicalNet's with stride 2 in every stage; `medicalnet`: stages 3 and 4 dilated, output at 1/8;
   * `vgg16`: 2D only, without a pyramid.
   */
  kind: z.enum(["resnet", "medicalnet", "vgg16"]),
  /** Layers of the ResNet. */
  depth: z.literal([10, 18, 34, 50, 101, 152, 200]).default(50),
  /** Of the ResNets: channels of the first stage, a multiple of 4; all others are as much narrower. */
  width: count.multipleOf(4).default(64),
  /** Shortcuts as MedicalNet's A or B; null: B, but as released for `medicalnet`. */
  shortcut: z.enum(["A", "B"]).nullable().default(null),
  /** `frozen`: batch norm with given statistics that nothing trains, as detectors use with ImageNet's weights. */
  norm: z.enum(["frozen", "batch", "group"]).default("frozen"),
  /** Added to variances before the root. torchvision's COCO weights want 0. */
  normEpsilon: z.number().min(0).default(1e-5),
  /** Of `norm: "group"`: into how many groups the channels fall; it divides the channels of every stage. */
  normGroups: count.default(32),
  /** Stages whose maps are used, finest first; one alone makes a detector without a pyramid. */
  levels: z.array(z.enum(["stem", "layer1", "layer2", "layer3", "layer4", "conv5"])).min(1),
  /** Channels of the feature pyramid; null: no pyramid. */
  pyramidChannels: count.nullable().default(256),
  /** A coarser level above the pyramid that only the RPN looks at. */
  extraLevel: z.boolean().default(true),
});

const anchorSchema = z.strictObject({
  /**
   * How sides are rounded: `paper` as py-faster-rcnn does, `torchvision` corners to whole voxels around the cell's first corner, `exact`
   * not at all, around the middle of the cell.
   */
  style: z.enum(["paper", "torchvision", "exact"]),
  /**
   * For each level, finest first, the sides of its anchors: of a square (in 3D of the square in plane). As many lists as the RPN has levels, each
   * with as many sides as the others.
   */
  sizes: z.array(z.array(z.number().positive()).min(1)).min(1),
  /** Height divided by width, at the same area. */
  ratios: z.array(z.number().positive()).min(1),
  /** Of volumes: depth divided by the side of the square. */
  depthRatios: z.array(z.number().positive()).min(1).default([1]),
});

const proposalSchema = z.strictObject({
  /** How many of the best of each level are kept before suppression. */
  before: count,
  /** How many of the best of all levels are kept after it. */
  after: count,
});

const rpnSchema = z.strictObject({
  /** Channels of the 3-wide convolution; null: those of the maps. */
  channels: count.nullable().default(null),
  /** Two-way softmax as in the paper, or a sigmoid. */
  objectness: z.enum(["softmax", "sigmoid"]),
  /** Leave anchors that cross the image's edge out of training (paper §3.1.3). */
  dropBoundary: z.boolean(),
  /** An anchor with at least this IoU with an object is positive. */
  positiveOverlap: share.default(0.7),
  /** An anchor with less IoU than this with every object is negative; those between are left out. */
  negativeOverlap: share.default(0.3),
  /** Anchors of an image that the loss is computed on. */
  sampleCount: count.default(256),
  /** The largest share of them that may be positive. */
  positiveShare: share.default(0.5),
  /** What deltas are multiplied by: those of the middle, and those of the sides. */
  coderWeights: weights.default([1, 1]),
  /**
   * `paper`: 1/sampleCount · classification + λ/locations · regression, per image, averaged over images. `sampled`: both divided by
   * how many anchors were sampled in the batch.
   */
  lossNormalisation: z.enum(["paper", "sampled"]),
  /** Weight of the regression's loss beside the classification's (the paper's λ). */
  lambda: z.number().positive().default(1),
  /** Where smooth L1 turns from a square into a line. */
  smoothL1Beta: z
    .number()
    .min(0)
    .default(1 / 9),
  /** Proposals that training steps take. */
  training: proposalSchema,
  /** Proposals that detection takes. */
  inference: proposalSchema,
  /** Of proposals with more IoU than this, the weaker one goes. */
  suppressionOverlap: share.default(0.7),
  /** Whether overlapping proposals are suppressed at all; off for an ablation. */
  suppress: z.boolean().default(true),
  /** Shortest side of a proposal, in voxels of the network's input. */
  minimumSide: z.number().min(0).default(1e-3),
  /** Lowest objectness of a proposal. */
  minimumScore: share.default(0),
});

const regionSchema = z.strictObject({
  /** RoIAlign, or max-pooling of quantised regions as in the paper (one level only). */
  pooling: z.enum(["align", "max"]),
  /** Bins x y (z). */
  outputSize: z.array(count).min(2).max(3),
  /** Of `align`: samples along each axis of a bin; 0: as many as the bin is long. */
  samplingRatio: z.int().min(0).default(2),
  /** Of `align`: shift regions by half a cell, as later versions of RoIAlign do. */
  aligned: z.boolean().default(false),
  /** A region with sides of `canonicalSide` is pooled from the level of stride 2^canonicalLevel. */
  canonicalSide: z.number().positive().default(224),
  /** The level for regions of `canonicalSide`, as the power of two of its stride. */
  canonicalLevel: z.int().min(0).default(4),
  /**
   * What stands between a pooled region and its scores: `fc`, two fully connected layers; `layer4`, the ResNet's layer4 (C4 detectors);
   * in TypeScript also a function that builds the nodes of another one (`RegionHead`), which files call `custom`.
   */
  head: z.union([z.enum(["fc", "layer4", CUSTOM_HEAD]), z.custom<RegionHead>((value) => typeof value === "function")], {
    error: "must be fc, layer4, or in TypeScript a function that builds a head",
  }),
  /** Of `fc`: width of both layers. */
  hidden: count.default(1024),
  /** Of `fc`: share of values dropped behind each layer in training. */
  dropout: z.number().min(0).lt(1).default(0),
  /** `gaussian`: N(0, 0.01), and N(0, 0.001) for regression, as in the paper; `default`: PyTorch's. */
  initialisation: z.enum(["default", "gaussian"]).default("default"),
  /** One regression for all classes instead of one each. */
  classAgnostic: z.boolean().default(false),
  /** A region with at least this IoU with an object is positive. */
  positiveOverlap: share.default(0.5),
  /** A region with less IoU than this with every object is negative; those between are left out. */
  negativeOverlap: share.default(0.5),
  /** Negatives overlap at least this much: 0.1 in Fast R-CNN. */
  lowestOverlap: share.default(0),
  /** Regions of an image that the loss is computed on. */
  sampleCount: count.default(512),
  /** The largest share of them that may be positive. */
  positiveShare: share.default(0.25),
  /** Ground truth stands among the regions in training. */
  appendTruth: z.boolean().default(true),
  /** What deltas are multiplied by: those of the middle, and those of the sides. */
  coderWeights: weights.default([10, 5]),
  /** Where smooth L1 turns from a square into a line. */
  smoothL1Beta: z
    .number()
    .min(0)
    .default(1 / 9),
});

const detectionSchema = z.strictObject({
  /** Only detections with a score above this. */
  minimumScore: share.default(0.05),
  /** Of detections of one class with more IoU than this, the weaker one goes. */
  suppressionOverlap: share.default(0.5),
  /** At most so many detections of an image. */
  limit: count.default(100),
  /** Shortest side of a detection, in voxels of the network's input. */
  minimumSide: z.number().min(0).default(0.01),
  /** Soft suppression: scores of overlapping boxes are lowered instead of dropping the boxes; null: they are dropped. */
  soft: z
    .strictObject({
      /** How the score falls with the overlap. */
      method: z.enum(["linear", "gaussian"]),
      /** Of `gaussian`: how slowly it falls. */
      sigma: z.number().positive().default(0.5),
    })
    .nullable()
    .default(null),
});

const inputSchema = z.strictObject({
  /** 2D: short sides to choose from in training; the last is used in inference. null: images as they are. */
  minSide: z.array(count).min(1).nullable().default(null),
  /** The long side is at most this. */
  maxSide: count.nullable().default(null),
  /** What is subtracted from each channel, in the units of the image (0 … 1 for pictures); empty: nothing. */
  mean: z.array(z.number()).default([]),
  /** What each channel is divided by after that; empty: nothing. */
  deviation: z.array(z.number().positive()).default([]),
  /** Padded sizes are multiples of this. */
  divisor: count.default(32),
});

/** Settings laid over others: objects are merged key by key, everything else is replaced, lists too. */
export function laidOver(base: object, over: object): object {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    merged[key] = isPlain(below) && isPlain(value) ? laidOver(below, value) : value;
  }
  return merged;
}

const isPlain = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The zod schema of a detector's settings; the presets are values of it. */
export const detectorSchema = z.strictObject({
  /** 2 for pictures, 3 for volumes. */
  axes: z.literal([2, 3]),
  /** Channels of an image. */
  channels: count,
  /** Classes, the background included. */
  classes: z.int().min(2),
  /** How images come to the network. */
  input: inputSchema,
  /** What makes feature maps of an image. */
  backbone: backboneSchema,
  /** The boxes that the first stage starts from, in voxels of the network's input. */
  anchors: anchorSchema,
  /** The first stage, which proposes regions. */
  rpn: rpnSchema,
  /** The second stage, which tells classes and boxes of regions. */
  regions: regionSchema,
  /** Which of its boxes are detections. */
  detections: detectionSchema,
  /** Sides grow at most by e^clamp in one regression. */
  sideClamp: z.number().positive().default(SIDE_CLAMP),
});

/** Any of a detector's settings, to be laid over a preset's key by key. */
export type DetectorChanges = Changes<DetectorSettings>;
type Changes<T> = {
  readonly [K in keyof T]?: NonNullable<T[K]> extends readonly unknown[] | ((...all: never[]) => unknown)
    ? T[K]
    : NonNullable<T[K]> extends object
      ? Changes<NonNullable<T[K]>> | Extract<T[K], null>
      : T[K];
};

/** A whole configuration. @throws ConfigError naming the key and the rule */
export function parseDetector(settings: unknown): DetectorConfig {
  const config: DetectorConfig = checkedConfig(detectorSchema, settings, "detector: ");
  const { axes, backbone, anchors, regions, input, channels } = config;
  const refuse = (text: string): never => {
    throw new ConfigError(`detector: ${text}`);
  };
  const levels = backbone.levels.length + (backbone.pyramidChannels !== null && backbone.extraLevel ? 1 : 0);
  if (anchors.sizes.length !== levels)
    refuse(`anchors.sizes: sizes for ${anchors.sizes.length} levels, the backbone has ${levels}`);
  const counts = anchors.sizes.map(({ length }) => length);
  const other = counts.findIndex((count) => count !== counts[0]);
  if (other >= 0)
    refuse(
      `anchors.sizes[${other}]: ${counts[other] === 1 ? "1 size" : `${counts[other]} sizes`}, anchors.sizes[0] has ${counts[0]}; all levels need as many, for they share the RPN's layers`,
    );
  if (regions.outputSize.length !== axes)
    refuse(`regions.outputSize: ${regions.outputSize.length} sizes, regions are ${axes}D`);
  if (backbone.pyramidChannels === null && backbone.levels.length > 1)
    refuse("backbone.levels: several levels need pyramidChannels");
  if (regions.pooling === "max" && levels > 1) refuse("regions.pooling: max pools from one level, without a pyramid");
  if (regions.head === "layer4" && (backbone.kind !== "resnet" || backbone.pyramidChannels !== null))
    refuse("regions.head: layer4 needs a ResNet without a pyramid");
  if (backbone.kind === "vgg16" && axes === 3) refuse("backbone.kind: vgg16 is 2D");
  if (backbone.kind === "vgg16" && backbone.width !== 64)
    refuse(`backbone.width: ${backbone.width}; only ResNets have another than 64`);
  if ((backbone.kind === "vgg16") !== backbone.levels.includes("conv5"))
    refuse(`backbone.levels: conv5 is the level of vgg16, ${backbone.kind} has stem, layer1, … layer4`);
  if (axes === 3 && input.minSide !== null) refuse("input.minSide: volumes are not resized by their shortest side");
  for (const key of ["mean", "deviation"] as const) {
    if (input[key].length !== 0 && input[key].length !== channels)
      refuse(`input.${key}: ${input[key].length} numbers for ${channels} channels`);
  }
  return config;
}
