/** What an experiment is told, checked key by key, with the defaults written out. */
import { z } from "zod";
import { experimentKeys } from "../../experiments/index.ts";
import { checkedConfig } from "../../train/index.ts";

const name = z.string().regex(/^[\w-]+$/, "a name has letters, digits, - and _ only");
/** Checked by the training it is meant for. */
const settings = z.looseObject({});

/** The zod schemas of the experiments' configurations; docs/reference/configuration.md lists their keys. */
export const experimentSchemas = {
  /** How much data is enough: one set, growing parts of it, the same number of steps for each. */
  magnitude: z.strictObject({
    ...experimentKeys,
    /** Shares of the training cases. */
    shares: z.array(z.number().positive().max(1)).min(2).default([0.1, 0.2, 0.4, 0.6, 0.8, 1]),
    /** Steps (updates) of every training. */
    steps: z.number().int().positive(),
    /** As `train segmentation --config` takes it; epochs follow from the steps. */
    segmentation: settings,
  }),
  /** What other sets add: each set alone against all of them jointly. */
  variety: z.strictObject({
    ...experimentKeys,
    /**
     * `perSet`: jointly, every set gets as many steps as alone, so that the encoder gets those of all. `total`: all sets together
     * get as many steps as one alone.
     */
    joint: z
      .array(z.enum(["perSet", "total"]))
      .min(1)
      .default(["perSet", "total"]),
    /** Steps of a set alone. */
    steps: z.number().int().positive(),
    /** As `pretrain --config` takes it; `epochs` and `updatesPerSet` follow from the steps. */
    pretraining: settings,
  }),
  /** What pre-training brings: small targets, from scratch and from a pre-trained encoder. */
  transfer: z.strictObject({
    ...experimentKeys,
    /** Weights, a run, or a pre-training to be done first, as `pretrain --config` takes it. */
    from: z.union([
      z.string(),
      z.strictObject({
        /** As `pretrain --config` takes it. */
        pretraining: settings,
      }),
    ]),
    /** What is learnt, each from scratch and pre-trained. */
    targets: z
      .array(
        z
          .strictObject({
            /** Stands in the table. */
            name,
            /** As `train segmentation --config` takes it; or else */
            segmentation: settings.optional(),
            /** as `train classification --config` takes it. */
            classification: settings.optional(),
            /** Over `scratch` of all targets. */
            scratch: settings.default({}),
            /** Over `pretrained` of all targets. */
            pretrained: settings.default({}),
          })
          .refine(
            ({ segmentation, classification }) => (segmentation === undefined) !== (classification === undefined),
            "a target is told either a segmentation or a classification",
          ),
      )
      .min(1),
    /** Settings of all trainings that start from random weights. */
    scratch: settings.default({}),
    /** Settings of all trainings that start from the encoder. */
    pretrained: settings.default({}),
  }),
} as const;

export type ExperimentKind = keyof typeof experimentSchemas;
export type ExperimentConfig<K extends ExperimentKind> = z.infer<(typeof experimentSchemas)[K]>;
export type ExperimentRequest<K extends ExperimentKind> = z.input<(typeof experimentSchemas)[K]>;

/** Checks a request and fills in defaults. @throws ConfigError naming the key */
export function resolveExperimentConfig<K extends ExperimentKind>(kind: K, request: unknown): ExperimentConfig<K> {
  return checkedConfig(experimentSchemas[kind], request) as ExperimentConfig<K>;
}
