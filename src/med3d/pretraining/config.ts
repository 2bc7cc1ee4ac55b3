/**
 * What a pre-training is told (Med3D §3): the data sets, each with its labels and its decoder, and what a segmentation is told
 * as well. Checked key by key, with the defaults written out, and stored in `run.json`.
 */
import { z } from "zod";
import { type Augmentation, type augmentationPresets, resolveAugmentation } from "../../augment/index.ts";
import { type PlanChoices, selectionSchema } from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import { type ConfigOf, checkedConfig, type RequestOf } from "../../train/index.ts";
import {
  augmentationOf,
  refuseSupervision,
  type SegmentationConfig,
  type SegmentationRequest,
  segmentationConfigSchema,
} from "../segmentation/config.ts";

const size = z.number().int().positive();
const common = segmentationConfigSchema.shape;

const intensitySchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("zscore"), clipPercentile: z.tuple([z.number(), z.number()]).optional() }),
  z.strictObject({
    kind: z.literal("ctWindow"),
    low: z.number(),
    high: z.number(),
    mean: z.number().optional(),
    sd: z.number().positive().optional(),
  }),
  z.strictObject({ kind: z.literal("medicalnet") }),
  z.strictObject({ kind: z.literal("none") }),
]);

/** What is decided for a set by hand; its plan's rules decide the rest. */
const planSchema = z.strictObject({
  /** Three of R, L, A, P, S, I: where the axes x, y, z lead; `"RAS"` by default. */
  orientation: z.string().optional(),
  /** Along x, y, z; left out: the set's median; null: as scanned. */
  spacingMm: z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]).nullable().optional(),
  /** Left out: clipped to the 0.5–99.5 percentile and z-scored, image by image (the paper's). */
  intensity: intensitySchema.optional(),
  /** [D, H, W]; left out: that of all sets. */
  patch: z.tuple([size, size, size]).optional(),
  /** Patches a step of this set. */
  batch: size.optional(),
});

const setSchema = selectionSchema.extend({
  /** Names the branch, and with it its parameters: `branch.NAME.…`. */
  name: z.string().regex(/^[\w-]+$/, "a set's name has letters, digits, - and _ only"),
  /** Folder or list of the data set. */
  data: z.string(),
  /** null: as the others. */
  decoder: common.decoder.unwrap().nullable().default(null),
  /** null: as the others. */
  decoderChannels: common.decoderChannels.unwrap().nullable().default(null),
  /** Cases kept for the final score; null: as the others. */
  heldOut: z.number().min(0).nullable().default(null),
  /** What is decided for this set by hand; rules decide the rest. */
  plan: planSchema.default({}),
});

/** The keys of a pre-training alone, or with another meaning than of a segmentation. */
const pretrainingKeys = {
  /** The data sets, one branch each. */
  sets: z.array(setSchema).min(1, "name at least one data set"),
  /** Of every branch. `upsampling` is the paper's: one 1×1×1 convolution and linear up-sampling. */
  decoder: common.decoder.unwrap().default("upsampling"),
  /** Of the first pass over a set's cases in an epoch: a preset, or the transforms one by one. */
  augmentation: common.augmentation.unwrap().default("none"),
  /**
   * Sets smaller than the largest are filled up to its size by augmented copies of their cases; this is how. `"none"` leaves
   * every set its own size. The paper names translation, rotation and scaling, but no ranges; these are ours.
   */
  balance: z.union([z.string(), z.looseObject({})]).default({
    translate: { probability: 0.8, fraction: 0.1 },
    rotate: { probability: 0.8, degrees: 15 },
    scale: { probability: 0.8, factor: [0.85, 1.15] },
  }),
  /**
   * Every branch has running statistics of the encoder's norms for its own set, beside those of all sets: scans of different kinds
   * then do not share means and variances when a branch predicts. Training is the same either way.
   */
  branchStatistics: z.boolean().default(false),
  /** Updates of every set an epoch; null: as many as the largest set (or, unbalanced, each set) needs for all its cases. */
  updatesPerSet: size.nullable().default(null),
  /** Of each set: a number, or a share below 1, rounded down; small sets keep none. */
  heldOut: z.number().min(0).default(0.1),
};

