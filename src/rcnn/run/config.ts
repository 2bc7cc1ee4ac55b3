/** What a detection training is told, checked key by key, with the defaults written out. Stored in `run.json`. */
import { z } from "zod";
import {
  type Augmentation,
  augmentationPresets,
  lesionBoxAugmentation,
  type PictureAugmentation,
  pictureAugmentations,
  resolveAugmentation,
} from "../../augment/index.ts";
import { ConfigError } from "../../errors.ts";
import { adam, adamW, type Optimizer, type ParameterGroup, sgd } from "../../nn/index.ts";
import { checkedConfig, refuseContradictions, scheduleSchema, sharedKeys, withDefaults } from "../../train/index.ts";
import { type DetectorConfig, laidOver, parseDetector } from "../network/config.ts";
import { preset } from "../network/presets.ts";
import type { DetectionConfig, DetectionRequest } from "../request.generated.ts";

export type { DetectionConfig, DetectionRequest } from "../request.generated.ts";

const size = z.number().int().positive();

/** The zod schema of a detection's configuration; docs/reference/configuration.md lists its keys. */
export const detectionConfigSchema = z.strictObject({
  ...withDefaults(sharedKeys, { learningRate: 0.005, warmupEpochs: 1, clipNorm: 10, epochs: 26 }),
  /** Folder of the pictures or volumes, where it is not the usual one; null: the usual one. */
  images: z.string().nullable().default(null),
  /** The classes that are wanted, in order; null: all the data set has. */
  classes: z.array(z.string().min(1)).min(1).nullable().default(null),
  /** World coordinates of a CSV; null: LPS for LUNA16's columns, RAS for boxes. */
  space: z.enum(["RAS", "LPS"]).nullable().default(null),
  /** `modern`: torchvision's settings; `paper`: Faster R-CNN as published, 2D only. */
  preset: z.enum(["modern", "paper"]).default("modern"),
  /** null: the preset's, `resnet` for modern and `vgg16` for paper. */
  network: z.enum(["resnet", "vgg16"]).nullable().default(null),
  /** Of a ResNet; null: the preset's, 50 for pictures and 18 for volumes. */
  depth: z.literal([10, 18, 34, 50, 101, 152, 200]).nullable().default(null),
  /** Norms of the backbone; null: `frozen` with weights to start from, `batch` without. */
  norm: z.enum(["frozen", "batch", "group"]).nullable().default(null),
  /** Of pictures: the short side is brought to this; null: the preset's, 800 or 600. */
  minSide: size.nullable().default(null),
  /** And the long one is at most this; null: the preset's, 1333 or 1000. */
  maxSide: size.nullable().default(null),
  /**
   * Width, height (and depth) of a training step's images, the rest filled up; null: what holds every picture, 96 × 96 × 64 for
   * volumes.
   */
  canvas: z.array(size).min(2).max(3).nullable().default(null),
  /** Sides of anchors of each level, finest first, equally many on each; null: the preset's. */
  anchorSizes: z.array(z.array(z.number().positive()).min(1)).min(1).nullable().default(null),
  /** Height to width of anchors; null: the preset's. */
  anchorRatios: z.array(z.number().positive()).min(1).nullable().default(null),
  /** Any keys of the detector's own configuration (`DetectorSettings`), laid over the preset. */
  detector: z.looseObject({}).default({}),
  /** Of volumes: how often a window of a training step holds an object. */
  objectProbability: z.number().min(0).max(1).default(0.5),
  /** Preset or settings; null: `flip` for pictures, made for lesions for volumes. */
  augmentation: z
    .union([z.string(), z.looseObject({})])
    .nullable()
    .default(null),
  /** `joint`: both stages at once (approximate joint training); `alternating`: the paper's four steps. */
  schedule: z.enum(["joint", "alternating"]).default("joint"),
  /** SGD with momentum, AdamW (decoupled weight decay), or Adam. */
  optimizer: z.enum(["sgd", "adamW", "adam"]).default("sgd"),
  /** Factor on the learning rate of what stands on the backbone: pyramid, RPN and region head. */
  newLayerRate: z.number().positive().default(1),
  /** How the learning rate falls over the epochs. */
  learningRateSchedule: scheduleSchema.default({ kind: "cosine", floor: 0.01 }),
  /** Epochs of each of the four steps of the alternating schedule; null: `epochs` for each. */
  phaseEpochs: z.tuple([size, size, size, size]).nullable().default(null),
  /** Images of a step. */
  batch: size.default(2),
  /** Steps of an epoch; null: enough to see every image once. */
  stepsPerEpoch: size.nullable().default(null),
  /**
   * Images kept for the score, a number or a share below 1; null: the data set's own test list, else its validation list, else a fifth.
   */
  heldOut: z.number().min(0).nullable().default(null),
  /**
   * Training images watched during training, likewise; null: the data set's own validation list where it has a test list as well, else
   * a tenth.
   */
  validation: z.number().min(0).nullable().default(null),
  /** Draws who is held out and watched, where the data set has no lists for that; null: `seed`. */
  splitSeed: z.number().int().min(0).nullable().default(null),
  /** A detector's weights to start from, a file or a run; what belongs to other classes stays new. null for none. */
  from: sharedKeys.from,
  /** The same for the backbone alone: torchvision's classifiers, encoders of medvox or MedicalNet. */
  backbone: z.string().nullable().default(null),
  /**
   * How many of the backbone's five stages learn, counted from its end, as torchvision's `trainable_backbone_layers`; the others stay as they
   * were given. null: 3 with weights to start from (of VGG-16: from conv3_1, as in the paper), 5 without or where norms are `batch`.
   */
  trainableStages: z.number().int().min(0).max(5).nullable().default(null),
});

