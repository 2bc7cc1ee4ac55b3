/** What a segmentation training is told, checked key by key, with the defaults written out. Stored in `run.json`. */
import { z } from "zod";
import { type Augmentation, type Axis, type augmentationPresets, resolveAugmentation } from "../../augment/index.ts";
import type { PlanChoices } from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import { adam, adamW, encoderPattern, type Optimiser, type ParameterGroup, sgd } from "../../nn/index.ts";
import { checkedConfig, scheduleSchema } from "../../train/index.ts";
import { encoderKeys, refuseFrozenNothing } from "../encoder/config.ts";

const size = z.number().int().positive();
const millimetres = z.number().positive();

/** The zod schema of a segmentation's configuration; docs/reference/configuration.md lists its keys. */
export const segmentationConfigSchema = z.strictObject({
  /** Folder or list of the data set. */
  data: z.string(),
  ...encoderKeys,
  /**
   * What stands on the encoder: `skip` (features at 1/2, 1/4 and 1/8 joined, outlines at full size), `upsampling` (one 1×1×1
   * convolution, Med3D's in pre-training), `convSeg` (the released code's), `transposed` (Med3D's for lungs), `denseAspp` (for the liver).
   */
  decoder: z.enum(["skip", "upsampling", "convSeg", "transposed", "denseAspp"]).default("skip"),
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
  /** AdamW (decoupled weight decay), Adam, or SGD with Nesterov momentum. */
  optimizer: z.enum(["adamW", "adam", "sgd"]).default("adamW"),
  /** Of the encoder; what stands on it has `newLayerRate` times as much. The schedule's factor goes over both. */
  learningRate: z.number().positive().default(1e-3),
  /** Norms and biases are not decayed. */
  weightDecay: z.number().min(0).default(1e-4),
  /** Of `sgd`. */
  momentum: z.number().min(0).max(0.9999).default(0.9),
  /** How the learning rate falls over the epochs. */
  schedule: scheduleSchema.default({ kind: "cosine", floor: 0.01 }),
  /** Epochs over which the learning rate rises from a twentieth to its full size; 0 for none. */
  warmupEpochs: z.number().min(0).default(0.5),
  /** Joint norm above which gradients are scaled down; null for none. */
  clipNorm: z.number().positive().nullable().default(12),
  /** Passes over the training cases, or over `stepsPerEpoch` batches. */
  epochs: size.default(30),
  /** Patches a step; null: from the plan. */
  batch: size.nullable().default(null),
  /** Batches whose gradients are added up to one update: larger batches in the same memory. */
  accumulate: size.default(1),
  /** [D, H, W]; null: from the plan. */
  patch: z.tuple([size, size, size]).nullable().default(null),
  /** File of a plan, which then decides spacing, intensities, patch and batch; null: made from the training cases. */
  plan: z.string().nullable().default(null),
  /** Along x, y, z; null: what `spacing` says of the training cases. */
  spacingMm: z.tuple([millimetres, millimetres, millimetres]).nullable().default(null),
  /** Which spacing of the training cases all are resampled to, axis by axis. */
  spacing: z.enum(["median", "mean"]).default("median"),
  /** Lowest and highest intensity (HU) of a CT window scaled to [0, 1]; null: what `intensity` says. */
  window: z.tuple([z.number(), z.number()]).nullable().default(null),
  /** `percentile`: the paper's, 0.5–99.5 percentile and z-score, image by image; `medicalnet`: the released code's; `plan`: by modality. */
  intensity: z.enum(["plan", "percentile", "medicalnet", "none"]).default("plan"),
  /** All labels as one. */
  mergeLabels: z.boolean().default(false),
  /** So many connected components of each class are kept in a prediction, the largest ones; null: all. */
  keepLargest: size.nullable().default(null),
  /**
   * Coarse to fine: settings of a first network that sees the whole image (by default a coarse one, all labels as one); this one is
   * trained on and predicts the region around what the first finds. null: one network, no region.
   */
  coarse: z.looseObject({}).nullable().default(null),
  /** Kept around the region on every side. */
  marginMm: z.number().min(0).default(20),
  /** In training, windows are drawn from the region and up to so much more around it. */
  jitterMm: z.number().min(0).default(15),
  /** A preset (`none`, `light`, `default`, `elastic`, `lesion`), or the transforms one by one. */
  augmentation: z.union([z.string(), z.looseObject({})]).default("default"),
  /** Mirror along x, y and z in training, each half of the time, as nnU-Net does, whatever `augmentation` says of `flip`. */
  mirror: z.boolean().default(false),
  /** Cases kept for the final score: a number, or a share below 1; 0 for none. */
  heldOut: z.number().min(0).default(0.2),
  /** Cases of the training part watched during training, likewise. */
  validation: z.number().min(0).default(0.05),
  /** Cross-validation: so many networks, each of which never saw its part of the cases; null: one network. */
  folds: z.number().int().min(2).nullable().default(null),
  /** Of what is left to train on, only so many cases: a number, or a share below 1; null: all. Smaller parts lie in larger ones. */
  trainCases: z.number().positive().nullable().default(null),
  /** Decides who is held out and watched; null: `seed` does. */
  splitSeed: z.number().int().min(0).nullable().default(null),
  /** Batches that make an epoch, however many cases there are; null: as many as show every case once. */
  stepsPerEpoch: size.nullable().default(null),
  /** Epochs between two looks at the watched cases. */
  validateEvery: size.default(1),
  /** Stop after so many epochs without a better score of the watched cases; null: never. */
  patience: size.nullable().default(null),
  /** Which weights are scored and exported. */
  use: z.enum(["last", "best"]).default("last"),
  /** Of first weights, order, augmentation and the choice of `trainCases`. */
  seed: z.number().int().min(0).default(0),
  /** Where ONNX Runtime computes; `medvox doctor` says which of them work here. */
  device: z.enum(["cpu", "webgpu", "cuda"]).default("cpu"),
  /** Of the engine; null: all cores. The same number gives the same bits. */
  threads: size.nullable().default(null),
  /** Threads that prepare batches. */
  workers: size.default(1),
  /** Time between two checkpoints; the end, and a stop by Ctrl-C, always write one. */
  checkpointSeconds: z.number().min(0).default(30),
  /** Weights (.safetensors, .pth) or a run to start from; null for none. */
  from: z.string().nullable().default(null),
  /** Refuse a data set that anything has to be left out of. */
  strict: z.boolean().default(false),
});

