/**
 * Resizing and RoIAlign as small matrix products, one per spatial axis: separable, differentiable by the product's own
 * gradient, the same code in two and three dimensions.
 */
import { ShapeError } from "../../errors.ts";
import { shapeText, type Tensor } from "../core.ts";
import {
  abs,
  add,
  and,
  clip,
  div,
  floor,
  greater,
  greaterOrEqual,
  less,
  lessOrEqual,
  maximum,
  mul,
  neg,
  relu,
  sub,
  where,
} from "./elementwise.ts";
import { matmul } from "./linear.ts";
import { reshape, slice, transpose } from "./movement.ts";
import { sum } from "./reduce.ts";

/** Multiplies along one axis by a matrix [out, in]: a linear map of that axis alone. */
export function applyMatrix(x: Tensor, axis: number, matrix: Tensor): Tensor {
  return x.graph.add("axisMatrix", [x, matrix], { axis })[0];
}

export interface ResizeOptions {
  /** Sizes of the spatial axes. */
  size: readonly number[];
  mode?: "linear" | "nearest";
  /** True maps corner to corner, false (as PyTorch's default) edge to edge. */
  alignCorners?: boolean;
}

/** Linear or nearest resampling of the spatial axes to given sizes, as PyTorch's `interpolate`. */
export function resize(x: Tensor, { size, mode = "linear", alignCorners = false }: ResizeOptions): Tensor {
  if (size.length !== x.rank - 2) {
    throw new ShapeError(`resize: ${size.length} sizes for the ${x.rank - 2} spatial axes of ${shapeText(x.shape)}`);
  }
  let y = x;
  // The last axis first: sizes grow, and the axis with no transposition of memory is cheapest while they are small.
  for (let axis = x.rank - 1; axis >= 2; axis--) {
    const from = x.shape[axis];
    const to = size[axis - 2];
    if (from === to) continue;
    const matrix = mode === "nearest" ? nearestMatrix(from, to) : linearMatrix(from, to, alignCorners);
    y = applyMatrix(y, axis, x.graph.constant(matrix, [to, from]));
  }
  return y;
}

function nearestMatrix(from: number, to: number): Float32Array {
  const matrix = new Float32Array(to * from);
  for (let o = 0; o < to; o++) matrix[o * from + Math.min(from - 1, Math.floor((o * from) / to))] = 1;
  return matrix;
}

/** Rows of interpolation weights; PyTorch's coordinate rules, clamped at the edges. */
export function linearMatrix(from: number, to: number, alignCorners: boolean): Float32Array {
  const matrix = new Float32Array(to * from);
  for (let o = 0; o < to; o++) {
    const source = alignCorners
      ? to === 1
        ? 0
        : (o * (from - 1)) / (to - 1)
      : Math.max(0, ((o + 0.5) * from) / to - 0.5);
    const low = Math.min(Math.floor(source), from - 1);
    const high = Math.min(low + 1, from - 1);
    const weight = source - low;
    matrix[o * from + low] += 1 - weight;
    matrix[o * from + high] += weight;
  }
  return matrix;
}

export interface RoiAlignOptions {
  /** Output cells along each spatial axis. */
  outputSize: readonly number[];
  /** Feature cells per unit of box coordinates (1/stride). */
  spatialScale?: number;
  /** Samples per cell and axis; 0 takes ⌈box size / output size⌉, as torchvision, for boxes up to the map's size (larger: fewer). */
  samplingRatio?: number;
  /** True shifts boxes by half a cell (detectron2's RoIAlignV2). */
  aligned?: boolean;
}

/**
 * RoIAlign: features [N, C, …], boxes [N, R, 2·axes] → [N, R, C, out…]. Boxes are corners (low x, low y[, low z], high x, …)
 * with x the last spatial axis. The same number of boxes per image; pad with any box and drop its rows. No gradient by boxes.
 */
