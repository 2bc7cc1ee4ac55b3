/** Operators that move numbers: their shape rules, ONNX forms and gradients. */
import { ShapeError } from "../../errors.ts";
import { type Family, shapeText, sizeOf, type Tensor } from "../core.ts";
import { gatherElements, pad, reshape, scatterAdd, slice, takeRows, transpose } from "../functional/movement.ts";
import { unbroadcast } from "./broadcasting.ts";
import type { Attributes } from "./types.ts";

type Name =
  | "reshape"
  | "transpose"
  | "expand"
  | "concat"
  | "slice"
  | "pad"
  | "gather"
  | "gatherElements"
  | "scatterAdd"
  | "takeRows";

export const movement: Family<Name> = {
  reshape: {
    elementwise: false,
    inPlace: false,
    shape: ([x], { shape }) => {
      if (sizeOf(shape) !== sizeOf(x.shape)) {
        throw new ShapeError(
          `reshape: ${shapeText(x.shape)} and ${shapeText(shape)} hold different numbers of elements`,
        );
      }
      return [{ shape, dtype: x.dtype }];
    },
    onnx: (emit, { inputs: [x], attributes: { shape } }) => emit.node("Reshape", [x, emit.int64s(shape)]),
    gradient: ({ inputs: [x], upstream: [g] }) => [g && reshape(g, x.shape)],
  },
  transpose: {
    elementwise: false,
    inPlace: false,
    shape: ([x], { permutation }) => {
      const sorted = [...permutation].sort((a, b) => a - b);
      if (sorted.length !== x.shape.length || sorted.some((axis, i) => axis !== i)) {
        throw new ShapeError(
          `transpose: [${permutation.join(", ")}] does not name each axis of ${shapeText(x.shape)} once`,
        );
      }
      return [{ shape: permutation.map((axis) => x.shape[axis]), dtype: x.dtype }];
    },
    onnx: (emit, { inputs, attributes: { permutation } }) => emit.node("Transpose", inputs, { perm: permutation }),
    gradient: ({ upstream: [g], attributes: { permutation } }) => [g && transpose(g, inverse(permutation))],
  },
  expand: {
    elementwise: false,
    inPlace: false,
    shape: ([x], { shape }) => {
      const lead = shape.length - x.shape.length;
      if (lead < 0 || x.shape.some((n, i) => n !== 1 && n !== shape[lead + i])) {
        throw new ShapeError(`expand: ${shapeText(x.shape)} does not broadcast to ${shapeText(shape)}`);
      }
      return [{ shape, dtype: x.dtype }];
    },
    onnx: (emit, { inputs: [x], attributes: { shape } }) => emit.node("Expand", [x, emit.int64s(shape)]),
    gradient: ({ inputs: [x], upstream: [g] }) => [g && unbroadcast(g, x.shape)],
  },
  concat: {
    elementwise: false,
    inPlace: false,
    shape: (inputs, { axis }) => {
      const [first] = inputs;
      let total = 0;
      for (const { shape, dtype } of inputs) {
        const fits = shape.length === first.shape.length && shape.every((n, i) => i === axis || n === first.shape[i]);
        if (!fits || dtype !== first.dtype) {
          throw new ShapeError(
            `concat: ${shapeText(shape)} ${dtype} beside ${shapeText(first.shape)} ${first.dtype}; all but axis ${axis} must agree`,
          );
        }
        total += shape[axis];
      }
      return [{ shape: first.shape.map((n, i) => (i === axis ? total : n)), dtype: first.dtype }];
    },
    onnx: (emit, { inputs, attributes: { axis } }) => emit.node("Concat", inputs, { axis }),
    gradient: ({ inputs, upstream: [g], attributes: { axis }, wanted }) => {
      if (g === undefined) return [];
      let at = 0;
      return inputs.map((x, i) => {
        const start = at;
        at += x.shape[axis];
        return wanted[i] ? slice(g, { start: [start], end: [at], axes: [axis] }) : undefined;
      });
    },
  },
  slice: {
    elementwise: false,
    inPlace: false,
    shape: ([x], { start, end, step }) => {
      const shape = x.shape.map((n, axis) => {
        if (!(step[axis] >= 1))
          throw new ShapeError(`slice: step ${step[axis]} on axis ${axis}; steps are whole numbers ≥ 1`);
        if (start[axis] < 0 || end[axis] > n) {
          throw new ShapeError(`slice: [${start[axis]}, ${end[axis]}) leaves axis ${axis} of ${shapeText(x.shape)}`);
        }
        return Math.max(0, Math.ceil((end[axis] - start[axis]) / step[axis]));
      });
      return [{ shape, dtype: x.dtype }];
    },
    onnx: (emit, { inputs: [x], inputTypes: [type], attributes: { start, end, step } }) => {
      // Only the axes that are cut: the engine copies longer runs then.
      const axes = type.shape.flatMap((n, axis) =>
        start[axis] === 0 && end[axis] === n && step[axis] === 1 ? [] : [axis],
      );
      const of = (list: readonly number[]): string => emit.int64s(axes.map((axis) => list[axis]));
      const plain = axes.every((axis) => step[axis] === 1);
      return emit.node("Slice", [x, of(start), of(end), emit.int64s(axes), ...(plain ? [] : [of(step)])]);
    },
    gradient: ({ inputs: [x], upstream: [g], attributes }) => [g && unslice(g, x.shape, attributes)],
  },
  pad: {
    elementwise: false,
    inPlace: false,
    shape: ([x], { before, after }) => {
      if (before.length !== x.shape.length || [...before, ...after].some((n) => n < 0)) {
        throw new ShapeError(
          `pad: [${before.join(", ")}] and [${after.join(", ")}] for ${shapeText(x.shape)}; one amount ≥ 0 per axis`,
        );
      }
      return [{ shape: x.shape.map((n, axis) => n + before[axis] + after[axis]), dtype: x.dtype }];
    },
    onnx: (emit, { inputs: [x], inputTypes: [type], attributes: { before, after, value } }) =>
      emit.node("Pad", [
        x,
        emit.int64s([...before, ...after]),
        ...(value === 0 ? [] : [emit.constant(Float32Array.of(value), [], type.dtype)]),
      ]),
    gradient: ({ inputs: [x], upstream: [g], attributes: { before } }) => [
      g && slice(g, { start: before, end: before.map((n, axis) => n + x.shape[axis]) }),
    ],
  },
  gather: {
    elementwise: false,
    inPlace: false,
    shape: ([x, indices], { axis }) => {
      requireIndices("gather", indices.dtype);
      return [{ shape: [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)], dtype: x.dtype }];
    },
    onnx: (emit, { inputs, attributes: { axis } }) => emit.node("Gather", inputs, { axis }),
    gradient: ({ inputs: [x, indices], upstream: [g], attributes: { axis } }) => {
      if (g === undefined) return [];
      // Scatter along `axis` with the indices repeated over all other axes.
      const count = indices.size;
      const flat = reshape(g, [...x.shape.slice(0, axis), count, ...x.shape.slice(axis + 1)]);
      const lead = x.shape.map((_, i) => (i === axis ? count : 1));
      const everywhere = indices.graph.add("expand", [reshape(indices, lead)], { shape: flat.shape })[0];
      return [scatterAdd(flat, everywhere, axis, x.shape), undefined];
    },
  },
  gatherElements: {
    elementwise: false,
    inPlace: false,
    shape: ([x, indices]) => {
      requireIndices("gatherElements", indices.dtype);
      return [{ shape: indices.shape, dtype: x.dtype }];
    },
    onnx: (emit, { inputs, attributes: { axis } }) => emit.node("GatherElements", inputs, { axis }),
    gradient: ({ inputs: [x, indices], upstream: [g], attributes: { axis } }) => [
      g && scatterAdd(g, indices, axis, x.shape),
      undefined,
    ],
  },
  scatterAdd: {
    elementwise: false,
    inPlace: false,
    shape: ([updates, indices], { shape }) => {
      requireIndices("scatterAdd", indices.dtype);
      if (shapeText(updates.shape) !== shapeText(indices.shape)) {
        throw new ShapeError(
          `scatterAdd: updates ${shapeText(updates.shape)}, indices ${shapeText(indices.shape)}; they must agree`,
        );
      }
      return [{ shape, dtype: updates.dtype }];
    },
    onnx: (emit, { inputs: [updates, indices], attributes: { axis, shape } }) => {
      const [zeros] = emit.node("ConstantOfShape", [emit.int64s(shape)]);
      return emit.node("ScatterElements", [zeros, indices, updates], { axis, reduction: "add" });
    },
    gradient: ({ inputs: [, indices], upstream: [g], attributes: { axis } }) => [
      g && gatherElements(g, indices, axis),
      undefined,
    ],
  },
  takeRows: {
    elementwise: false,
    inPlace: false,
    shape: ([x, take, back]) => {
      for (const list of [take, back]) requireIndices("takeRows", list.dtype);
      if (take.shape.length !== 2 || back.shape.length !== 2 || back.shape[1] !== x.shape[0]) {
        throw new ShapeError(
          `takeRows: lists ${shapeText(take.shape)} and ${shapeText(back.shape)} for rows ${shapeText(x.shape)}; they are [M, R] and [M', ${x.shape[0]}]`,
        );
      }
      return [{ shape: [take.shape[1], ...x.shape.slice(1)], dtype: x.dtype }];
    },
    // One Gather for each summand: nothing is scattered, so threads cannot race, and the order of the sums is fixed.
    onnx: (emit, { inputs: [x, take], inputTypes: [, { shape }] }) => {
      const [parts, rows] = shape;
      let sum: string | undefined;
      for (let m = 0; m < parts; m++) {
        const [list] =
          parts === 1 ? [take] : emit.node("Slice", [take, emit.int64s([m]), emit.int64s([m + 1]), emit.int64s([0])]);
        const [flat] = emit.node("Reshape", [list, emit.int64s([rows])]);
        const [part] = emit.node("Gather", [x, flat], { axis: 0 });
        sum = sum === undefined ? part : emit.node("Add", [sum, part])[0];
      }
      return [sum!];
    },
    gradient: ({ inputs: [, take, back], upstream: [g] }) => [g && takeRows(g, back, take), undefined, undefined],
  },
};

