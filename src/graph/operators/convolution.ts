/**
 * Matrix products and convolutions: shape rules, plain ONNX forms, gradients.
 *
 * A convolution y = conv(x, w) has two derivatives. By x: every output gradient goes back through the tap that made it,
 * which is the transposed convolution of the output gradient with the same weights. By w: tap k gathers the products of
 * inputs and output gradients that lie k apart, which is a convolution of the input by the output gradient with batch and
 * channels exchanged and stride and dilation exchanged (https://arxiv.org/abs/1603.07285 draws both). So three operators
 * are closed under differentiation: conv, convTranspose, convWeightGradient.
 *
 * The forms here are the plain ones, valid everywhere. `lowering/` has the fast ones.
 */
import { ShapeError } from "../../errors.ts";
import { type Family, type Shape, shapeText, sizeOf, type Tensor, type TensorType } from "../core.ts";
import { matmul } from "../functional/linear.ts";
import { reshape, transpose } from "../functional/movement.ts";
import { sum } from "../functional/reduce.ts";
import { broadcastShapes, unbroadcast } from "./broadcasting.ts";
import type { Attributes, ConvAttributes, Emitter, WindowAttributes } from "./types.ts";

const AXES = ["W", "H", "D"];

/** D, H or W of spatial axis `i` of `axes`. */
function axisName(i: number, axes: number): string {
  return AXES[axes - 1 - i] ?? `axis ${i}`;
}

/** Output size of a sliding window per spatial axis. @throws ShapeError if the window does not fit. */
export function windowOutput(
  op: string,
  input: readonly number[],
  kernel: readonly number[],
  window: WindowAttributes,
): number[] {
  return input.map((n, i) => {
    const reach = window.dilation[i] * (kernel[i] - 1) + 1;
    const padded = n + window.padBegin[i] + window.padEnd[i];
    if (window.stride[i] < 1 || window.dilation[i] < 1) {
      throw new ShapeError(
        `${op}: stride ${window.stride[i]}, dilation ${window.dilation[i]} on axis ${axisName(i, input.length)}; both must be ≥ 1`,
      );
    }
    if (reach > padded) {
      throw new ShapeError(
        `${op}: kernel ${reach} is larger than input ${padded} on axis ${axisName(i, input.length)}`,
      );
    }
    return Math.floor((padded - reach) / window.stride[i]) + 1;
  });
}

export const onnxWindow = (
  window: WindowAttributes,
): { strides: readonly number[]; pads: number[]; dilations: readonly number[] } => ({
  strides: window.stride,
  pads: [...window.padBegin, ...window.padEnd],
  dilations: window.dilation,
});

function requireFloat(op: string, types: readonly TensorType[]): void {
  for (const { dtype } of types)
    if (dtype !== "float32") throw new ShapeError(`${op}: ${dtype} input; it takes float32`);
}

/** Shape of w's [first, second] axes against the channels they meet. */
function convShape([x, w]: readonly TensorType[], attributes: ConvAttributes): TensorType[] {
  requireFloat("conv", [x, w]);
  const { groups } = attributes;
  if (x.shape.length < 3 || x.shape.length !== w.shape.length) {
    throw new ShapeError(
      `conv: input ${shapeText(x.shape)} and weights ${shapeText(w.shape)}; they are [N, Ci, …] and [Co, Ci/groups, k…]`,
    );
  }
  if (x.shape[1] !== w.shape[1] * groups || w.shape[0] % groups !== 0) {
    throw new ShapeError(
      `conv: input channels ${x.shape[1]} must match weight channels ${w.shape[1]} × groups ${groups}, and groups must divide ${w.shape[0]}`,
    );
  }
  return [
    {
      shape: [x.shape[0], w.shape[0], ...windowOutput("conv", x.shape.slice(2), w.shape.slice(2), attributes)],
      dtype: "float32",
    },
  ];
}

