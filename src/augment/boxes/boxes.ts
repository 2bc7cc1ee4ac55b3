/**
 * Boxes through what happens to their image: any affine map of a patch, and cropping.
 *
 * A map takes voxel centres of the patch to the source (as `patchAffine`'s do); boxes go the other way. Under flips,
 * quarter turns and scaling the box of the image of a box is exact. Under other rotations it is the box around the turned
 * box, which is larger than the object's own; for round objects (`ellipsoid`) it is the box around the turned ellipsoid
 * that the old box held, which is exact for ellipsoids.
 */
import { type Axes, type BoxArray, boxCount, clipBoxes, isSound, takeBoxes } from "../../boxes/index.ts";
import { ShapeError } from "../../errors.ts";
import type { PatchAffine } from "../warp/geometry.ts";

/** What a box is taken to hold where it is turned. */
export type BoxShape = "box" | "ellipsoid";

/** Boxes of the source as boxes of the patch. @throws ShapeError where the map flattens space */
export function boxesThrough(boxes: BoxArray, map: PatchAffine, axes: Axes, shape: BoxShape = "box"): Float64Array {
  const inverse = inverseOf(map);
  const out = new Float64Array(boxes.length);
  for (let i = 0; i < boxCount(boxes, axes); i++) {
    const low = 2 * axes * i;
    const centre = [0, 0, 0];
    const half = [0, 0, 0];
    for (let axis = 0; axis < axes; axis++) {
      // Corners are half a voxel before centres.
      centre[axis] = (boxes[low + axis] + boxes[low + axes + axis]) / 2 - 0.5 - map[4 * axis + 3];
      half[axis] = (boxes[low + axes + axis] - boxes[low + axis]) / 2;
    }
    for (let axis = 0; axis < axes; axis++) {
      const row = inverse.slice(3 * axis, 3 * axis + 3);
      const at = row.reduce((sum, a, k) => sum + a * centre[k], 0) + 0.5;
      const parts = row.map((a, k) => a * half[k]);
      const reach = shape === "box" ? parts.reduce((sum, part) => sum + Math.abs(part), 0) : Math.hypot(...parts);
      out[low + axis] = at - reach;
      out[low + axes + axis] = at + reach;
    }
  }
  return out;
}

/**
 * Which boxes are still there after a crop to `[0, size]`, cut to it: those whose centre is inside, as SSD and YOLO keep
 * them, so that an object of which a sliver is left is neither taught nor punished.
 */
export function keepCentres(
  boxes: Float64Array,
  size: readonly number[],
  axes: Axes,
  minimumSide = 1e-3,
): { readonly boxes: Float64Array; readonly kept: Int32Array } {
  const clipped = clipBoxes(boxes, size, axes);
  const kept: number[] = [];
  for (let i = 0; i < boxCount(boxes, axes); i++) {
    const inside = size.every((length, axis) => {
      const centre = (boxes[2 * axes * i + axis] + boxes[2 * axes * i + axes + axis]) / 2;
      return centre >= 0 && centre < length;
    });
    if (inside && isSound(clipped, i, axes, minimumSide)) kept.push(i);
  }
  return { boxes: takeBoxes(clipped, kept, axes), kept: Int32Array.from(kept) };
}

/** The 3×3 part inverted, row by row. */
function inverseOf(m: PatchAffine): number[] {
  const at = (row: number, column: number): number => m[4 * (row % 3) + (column % 3)];
  const cofactor = (row: number, column: number): number =>
    at(row + 1, column + 1) * at(row + 2, column + 2) - at(row + 1, column + 2) * at(row + 2, column + 1);
  const determinant = [0, 1, 2].reduce((sum, column) => sum + at(0, column) * cofactor(0, column), 0);
  if (!(Math.abs(determinant) > 1e-12)) throw new ShapeError("boxes: the map flattens space, it has no way back");
  // + 0 turns −0 into 0.
  return Array.from({ length: 9 }, (_, i) => cofactor(i % 3, Math.floor(i / 3)) / determinant + 0);
}
