/** What a segmentation training is told, checked key by key, with the defaults written out. Stored in `run.json`. */
import { z } from "zod";
import { type Augmentation, type Axis, type augmentationPresets, resolveAugmentation } from "../../augment/index.ts";
import { type PlanChoices, readSplitsFile } from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import { adam, adamW, encoderPattern, type Optimizer, type ParameterGroup, sgd } from "../../nn/index.ts";
import { type ConfigOf, checkedConfig, type RequestOf, refuseContradictions, sharedKeys } from "../../train/index.ts";
import { type encoderKeys, med3dKeys, refuseFrozenNothing, type stepKeys } from "../encoder/config.ts";
import { keepLargestSchema } from "./keep-largest.ts";

const size = z.number().int().positive();

/** The keys of a segmentation alone. */
const segmentationKeys = {
  /**
   * What stands on the encoder: `skip` (features at 1/2, 1/4 and 1/8 joined, outlines at full size), `upsampling` (one 1×1×1
   * convolution, Med3D's in pre-training), `convSeg` (the released code's), `transposed` (Med3D's for lungs), `denseAspp` (for the liver);
   * `custom`: a function that a program gives.
   */
  decoder: z.enum(["skip", "upsampling", "convSeg", "transposed", "denseAspp", "custom"]).default("skip"),
  /** Channels of the skip decoder at 1/4, 1/2 and 1; null: `width`, half and a quarter of it, as a rule 64, 32 and 16. */
  decoderChannels: z.tuple([size, size, size]).nullable().default(null),
  /** Its 3×3×3 convolutions at 1/4, 1/2 and 1. */
  decoderConvolutions: z.tuple([size, size, size]).default([1, 1, 1]),
  /** Channels of its convolution over the input itself; 0 for none. */
  decoderInputChannels: z.number().int().min(0).default(0),
  /** In training, losses at 1/2 and 1/4 of the resolution count ½ and ¼ beside that at full size, as in nnU-Net; of the skip decoder. */
  deepSupervision: z.boolean().default(false),
  /** Dilation of the branches of `denseAspp`. */
  asppRates: z.array(size).min(1).default([3, 6, 12, 18, 24]),
  /** Soft Dice and cross-entropy added, one of them, or the focal loss. */
  loss: z.enum(["diceCrossEntropy", "crossEntropy", "dice", "focal"]).default("diceCrossEntropy"),
  /** File of a plan, which then decides spacing, intensities, patch and batch; null: made from the training cases. */
  plan: z.string().nullable().default(null),
  /** Which spacing of the training cases all are resampled to, axis by axis. */
  spacing: z.enum(["median", "mean"]).default("median"),
  /** `percentile`: the paper's, 0.5–99.5 percentile and z-score, image by image; `medicalnet`: the released code's; `plan`: by modality. */
  intensity: z.enum(["plan", "percentile", "medicalnet", "none"]).default("plan"),
  /** All labels as one. */
  mergeLabels: z.boolean().default(false),
  /**
   * Which connected components of a prediction are kept, the largest ones: `{ "foreground": 1 }` of the union of all classes, so that
   * lesions within an organ stay; a number, so many of each class, lesions too; `{ "classes": { "liver": 1 } }` of the classes that are
   * named; null: all.
   */
  keepLargest: keepLargestSchema.nullable().default(null),
  /**
   * Coarse to fine: settings of a first network that sees the whole image (by default a coarse one, all labels as one); this one is
   * trained on and predicts the region around what the first finds. null: one network, no region.
   */
  coarse: z.looseObject({}).nullable().default(null),
  /** Kept around the region on every side. */
  marginMm: z.number().min(0).default(20),
  /** In training, windows are drawn from the region and up to so much more around it. */
  jitterMm: z.number().min(0).default(15),
  /** Mirror along x, y and z in training, each half of the time, as nnU-Net does, whatever `augmentation` says of `flip`. */
  mirror: z.boolean().default(false),
  /** Cross-validation: so many networks, each of which never saw its part of the cases; null: one network. */
  folds: z.number().int().min(2).nullable().default(null),
  /** nnU-Net's `splits_final.json`, which then says who is in which fold, and how many folds there are; null: drawn by the seed. */
  splits: z.string().nullable().default(null),
  /** Of what is left to train on, only so many cases: a number, or a share below 1; null: all. Smaller parts lie in larger ones. */
  trainCases: z.number().positive().nullable().default(null),
  /** Decides who is held out and watched; null: `seed` does. */
  splitSeed: z.number().int().min(0).nullable().default(null),
  /** Batches that make an epoch, however many cases there are; null: as many as show every case once. */
  stepsPerEpoch: size.nullable().default(null),
};

/** The zod schema of a segmentation's configuration; docs/reference/configuration.md lists its keys. */
export const segmentationConfigSchema = z.strictObject({ ...sharedKeys, ...med3dKeys, ...segmentationKeys });

/** A segmentation's configuration, with defaults filled in. */
export interface SegmentationConfig
  extends ConfigOf<typeof sharedKeys>,
    ConfigOf<typeof encoderKeys>,
    ConfigOf<typeof stepKeys>,
    ConfigOf<typeof segmentationKeys> {}
/** What a segmentation training is asked with; what is left out has the default of docs/reference/configuration.md. */
export interface SegmentationRequest
  extends RequestOf<typeof sharedKeys>,
    RequestOf<typeof encoderKeys>,
    RequestOf<typeof stepKeys>,
    RequestOf<typeof segmentationKeys> {}

