/**
 * Losses, as graphs. Scores ("logits") are [N, K, …] before softmax or sigmoid, class targets int32 [N, …] in 0 … K−1.
 * All are scalars, averaged as their counterparts in PyTorch and MONAI are.
 */
import { ShapeError } from "../errors.ts";
import {
  abs,
  add,
  cast,
  div,
  equal,
  exp,
  less,
  logSoftmax,
  maximum,
  mean,
  mul,
  neg,
  not,
  type Operand,
  pow,
  relu,
  reshape,
  shapeText,
  sigmoid,
  softplus,
  square,
  sub,
  sum,
  type Tensor,
  where,
} from "../graph/index.ts";

/** 1 where the target is the class, else 0: int32 [N, …] → float32 [N, K, …]. */
export function oneHot(target: Tensor, classes: number): Tensor {
  expectLabels(target, classes);
  return classMask(target, classes);
}

/** Says which labels there may be. Whoever feeds the graph checks them: see {@link LabelRule}. */
function expectLabels(target: Tensor, classes: number, ignored?: number): void {
  target.graph.labelRules.push({ target, classes, ignored });
}

function classMask(target: Tensor, classes: number): Tensor {
  const [n, ...spatial] = target.shape;
  const index = target.graph.constant(
    Int32Array.from({ length: classes }, (_, k) => k),
    [1, classes, ...spatial.map(() => 1)],
  );
  return cast(equal(reshape(target, [n, 1, ...spatial]), index), "float32");
}

/** [N, 1, …], 1 where the target counts and 0 where it is `ignoreIndex`. */
function countedPositions(target: Tensor, ignoreIndex: number): Tensor {
  const [n, ...spatial] = target.shape;
  const ignored = target.graph.constant(Int32Array.of(ignoreIndex), [1, 1, ...spatial.map(() => 1)]);
  return cast(not(equal(reshape(target, [n, 1, ...spatial]), ignored)), "float32");
}

/** What nothing counted is divided by, so that a batch of ignored targets has the loss 0. */
const nothing = 1e-20;

function requireTarget(loss: string, scores: Tensor, target: Tensor, ignored?: number): void {
  const expected = [scores.shape[0], ...scores.shape.slice(2)];
  if (target.dtype !== "int32" || shapeText(target.shape) !== shapeText(expected)) {
    throw new ShapeError(
      `${loss}: target ${shapeText(target.shape)} ${target.dtype} for scores ${shapeText(scores.shape)}; it must be int32 ${shapeText(expected)}`,
    );
  }
  expectLabels(target, scores.shape[1], ignored);
}

export interface CrossEntropyOptions {
  /** One weight per class. */
  weights?: readonly number[];
  /** Targets of this value do not count; it may be outside 0 … K−1. Where none counts the loss is 0. */
  ignoreIndex?: number;
}

/** Softmax cross-entropy, averaged over all counted positions (by weight, if there are weights): PyTorch's CrossEntropyLoss. */
export function crossEntropy(
  scores: Tensor,
  target: Tensor,
  { weights, ignoreIndex }: CrossEntropyOptions = {},
): Tensor {
  requireTarget("crossEntropy", scores, target, ignoreIndex);
  const classes = scores.shape[1];
  const { graph } = scores;
  if (weights !== undefined && weights.length !== classes) {
    throw new ShapeError(`crossEntropy: ${weights.length} weights for ${classes} classes`);
  }
  let counted = classMask(target, classes);
  const perClass = Float32Array.from({ length: classes }, (_, k) => (k === ignoreIndex ? 0 : (weights?.[k] ?? 1)));
  const plain = perClass.every((weight) => weight === 1);
  if (!plain) counted = mul(counted, graph.constant(perClass, [1, classes, ...scores.shape.slice(2).map(() => 1)]));
  const total = neg(sum(mul(counted, logSoftmax(scores, 1))));
  // Every target counts fully: the divisor is known. Else it is what was counted.
  return plain && ignoreIndex === undefined
    ? mul(total, classes / scores.size)
    : div(total, maximum(sum(counted), nothing));
}

/**
 * Softmax cross-entropy with targets that are probabilities, [N, K, …] as the scores (smoothed labels, mixtures), averaged
 * over positions: PyTorch's CrossEntropyLoss with class probabilities.
 */
