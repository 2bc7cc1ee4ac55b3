/**
 * Boxes between voxels and world millimetres.
 *
 * An affine takes voxel *centres* (i, j, k) to RAS+ millimetres; a box has *corners*, and voxel i reaches from corner i to
 * corner i + 1. So a corner c lies at affine · (c − ½). Annotations in DICOM's and ITK's LPS (LUNA16's coordinates) differ
 * in the sign of x and y.
 */
import { GeometryError } from "../errors.ts";
import { applyAffine, composeAffines, invertAffine } from "../volume/affine.ts";
import { type Affine, eachAxis, mapAxes, type Vec3 } from "../volume/types.ts";

/** The handedness of world coordinates: NIfTI's, or DICOM's and ITK's. */
export type WorldSpace = "RAS" | "LPS";

/** A ball in the world: a nodule as LUNA16 gives it. */
export interface WorldBall {
  readonly centreMm: Vec3;
  readonly diameterMm: number;
}

/** The other space's coordinates of a point; the same change both ways. */
export function swapLpsRas([x, y, z]: Vec3): Vec3 {
  return [-x, -y, z];
}

/** The voxel box `[x1 y1 z1 x2 y2 z2]` that just holds a world box (its corners may be in any order). */
export function voxelBoxOf(cornerMm: Vec3, otherMm: Vec3, affine: Affine, space: WorldSpace = "RAS"): Float64Array {
  const inverse = invertAffine(affine);
  const out = Float64Array.of(
    ...[Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    ...[Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY],
  );
  for (let corner = 0; corner < 8; corner++) {
    const world: Vec3 = [
      (corner & 1 ? otherMm : cornerMm)[0],
      (corner & 2 ? otherMm : cornerMm)[1],
      (corner & 4 ? otherMm : cornerMm)[2],
    ];
    const voxel = applyAffine(inverse, space === "LPS" ? swapLpsRas(world) : world);
    for (let axis = 0; axis < 3; axis++) {
      out[axis] = Math.min(out[axis], voxel[axis] + 0.5);
      out[3 + axis] = Math.max(out[3 + axis], voxel[axis] + 0.5);
    }
  }
  return out;
}

/** The voxel box that just holds a ball; exact for oblique and sheared affines too. */
export function voxelBoxOfBall({ centreMm, diameterMm }: WorldBall, affine: Affine, space: WorldSpace): Float64Array {
  if (!(diameterMm >= 0)) throw new GeometryError(`ball: diameter ${diameterMm} mm must not be below 0`);
  const inverse = invertAffine(affine);
  const centre = applyAffine(inverse, space === "LPS" ? swapLpsRas(centreMm) : centreMm);
  const out = new Float64Array(6);
  for (let axis = 0; axis < 3; axis++) {
    // A voxel coordinate grows fastest along its row of the inverse.
    const reach = (diameterMm / 2) * Math.hypot(...inverse.slice(4 * axis, 4 * axis + 3));
    out[axis] = centre[axis] + 0.5 - reach;
    out[3 + axis] = centre[axis] + 0.5 + reach;
  }
  return out;
}

/** Where box `index` is in the world: its centre, and its sides along the voxel axes. */
export function worldBoxOf(
  boxes: ArrayLike<number>,
  index: number,
  affine: Affine,
  space: WorldSpace = "RAS",
): { readonly centreMm: Vec3; readonly sizeMm: Vec3 } {
  const corner = (at: number): Vec3 => [boxes[6 * index + at], boxes[6 * index + at + 1], boxes[6 * index + at + 2]];
  const [low, high] = [corner(0), corner(3)];
  const middle = mapAxes(low, (value, axis) => (value + high[axis]) / 2 - 0.5);
  const centre = applyAffine(affine, middle);
  const sizeMm = mapAxes(
    low,
    (value, axis) => (high[axis] - value) * Math.hypot(affine[axis], affine[4 + axis], affine[8 + axis]),
  );
  return { centreMm: space === "LPS" ? swapLpsRas(centre) : centre, sizeMm };
}

/** Voxel boxes of one grid as voxel boxes of another in the same world; oblique grids get the box around the turned box. */
export function boxesOnGrid(boxes: Float64Array, from: Affine, to: Affine): Float64Array {
  const map = composeAffines(invertAffine(to), from);
  const out = new Float64Array(boxes.length);
  for (let low = 0; low < boxes.length; low += 6) {
    const middle = eachAxis((axis) => (boxes[low + axis] + boxes[low + 3 + axis]) / 2 - 0.5);
    const centre = applyAffine(map, middle);
    for (let axis = 0; axis < 3; axis++) {
      let reach = 0;
      for (let k = 0; k < 3; k++) {
        reach += (Math.abs(map[4 * axis + k]) * (boxes[low + 3 + k] - boxes[low + k])) / 2;
      }
      out[low + axis] = centre[axis] + 0.5 - reach;
      out[low + 3 + axis] = centre[axis] + 0.5 + reach;
    }
  }
  return out;
}
