/** Reductions: their shape rules, ONNX forms and gradients. */
import { ShapeError } from "../../errors.ts";
import { type Family, type GradientRule, type Operator, type Shape, sizeOf, type Tensor } from "../core.ts";
import { cast, div, equal, mul } from "../functional/elementwise.ts";
import { expand, reshape } from "../functional/movement.ts";
import { sum } from "../functional/reduce.ts";
import type { Emitter, Reduction } from "./types.ts";

function reducedShape(shape: Shape, { axes, keepDims }: Reduction): number[] {
  return shape.flatMap((n, axis) => (axes.includes(axis) ? (keepDims ? [1] : []) : [n]));
}

function shapeWithOnes(shape: Shape, axes: readonly number[]): number[] {
  return shape.map((n, axis) => (axes.includes(axis) ? 1 : n));
}

function reduction(
  onnxType: string,
  gradient: GradientRule<Reduction>,
  overNothing: (emit: Emitter, x: string) => string[] = (emit, x) => emit.node("Identity", [x]),
): Operator<Reduction> {
  return {
    elementwise: false,
    inPlace: false,
    shape: ([x], attributes) => {
      if (x.dtype === "bool") throw new ShapeError(`${onnxType}: bool cannot be reduced; cast it first`);
      return [{ shape: reducedShape(x.shape, attributes), dtype: x.dtype }];
    },
    onnx: (emit: Emitter, { inputs: [x], attributes }) =>
      attributes.axes.length === 0
        ? overNothing(emit, x)
        : emit.node(onnxType, [x, emit.int64s(attributes.axes)], { keepdims: attributes.keepDims ? 1 : 0 }),
    gradient,
  };
}

const spread = (g: Tensor, x: Tensor, axes: readonly number[]): Tensor =>
  expand(reshape(g, shapeWithOnes(x.shape, axes)), x.shape);

/** The gradient goes to the extreme elements, in equal shares where several are equal (as PyTorch's amax). */
const toExtreme: GradientRule<Reduction> = ({ inputs: [x], outputs: [y], upstream: [g], attributes: { axes } }) => {
  if (g === undefined) return [];
  const full = shapeWithOnes(x.shape, axes);
  const hit = cast(equal(x, reshape(y, full)), "float32");
  return [mul(div(hit, sum(hit, { axes, keepDims: true })), reshape(g, full))];
};

export const reductions: Family<"reduceSum" | "reduceMean" | "reduceMax" | "reduceMin" | "reduceSumSquare" | "argMax"> =
  {
    reduceSum: reduction("ReduceSum", ({ inputs: [x], upstream: [g], attributes: { axes } }) => [
      g && spread(g, x, axes),
    ]),
    reduceMean: reduction("ReduceMean", ({ inputs: [x], upstream: [g], attributes: { axes } }) => {
      const count = sizeOf(axes.map((axis) => x.shape[axis]));
      return [g && spread(mul(g, 1 / count), x, axes)];
    }),
    reduceSumSquare: reduction(
      "ReduceSumSquare",
      ({ inputs: [x], upstream: [g], attributes: { axes } }) => [
        g && mul(mul(x, 2), reshape(g, shapeWithOnes(x.shape, axes))),
      ],
      (emit, x) => emit.node("Mul", [x, x]),
    ),
    reduceMax: reduction("ReduceMax", toExtreme),
    reduceMin: reduction("ReduceMin", toExtreme),
    argMax: {
      elementwise: false,
      inPlace: false,
      shape: ([x], { axis, keepDims }) => [
        { shape: reducedShape(x.shape, { axes: [axis], keepDims }), dtype: "int64" },
      ],
      onnx: (emit, { inputs, attributes: { axis, keepDims } }) =>
        emit.node("ArgMax", inputs, { axis, keepdims: keepDims ? 1 : 0 }),
      gradient: "none",
    },
  };
