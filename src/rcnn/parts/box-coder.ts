/**
 * Box regression (Faster R-CNN eq. 2): a box relative to another, as shifts of the middle in units of its sides and
 * logarithms of the ratio of sides. Deltas are t_x t_y (t_z) t_w t_h (t_d), each times a weight.
 *
 * Corners are continuous, so no "+1" stands anywhere: a width is x2 − x1.
 */
import type { Axes } from "../../boxes/index.ts";

export interface BoxCoder {
  /** Of shifts, and of the logarithms of sides: torchvision's (10, 10, 5, 5) is [10, 5], the paper's deviations (0.1, 0.2) too. */
  readonly weights: readonly [middle: number, side: number];
  /** Decoded sides are at most e^clamp times the reference's. */
  readonly clamp: number;
}

/** log(1000/16): from a reference of 16 voxels to a box of 1000. */
export const SIDE_CLAMP = Math.log(1000 / 16);

/**
 * Deltas that take `references` to `boxes`, both [R, 2·axes]. Sides of boxes must be above 0.
 */
export function encodeBoxes(
  boxes: Float32Array,
  references: Float32Array,
  axes: Axes,
  { weights: [middleWeight, sideWeight] }: BoxCoder,
): Float32Array {
  const out = new Float32Array(boxes.length);
  for (let at = 0; at < boxes.length; at += 2 * axes) {
    for (let axis = 0; axis < axes; axis++) {
      const low = at + axis;
      const high = low + axes;
      const side = references[high] - references[low];
      const wanted = boxes[high] - boxes[low];
      const shift = boxes[low] + wanted / 2 - (references[low] + side / 2);
      out[low] = (middleWeight * shift) / side;
      out[high] = sideWeight * Math.log(wanted / side);
    }
  }
  return out;
}

/** Boxes [R, 2·axes] that `deltas` make of `references`: the reverse of {@link encodeBoxes}, sides clamped. */
export function decodeBoxes(
  deltas: Float32Array,
  references: Float32Array,
  axes: Axes,
  { weights: [middleWeight, sideWeight], clamp }: BoxCoder,
): Float32Array {
  const out = new Float32Array(deltas.length);
  for (let at = 0; at < deltas.length; at += 2 * axes) {
    for (let axis = 0; axis < axes; axis++) {
      const low = at + axis;
      const high = low + axes;
      const side = references[high] - references[low];
      const middle = references[low] + side / 2 + (deltas[low] / middleWeight) * side;
      const half = (Math.exp(Math.min(deltas[high] / sideWeight, clamp)) * side) / 2;
      out[low] = middle - half;
      out[high] = middle + half;
    }
  }
  return out;
}
