/**
 * Deep supervision (Lee et al. 2015; nnU-Net): in training the skip decoder's coarser levels give scores, too, and their losses count
 * beside that of the full resolution. Predictions and exported models are of the full resolution alone.
 *
 * The loss is Σ wᵢ · lossᵢ / Σ wᵢ with weights 1, ½, ¼, … from fine to coarse. A coarser level's target is every second, fourth, …
 * voxel, beginning with the first: nearest neighbours, where the encoder's halvings lie. (nnU-Net leaves its coarsest level, of which
 * this decoder has none, without weight.)
 */
import { add, mul, type Scope, slice, softmax, type Tensor } from "../../../graph/index.ts";
import type { SegmentationConfig } from "../config.ts";
import { type NetworkConfig, segmentationLoss, segmentationOutputs } from "./network.ts";

export type TrainingConfig = NetworkConfig & Partial<Pick<SegmentationConfig, "deepSupervision">>;

/** What a training's network gives: `scores`, `probability`, and with deep supervision `auxiliary1` at 1/2, `auxiliary2` at 1/4, … */
export function trainingOutputs(
  input: Tensor,
  classes: number,
  config: TrainingConfig,
  at?: Scope,
): Record<string, Tensor> {
  const { scores, auxiliary } = segmentationOutputs(input, classes, config, at);
  const named = auxiliary.map((coarser, i): [string, Tensor] => [`auxiliary${i + 1}`, coarser]);
  return { scores, probability: softmax(scores), ...Object.fromEntries(named) };
}

/** The loss of what {@link trainingOutputs} gives. @param target int32 [N, D, H, W] @param ignores whether targets may be -1, which count nothing */
export function trainingLoss(
  outputs: Readonly<Record<string, Tensor>>,
  target: Tensor,
  loss: SegmentationConfig["loss"],
  ignores = false,
): Tensor {
  const auxiliary: Tensor[] = [];
  for (let i = 1; outputs[`auxiliary${i}`] !== undefined; i++) auxiliary.push(outputs[`auxiliary${i}`]);
  const whole = segmentationLoss(outputs.scores, target, loss, ignores);
  if (auxiliary.length === 0) return whole;
  const weights = supervisionWeights(1 + auxiliary.length);
  return auxiliary.reduce(
    (sum, scores, i) =>
      add(sum, mul(segmentationLoss(scores, thinned(target, 2 ** (i + 1)), loss, ignores), weights[i + 1])),
    mul(whole, weights[0]),
  );
}

/** 1, ½, ¼, …, divided by their sum. */
export function supervisionWeights(levels: number): number[] {
  const weights = Array.from({ length: levels }, (_, i) => 2 ** -i);
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
}

/** Every `step`-th voxel along D, H and W. */
function thinned(target: Tensor, step: number): Tensor {
  const axes = [1, 2, 3];
  return slice(target, { axes, step: axes.map(() => step), start: axes.map(() => 0) });
}
