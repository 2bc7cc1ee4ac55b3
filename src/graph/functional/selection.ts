/** Choosing among scored boxes, and pooling from the map a box belongs to. For inference: {@link highest} alone has a gradient. */
import { ShapeError } from "../../errors.ts";
import { shapeText, type Tensor } from "../core.ts";
import type { Fitting } from "../operators/types.ts";
import { add, and, cast, div, equal, greater, less, maximum, minimum, mul, or, sub } from "./elementwise.ts";
import { reshape, slice } from "./movement.ts";

/**
 * An image [1, C, …] of any size on a canvas, in its first corner, with zeros beyond; pictures are resized by torchvision's rule
 * (bilinear, half-pixel centres), and further down where they do not fit. Its input's spatial axes may be declared free: only
 * elementwise operators may come before.
 * @returns the canvas [1, C, …canvas]; the size [axes] the image has there, and the one it had, float32, x y (z)
 */
export function fitToCanvas(image: Tensor, fitting: Fitting): { fitted: Tensor; size: Tensor; own: Tensor } {
  const [fitted, size, own] = image.graph.add("fitToCanvas", [image], fitting);
  return { fitted, size, own };
}

/** The highest along the last axis, [… , count], and where they stand (int64); equal ones in the order of their indices. */
export function highest(x: Tensor, count: number): { values: Tensor; indices: Tensor } {
  const [values, indices] = x.graph.add("topK", [x], { count });
  return { values, indices };
}

/**
 * Greedy non-maximum suppression in each list of its own: 1 for the kept, 0 for others, [B, M]. In 2D by ONNX's operator,
 * in 3D, for which ONNX has none, in a loop over the overlaps of all pairs.
 * @param boxes [B, M, 2·axes], low corners first
 * @param scores [B, M]; what has `least` or less is no candidate. Of equal ones the first goes first
 * @param options `threshold`: boxes that overlap a better one by more than this go
 */
export function suppressOverlaps(
  boxes: Tensor,
  scores: Tensor,
  { threshold, least }: { readonly threshold: number; readonly least: number },
): Tensor {
  const { graph } = boxes;
  const axes = boxes.shape[boxes.rank - 1] / 2;
  if (axes === 2) return graph.add("nonMaximumSuppression", [boxes, scores], { threshold, least })[0];
  if (axes !== 3) throw new ShapeError(`suppressOverlaps: boxes ${shapeText(boxes.shape)}; they are [B, M, 4 or 6]`);
  const [batch, count] = scores.shape;
  const asRows = (x: Tensor): Tensor => reshape(x, [batch, count, 1]);
  const asColumns = (x: Tensor): Tensor => reshape(x, [batch, 1, count]);
  let shared: Tensor | undefined;
  let volume: Tensor | undefined;
  for (let axis = 0; axis < axes; axis++) {
    const [low, high] = [axis, axes + axis].map((at) => slice(boxes, { start: [at], end: [at + 1], axes: [2] }));
    const common = maximum(sub(minimum(asRows(high), asColumns(high)), maximum(asRows(low), asColumns(low))), 0);
    const side = maximum(sub(high, low), 0);
    shared = shared === undefined ? common : mul(shared, common);
    volume = volume === undefined ? side : mul(volume, side);
  }
  const union = sub(add(asRows(volume!), asColumns(volume!)), shared!);
  const overlaps = and(greater(shared!, 0), greater(div(shared!, union), threshold));
  const [own, other] = [asRows(scores), asColumns(scores)];
  const index = graph.constant(Float32Array.from({ length: count }, (_, i) => i));
  const before = less(reshape(index, [1, count, 1]), reshape(index, [1, 1, count]));
  const better = or(greater(own, other), and(equal(own, other), before));
  const standing = cast(greater(scores, least), "float32");
  return graph.add("greedyChoice", [cast(and(overlaps, better), "float32"), standing], {})[0];
}

export interface AlignRegionsOptions {
  /** Bins along y and x. */
  readonly outputSize: readonly number[];
  /** Per map, cells per unit of box coordinates (1/stride). */
  readonly scales: readonly number[];
  /** Samples per bin and axis; 0: ⌈bin size⌉. */
  readonly samplingRatio: number;
  readonly aligned: boolean;
}

/**
 * RoIAlign in 2D by ONNX's operator, each region from its own map: → [R, C, …outputSize].
 * @param maps [1, C, H, W] each
 * @param boxes [R, 4]
 * @param levels [R], int64: which map
 */
export function alignRegions(
  maps: readonly Tensor[],
  boxes: Tensor,
  levels: Tensor,
  options: AlignRegionsOptions,
): Tensor {
  return boxes.graph.add("alignRegions", [...maps, boxes, levels], { ...options })[0];
}
