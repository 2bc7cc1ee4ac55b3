/** The inference graph of a classifier: as `model.onnx` with its preprocessing and classes, and in fast forms for here. */
import { writeFileAtomic } from "../files/index.ts";
import { graph } from "../graph/index.ts";
import type { StateMap } from "../train/index.ts";
import {
  type ClassifierNetwork,
  classificationProbabilities,
  classificationScores,
  outputCount,
  takesMask,
} from "./classification-network.ts";
import type { ClassificationPlan } from "./classification-plan.ts";
import { encodeFast, encodePortable } from "./inference-model.ts";
import type { RunRecord } from "./run-folder.ts";
import { modelFile, runWeights } from "./segmentation-export.ts";

/** All of the configuration that a prediction depends on. */
export type ClassifierConfig = ClassifierNetwork;

export function classifierOf({ config }: Pick<RunRecord<"classification">, "config">): ClassifierConfig {
  const { depth, preActivation, shortcut, outputStride, width } = config;
  const { stages, dropout, loss, target, mask, pooling } = config;
  return { depth, preActivation, shortcut, outputStride, width, stages, dropout, loss, target, mask, pooling };
}

/** The weights that a run is scored with. */
export function usedWeights({ config, splits }: RunRecord<"classification">): "last" | "best" {
  return config.use === "best" && splits.validation.length > 0 ? "best" : "last";
}

/** Writes `model.onnx`: input [1, C, D, H, W] (and mask [1, D, H, W]) → probability [1, K], or [1, R] of the ratings. */
export async function exportClassifier(
  folder: string,
  record: RunRecord<"classification">,
  plan: ClassificationPlan,
): Promise<void> {
  const weights = await runWeights(folder, usedWeights(record));
  const { g, probability } = inferenceGraph(classifierOf(record), plan, 1);
  const bytes = encodePortable(g, probability, weights, {
    metadata: {
      medvox: record.versions.medvox,
      task: "classification",
      plan: JSON.stringify(plan),
      network: JSON.stringify(classifierOf(record)),
    },
    name: "medvox-classification",
  });
  await writeFileAtomic(modelFile(folder), bytes, { force: true });
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