/** Checks a request and fills in defaults. @throws ConfigError naming the key */
export function resolveDetectionConfig(request: DetectionRequest): DetectionConfig {
  const config = checkedConfig(detectionConfigSchema, request);
  refuseContradictions(config, "images");
  if (config.use === "best" && config.schedule === "alternating")
    throw new ConfigError(
      "use: best is for the joint schedule; each of the four steps goes on from the end of another",
    );
  if (config.phaseEpochs !== null && config.schedule === "joint")
    throw new ConfigError("phaseEpochs: is for the alternating schedule; joint training has epochs");
  if (config.from !== null && config.backbone !== null)
    throw new ConfigError("backbone: from is given as well; name one of the two");
  if (config.trainableStages !== null && config.trainableStages < 5 && !hasStart(config))
    throw new ConfigError(
      `trainableStages: ${config.trainableStages}; stages that stay as they are need weights, from or backbone`,
    );
  if (config.minSide !== null && config.maxSide !== null && config.minSide > config.maxSide)
    throw new ConfigError(`minSide: ${config.minSide} is above maxSide ${config.maxSide}`);
  return config;
}

/**
 * The detector that a configuration asks for.
 * @param classes the background not counted
 * @throws ConfigError naming the key
 */
export function detectorOf(config: DetectionConfig, axes: 2 | 3, classes: number): DetectorConfig {
  const { minSide, maxSide, anchorSizes, anchorRatios } = config;
  if (axes === 3 && (minSide ?? maxSide) !== null)
    throw new ConfigError("minSide and maxSide: are for pictures; volumes are brought to spacingMm");
  if (axes === 2 && (config.spacingMm ?? config.window) !== null)
    throw new ConfigError("spacingMm and window: are for volumes; pictures are brought to minSide and maxSide");
  const usual = preset(config.preset, {
    classes: classes + 1,
    axes,
    depth: config.depth ?? undefined,
    backbone: config.network ?? undefined,
    norm: config.norm ?? (hasStart(config) ? "frozen" : "batch"),
  });
  const asked = {
    input: {
      ...(minSide === null ? {} : { minSide: [minSide] }),
      ...(maxSide === null && minSide === null ? {} : { maxSide: maxSide ?? Math.round((minSide! * 1333) / 800) }),
    },
    anchors: {
      ...(anchorSizes === null ? {} : { sizes: anchorSizes }),
      ...(anchorRatios === null ? {} : { ratios: anchorRatios }),
    },
  };
  const detector = parseDetector(laidOver(laidOver(usual, asked), config.detector));
  if (config.trainableStages !== null && config.trainableStages < 5 && movesStatistics(detector))
    throw new ConfigError(
      `trainableStages: ${config.trainableStages}; statistics of batch norms would go on moving, use norm frozen or group`,
    );
  return detector;
}