export function roiAlign(features: Tensor, boxes: Tensor, options: RoiAlignOptions): Tensor {
  const axes = features.rank - 2;
  const { outputSize, spatialScale = 1, samplingRatio = 0, aligned = false } = options;
  const [n, c] = features.shape;
  if (boxes.rank !== 3 || boxes.shape[0] !== n || boxes.shape[2] !== 2 * axes) {
    throw new ShapeError(
      `roiAlign: boxes ${shapeText(boxes.shape)} for features ${shapeText(features.shape)}; boxes are [${n}, R, ${2 * axes}]`,
    );
  }
  if (outputSize.length !== axes)
    throw new ShapeError(`roiAlign: ${outputSize.length} output sizes for ${axes} spatial axes`);
  const rois = boxes.shape[1];
  // [N, 1, C·…, in] × [N, R, in, out], one spatial axis after another, the last first.
  let y = reshape(features, [n, 1, ...features.shape.slice(1)]);
  for (let axis = axes - 1; axis >= 0; axis--) {
    const coordinate = axes - 1 - axis;
    const low = slice(boxes, { start: [coordinate], end: [coordinate + 1], axes: [2] });
    const high = slice(boxes, { start: [axes + coordinate], end: [axes + coordinate + 1], axes: [2] });
    const weights = roiWeights(low, high, features.shape[axis + 2], outputSize[axis], {
      spatialScale,
      samplingRatio,
      aligned,
    });
    // Bring the axis last: y is [N, R or 1, C, a…, axis, done…].
    const at = 3 + axis;
    const order = y.shape.map((_, i) => i).filter((i) => i !== at);
    const moved = transpose(y, [...order, at]);
    const rest = moved.shape.slice(2, -1);
    const flat = reshape(moved, [n, moved.shape[1], rest.reduce((a, b) => a * b, 1), moved.shape[moved.rank - 1]]);
    const mapped = reshape(matmul(flat, weights, { transposeB: true }), [n, rois, ...rest, outputSize[axis]]);
    const back = order.map((_, i) => i);
    back.splice(at, 0, mapped.rank - 1);
    y = transpose(mapped, back);
  }
  return reshape(y, [n, rois, c, ...outputSize]);
}

/** [N, R, out, in]: the mean over a cell's samples of linear interpolation weights; zero for samples outside the map. */
function roiWeights(
  low: Tensor,
  high: Tensor,
  size: number,
  out: number,
  { spatialScale, samplingRatio, aligned }: { spatialScale: number; samplingRatio: number; aligned: boolean },
): Tensor {
  const graph = low.graph;
  const [n, r] = low.shape;
  const shift = aligned ? 0.5 : 0;
  const start = sub(mul(low, spatialScale), shift);
  const end = sub(mul(high, spatialScale), shift);
  const length = aligned ? sub(end, start) : maximum(sub(end, start), 1);
  const bin = div(length, out);
  const most = samplingRatio > 0 ? samplingRatio : Math.max(1, Math.ceil(size / out) + 1);
  const axis4 = (x: Tensor): Tensor => reshape(x, [n, r, 1, 1]);
  // A box larger than the map gets the most samples a graph of fixed shape has room for, spread over it all.
  const count = samplingRatio > 0 ? graph.constant(samplingRatio) : axis4(clip(neg(floor(neg(bin))), 1, most));
  const cell = graph.constant(
    Float32Array.from({ length: out }, (_, i) => i),
    [1, 1, out, 1],
  );
  const sample = graph.constant(
    Float32Array.from({ length: most }, (_, i) => i),
    [1, 1, 1, most],
  );
  const inBin = div(add(sample, 0.5), count);
  const position = add(axis4(start), mul(axis4(bin), add(cell, inBin)));
  const inside = and(greaterOrEqual(position, -1), lessOrEqual(position, size));
  const counted = samplingRatio > 0 ? inside : and(inside, less(sample, count));
  const clamped = clip(position, 0, size - 1);
  const cells = graph.constant(
    Float32Array.from({ length: size }, (_, i) => i),
    [1, 1, 1, 1, size],
  );
  const hat = relu(sub(1, abs(sub(reshape(clamped, [n, r, out, most, 1]), cells))));
  const kept = where(reshape(counted, [n, r, out, most, 1]), hat, 0);
  const total = sum(kept, { axes: [3] });
  const weights = div(total, count);
  return aligned ? where(greater(axis4(length), 0), weights, 0) : weights;
}