export const convolution: Family<"matmul" | "axisMatrix" | "conv" | "convTranspose" | "convWeightGradient"> = {
  matmul: {
    elementwise: false,
    inPlace: false,
    shape: ([a, b], { transposeA, transposeB }) => {
      requireFloat("matmul", [a, b]);
      if (a.shape.length < 2 || b.shape.length < 2) {
        throw new ShapeError(`matmul: ${shapeText(a.shape)} and ${shapeText(b.shape)}; both need at least two axes`);
      }
      const [m, ka] = matrixSides(a.shape, transposeA);
      const [kb, n] = matrixSides(b.shape, transposeB);
      if (ka !== kb) {
        throw new ShapeError(
          `matmul: inner sizes ${ka} and ${kb} of ${shapeText(a.shape)} and ${shapeText(b.shape)} differ`,
        );
      }
      return [
        { shape: [...broadcastShapes("matmul", [a.shape.slice(0, -2), b.shape.slice(0, -2)]), m, n], dtype: "float32" },
      ];
    },
    onnx: (emit, { inputs: [a, b], inputTypes: [ta, tb], attributes: { transposeA, transposeB, alpha } }) => {
      if (!transposeA && !transposeB && alpha === 1) return emit.node("MatMul", [a, b]);
      if (emit.contrib) {
        return emit.node(
          "FusedMatMul",
          [a, b],
          { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0, alpha: { float: alpha } },
          1,
          "com.microsoft",
        );
      }
      const left = transposeA ? swapLast(emit, a, ta.shape.length) : a;
      const right = transposeB ? swapLast(emit, b, tb.shape.length) : b;
      const product = emit.node("MatMul", [left, right]);
      return alpha === 1 ? product : emit.node("Mul", [product[0], emit.scalar(alpha)]);
    },
    gradient: ({ inputs: [a, b], upstream: [g], attributes: { transposeA, transposeB, alpha }, wanted }) => {
      if (g === undefined) return [];
      const da = (): Tensor =>
        transposeA
          ? matmul(b, g, { transposeA: transposeB, transposeB: true, alpha })
          : matmul(g, b, { transposeB: !transposeB, alpha });
      const db = (): Tensor =>
        transposeB
          ? matmul(g, a, { transposeA: true, transposeB: transposeA, alpha })
          : matmul(a, g, { transposeA: !transposeA, alpha });
      return [wanted[0] ? unbroadcast(da(), a.shape) : undefined, wanted[1] ? unbroadcast(db(), b.shape) : undefined];
    },
  },

  axisMatrix: {
    elementwise: false,
    inPlace: false,
    shape: ([x, matrix], { axis }) => {
      requireFloat("axisMatrix", [x, matrix]);
      if (matrix.shape.length !== 2 || matrix.shape[1] !== x.shape[axis]) {
        throw new ShapeError(
          `axisMatrix: matrix ${shapeText(matrix.shape)} for axis ${axis} of ${shapeText(x.shape)}; it must be [out, ${x.shape[axis]}]`,
        );
      }
      return [{ shape: x.shape.map((n, i) => (i === axis ? matrix.shape[0] : n)), dtype: "float32" }];
    },
    onnx: (emit, { inputs: [x, matrix], inputTypes: [tx, tm], outputTypes: [ty], attributes: { axis }, anySize }) => {
      if (anySize) {
        const permutation = [...tx.shape.keys()];
        [permutation[axis], permutation[tx.shape.length - 1]] = [tx.shape.length - 1, axis];
        const [turned] = emit.node("Transpose", [x], { perm: permutation });
        const product = emit.node("MatMul", [turned, swapLast(emit, matrix, tm.shape.length)]);
        return emit.node("Transpose", product, { perm: permutation });
      }
      const rows = sizeOf(tx.shape.slice(0, axis));
      const columns = sizeOf(tx.shape.slice(axis + 1));
      const last = columns === 1;
      const [flat] = emit.node("Reshape", [
        x,
        emit.int64s(last ? [rows, tx.shape[axis]] : [rows, tx.shape[axis], columns]),
      ]);
      const [y] = emit.node("MatMul", last ? [flat, swapLast(emit, matrix, tm.shape.length)] : [matrix, flat]);
      return emit.node("Reshape", [y, emit.int64s(ty.shape)]);
    },
    gradient: ({ inputs: [x, matrix], upstream: [g], attributes: { axis }, wanted }) => {
      if (g === undefined) return [];
      const three = (t: Tensor): Tensor =>
        reshape(t, [sizeOf(t.shape.slice(0, axis)), t.shape[axis], sizeOf(t.shape.slice(axis + 1))]);
      return [
        wanted[0] ? g.graph.add("axisMatrix", [g, transpose(matrix)], { axis })[0] : undefined,
        wanted[1] ? sum(matmul(three(g), three(x), { transposeB: true }), { axes: [0] }) : undefined,
      ];
    },
  },

  conv: {
    elementwise: false,
    inPlace: false,
    shape: convShape,
    onnx: (emit, { inputs, attributes }) =>
      emit.node("Conv", inputs, { ...onnxWindow(attributes), group: attributes.groups }),
    gradient: ({ inputs: [x, w], upstream: [g], attributes, wanted }) => {
      if (g === undefined) return [];
      return [
        wanted[0]
          ? x.graph.add("convTranspose", [g, w], { ...attributes, outputSpatial: x.shape.slice(2) })[0]
          : undefined,
        wanted[1]
          ? x.graph.add("convWeightGradient", [x, g], { ...attributes, kernel: w.shape.slice(2) })[0]
          : undefined,
      ];
    },
  },

  convTranspose: {
    elementwise: false,
    inPlace: false,
    shape: ([y, w], attributes) => {
      requireFloat("convTranspose", [y, w]);
      const { groups, outputSpatial } = attributes;
      if (
        y.shape.length < 3 ||
        y.shape.length !== w.shape.length ||
        y.shape[1] !== w.shape[0] ||
        w.shape[0] % groups !== 0
      ) {
        throw new ShapeError(
          `convTranspose: input ${shapeText(y.shape)} and weights ${shapeText(w.shape)} with ${groups} groups; they are [N, Ci, …] and [Ci, Co/groups, k…]`,
        );
      }
      const back = windowOutput("convTranspose", outputSpatial, w.shape.slice(2), attributes);
      if (shapeText(back) !== shapeText(y.shape.slice(2))) {
        throw new ShapeError(
          `convTranspose: output ${shapeText(outputSpatial)} would come from ${shapeText(back)}, the input is ${shapeText(y.shape.slice(2))}`,
        );
      }
      return [{ shape: [y.shape[0], w.shape[1] * groups, ...outputSpatial], dtype: "float32" }];
    },
    onnx: (emit, { inputs, inputTypes: [y, w], attributes }) => {
      const { stride, padBegin, padEnd, dilation, groups, outputSpatial } = attributes;
      const kernel = w.shape.slice(2);
      const outputPadding = outputSpatial.map(
        (n, i) => n - ((y.shape[i + 2] - 1) * stride[i] - padBegin[i] - padEnd[i] + dilation[i] * (kernel[i] - 1) + 1),
      );
      return emit.node("ConvTranspose", inputs, {
        strides: stride,
        pads: [...padBegin, ...padEnd],
        dilations: dilation,
        group: groups,
        output_padding: outputPadding,
      });
    },
    gradient: ({ inputs: [y, w], upstream: [g], attributes, wanted }) => {
      if (g === undefined) return [];
      const { outputSpatial: _, ...window } = attributes;
      return [
        wanted[0] ? y.graph.add("conv", [g, w], window)[0] : undefined,
        wanted[1] ? y.graph.add("convWeightGradient", [g, y], { ...window, kernel: w.shape.slice(2) })[0] : undefined,
      ];
    },
  },

  convWeightGradient: {
    elementwise: false,
    inPlace: false,
    shape: ([x, g], attributes) => {
      requireFloat("convWeightGradient", [x, g]);
      const { groups, kernel } = attributes;
      const expected = windowOutput("convWeightGradient", x.shape.slice(2), kernel, attributes);
      if (
        x.shape[0] !== g.shape[0] ||
        shapeText(expected) !== shapeText(g.shape.slice(2)) ||
        x.shape[1] % groups !== 0 ||
        g.shape[1] % groups !== 0
      ) {
        throw new ShapeError(
          `convWeightGradient: output gradient ${shapeText(g.shape)} does not come from input ${shapeText(x.shape)} with kernel ${shapeText(kernel)}`,
        );
      }
      return [{ shape: [g.shape[1], x.shape[1] / groups, ...kernel], dtype: "float32" }];
    },
    onnx: emitConvForm,
    gradient: ({ inputs: [x, g], upstream: [d], attributes, wanted }) => {
      if (d === undefined) return [];
      const { kernel: _, ...window } = attributes;
      return [
        wanted[0] ? x.graph.add("convTranspose", [g, d], { ...window, outputSpatial: x.shape.slice(2) })[0] : undefined,
        wanted[1] ? x.graph.add("conv", [x, d], window)[0] : undefined,
      ];
    },
  },
};