export function inverse(permutation: readonly number[]): number[] {
  const back = new Array<number>(permutation.length);
  for (const [to, from] of permutation.entries()) back[from] = to;
  return back;
}

/** Zeros of `shape` with `g` in the places a slice took: zeros between for steps, then zeros around. */
function unslice(g: Tensor, shape: readonly number[], { start, step }: Attributes["slice"]): Tensor {
  let y = g;
  for (const [axis, by] of step.entries()) {
    if (by > 1 && y.shape[axis] > 1) y = spreadOut(y, axis, by);
  }
  const before = start.map((from, axis) => (y.shape[axis] === 0 ? 0 : from));
  return pad(
    y,
    before,
    shape.map((n, axis) => n - before[axis] - y.shape[axis]),
  );
}

/** Puts `by − 1` zeros between the entries of an axis: n → (n−1)·by + 1. Reshape, pad, reshape, cut. */
export function spreadOut(x: Tensor, axis: number, by: number): Tensor {
  const n = x.shape[axis];
  if (by === 1 || n <= 1) return x;
  const split = reshape(x, [...x.shape.slice(0, axis + 1), 1, ...x.shape.slice(axis + 1)]);
  const none = split.shape.map(() => 0);
  const padded = pad(
    split,
    none,
    none.map((_, i) => (i === axis + 1 ? by - 1 : 0)),
  );
  const joined = reshape(padded, [...x.shape.slice(0, axis), n * by, ...x.shape.slice(axis + 1)]);
  return slice(joined, { start: [0], end: [(n - 1) * by + 1], axes: [axis] });
}

function requireIndices(op: string, dtype: string): void {
  if (dtype !== "int32" && dtype !== "int64")
    throw new ShapeError(`${op}: indices are ${dtype}; they must be int32 or int64`);
}
