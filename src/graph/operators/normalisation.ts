/**
 * Normalisation and softmax: shape rules, ONNX forms, gradients.
 *
 * Batch norm in training: reductions give the statistics, ONE `BatchNormalization` node that takes them as inputs does
 * the normalising, and the backward pass is two per-channel a·x + b, which are `BatchNormalization` nodes again.
 */
import { ShapeError } from "../../errors.ts";
import { type Family, shapeText, sizeOf, type Tensor, type TensorType } from "../core.ts";
import { add, exp, mul, neg, reciprocal, sqrt, sub } from "../functional/elementwise.ts";
import { channelAffine } from "../functional/normalisation.ts";
import { sum } from "../functional/reduce.ts";
import type { Emitter } from "./types.ts";

function requireChannels(op: string, [x, ...vectors]: readonly TensorType[]): void {
  if (x.shape.length < 2) throw new ShapeError(`${op}: input ${shapeText(x.shape)}; it takes [N, C, …]`);
  for (const vector of vectors) {
    if (vector.shape.length !== 1 || vector.shape[0] !== x.shape[1]) {
      throw new ShapeError(
        `${op}: a per-channel vector is ${shapeText(vector.shape)}, the input has ${x.shape[1]} channels (${shapeText(x.shape)})`,
      );
    }
  }
}

/** All axes but the channels'. */
const allButChannels = (rank: number): number[] =>
  Array.from({ length: rank }, (_, axis) => axis).filter((axis) => axis !== 1);

/** a·x + b as one BatchNormalization node: mean 0, variance 1, epsilon 0. For rows, where channels lie last, Mul and Add. */
function emitAffine(emit: Emitter, x: string, a: string, b: string, { shape }: TensorType): string {
  if (shape.length === 2) return emit.node("Add", [emit.node("Mul", [x, a])[0], b])[0];
  const zeros = emit.constant(new Float32Array(shape[1]), [shape[1]]);
  const ones = emit.constant(new Float32Array(shape[1]).fill(1), [shape[1]]);
  return emit.node("BatchNormalization", [x, a, b, zeros, ones], { epsilon: { float: 0 } })[0];
}

/** (x − mean)·scale/√(variance + ε) + bias. */
function emitNormalise(emit: Emitter, inputs: readonly string[], epsilon: number, type: TensorType): string {
  if (type.shape.length !== 2) return emit.node("BatchNormalization", inputs, { epsilon: { float: epsilon } })[0];
  const [x, scale, bias, mean, variance] = inputs;
  const [deviation] = emit.node("Sqrt", [emit.node("Add", [variance, emit.scalar(epsilon)])[0]]);
  const [a] = emit.node("Div", [scale, deviation]);
  const [b] = emit.node("Sub", [bias, emit.node("Mul", [mean, a])[0]]);
  return emitAffine(emit, x, a, b, type);
}

/**
 * x less its largest value along an axis, e to that, and the sum. ONNX's own Softmax along another axis than the last
 * transposes the whole map twice.
 */
function emitShifted(emit: Emitter, x: string, axis: number): { shifted: string; exponential: string; sum: string } {
  const axes = emit.int64s([axis]);
  const [largest] = emit.node("ReduceMax", [x, axes], { keepdims: 1 });
  const [shifted] = emit.node("Sub", [x, largest]);
  const [exponential] = emit.node("Exp", [shifted]);
  const [sum] = emit.node("ReduceSum", [exponential, axes], { keepdims: 1 });
  return { shifted, exponential, sum };
}