/** The "conv form": batch and channels exchanged, stride and dilation exchanged, one Conv per group. */
function emitConvForm(
  emit: Emitter,
  {
    inputs,
    inputTypes,
    attributes,
  }: { inputs: readonly string[]; inputTypes: readonly TensorType[]; attributes: Attributes["convWeightGradient"] },
): readonly string[] {
  const { groups, kernel, stride, dilation, padBegin, padEnd } = attributes;
  const [x, g] = inputTypes;
  const rank = x.shape.length;
  const exchange = [1, 0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2)];
  const [xt] = emit.node("Transpose", [inputs[0]], { perm: exchange });
  const [gt] = emit.node("Transpose", [inputs[1]], { perm: exchange });
  const ci = x.shape[1] / groups;
  const co = g.shape[1] / groups;
  const perGroup: string[] = [];
  for (let group = 0; group < groups; group++) {
    const part = (value: string, size: number): string =>
      groups === 1
        ? value
        : emit.node("Slice", [
            value,
            emit.int64s([group * size]),
            emit.int64s([(group + 1) * size]),
            emit.int64s([0]),
          ])[0];
    const [dw] = emit.node("Conv", [part(xt, ci), part(gt, co)], {
      strides: dilation,
      dilations: stride,
      pads: [...padBegin, ...padEnd],
      group: 1,
    });
    // A stride may leave a rest of the input unused; the result then has taps too many.
    const found = kernel.map(
      (_, i) =>
        Math.floor((x.shape[i + 2] + padBegin[i] + padEnd[i] - (stride[i] * (g.shape[i + 2] - 1) + 1)) / dilation[i]) +
        1,
    );
    const axes = found.flatMap((n, i) => (n === kernel[i] ? [] : [i]));
    const cut =
      axes.length === 0
        ? dw
        : emit.node("Slice", [
            dw,
            emit.int64s(axes.map(() => 0)),
            emit.int64s(axes.map((i) => kernel[i])),
            emit.int64s(axes.map((i) => i + 2)),
          ])[0];
    perGroup.push(emit.node("Transpose", [cut], { perm: exchange })[0]);
  }
  return groups === 1 ? perGroup : emit.node("Concat", perGroup, { axis: 0 });
}

function matrixSides(shape: Shape, transposed: boolean): [number, number] {
  const rows = shape[shape.length - 2];
  const columns = shape[shape.length - 1];
  return transposed ? [columns, rows] : [rows, columns];
}

function swapLast(emit: Emitter, value: string, rank: number): string {
  const perm = Array.from({ length: rank }, (_, i) => i);
  [perm[rank - 2], perm[rank - 1]] = [rank - 1, rank - 2];
  return emit.node("Transpose", [value], { perm })[0];
}
