/**
 * The one affine map of a patch: crop position, translation, rotation, scaling and mirroring multiplied into a single
 * 3×4 matrix, so that an image is resampled once, however many of them apply.
 *
 * The matrix takes voxel indices (x, y, z) of the patch to voxel coordinates of the source:
 *   source = sourceCentre + A · (patch − patchCentre),  A = S⁻¹ · R · Q · S · Z⁻¹ · F
 * with F mirroring, Z magnification, S the voxel size in mm (so a rotation is rigid in space even when voxels are not
 * cubes), Q quarter turns and R = Rz · Ry · Rx.
 */
import type { Random } from "../../random.ts";
import type { Augmentation, Axis } from "../augmentation.ts";
import type { Extent } from "../types.ts";

/** Rows x, y, z; columns x, y, z, 1. */
export type PatchAffine = Float64Array;

/** What was drawn for one patch. */
export interface Geometry {
  /** Radians about x, y, z. */
  readonly angles: readonly [number, number, number];
  /** Quarter turns about x, y, z, before the angles. */
  readonly turns?: readonly [number, number, number];
  /** Magnification along x, y, z. */
  readonly scales: readonly [number, number, number];
  /** Whole voxels of the source along x, y, z. */
  readonly shift: readonly [number, number, number];
  readonly mirrored: readonly [boolean, boolean, boolean];
}

const axisNames: readonly Axis[] = ["x", "y", "z"];

/** Draws the geometric part. `planar` (2D, or patches one slice deep) leaves z alone. */
export function drawGeometry(augmentation: Augmentation, patch: Extent, planar: boolean, random: Random): Geometry {
  const { rotate, quarterTurns, scale, translate, flip } = augmentation;
  const angles: [number, number, number] = [0, 0, 0];
  const scales: [number, number, number] = [1, 1, 1];
  const shift: [number, number, number] = [0, 0, 0];
  const mirrored: [boolean, boolean, boolean] = [false, false, false];
  const turns: [number, number, number] = [0, 0, 0];
  const axes = planar ? 2 : 3;
  if (rotate && random.uniform() < rotate.probability) {
    const degrees = typeof rotate.degrees === "number" ? Array(3).fill(rotate.degrees) : rotate.degrees;
    for (let axis = planar ? 2 : 0; axis < 3; axis++) {
      angles[axis] = (random.between(-degrees[axis], degrees[axis]) * Math.PI) / 180;
    }
  }
  if (quarterTurns && random.uniform() < quarterTurns.probability) {
    for (let axis = planar ? 2 : 0; axis < 3; axis++) {
      if (quarterTurns.axes.includes(axisNames[axis])) turns[axis] = random.integer(4);
    }
  }
  if (scale && random.uniform() < scale.probability) {
    const common = random.between(scale.factor[0], scale.factor[1]);
    for (let axis = 0; axis < axes; axis++) {
      scales[axis] = scale.perAxis ? random.between(scale.factor[0], scale.factor[1]) : common;
    }
  }
  if (translate && random.uniform() < translate.probability) {
    const size = [patch.width, patch.height, patch.depth];
    for (let axis = 0; axis < axes; axis++) {
      // Whole voxels: a shift alone is then a copy, and does not blur.
      shift[axis] = Math.round(random.between(-translate.fraction, translate.fraction) * size[axis]);
    }
  }
  if (flip) {
    for (let axis = 0; axis < axes; axis++) {
      if (flip.axes.includes(axisNames[axis])) mirrored[axis] = random.uniform() < flip.probability;
    }
  }
  return { angles, turns, scales, shift, mirrored };
}

/**
 * The matrix for a patch whose first voxel would lie at `origin` (x, y, z, whole voxels; may be negative) of the source
 * if nothing else happened.
 */
export function patchAffine(
  geometry: Geometry,
  patch: Extent,
  origin: readonly [number, number, number],
  spacingMm: readonly number[] = [1, 1, 1],
): PatchAffine {
  const { angles, turns = [0, 0, 0], scales, shift, mirrored } = geometry;
  const rotation = multiply(rotationMatrix(angles), quarterTurnMatrix(turns));
  const spacing = [spacingMm[0], spacingMm[1], spacingMm[2] ?? 1];
  const matrix = new Float64Array(12);
  const patchCentre = [(patch.width - 1) / 2, (patch.height - 1) / 2, (patch.depth - 1) / 2];
  for (let row = 0; row < 3; row++) {
    let moved = 0;
    for (let column = 0; column < 3; column++) {
      const sign = mirrored[column] ? -1 : 1;
      const a = (rotation[3 * row + column] * (spacing[column] / spacing[row]) * sign) / scales[column];
      matrix[4 * row + column] = a;
      moved += a * patchCentre[column];
    }
    matrix[4 * row + 3] = origin[row] + shift[row] + patchCentre[row] - moved;
  }
  return matrix;
}

/** Rz · Ry · Rx, row by row. Exactly the identity for three zero angles. */
function rotationMatrix([ax, ay, az]: readonly [number, number, number]): number[] {
  return rotation(Math.sin(ax), Math.cos(ax), Math.sin(ay), Math.cos(ay), Math.sin(az), Math.cos(az));
}

/** The same of whole quarter turns: entries are exactly 0, 1 or −1, so that a turn alone does not blur. */
function quarterTurnMatrix([tx, ty, tz]: readonly [number, number, number]): number[] {
  const sine = [0, 1, 0, -1];
  const cosine = [1, 0, -1, 0];
  return rotation(sine[tx], cosine[tx], sine[ty], cosine[ty], sine[tz], cosine[tz]);
}

function rotation(sx: number, cx: number, sy: number, cy: number, sz: number, cz: number): number[] {
  return [
    ...[cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
    ...[sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
    ...[-sy, cy * sx, cy * cx],
  ];
}

/** a · b of 3×3 matrices, row by row. Exactly `a` where `b` is the identity. */
function multiply(a: readonly number[], b: readonly number[]): number[] {
  const out: number[] = [];
  for (let row = 0; row < 3; row++) {
    for (let column = 0; column < 3; column++) {
      // + 0 turns −0 into 0, which compares equal to no turn at all.
      out.push(a[3 * row] * b[column] + a[3 * row + 1] * b[3 + column] + a[3 * row + 2] * b[6 + column] + 0);
    }
  }
  return out;
}