export type SegmentationConfig = z.infer<typeof segmentationConfigSchema>;
export type SegmentationRequest = z.input<typeof segmentationConfigSchema>;

/** Checks a request and fills in defaults. @throws ConfigError naming the key */
export function resolveSegmentationConfig(request: SegmentationRequest): SegmentationConfig {
  const config = checkedConfig(segmentationConfigSchema, request);
  augmentationOf(config);
  refuseFrozenNothing(config);
  const { window, coarse, patch, outputStride, folds } = config;
  if (coarse !== null && folds !== null)
    throw new ConfigError("folds: are not for a cascade; train one without coarse, or leave folds out");
  if (patch !== null) checkPatch(patch, outputStride);
  refuseSupervision(config);
  if (window !== null && window[0] >= window[1])
    throw new ConfigError(`window: ${window.join(", ")}; the first value must be the lower one`);
  if (coarse !== null) coarseConfig(config);
  return config;
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
 * The optimiser a configuration asks for: norms and biases are not decayed, the encoder is frozen if wanted, and what stands on it
 * may have a rate of its own.
 */
export function optimiserOf(
  config: Pick<
    SegmentationConfig,
    "optimizer" | "learningRate" | "weightDecay" | "momentum" | "freeze" | "newLayerRate"
  >,
): Optimiser {
  const { learningRate: lr, weightDecay, momentum, freeze, newLayerRate: lrFactor } = config;
  const undecayed = /(^|\.)bn\d*\.|\.downsample\.1\.|\.bias$/;
  const isNew = new RegExp(`^(?!${encoderPattern.source.slice(1)})`);
  const both = new RegExp(`${isNew.source}.*(${undecayed.source})`);
  const groups: ParameterGroup[] = [
    ...(freeze ? [{ match: encoderPattern, frozen: true }] : []),
    ...(lrFactor === 1
      ? []
      : [
          { match: both, lrFactor, weightDecay: 0 },
          { match: isNew, lrFactor },
        ]),
    { match: undecayed, weightDecay: 0 },
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