export function softCrossEntropy(
  scores: Tensor,
  target: Tensor,
  { weights }: Pick<CrossEntropyOptions, "weights"> = {},
): Tensor {
  const classes = scores.shape[1];
  requireSoftTarget("softCrossEntropy", scores, target);
  return mul(neg(sum(mul(weighed(target, weights, "softCrossEntropy"), logSoftmax(scores, 1)))), classes / scores.size);
}

/** Focal loss on softmax probabilities with such targets: −Σ t·(1 − p)^γ·log p, averaged over positions. */
export function softFocal(
  scores: Tensor,
  target: Tensor,
  { weights, gamma = 2 }: Pick<CrossEntropyOptions, "weights"> & Pick<FocalOptions, "gamma"> = {},
): Tensor {
  requireSoftTarget("softFocal", scores, target);
  const logarithm = logSoftmax(scores, 1);
  const missed = pow(relu(sub(1, exp(logarithm))), gamma);
  const total = sum(mul(mul(weighed(target, weights, "softFocal"), missed), logarithm));
  return mul(neg(total), scores.shape[1] / scores.size);
}

function weighed(target: Tensor, weights: readonly number[] | undefined, loss: string): Tensor {
  if (weights === undefined) return target;
  const [, classes, ...spatial] = target.shape;
  if (weights.length !== classes) throw new ShapeError(`${loss}: ${weights.length} weights for ${classes} classes`);
  return mul(target, target.graph.constant(Float32Array.from(weights), [1, classes, ...spatial.map(() => 1)]));
}

function requireSoftTarget(loss: string, scores: Tensor, target: Tensor): void {
  if (target.dtype !== "float32" || shapeText(target.shape) !== shapeText(scores.shape)) {
    throw new ShapeError(
      `${loss}: target ${shapeText(target.shape)} ${target.dtype} for scores ${shapeText(scores.shape)}; it must be float32 of the same shape`,
    );
  }
}

export interface DiceOptions {
  /** Added to numerator and denominator. */
  smooth?: number;
  /** Whether class 0 counts. */
  includeBackground?: boolean;
  /** Sums over the whole batch before dividing, instead of averaging the samples' Dice. */
  batch?: boolean;
  /** Where the target has this value, neither it nor the prediction counts. */
  ignoreIndex?: number;
}

/** 1 − soft Dice of softmax probabilities, averaged over classes (and samples): MONAI's DiceLoss(softmax=True, to_onehot_y=True). */
export function diceLoss(
  scores: Tensor,
  target: Tensor,
  { smooth = 1e-5, includeBackground = true, batch = false, ignoreIndex }: DiceOptions = {},
): Tensor {
  requireTarget("dice", scores, target, ignoreIndex);
  const classes = scores.shape[1];
  // By way of the logarithm, which cross-entropy beside it needs as well: the graph then computes it once.
  const everywhere = exp(logSoftmax(scores, 1));
  const counts = ignoreIndex === undefined ? undefined : countedPositions(target, ignoreIndex);
  const probability = counts === undefined ? everywhere : mul(everywhere, counts);
  const ofClass = classMask(target, classes);
  const truth = counts === undefined ? ofClass : mul(ofClass, counts);
  const axes = scores.shape.map((_, axis) => axis).filter((axis) => axis > 1 || (batch && axis === 0));
  const total = (x: Tensor): Tensor => sum(x, { axes });
  const overlap = add(mul(total(mul(probability, truth)), 2), smooth);
  const size = add(add(total(probability), total(truth)), smooth);
  const loss = sub(1, div(overlap, size));
  if (includeBackground) return mean(loss);
  const keep = scores.graph.constant(Float32Array.from({ length: classes }, (_, k) => (k === 0 ? 0 : 1)));
  return mul(mean(mul(loss, keep)), classes / (classes - 1));
}

/** Dice and cross-entropy added: what nnU-Net trains with. */
export function diceCrossEntropy(
  scores: Tensor,
  target: Tensor,
  options: DiceOptions & CrossEntropyOptions & { diceWeight?: number; crossEntropyWeight?: number } = {},
): Tensor {
  const { diceWeight = 1, crossEntropyWeight = 1, weights, ignoreIndex, ...diceOptions } = options;
  return add(
    mul(diceLoss(scores, target, { ...diceOptions, ignoreIndex }), diceWeight),
    mul(crossEntropy(scores, target, { weights, ignoreIndex }), crossEntropyWeight),
  );
}

