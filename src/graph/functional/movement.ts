/** Functions that move numbers without changing them. */
import { ShapeError } from "../../errors.ts";
import { type Shape, sameShape, shapeText, sizeOf, type Tensor } from "../core.ts";
import { normaliseAxis } from "./reduce.ts";

/** The same numbers in another shape; one size may be −1. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = shape.reduce((product, n) => (n === -1 ? product : product * n), 1);
  const full = shape.map((n) => (n === -1 ? x.size / known : n));
  if (sizeOf(full) !== x.size || full.some((n) => !Number.isInteger(n))) {
    throw new ShapeError(`reshape: ${shapeText(x.shape)} has ${x.size} elements, ${shapeText(shape)} does not`);
  }
  return sameShape(full, x.shape) ? x : x.graph.add("reshape", [x], { shape: full })[0];
}

/** Axis `i` of the result is axis `permutation[i]` of `x`; none given reverses all. */
export function transpose(x: Tensor, permutation?: readonly number[]): Tensor {
  const order = permutation ?? x.shape.map((_, axis) => x.rank - 1 - axis);
  if (order.every((axis, i) => axis === i) && order.length === x.rank) return x;
  return x.graph.add("transpose", [x], { permutation: [...order] })[0];
}

/** Repeats axes of size 1 to fill `shape`. */
export function expand(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : x.graph.add("expand", [x], { shape: [...shape] })[0];
}

/** Joins tensors along an axis. */
export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  if (tensors.length === 0) throw new ShapeError("concat: no tensors given; at least one is needed");
  if (tensors.length === 1) return tensors[0];
  return tensors[0].graph.add("concat", [...tensors], { axis: normaliseAxis("concat", tensors[0], axis) })[0];
}

export interface SliceOptions {
  /** First index per axis; negative counts from the end. */
  start?: readonly number[];
  /** One past the last index per axis. */
  end?: readonly number[];
  /** Step per axis, ≥ 1. */
  step?: readonly number[];
  /** The axes that `start`, `end` and `step` are for, in their order; all axes by default. */
  axes?: readonly number[];
}

/** Cuts a box out of a tensor, with steps. */
export function slice(x: Tensor, { start, end, step, axes }: SliceOptions): Tensor {
  const of = (axes ?? x.shape.map((_, axis) => axis)).map((axis) => normaliseAxis("slice", x, axis));
  const from = x.shape.map(() => 0);
  const to = [...x.shape];
  const by = x.shape.map(() => 1);
  for (const [i, axis] of of.entries()) {
    const n = x.shape[axis];
    const index = (v: number): number => Math.min(Math.max(v < 0 ? v + n : v, 0), n);
    if (start?.[i] !== undefined) from[axis] = index(start[i]);
    if (end?.[i] !== undefined) to[axis] = index(end[i]);
    if (step?.[i] !== undefined) by[axis] = step[i];
  }
  if (from.every((v, axis) => v === 0 && to[axis] === x.shape[axis] && by[axis] === 1)) return x;
  return x.graph.add("slice", [x], { start: from, end: to, step: by })[0];
}

/** Puts `value` before and after each axis; negative amounts are refused (use slice). */
export function pad(x: Tensor, before: readonly number[], after: readonly number[], value = 0): Tensor {
  if (before.every((n) => n === 0) && after.every((n) => n === 0)) return x;
  return x.graph.add("pad", [x], { before: [...before], after: [...after], value })[0];
}

/** Picks entries along an axis by a list of indices (int32 or int64): PyTorch's `index_select`. */
export function gather(x: Tensor, indices: Tensor | readonly number[], axis = 0): Tensor {
  const list = Array.isArray(indices)
    ? x.graph.constant(indices as number[], [indices.length], "int64")
    : (indices as Tensor);
  return x.graph.add("gather", [x, list], { axis: normaliseAxis("gather", x, axis) })[0];
}

/** Picks one entry along `axis` for every place of `indices`: PyTorch's `gather`. */
export function gatherElements(x: Tensor, indices: Tensor, axis: number): Tensor {
  return x.graph.add("gatherElements", [x, indices], { axis: normaliseAxis("gatherElements", x, axis) })[0];
}

/** Zeros of `shape`, with `updates` added at `indices` along `axis`: the reverse of {@link gatherElements}. */
export function scatterAdd(updates: Tensor, indices: Tensor, axis: number, shape: Shape): Tensor {
  return updates.graph.add("scatterAdd", [updates, indices], { axis, shape: [...shape] })[0];
}

/**
 * Sums of rows: x [Q, …], take [M, R] → y [R, …] with y[r] = Σₘ x[take[m, r]].
 *
 * The gradient is the same with the lists exchanged, so `back` [M', Q] must be the transpose: back[·, q] are the rows of y that
 * take x[q]. An entry that stands for nothing names a row that is zero, or one whose effect is zero; that is the caller's care.
 */
export function takeRows(x: Tensor, take: Tensor, back: Tensor): Tensor {
  return x.graph.add("takeRows", [x, take, back], {})[0];
}

/** Reverses the order along spatial or other axes (kernels: by Gather, for a negative-step Slice is slow). */
export function reverse(x: Tensor, axes: readonly number[]): Tensor {
  let y = x;
  for (const axis of axes) {
    if (x.shape[axis] === 1) continue;
    y = gather(
      y,
      Array.from({ length: x.shape[axis] }, (_, i) => x.shape[axis] - 1 - i),
      axis,
    );
  }
  return y;
}