/** The zod schema of a pre-training's configuration; docs/reference/configuration.md lists its keys. */
export const pretrainingConfigSchema = segmentationConfigSchema
  .omit({ data: true, validation: true, validateEvery: true, patience: true, use: true })
  // Told set by set (`plan`, `labels`, `cases`, `updatesPerSet`), or of no meaning here: refused rather than ignored.
  .omit({ plan: true, spacingMm: true, spacing: true, window: true, intensity: true, mergeLabels: true })
  .omit({
    coarse: true,
    marginMm: true,
    jitterMm: true,
    trainCases: true,
    splitSeed: true,
    stepsPerEpoch: true,
    folds: true,
    splits: true,
  })
  .extend(pretrainingKeys);

type Taken = Exclude<keyof z.input<typeof pretrainingConfigSchema>, keyof typeof pretrainingKeys>;
/** A pre-training's configuration, with defaults filled in. */
export interface PretrainingConfig extends Pick<SegmentationConfig, Taken>, ConfigOf<typeof pretrainingKeys> {}
/** What a pre-training is asked with; what is left out has the default of docs/reference/configuration.md. */
export interface PretrainingRequest extends Pick<SegmentationRequest, Taken>, RequestOf<typeof pretrainingKeys> {}
export type PretrainingSet = PretrainingConfig["sets"][number];

/** Checks a request and fills in defaults. @throws ConfigError naming the key */
export function resolvePretrainingConfig(request: PretrainingRequest): PretrainingConfig {
  const config = checkedConfig(pretrainingConfigSchema, request);
  const names = config.sets.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw new ConfigError(`sets: two of them are called ${twice}; names must be unique`);
  resolveAugmentation(config.augmentation as keyof typeof augmentationPresets | Augmentation);
  balancingOf(config);
  for (const { decoder } of config.sets) refuseSupervision({ ...config, decoder: decoder ?? config.decoder });
  return config;
}

/** How the copies that fill up a set are augmented; undefined where sets keep their size. */
export function balancingOf({
  augmentation,
  balance,
  mirror,
}: Pick<PretrainingConfig, "augmentation" | "balance"> & Partial<Pick<PretrainingConfig, "mirror">>):
  | Augmentation
  | undefined {
  if (balance === "none") return undefined;
  type Given = keyof typeof augmentationPresets | Augmentation;
  const both = { ...resolveAugmentation(augmentation as Given), ...resolveAugmentation(balance as Given) };
  return augmentationOf({ augmentation: both, mirror });
}

/** The configuration of one branch, as a segmentation of its set alone would have it. */
export function branchConfig(config: PretrainingConfig, set: PretrainingSet): SegmentationConfig {
  const { sets: _sets, balance: _balance, updatesPerSet: _updates, branchStatistics: _statistics, ...shared } = config;
  return segmentationConfigSchema.parse({
    ...shared,
    data: set.data,
    decoder: set.decoder ?? config.decoder,
    decoderChannels: set.decoderChannels ?? config.decoderChannels,
    heldOut: set.heldOut ?? config.heldOut,
    validation: 0,
  });
}

/** What a set's plan is told: the paper's intensities (clip, z-score per image) for MRI and CT alike, unless it says otherwise. */
export function planChoices(config: PretrainingConfig, { plan }: PretrainingSet): PlanChoices {
  return {
    ...plan,
    intensity: plan.intensity ?? { kind: "zscore", clipPercentile: [0.5, 99.5] },
    patch: plan.patch ?? config.patch ?? undefined,
    batch: plan.batch ?? config.batch ?? undefined,
  };
}
