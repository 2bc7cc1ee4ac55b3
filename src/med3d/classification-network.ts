/**
 * The network of a classification: MedicalNet's encoder, global average pooling and a 1×1×1 convolution (Med3D §4.2, the
 * nodules); its losses; and the probabilities its scores stand for.
 *
 * Shape shorthand: N batch · C channels · D H W depth, height, width · T outputs: K classes, or R − 1 steps of a scale of R
 * ratings ("above the first rating", …, after Frank & Hall 2001).
 */
import type { RatingRule } from "../data/index.ts";
import { positiveShare } from "../data/index.ts";
import {
  concat,
  div,
  globalAveragePool,
  minimum,
  relu,
  reshape,
  scope,
  sigmoid,
  softmax,
  sub,
  sum,
  type Tensor,
} from "../graph/index.ts";
import {
  binaryCrossEntropy,
  binaryFocal,
  conv,
  dropout as dropoutLayer,
  softCrossEntropy,
  softFocal,
} from "../nn/index.ts";
import type { ClassificationConfig } from "./classification-config.ts";
import type { ClassificationPlan } from "./classification-plan.ts";
import { type EncoderConfig, encoderFeatures } from "./encoder-config.ts";

export type ClassifierNetwork = EncoderConfig & Pick<ClassificationConfig, "stages" | "dropout" | "loss" | "target">;

/** How many numbers the network gives for a case. */
export function outputCount({ classes, ratings }: ClassificationPlan, { target }: Pick<ClassifierNetwork, "target">) {
  return target === "rating" ? ratings!.scale.length - 1 : classes.length;
}

/**
 * Scores [N, T].
 * @param input [N, C, D, H, W] @param mask [N, D, H, W], 0 outside the lesion; a further channel
 */
export function classificationScores(
  input: Tensor,
  mask: Tensor | undefined,
  outputs: number,
  { stages, dropout, ...config }: ClassifierNetwork,
): Tensor {
  const [batch, , ...spatial] = input.shape;
  const image = mask === undefined ? input : concat([input, reshape(minimum(mask, 1), [batch, 1, ...spatial])], 1);
  const pooled = globalAveragePool(encoderFeatures(image, config, stages).out);
  const kept = dropout > 0 ? dropoutLayer(pooled, dropout) : pooled;
  return reshape(conv(kept, outputs, scope("classify")), [batch, outputs]);
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
