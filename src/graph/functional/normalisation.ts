/** Normalisation, softmax and dropout. */
import { ShapeError } from "../../errors.ts";
import { shapeText, sizeOf, type Tensor } from "../core.ts";
import {
  add,
  bitShift,
  bitwiseXor,
  cast,
  div,
  greaterOrEqual,
  mul,
  type Operand,
  sqrt,
  square,
  sub,
  where,
} from "./elementwise.ts";
import { channelwise } from "./linear.ts";
import { reshape } from "./movement.ts";
import { mean, normaliseAxis, spatialAxes } from "./reduce.ts";

export interface BatchStatistics {
  /** The normalised, scaled and shifted map. */
  readonly output: Tensor;
  /** [C], over batch and positions. */
  readonly mean: Tensor;
  /** [C], biased (divided by the count). */
  readonly variance: Tensor;
}

/** Batch norm with the batch's own statistics: x [N, C, …], scale and bias [C]. */
export function batchNorm(x: Tensor, scale: Tensor, bias: Tensor, epsilon = 1e-5): BatchStatistics {
  const [output, mean, variance] = x.graph.add("batchNorm", [x, scale, bias], { epsilon });
  return { output, mean, variance };
}

/** Batch norm with given statistics, all [C]. */
export function batchNormInference(
  x: Tensor,
  scale: Tensor,
  bias: Tensor,
  mean: Tensor,
  variance: Tensor,
  epsilon = 1e-5,
): Tensor {
  return x.graph.add("batchNormInference", [x, scale, bias, mean, variance], { epsilon })[0];
}

/** y = a·x + b with one a and one b per channel: x [N, C, …], a and b [C]. */
export function channelAffine(x: Tensor, a: Tensor, b: Tensor): Tensor {
  return x.graph.add("channelAffine", [x, a, b], {})[0];
}

/** Each channel of each sample on its own: x [N, C, …], scale and bias [C]. */
export function instanceNorm(x: Tensor, scale?: Tensor, bias?: Tensor, epsilon = 1e-5): Tensor {
  return groupNorm(x, x.shape[1], scale, bias, epsilon);
}

/** Groups of channels of each sample: x [N, C, …], scale and bias [C]. */
export function groupNorm(x: Tensor, groups: number, scale?: Tensor, bias?: Tensor, epsilon = 1e-5): Tensor {
  const [n, c] = x.shape;
  if (x.rank < 2 || c % groups !== 0) {
    throw new ShapeError(`groupNorm: ${groups} groups do not divide the ${c} channels of ${shapeText(x.shape)}`);
  }
  const normal = x.graph.anySize
    ? standardiseGroups(x, groups, epsilon)
    : reshape(standardise(reshape(x, [1, n * groups, x.size / (n * groups)]), epsilon), x.shape);
  if (scale === undefined || bias === undefined) return normal;
  return channelAffine(normal, scale, bias);
}

/** Over the last `axes` axes: scale and bias have their shape. */
export function layerNorm(x: Tensor, axes: number, scale?: Tensor, bias?: Tensor, epsilon = 1e-5): Tensor {
  const inner = sizeOf(x.shape.slice(x.rank - axes));
  const normal = x.graph.anySize
    ? standardiseAxes(x, [...x.shape.keys()].slice(x.rank - axes), epsilon)
    : reshape(standardise(reshape(x, [1, x.size / inner, inner]), epsilon), x.shape);
  if (scale === undefined || bias === undefined) return normal;
  return add(mul(normal, scale), bias);
}

/** Zero mean and unit variance per channel of x [1, G, P]. */
function standardise(x: Tensor, epsilon: number): Tensor {
  const groups = x.shape[1];
  const ones = x.graph.constant(new Float32Array(groups).fill(1), [groups]);
  const zeros = x.graph.constant(new Float32Array(groups), [groups]);
  return batchNorm(x, ones, zeros, epsilon).output;
}

/** Zero mean and unit variance over some axes, with no size fixed. */
function standardiseAxes(x: Tensor, axes: readonly number[], epsilon: number): Tensor {
  const centred = sub(x, mean(x, { axes, keepDims: true }));
  return div(centred, sqrt(add(mean(square(centred), { axes, keepDims: true }), epsilon)));
}

/** Zero mean and unit variance per group of channels, with no size fixed but the channels'. */
function standardiseGroups(x: Tensor, groups: number, epsilon: number): Tensor {
  const [n, c, ...spatial] = x.shape;
  if (groups === c) return standardiseAxes(x, spatialAxes(x), epsilon);
  const apart = reshape(x, [n, groups, c / groups, ...spatial]);
  return reshape(standardiseAxes(apart, [...apart.shape.keys()].slice(2), epsilon), x.shape);
}

/** Shares that sum to one along an axis (channels by default). */
export function softmax(x: Tensor, axis = 1): Tensor {
  return x.graph.add("softmax", [x], { axis: normaliseAxis("softmax", x, axis) })[0];
}

/** log(softmax(x)), computed without overflow. */
export function logSoftmax(x: Tensor, axis = 1): Tensor {
  return x.graph.add("logSoftmax", [x], { axis: normaliseAxis("logSoftmax", x, axis) })[0];
}

/**
 * Drops each element with probability `rate` in a training graph and scales the rest by 1/(1−rate); nothing in evaluation.
 * @param seed int32 scalar, another one each step: the same seed drops the same elements.
 * @param stream tells the dropouts of one graph apart
 */
export function dropout(x: Tensor, rate: number, seed: Tensor, stream = 0): Tensor {
  if (!(rate >= 0 && rate < 1)) throw new ShapeError(`dropout: rate ${rate}; it must be at least 0 and below 1`);
  if (!x.graph.training || rate === 0) return x;
  const stays = greaterOrEqual(randomUniform(seed, x.shape, stream), rate);
  return where(stays, div(x, 1 - rate), 0);
}

/**
 * Uniform numbers in [0, 1) that depend on nothing but seed, stream and position: a murmur3 finaliser over
 * position and seed, in int32 and uint32 operators, so every engine gives the same numbers.
 */
export function randomUniform(seed: Tensor, shape: readonly number[], stream = 0): Tensor {
  const graph = seed.graph;
  const count = sizeOf(shape);
  const positions = graph.constant(
    Int32Array.from({ length: count }, (_, i) => Math.imul(i + 1, 0x9e3779b1)),
    [count],
  );
  const salt = mul(add(cast(seed, "int32"), Math.imul(stream + 1, 0x632be5ab) | 0), 0x85ebca6b | 0);
  let h = bitwiseXor(positions, salt);
  for (const factor of [0x85ebca6b | 0, 0xc2b2ae35 | 0]) {
    h = mul(fold(h, 16), factor);
    h = fold(h, 13);
  }
  const bits = bitShift(cast(h, "uint32"), 8, "right");
  return reshape(mul(cast(bits, "float32"), 2 ** -24), shape);
}

function fold(h: Tensor, bits: number): Tensor {
  return bitwiseXor(h, cast(bitShift(cast(h, "uint32"), bits, "right"), "int32"));
}

/** Adds a [C] vector to every position of [N, C, …]. */
export function addChannels(x: Tensor, vector: Operand): Tensor {
  return typeof vector === "number" ? add(x, vector) : add(x, channelwise(vector, x.rank - 2));
}