export const normalisation: Family<"batchNorm" | "batchNormInference" | "channelAffine" | "softmax" | "logSoftmax"> = {
  batchNorm: {
    elementwise: false,
    inPlace: false,
    shape: (types) => {
      requireChannels("batchNorm", types);
      const [x] = types;
      const statistics: TensorType = { shape: [x.shape[1]], dtype: "float32" };
      if (sizeOf(x.shape) / x.shape[1] < 2) {
        throw new ShapeError(
          `batchNorm: ${shapeText(x.shape)} has one value per channel; training statistics need at least two`,
        );
      }
      return [{ shape: x.shape, dtype: "float32" }, statistics, statistics];
    },
    onnx: (emit, { inputs: [x, scale, bias], inputTypes: [type], attributes: { epsilon } }) => {
      const axes = emit.int64s(allButChannels(type.shape.length));
      const channels = type.shape[1];
      const [mean] = emit.node("ReduceMean", [x, axes], { keepdims: 0 });
      // Two passes over the data: the square of a centred value, for E[x²] − E[x]² loses digits where the mean is large.
      let squares: string;
      if (type.shape.length === 2) {
        // Over rows a product and a sum are eight times as fast as ReduceSumSquare.
        const [centred] = emit.node("Sub", [x, mean]);
        [squares] = emit.node("ReduceSum", [emit.node("Mul", [centred, centred])[0], axes], { keepdims: 0 });
      } else {
        const ones = emit.constant(new Float32Array(channels).fill(1), [channels]);
        const centred = emitAffine(emit, x, ones, emit.node("Neg", [mean])[0], type);
        [squares] = emit.node("ReduceSumSquare", [centred, axes], { keepdims: 0 });
      }
      const [variance] = emit.node("Mul", [squares, emit.scalar(channels / sizeOf(type.shape))]);
      return [emitNormalise(emit, [x, scale, bias, mean, variance], epsilon, type), mean, variance];
    },
    gradient: ({
      inputs: [x, scale],
      outputs: [, mean, variance],
      upstream: [g, gMean, gVariance],
      attributes: { epsilon },
      wanted,
    }) => {
      const axes = allButChannels(x.rank);
      const count = x.size / x.shape[1];
      // dx = ga·g + xa·x + c per channel; every output's share is collected in xa and c.
      let dx: Tensor | undefined;
      let dScale: Tensor | undefined;
      let dBias: Tensor | undefined;
      let xa: Tensor | undefined;
      let c: Tensor | undefined;
      const plus = (a: Tensor | undefined, b: Tensor): Tensor => (a === undefined ? b : add(a, b));
      if (g !== undefined) {
        const inverse = reciprocal(sqrt(add(variance, epsilon)));
        dBias = sum(g, { axes });
        dScale = mul(sub(sum(mul(g, x), { axes }), mul(mean, dBias)), inverse);
        if (wanted[0]) {
          const a = mul(scale, inverse);
          xa = neg(mul(mul(a, inverse), mul(dScale, 1 / count)));
          c = sub(neg(mul(a, mul(dBias, 1 / count))), mul(xa, mean));
          dx = channelAffine(g, a, c);
        }
      }
      let rest = xa;
      let restShift: Tensor | undefined;
      if (gVariance !== undefined) {
        const slope = mul(gVariance, 2 / count);
        rest = plus(rest, slope);
        restShift = neg(mul(slope, mean));
      }
      if (gMean !== undefined) restShift = plus(restShift, mul(gMean, 1 / count));
      if (wanted[0] && (rest !== undefined || restShift !== undefined)) {
        const zeros = x.graph.constant(new Float32Array(x.shape[1]), [x.shape[1]]);
        dx = plus(dx, channelAffine(x, rest ?? zeros, restShift ?? zeros));
      }
      return [dx, dScale, dBias];
    },
  },

  batchNormInference: {
    elementwise: false,
    inPlace: true,
    shape: (types) => {
      requireChannels("batchNormInference", types);
      return [{ shape: types[0].shape, dtype: "float32" }];
    },
    onnx: (emit, { inputs, inputTypes: [type], attributes: { epsilon } }) => [
      emitNormalise(emit, inputs, epsilon, type),
    ],
    gradient: ({ inputs: [x, scale, , mean, variance], upstream: [g], attributes: { epsilon }, wanted }) => {
      if (g === undefined) return [];
      const axes = allButChannels(x.rank);
      const inverse = reciprocal(sqrt(add(variance, epsilon)));
      const a = mul(scale, inverse);
      const zeros = x.graph.constant(new Float32Array(x.shape[1]), [x.shape[1]]);
      const dBias = sum(g, { axes });
      const dScale = mul(sub(sum(mul(g, x), { axes }), mul(mean, dBias)), inverse);
      return [
        wanted[0] ? channelAffine(g, a, zeros) : undefined,
        dScale,
        dBias,
        wanted[3] ? neg(mul(a, dBias)) : undefined,
        wanted[4] ? mul(mul(dScale, scale), mul(mul(inverse, inverse), -0.5)) : undefined,
      ];
    },
  },

  channelAffine: {
    elementwise: false,
    inPlace: true,
    shape: (types) => {
      requireChannels("channelAffine", types);
      return [{ shape: types[0].shape, dtype: "float32" }];
    },
    onnx: (emit, { inputs: [x, a, b], inputTypes: [type] }) => [emitAffine(emit, x, a, b, type)],
    gradient: ({ inputs: [x, a, b], upstream: [g], wanted }) => {
      if (g === undefined) return [];
      const axes = allButChannels(x.rank);
      const zeros = (): Tensor => x.graph.constant(new Float32Array(b.size), [b.size]);
      return [
        wanted[0] ? channelAffine(g, a, zeros()) : undefined,
        wanted[1] ? sum(mul(g, x), { axes }) : undefined,
        wanted[2] ? sum(g, { axes }) : undefined,
      ];
    },
  },

  softmax: {
    elementwise: false,
    inPlace: true,
    shape: ([x]) => [{ shape: x.shape, dtype: "float32" }],
    onnx: (emit, { inputs: [x], inputTypes: [type], attributes: { axis } }) => {
      if (axis === type.shape.length - 1) return emit.node("Softmax", [x], { axis });
      const { exponential, sum } = emitShifted(emit, x, axis);
      return emit.node("Div", [exponential, sum]);
    },
    gradient: ({ outputs: [y], upstream: [g], attributes: { axis } }) => [
      g && mul(y, sub(g, sum(mul(g, y), { axes: [axis], keepDims: true }))),
    ],
  },

  logSoftmax: {
    elementwise: false,
    inPlace: false,
    shape: ([x]) => [{ shape: x.shape, dtype: "float32" }],
    onnx: (emit, { inputs: [x], inputTypes: [type], attributes: { axis } }) => {
      if (axis === type.shape.length - 1) return emit.node("LogSoftmax", [x], { axis });
      const { shifted, sum } = emitShifted(emit, x, axis);
      return emit.node("Sub", [shifted, emit.node("Log", [sum])[0]]);
    },
    gradient: ({ outputs: [y], upstream: [g], attributes: { axis } }) => [
      g && sub(g, mul(exp(y), sum(g, { axes: [axis], keepDims: true }))),
    ],
  },
};
