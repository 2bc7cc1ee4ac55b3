/** What a classification training is told, checked key by key, with the defaults written out. Stored in `run.json`. */
import { z } from "zod";
import { ConfigError } from "../../errors.ts";
import { checkedConfig, scheduleSchema } from "../../train/index.ts";
import { encoderKeys, refuseFrozenNothing } from "../encoder/config.ts";
import { augmentationOf } from "../segmentation/config.ts";

const size = z.number().int().positive();
const ratings = z.array(z.number().int()).min(1);

/** The zod schema of a classification's configuration; docs/reference/configuration.md lists its keys. */
export const classificationConfigSchema = z.strictObject({
  /** Folder with `labels.csv`, or a CSV, TSV or JSON list. */
  data: z.string(),
  /** Column of the list with the label; null: label, rating, malignancy or class. */
  labelColumn: z.string().nullable().default(null),
  /** Column with the patient, whose cases stay together; null: group or patient. */
  groupColumn: z.string().nullable().default(null),
  /** Ratings that are the positive class; null: the rest of the scale, or Med3D's 4–5 against 1–3. */
  positive: ratings.nullable().default(null),
  /** Ratings that are the negative class, likewise; ratings of neither are left out of the score. */
  negative: ratings.nullable().default(null),
  /**
   * `class`: one output per class. `rating`: ordinal regression, one output per step of the scale (is it above 1, above
   * 2, …?), so that cases of ratings which the rule leaves out teach as well, and one training serves every rule.
   */
  target: z.enum(["class", "rating"]).default("class"),
  /** Columns of numbers that a second head learns beside the label; a prediction does not need them. */
  auxiliary: z.array(z.string().min(1)).default([]),
  /** What their mean loss counts beside the label's. */
  auxiliaryWeight: z.number().positive().default(1),
  ...encoderKeys,
  /** Stages of the encoder that are used. All four have 14 to 46 million weights, the first two under a million. */
  stages: z.union([z.literal(1), z.literal(2), z.literal(3), z.literal(4)]).default(4),
  /** Whether the mask of the lesion is a further input channel. */
  mask: z.boolean().default(false),
  /**
   * `global`: the mean of each feature over the patch. `mask`: beside it the mean under the mask of the lesion, so that what
   * a small lesion is made of is not lost among what surrounds it; needs masks, as a channel or not.
   */
  pooling: z.enum(["global", "mask"]).default("global"),
  /** Share of the pooled features dropped in training. */
  dropout: z.number().min(0).max(0.95).default(0),
  /** Softmax or one sigmoid for each output. Left out: cross-entropy for classes, binary cross-entropy for ratings. */
  loss: z.enum(["crossEntropy", "binaryCrossEntropy", "focal"]).optional(),
  /** `balanced`: every class counts the same however rare it is. Left out: balanced for classes, none for ratings. */
  classWeights: z.enum(["balanced", "none"]).optional(),
  /** Share of a target that is spread evenly over all classes. */
  labelSmoothing: z.number().min(0).max(0.5).default(0),
  optimizer: z.enum(["adamW", "adam", "sgd"]).default("adamW"),
  learningRate: z.number().positive().default(1e-3),
  weightDecay: z.number().min(0).default(1e-2),
  momentum: z.number().min(0).max(0.9999).default(0.9),
  schedule: scheduleSchema.default({ kind: "cosine", floor: 0.01 }),
  warmupEpochs: z.number().min(0).default(2),
  /** Joint norm above which gradients are scaled down; null for none. */
  clipNorm: z.number().positive().nullable().default(12),
  epochs: size.default(60),
  batch: size.nullable().default(null),
  accumulate: size.default(1),
  /** [D, H, W] cut from the centre of the image; null: from the plan. */
  patch: z.tuple([size, size, size]).nullable().default(null),
  /** File of a plan, which then decides spacing, intensities, patch and batch; null: made from the training cases. */
  plan: z.string().nullable().default(null),
  /** Along x, y, z; null: the median of the data set. */
  spacingMm: z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]).nullable().default(null),
  /** Lowest and highest intensity (HU) of a CT window scaled to [0, 1]; null: from the plan. */
  window: z.tuple([z.number(), z.number()]).nullable().default(null),
  augmentation: z.union([z.string(), z.looseObject({})]).default("lesion"),
  /** Every case is scored by a network that never saw it; null: one training with a held-out part. */
  folds: z.number().int().min(2).nullable().default(null),
  /** Networks with other first weights and orders whose probabilities are averaged. */
  seeds: size.default(1),
  /** Cases kept for the final score (without folds): a number, or a share below 1; 0 for none. */
  heldOut: z.number().min(0).default(0.2),
  /** Cases of the training part watched during training, likewise. */
  validation: z.number().min(0).default(0),
  validateEvery: size.default(1),
  patience: size.nullable().default(null),
  use: z.enum(["last", "best"]).default("last"),
  seed: z.number().int().min(0).default(0),
  device: z.enum(["cpu", "webgpu", "cuda"]).default("cpu"),
  /** null: all cores. */
  threads: size.nullable().default(null),
  workers: size.default(1),
  checkpointSeconds: z.number().min(0).default(30),
  /** Weights to start from; null for none. */
  from: z.string().nullable().default(null),
  /** Refuse a data set that anything has to be left out of. */
  strict: z.boolean().default(false),
});

type Parsed = z.infer<typeof classificationConfigSchema>;
export type ClassificationConfig = Parsed & Required<Pick<Parsed, "loss" | "classWeights">>;
export type ClassificationRequest = z.input<typeof classificationConfigSchema>;

/** Checks a request and fills in defaults. @throws ConfigError naming the key */
export function resolveClassificationConfig(request: ClassificationRequest): ClassificationConfig {
  const asked = checkedConfig(classificationConfigSchema, request);
  const isRating = asked.target === "rating";
  const config: ClassificationConfig = {
    ...asked,
    loss: asked.loss ?? (isRating ? "binaryCrossEntropy" : "crossEntropy"),
    classWeights: asked.classWeights ?? (isRating ? "none" : "balanced"),
  };
  augmentationOf(config);
  const twice = config.auxiliary.find((name, i) => config.auxiliary.indexOf(name) !== i);
  if (twice !== undefined) throw new ConfigError(`auxiliary: ${twice} is named twice`);
  if (isRating && config.loss === "crossEntropy")
    throw new ConfigError("loss: crossEntropy; ratings are learnt with binaryCrossEntropy or focal");
  if (isRating && config.classWeights === "balanced")
    throw new ConfigError("classWeights: balanced; the steps of a rating are not classes, so it must be none");
  refuseFrozenNothing(config);
  if (config.window !== null && config.window[0] >= config.window[1])
    throw new ConfigError(`window: ${config.window.join(", ")}; the first value must be the lower one`);
  if (config.use === "best" && config.validation === 0)
    throw new ConfigError("use: best needs cases to be watched by; set validation, too");
  return config;
}

/** Whether the network needs the mask of the lesion, as a channel or to pool under. */
export function takesMask({
  mask,
  pooling,
}: Pick<ClassificationConfig, "mask"> & Partial<Pick<ClassificationConfig, "pooling">>): boolean {
  return mask || pooling === "mask";
}
