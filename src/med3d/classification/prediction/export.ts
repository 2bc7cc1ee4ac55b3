/** The inference graph of a classifier: as `model.onnx` with its preprocessing and classes, and in fast forms for here. */
import { graph } from "../../../graph/index.ts";
import { BEST_CHECKPOINT, LAST_CHECKPOINT, readWeights, type StateMap } from "../../../train/index.ts";
import { encodeFast, encodePortable } from "../../encoder/inference.ts";
import { classificationConfigSchema, takesMask } from "../config.ts";
import { type ClassifierNetwork, classificationProbabilities, classificationScores, outputCount } from "../network.ts";
import type { ClassificationPlan } from "../plan.ts";
import type { ClassificationRun } from "../session.ts";

/** All of the configuration that a prediction depends on. */
export type ClassifierConfig = ClassifierNetwork;

const keys = { depth: true, preActivation: true, shortcut: true, outputStride: true, width: true } as const;
const more = { stages: true, dropout: true, loss: true, target: true, mask: true, pooling: true } as const;

/** Those keys, as a model's metadata has them. */
export const classifierSchema = classificationConfigSchema.pick({ ...keys, ...more }).required({ loss: true });

export function classifierOf({ config }: Pick<ClassificationRun["record"], "config">): ClassifierConfig {
  const { depth, preActivation, shortcut, outputStride, width } = config;
  const { stages, dropout, loss, target, mask, pooling } = config;
  return { depth, preActivation, shortcut, outputStride, width, stages, dropout, loss, target, mask, pooling };
}

/** The weights that a run is scored with. */
export function usedWeights({ config, splits }: ClassificationRun["record"]): "last" | "best" {
  return config.use === "best" && splits.validation.length > 0 ? "best" : "last";
}

/** The bytes of `model.onnx`: input [1, C, D, H, W] (and mask [1, D, H, W]) → probability [1, K], or [1, R] of the ratings. */
export async function encodeRun(
  { record, plan, store }: ClassificationRun,
  use = usedWeights(record),
): Promise<Uint8Array> {
  const weights = await readWeights(store, use === "best" ? BEST_CHECKPOINT : LAST_CHECKPOINT);
  const { g, probability } = inferenceGraph(classifierOf(record), plan, 1);
  return encodePortable(g, probability, weights, {
    metadata: {
      medvox: record.versions.medvox,
      task: "classification",
      plan: JSON.stringify(plan),
      network: JSON.stringify(classifierOf(record)),
    },
    name: "medvox-classification",
  });
}

/** The fast model for batches of `views`. */
export function encodeClassifier(
  network: ClassifierConfig,
  plan: ClassificationPlan,
  weights: StateMap,
  views: number,
): Uint8Array {
  const { g, probability } = inferenceGraph(network, plan, views);
  return encodeFast(g, probability, weights);
}

/** For devices without the fast forms. */
export function encodePlainClassifier(
  network: ClassifierConfig,
  plan: ClassificationPlan,
  weights: StateMap,
  views: number,
): Uint8Array {
  const { g, probability } = inferenceGraph(network, plan, views);
  return encodePortable(g, probability, weights, { metadata: {}, name: "medvox-classification" });
}

function inferenceGraph(network: ClassifierConfig, plan: ClassificationPlan, views: number) {
  const g = graph();
  const { patch, preprocessing } = plan;
  const input = g.input("input", [views, preprocessing.channels, ...patch]);
  const mask = takesMask(network) ? g.input("mask", [views, ...patch]) : undefined;
  const scores = classificationScores(input, mask, outputCount(plan, network), network);
  return { g, probability: classificationProbabilities(scores, network) };
}
