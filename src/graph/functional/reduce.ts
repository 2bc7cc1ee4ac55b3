/** Reductions. `axes` may be negative; none means all. The reduced axes vanish unless `keepDims` is set. */
import { ShapeError } from "../../errors.ts";
import { shapeText, type Tensor } from "../core.ts";

export interface ReduceOptions {
  axes?: readonly number[];
  keepDims?: boolean;
}

const reduction =
  (op: "reduceSum" | "reduceMean" | "reduceMax" | "reduceMin" | "reduceSumSquare") =>
  (x: Tensor, { axes, keepDims = false }: ReduceOptions = {}): Tensor =>
    x.graph.add(op, [x], { axes: normaliseAxes(op, x, axes), keepDims })[0];

/** Sum over `axes`. */
export const sum = reduction("reduceSum");
/** Mean over `axes`. */
export const mean = reduction("reduceMean");
/** The largest value; where several are equal, each gets the gradient's equal share. */
export const max = reduction("reduceMax");
/** The smallest value; where several are equal, each gets the gradient's equal share. */
export const min = reduction("reduceMin");
/** Sum of squares. */
export const sumSquare = reduction("reduceSumSquare");

/** Index of the largest value along an axis, int64; the first where several are equal. */
export function argMax(x: Tensor, axis: number, keepDims = false): Tensor {
  return x.graph.add("argMax", [x], { axis: normaliseAxis("argMax", x, axis), keepDims })[0];
}

/** Mean over all spatial axes, which stay with size 1: [N, C, …] → [N, C, 1, …]. */
export function globalAveragePool(x: Tensor): Tensor {
  if (x.rank < 3)
    throw new ShapeError(`globalAveragePool: ${shapeText(x.shape)} has no spatial axes; it takes [N, C, …]`);
  return mean(x, { axes: spatialAxes(x), keepDims: true });
}

/** The axes after batch and channel. */
export function spatialAxes(x: Tensor): number[] {
  return x.shape.map((_, axis) => axis).slice(2);
}

export function normaliseAxis(op: string, x: Tensor, axis: number): number {
  const at = axis < 0 ? axis + x.rank : axis;
  if (!Number.isInteger(at) || at < 0 || at >= x.rank) {
    throw new ShapeError(`${op}: axis ${axis} is not one of the ${x.rank} axes of ${shapeText(x.shape)}`);
  }
  return at;
}

function normaliseAxes(op: string, x: Tensor, axes?: readonly number[]): number[] {
  if (axes === undefined) return x.shape.map((_, axis) => axis);
  const found = axes.map((axis) => normaliseAxis(op, x, axis)).sort((a, b) => a - b);
  if (new Set(found).size !== found.length)
    throw new ShapeError(`${op}: axes [${axes.join(", ")}] name one axis twice`);
  return found;
}