/** Sigmoid cross-entropy with soft targets of the scores' shape, averaged; `positiveWeight` multiplies the positives' part. */
export function binaryCrossEntropy(scores: Tensor, target: Tensor, positiveWeight: Operand = 1): Tensor {
  return mean(binaryCrossEntropyTerms(scores, target, positiveWeight));
}

/** {@link binaryCrossEntropy} of each score. */
export function binaryCrossEntropyTerms(scores: Tensor, target: Tensor, positiveWeight: Operand = 1): Tensor {
  // (1−t)·x + (1 + (w−1)·t)·softplus(−x)
  const positives = positiveWeight === 1 ? 1 : add(1, mul(target, sub2(positiveWeight, 1)));
  return add(mul(sub(1, target), scores), mul(softplus(neg(scores)), positives));
}

function sub2(a: Operand, b: number): Operand {
  return typeof a === "number" ? a - b : sub(a, b);
}

export interface FocalOptions {
  /** Weight of the positives (negatives get 1 − alpha); none by default. */
  alpha?: number;
  gamma?: number;
}

/** {@link FocalOptions} of class targets. */
export interface ClassFocalOptions extends FocalOptions {
  /** Targets of this value do not count; the mean is over the others, and 0 where there are none. */
  ignoreIndex?: number;
}

/** Sigmoid focal loss (Lin et al. 2017), averaged: torchvision's sigmoid_focal_loss with reduction "mean". */
export function binaryFocal(scores: Tensor, target: Tensor, { alpha, gamma = 2 }: FocalOptions = {}): Tensor {
  const probability = sigmoid(scores);
  const entropy = add(mul(sub(1, target), scores), softplus(neg(scores)));
  const correct = add(mul(probability, target), mul(sub(1, probability), sub(1, target)));
  const loss = mul(entropy, pow(sub(1, correct), gamma));
  if (alpha === undefined) return mean(loss);
  return mean(mul(loss, add(mul(target, alpha), mul(sub(1, target), 1 - alpha))));
}

/** Softmax focal loss, averaged over positions: MONAI's FocalLoss(use_softmax=True, to_onehot_y=True) summed over classes. */
export function focal(
  scores: Tensor,
  target: Tensor,
  { alpha, gamma = 2, ignoreIndex }: ClassFocalOptions = {},
): Tensor {
  requireTarget("focal", scores, target, ignoreIndex);
  const classes = scores.shape[1];
  const logarithm = logSoftmax(scores, 1);
  const truth = classMask(target, classes);
  const picked = sum(mul(truth, logarithm), { axes: [1] });
  let loss = neg(mul(pow(relu(sub(1, exp(picked))), gamma), picked));
  if (alpha !== undefined) {
    const shares = Float32Array.from({ length: classes }, (_, k) => (k === 0 ? 1 - alpha : alpha));
    const share = scores.graph.constant(shares, [1, classes, ...scores.shape.slice(2).map(() => 1)]);
    loss = mul(loss, sum(mul(truth, share), { axes: [1] }));
  }
  if (ignoreIndex === undefined) return mean(loss);
  const counts = reshape(countedPositions(target, ignoreIndex), target.shape);
  return div(sum(mul(loss, counts)), maximum(sum(counts), nothing));
}

/** Huber-like loss of boxes: ½d²/beta below beta, |d| − ½beta above; beta 0 is plain |d|. Averaged. */
export function smoothL1(prediction: Tensor, target: Tensor, beta = 1): Tensor {
  return mean(smoothL1Terms(prediction, target, beta));
}

/** {@link smoothL1} of each number. */
export function smoothL1Terms(prediction: Tensor, target: Tensor, beta = 1): Tensor {
  const difference = sub(prediction, target);
  const distance = abs(difference);
  if (beta === 0) return distance;
  return where(less(distance, beta), mul(square(difference), 0.5 / beta), sub(distance, 0.5 * beta));
}

/** Mean squared difference. */
export function meanSquaredError(prediction: Tensor, target: Tensor): Tensor {
  return mean(square(sub(prediction, target)));
}