/** Checks a request and fills in defaults. @throws ConfigError naming the key */
export function resolveSegmentationConfig(request: SegmentationRequest): SegmentationConfig {
  const config = withNamedFolds(checkedConfig(segmentationConfigSchema, request));
  augmentationOf(config);
  refuseFrozenNothing(config);
  const { coarse, patch, outputStride, folds } = config;
  if (coarse !== null && folds !== null)
    throw new ConfigError("folds: are not for a cascade; train one without coarse, or leave folds out");
  if (patch !== null) checkPatch(patch, outputStride);
  refuseSupervision(config);
  refuseContradictions(config, "cases");
  if (coarse !== null) coarseConfig(config);
  return config;
}

/** As many folds as the file of splits has. @throws ConfigError where another number was asked for */
function withNamedFolds(config: SegmentationConfig): SegmentationConfig {
  const { splits, folds } = config;
  if (splits === null) return config;
  const { length } = readSplitsFile(splits);
  if (folds !== null && folds !== length)
    throw new ConfigError(`folds: ${folds}; ${splits} has ${length} folds; leave folds out, the file decides`);
  return { ...config, folds: length };
}

/** @throws ConfigError where a decoder without levels would be supervised at them */
export function refuseSupervision({
  deepSupervision,
  decoder,
}: Pick<SegmentationConfig, "deepSupervision" | "decoder">): void {
  if (deepSupervision && decoder !== "skip")
    throw new ConfigError(`deepSupervision: is of the skip decoder, the decoder is ${decoder}; leave one of them out`);
}

/**
 * @param hint what else may help to choose, in brackets
 * @throws ConfigError for sizes that the encoder cannot divide
 */
export function checkPatch(patch: readonly number[], stride: number, hint = ""): void {
  const bad = patch.find((n) => n % stride !== 0);
  if (bad !== undefined)
    throw new ConfigError(
      `patch ${patch.join(",")}: ${bad} is not a multiple of ${stride}, and the encoder divides sizes by ${stride}${hint}`,
    );
}

/** What the first network of a cascade is told: what the second is, but for what `coarse` says, and the whole image at once. */
export function coarseConfig({ coarse, ...config }: SegmentationConfig): SegmentationConfig {
  const merged = {
    ...config,
    decoder: "upsampling",
    deepSupervision: false,
    mergeLabels: true,
    keepLargest: 1,
    plan: null,
    patch: null,
    batch: null,
    from: config.from,
    ...coarse,
    coarse: null,
    folds: null,
    splits: null,
  };
  return checkedConfig(segmentationConfigSchema, merged, "coarse.");
}

/** What a configuration decides of the plan. */
export function planChoicesOf(config: SegmentationConfig): PlanChoices {
  const { patch, batch, spacingMm, spacing, window, intensity } = config;
  return {
    patch: patch ?? undefined,
    batch: batch ?? undefined,
    spacingMm: spacingMm ?? undefined,
    spacingRule: spacing,
    intensity: window === null ? intensityOf(intensity) : { kind: "ctWindow", low: window[0], high: window[1] },
  };
}

function intensityOf(intensity: SegmentationConfig["intensity"]): PlanChoices["intensity"] {
  switch (intensity) {
    case "plan":
      return undefined;
    case "percentile":
      return { kind: "zscore", clipPercentile: [0.5, 99.5] };
    default:
      return { kind: intensity };
  }
}

/** The augmentation a configuration asks for. */
export function augmentationOf({
  augmentation,
  mirror = false,
}: Pick<SegmentationConfig, "augmentation"> & Partial<Pick<SegmentationConfig, "mirror">>): Augmentation {
  const resolved = resolveAugmentation(augmentation as keyof typeof augmentationPresets | Augmentation);
  return mirror ? { ...resolved, flip: { probability: 0.5, axes: ["x", "y", "z"] } } : resolved;
}

/** The axes along which a training mirrors: those whose mirror images a network of it knows. */
export function mirroredAxes(config: Parameters<typeof augmentationOf>[0]): readonly Axis[] {
  const { flip } = augmentationOf(config);
  return flip === undefined || flip.probability === 0 ? [] : flip.axes;
}

/**
 * The optimizer a configuration asks for: norms and biases are not decayed, the encoder is frozen if wanted, and what stands on it
 * may have a rate of its own.
 */
export function optimizerOf(
  config: Pick<
    SegmentationConfig,
    "optimizer" | "learningRate" | "weightDecay" | "momentum" | "freeze" | "newLayerRate"
  >,
): Optimizer {
  const { learningRate: lr, weightDecay, momentum, freeze, newLayerRate: lrFactor } = config;
  const undecayed = /(^|\.)bn\d*\.|\.downsample\.1\.|\.bias$/;
  const isNew = new RegExp(`^(?!${encoderPattern.source.slice(1)})`);
  const both = new RegExp(`${isNew.source}.*(${undecayed.source})`);
  const groups: ParameterGroup[] = [
    ...(freeze ? [{ match: encoderPattern, frozen: true, movingStatistics: true }] : []),
    ...(lrFactor === 1
      ? []
      : [
          { match: both, lrFactor, weightDecay: 0, optional: true },
          { match: isNew, lrFactor, optional: true },
        ]),
    { match: undecayed, weightDecay: 0, optional: true },
  ];
  switch (config.optimizer) {
    case "adamW":
      return adamW({ lr, weightDecay, groups });
    case "adam":
      return adam({ lr, weightDecay, groups });
    case "sgd":
      return sgd({ lr, weightDecay, momentum, nesterov: momentum > 0, groups });
  }
}
