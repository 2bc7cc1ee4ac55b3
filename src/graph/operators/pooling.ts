/** Pooling: shape rules, ONNX forms, gradients. */
import { ShapeError } from "../../errors.ts";
import { type Family, sizeOf } from "../core.ts";
import { gatherElements, reshape } from "../functional/movement.ts";
import { applyMatrix } from "../functional/resample.ts";
import { onnxWindow, windowOutput } from "./convolution.ts";
import type { WindowAttributes } from "./types.ts";

function checkPadding(
  op: string,
  { padBegin, padEnd, kernel }: WindowAttributes & { kernel: readonly number[] },
): void {
  for (const [i, k] of kernel.entries()) {
    if (padBegin[i] * 2 > k || padEnd[i] * 2 > k) {
      throw new ShapeError(
        `${op}: padding ${Math.max(padBegin[i], padEnd[i])} is more than half of kernel ${k}; a window would see padding only`,
      );
    }
  }
}

export const pooling: Family<"maxPool" | "maxPoolGradient" | "averagePool"> = {
  maxPool: {
    elementwise: false,
    inPlace: false,
    shape: ([x], attributes) => {
      checkPadding("maxPool", attributes);
      const shape = [
        ...x.shape.slice(0, 2),
        ...windowOutput("maxPool", x.shape.slice(2), attributes.kernel, attributes),
      ];
      // The second output tells, for each window, the flat position of its largest value in the whole input.
      return [
        { shape, dtype: x.dtype },
        { shape, dtype: "int64" },
      ];
    },
    onnx: (emit, { inputs, attributes }) =>
      emit.node("MaxPool", inputs, { kernel_shape: attributes.kernel, ...onnxWindow(attributes) }, 2),
    gradient: ({ inputs: [x], outputs: [, indices], upstream: [g] }) => [
      g && x.graph.add("maxPoolGradient", [g, indices], { inputShape: x.shape })[0],
    ],
  },
  maxPoolGradient: {
    elementwise: false,
    inPlace: false,
    shape: ([g], { inputShape }) => [{ shape: inputShape, dtype: g.dtype }],
    onnx: (emit, { inputs: [g, indices], attributes: { inputShape } }) => {
      const [zeros] = emit.node("ConstantOfShape", [emit.int64s([sizeOf(inputShape)])]);
      const [flat] = emit.node("Reshape", [g, emit.int64s([-1])]);
      const [at] = emit.node("Reshape", [indices, emit.int64s([-1])]);
      const [sum] = emit.node("ScatterElements", [zeros, at, flat], { axis: 0, reduction: "add" });
      return emit.node("Reshape", [sum, emit.int64s(inputShape)]);
    },
    gradient: ({ inputs: [g, indices], upstream: [d] }) => [
      d && reshape(gatherElements(reshape(d, [-1]), reshape(indices, [-1]), 0), g.shape),
      undefined,
    ],
  },
  averagePool: {
    elementwise: false,
    inPlace: false,
    shape: ([x], attributes) => {
      checkPadding("averagePool", attributes);
      const spatial = windowOutput("averagePool", x.shape.slice(2), attributes.kernel, attributes);
      return [{ shape: [...x.shape.slice(0, 2), ...spatial], dtype: "float32" }];
    },
    onnx: (emit, { inputs, attributes: { kernel, stride, padBegin, padEnd, countIncludePad } }) =>
      emit.node("AveragePool", inputs, {
        kernel_shape: kernel,
        strides: stride,
        pads: [...padBegin, ...padEnd],
        count_include_pad: countIncludePad ? 1 : 0,
      }),
    // Averaging is separable, also where the count leaves out padding, so its transpose is one small matrix per axis.
    gradient: ({ inputs: [x], outputs: [y], upstream: [g], attributes }) => {
      if (g === undefined) return [];
      let d = g;
      for (let axis = x.rank - 1; axis >= 2; axis--) {
        const matrix = averagingTransposed(x.shape[axis], y.shape[axis], axis - 2, attributes);
        d = applyMatrix(d, axis, x.graph.constant(matrix, [x.shape[axis], y.shape[axis]]));
      }
      return [d];
    },
  },
};

/** [in, out]: how much each output of one axis owes to each input. */
function averagingTransposed(
  size: number,
  out: number,
  i: number,
  {
    kernel,
    stride,
    padBegin,
    countIncludePad,
  }: WindowAttributes & { kernel: readonly number[]; countIncludePad: boolean },
): Float32Array {
  const matrix = new Float32Array(size * out);
  for (let o = 0; o < out; o++) {
    const start = o * stride[i] - padBegin[i];
    const low = Math.max(start, 0);
    const high = Math.min(start + kernel[i], size);
    const count = countIncludePad ? kernel[i] : high - low;
    for (let at = low; at < high; at++) matrix[at * out + o] = 1 / count;
  }
  return matrix;
}
