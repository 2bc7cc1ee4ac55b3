/**
 * The network of a classification: MedicalNet's encoder, global average pooling and a 1×1×1 convolution (Med3D §4.2, the
 * nodules), or pooling under the lesion's mask as well; its losses; and the probabilities its scores stand for.
 *
 * Shape shorthand: N batch · F features · C channels · D H W depth, height, width · T outputs: K classes, or R − 1 steps of a scale of R
 * ratings ("above the first rating", …, after Frank & Hall 2001).
 */
import type { RatingRule } from "../../data/index.ts";
import { positiveShare } from "../../data/index.ts";
import {
  averagePool,
  concat,
  div,
  globalAveragePool,
  maximum,
  minimum,
  mul,
  relu,
  reshape,
  scope,
  sigmoid,
  softmax,
  spatialAxes,
  sub,
  sum,
  type Tensor,
} from "../../graph/index.ts";
import {
  binaryCrossEntropy,
  binaryFocal,
  convLayer,
  dropoutLayer,
  softCrossEntropy,
  softFocal,
} from "../../nn/index.ts";
import { type EncoderConfig, encoderFeatures } from "../encoder/config.ts";
import type { ClassificationConfig } from "./config.ts";
import type { ClassificationPlan } from "./plan.ts";

export type ClassifierNetwork = EncoderConfig &
  Pick<ClassificationConfig, "stages" | "mask" | "dropout" | "loss" | "target"> &
  // Not there in runs and models from before it could be chosen.
  Partial<Pick<ClassificationConfig, "pooling">>;

/** How many numbers the network gives for a case. */
export function outputCount({ classes, ratings }: ClassificationPlan, { target }: Pick<ClassifierNetwork, "target">) {
  return target === "rating" ? ratings!.scale.length - 1 : classes.length;
}

/**
 * Scores [N, T].
 * @param input [N, C, D, H, W] @param mask [N, D, H, W], 0 outside the lesion; where the network takes it
 */
export function classificationScores(
  input: Tensor,
  mask: Tensor | undefined,
  outputs: number,
  network: ClassifierNetwork,
): Tensor {
  return headScores(pooledFeatures(input, mask, network), outputs, "classify");
}

/**
 * Scores [N, T] of the label and [N, A] of the auxiliary targets, from the same pooled features.
 * @param input [N, C, D, H, W] @param mask as for {@link classificationScores}
 */
export function multiTaskScores(
  input: Tensor,
  mask: Tensor | undefined,
  outputs: number,
  auxiliaryOutputs: number,
  network: ClassifierNetwork,
): { readonly scores: Tensor; readonly auxiliary?: Tensor } {
  const pooled = pooledFeatures(input, mask, network);
  const scores = headScores(pooled, outputs, "classify");
  return auxiliaryOutputs === 0 ? { scores } : { scores, auxiliary: headScores(pooled, auxiliaryOutputs, "auxiliary") };
}

/** [N, F, 1, 1, 1], or [N, 2F, 1, 1, 1] with those under the mask; dropped in part while training. */
function pooledFeatures(
  input: Tensor,
  given: Tensor | undefined,
  { stages, dropout, mask: asChannel, pooling, ...config }: ClassifierNetwork,
): Tensor {
  const [batch, , ...spatial] = input.shape;
  const mask = given === undefined ? undefined : reshape(minimum(given, 1), [batch, 1, ...spatial]);
  const image = mask !== undefined && asChannel ? concat([input, mask], 1) : input;
  const features = encoderFeatures(image, config, stages).out;
  const whole = globalAveragePool(features);
  const pooled = pooling === "mask" ? concat([whole, maskedAveragePool(features, mask!)], 1) : whole;
  return dropout > 0 ? dropoutLayer(pooled, dropout) : pooled;
}

/**
 * Mean of features [N, F, d, h, w] over the mask [N, 1, D, H, W], each position by the share of it that the mask covers;
 * 0 where the mask is empty. D, H, W must be multiples of d, h, w.
 */
export function maskedAveragePool(features: Tensor, mask: Tensor): Tensor {
  const kernel = features.shape.slice(2).map((size, axis) => mask.shape[axis + 2] / size);
  const share = averagePool(mask, { kernel });
  const axes = spatialAxes(features);
  const total = (x: Tensor): Tensor => sum(x, { axes, keepDims: true });
  return div(total(mul(features, share)), maximum(total(share), 1e-6));
}

function headScores(pooled: Tensor, outputs: number, name: string): Tensor {
  return reshape(convLayer(pooled, outputs, scope(name)), [pooled.shape[0], outputs]);
}

/** Probabilities [N, K] of the classes, or [N, R] of the ratings. */
export function classificationProbabilities(scores: Tensor, { target, loss }: ClassifierNetwork): Tensor {
  if (target === "class" && loss !== "binaryCrossEntropy") return softmax(scores, 1);
  const each = sigmoid(scores);
  if (target === "class") return div(each, sum(each, { axes: [1], keepDims: true }));
  const edge = (value: number): Tensor =>
    scores.graph.constant(new Float32Array(scores.shape[0]).fill(value), [scores.shape[0], 1]);
  // P(rating = r) = P(above r − 1) − P(above r); steps learnt apart may cross, which leaves a little below 0.
  const shares = relu(sub(concat([edge(1), each], 1), concat([each, edge(0)], 1)));
  return div(shares, sum(shares, { axes: [1], keepDims: true }));
}

/** The loss a configuration asks for. @param target [N, T], as {@link targetOf} makes it @param weights one per class */
export function classificationLoss(
  scores: Tensor,
  target: Tensor,
  { loss, target: kind }: ClassifierNetwork,
  weights: readonly number[] | undefined,
): Tensor {
  switch (loss) {
    case "crossEntropy":
      return softCrossEntropy(scores, target, { weights });
    case "focal":
      return kind === "rating" ? binaryFocal(scores, target) : softFocal(scores, target, { weights });
    case "binaryCrossEntropy":
      return binaryCrossEntropy(scores, target, positiveWeights(scores, weights));
  }
}

/** What makes the positives of an output count as much as its negatives, from balanced class weights n / (K·n_k). */
function positiveWeights(scores: Tensor, weights: readonly number[] | undefined): Tensor | number {
  if (weights === undefined) return 1;
  const values = Float32Array.from(weights, (weight) => weights.length * weight - 1);
  return scores.graph.constant(values, [1, weights.length]);
}

/** What the outputs should say of a case, before label smoothing: 0s and 1s. */
export function targetOf(
  item: { readonly class?: number; readonly rating?: number },
  plan: ClassificationPlan,
  network: Pick<ClassifierNetwork, "target">,
): number[] {
  if (network.target === "rating") return plan.ratings!.scale.slice(0, -1).map((step) => (item.rating! > step ? 1 : 0));
  return plan.classes.map((_, k) => (item.class === k ? 1 : 0));
}

/** Probabilities of the classes from what the network gives; ratings by the rule. */
export function classShares(
  probabilities: ArrayLike<number>,
  { ratings }: ClassificationPlan,
  { target }: Pick<ClassifierNetwork, "target">,
  rule: RatingRule | undefined = ratings?.rule,
): number[] {
  if (target === "class") return Array.from(probabilities);
  const positive = positiveShare(probabilities, ratings!.scale, rule!);
  return [1 - positive, positive];
}
