/** What a classification training is told, checked key by key, with the defaults written out. Stored in `run.json`. */
import { z } from "zod";
import { ConfigError } from "../../errors.ts";
import {
  type ConfigOf,
  checkedConfig,
  type RequestOf,
  refuseContradictions,
  sharedKeys,
  withDefaults,
} from "../../train/index.ts";
import { type encoderKeys, med3dKeys, refuseFrozenNothing, type stepKeys } from "../encoder/config.ts";
import { augmentationOf } from "../segmentation/config.ts";

const size = z.number().int().positive();
const ratings = z.array(z.number().int()).min(1);

/** The keys of a classification alone. */
const classificationKeys = {
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
  /** [D, H, W] cut from the centre of the image; null: from the plan. */
  patch: med3dKeys.patch,
  /** File of a plan, which then decides spacing, intensities, patch and batch; null: made from the training cases. */
  plan: z.string().nullable().default(null),
  /** Every case is scored by a network that never saw it; null: one training with a held-out part. */
  folds: z.number().int().min(2).nullable().default(null),
  /** Networks with other first weights and orders whose probabilities are averaged. */
  seeds: size.default(1),
};

/** The zod schema of a classification's configuration; docs/reference/configuration.md lists its keys. */
export const classificationConfigSchema = z.strictObject({
  ...withDefaults(sharedKeys, {
    weightDecay: 1e-2,
    warmupEpochs: 2,
    epochs: 60,
    augmentation: "lesion",
    validation: 0,
  }),
  ...med3dKeys,
  ...classificationKeys,
});

/** A classification's configuration, with defaults filled in. */
export interface ClassificationConfig
  extends ConfigOf<typeof sharedKeys>,
    ConfigOf<typeof encoderKeys>,
    ConfigOf<Pick<typeof stepKeys, "schedule">>,
    ConfigOf<Omit<typeof classificationKeys, "loss" | "classWeights">> {
  /** Softmax or one sigmoid for each output. */
  loss: NonNullable<z.output<typeof classificationKeys.loss>>;
  /** `balanced`: every class counts the same however rare it is. */
  classWeights: NonNullable<z.output<typeof classificationKeys.classWeights>>;
}
/** What a classification training is asked with; what is left out has the default of docs/reference/configuration.md. */
export interface ClassificationRequest
  extends RequestOf<typeof sharedKeys>,
    RequestOf<typeof encoderKeys>,
    RequestOf<Pick<typeof stepKeys, "schedule">>,
    RequestOf<typeof classificationKeys> {}

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
  refuseContradictions(config, "cases");
  return config;
}

/** Whether the network needs the mask of the lesion, as a channel or to pool under. */
export function takesMask({
  mask,
  pooling,
}: Pick<ClassificationConfig, "mask"> & Partial<Pick<ClassificationConfig, "pooling">>): boolean {
  return mask || pooling === "mask";
}