const hasStart = ({ from, backbone }: DetectionConfig): boolean => from !== null || backbone !== null;
const movesStatistics = ({ backbone }: DetectorConfig): boolean =>
  backbone.kind !== "vgg16" && backbone.norm === "batch";

/** Names of a backbone's stages, first to last. */
const resnetStages = ["body\\.(?:conv1|bn1)", ...[1, 2, 3, 4].map((stage) => `body\\.layer${stage}`)];
const vggStages = [
  [0, 2],
  [5, 7],
  [10, 12, 14],
  [17, 19, 21],
  [24, 26, 28],
].map((layers) => `features\\.(?:${layers.join("|")})`);

/** The optimizer's group of stages that stay as they are; none where all learn. */
export function frozenStages(config: DetectionConfig, detector: DetectorConfig): ParameterGroup[] {
  const learning = config.trainableStages ?? (hasStart(config) && !movesStatistics(detector) ? 3 : 5);
  const stages = (detector.backbone.kind === "vgg16" ? vggStages : resnetStages).slice(0, 5 - learning);
  return stages.length === 0
    ? []
    : [
        {
          match: new RegExp(`^backbone\\.(?:${stages.join("|")})\\.`),
          frozen: true,
          movingStatistics: true,
          optional: true,
        },
      ];
}

/** The augmentation of pictures. @throws ConfigError for a preset that there is not */
export function pictureAugmentationOf({ augmentation }: Pick<DetectionConfig, "augmentation">): PictureAugmentation {
  if (typeof augmentation === "object" && augmentation !== null) return augmentation as PictureAugmentation;
  const found = pictureAugmentations[(augmentation ?? "flip") as keyof typeof pictureAugmentations];
  if (found === undefined)
    throw new ConfigError(
      `augmentation: ${JSON.stringify(augmentation)}; for pictures there are ${Object.keys(pictureAugmentations).join(", ")}`,
    );
  return found;
}

/** The augmentation of volumes. @throws ConfigError for a preset that there is not */
export function volumeAugmentationOf({ augmentation }: Pick<DetectionConfig, "augmentation">): Augmentation {
  if (augmentation === null || augmentation === "lesion") return lesionBoxAugmentation;
  if (typeof augmentation === "string" && !(augmentation in augmentationPresets))
    throw new ConfigError(
      `augmentation: ${JSON.stringify(augmentation)}; for volumes there are ${Object.keys(augmentationPresets)
        .filter((name) => name !== "elastic")
        .join(", ")}`,
    );
  const resolved = resolveAugmentation(augmentation as Augmentation);
  if (resolved.elastic !== undefined)
    throw new ConfigError("augmentation.elastic: boxes cannot follow it; for volumes with boxes leave it out");
  return resolved;
}

/** Norms and biases, which do not decay. */
export const WEIGHT_DECAY_EXEMPT = /(^|\.)bn\d*\.|\.downsample\.1\.|\.bias$/;

/** Weights decay, norms and biases do not. @param groups go before the usual ones */
export function detectorOptimizer(config: DetectionConfig, groups: readonly ParameterGroup[]): Optimizer {
  const { optimizer, learningRate: lr, newLayerRate: lrFactor, weightDecay, momentum } = config;
  const exempt: ParameterGroup = { match: WEIGHT_DECAY_EXEMPT, weightDecay: 0 };
  const isNew = /^(?!backbone\.(body|features)\.)/;
  const newExempt = new RegExp(`${isNew.source}.*(?:${WEIGHT_DECAY_EXEMPT.source})`);
  // The first group that matches counts.
  const all: ParameterGroup[] =
    lrFactor === 1
      ? [...groups, exempt]
      : [...groups, { ...exempt, match: newExempt, lrFactor }, exempt, { match: isNew, lrFactor }];
  if (optimizer === "adamW") return adamW({ lr, weightDecay, groups: all });
  if (optimizer === "adam") return adam({ lr, weightDecay, groups: all });
  return sgd({ lr, momentum, weightDecay, groups: all });
}
