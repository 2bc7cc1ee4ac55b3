/**
 * Voxel-to-world matrices: 4×4, row by row, voxel indices (i, j, k) to RAS+ millimetres (NIfTI's convention).
 *
 * Everything about where a voxel sits goes through here, so this is also where a missing, non-finite or singular
 * geometry is refused. Orientation codes follow nibabel's `io_orientation` (`aff2axcodes`).
 */
import { GeometryError } from "../errors.ts";
import { type Affine, eachAxis, type Grid, type Vec3 } from "./types.ts";

/** Voxels of 1 mm, first voxel at the origin. */
export const identityAffine: Affine = Object.freeze([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]);

/** `outer ∘ inner`: first `inner`, then `outer`. */
export function composeAffines(outer: Affine, inner: Affine): Affine {
  const out = new Array<number>(16);
  for (let row = 0; row < 4; row++) {
    for (let column = 0; column < 4; column++) {
      let sum = 0;
      for (let k = 0; k < 4; k++) sum += outer[4 * row + k] * inner[4 * k + column];
      out[4 * row + column] = sum;
    }
  }
  return out;
}

/** World to voxel. Throws `GeometryError` where the matrix is singular or not finite; `name` is for the message. */
export function invertAffine(a: Affine, name = "affine"): Affine {
  checkAffine(a, name);
  const d = determinant(a);
  const r = new Array<number>(16).fill(0);
  // Adjugate of the 3×3 part over its determinant.
  for (let row = 0; row < 3; row++) {
    for (let column = 0; column < 3; column++) {
      const [p, q] = [(column + 1) % 3, (column + 2) % 3];
      const [s, t] = [(row + 1) % 3, (row + 2) % 3];
      r[4 * row + column] = (a[4 * p + s] * a[4 * q + t] - a[4 * p + t] * a[4 * q + s]) / d;
    }
  }
  for (let row = 0; row < 3; row++) {
    r[4 * row + 3] = -(r[4 * row] * a[3] + r[4 * row + 1] * a[7] + r[4 * row + 2] * a[11]);
  }
  r[15] = 1;
  return r;
}

/** The world position of voxel `point` (or the voxel position of a world point, with an inverse). */
export function applyAffine(a: Affine, [x, y, z]: Vec3): Vec3 {
  return [
    a[0] * x + a[1] * y + a[2] * z + a[3],
    a[4] * x + a[5] * y + a[6] * z + a[7],
    a[8] * x + a[9] * y + a[10] * z + a[11],
  ];
}

/** Determinant of the 3×3 part: the volume of a voxel in mm³, negative where the voxel axes are left-handed. */
export function determinant(a: Affine): number {
  return a[0] * (a[5] * a[10] - a[6] * a[9]) - a[1] * (a[4] * a[10] - a[6] * a[8]) + a[2] * (a[4] * a[9] - a[5] * a[8]);
}

/** Distance in mm between neighbouring voxels along x, y, z: the length of each column. */
export function spacingOf(a: Affine): Vec3 {
  return eachAxis((c) => Math.hypot(a[c], a[4 + c], a[8 + c]));
}

/** A matrix without rotation: spacing along the axes, first voxel at `origin`. */
export function affineFromSpacing(spacingMm: Vec3, origin: Vec3 = [0, 0, 0]): Affine {
  const [x, y, z] = spacingMm;
  return [x, 0, 0, origin[0], 0, y, 0, origin[1], 0, 0, z, origin[2], 0, 0, 0, 1];
}

/** The matrix of the same space after the first voxel moved to voxel `start` (which may be negative or fractional). */
export function shiftAffine(a: Affine, start: Vec3): Affine {
  const [x, y, z] = applyAffine(a, start);
  return [a[0], a[1], a[2], x, a[4], a[5], a[6], y, a[8], a[9], a[10], z, 0, 0, 0, 1];
}

/** DICOM's and ITK's left-posterior-superior world to RAS, and back (the same change). */
export function flipLpsRas(a: Affine): Affine {
  return a.map((value, index) => (index < 8 ? -value : value));
}

/**
 * Throws `GeometryError` unless the matrix is finite, ends in 0 0 0 1 and its axes span space: the volume of the
 * parallelepiped of the three unit axis vectors must be above 1e-6 (1 for orthogonal axes).
 */
export function checkAffine(a: Affine, name = "affine"): void {
  if (a.length !== 16) throw new GeometryError(`${name}: affine has ${a.length} numbers, a 4×4 matrix has 16`);
  if (!a.every(Number.isFinite)) throw new GeometryError(`${name}: affine has numbers that are not finite`);
  if (a[12] !== 0 || a[13] !== 0 || a[14] !== 0 || a[15] !== 1) {
    throw new GeometryError(`${name}: last row of the affine is ${a.slice(12).join(" ")}, must be 0 0 0 1`);
  }
  const [x, y, z] = spacingOf(a);
  if (!(Math.abs(determinant(a)) > 1e-6 * x * y * z)) {
    throw new GeometryError(`${name}: affine is singular (spacing ${formatVec([x, y, z])} mm): axes must span space`);
  }
}

/** Throws `GeometryError` unless the size is three positive integers and the affine is usable. */
export function checkGrid(grid: Grid, name = "grid"): void {
  if (grid.size.length !== 3 || !grid.size.every((n) => Number.isSafeInteger(n) && n > 0)) {
    throw new GeometryError(`${name}: size ${grid.size.join("×")} must be three positive whole numbers`);
  }
  checkAffine(grid.affine, name);
}

/**
 * The axis of world space nearest to each voxel axis: `axis[i]` in 0 (left–right), 1 (posterior–anterior), 2
 * (inferior–superior), and `sign[i]` +1 where it runs towards R, A or S. As nibabel's `io_orientation`: shears are
 * removed by polar decomposition, then voxel axes choose from strongest to weakest.
 */
export function axisOrientation(a: Affine): { axis: [number, number, number]; sign: [number, number, number] } {
  checkAffine(a);
  const r = closestRotation(a);
  const strength = [0, 1, 2].map((c) => Math.max(r[c] ** 2, r[3 + c] ** 2, r[6 + c] ** 2));
  const order = [0, 1, 2].sort((p, q) => strength[q] - strength[p] || p - q);
  const axis: [number, number, number] = [0, 0, 0];
  const sign: [number, number, number] = [1, 1, 1];
  const free = new Set([0, 1, 2]);
  for (const c of order) {
    let best = -1;
    for (const row of free) if (best < 0 || Math.abs(r[3 * row + c]) > Math.abs(r[3 * best + c])) best = row;
    axis[c] = best;
    sign[c] = r[3 * best + c] < 0 ? -1 : 1;
    free.delete(best);
  }
  return { axis, sign };
}

/** The direction in which each voxel axis runs, for example `"RAS"` or `"LPI"` (nibabel's `aff2axcodes`). */
export function orientationCode(a: Affine): string {
  const { axis, sign } = axisOrientation(a);
  return axis.map((row, c) => (sign[c] > 0 ? "RAS" : "LPI")[row]).join("");
}

/**
 * The orthogonal 3×3 matrix (row by row) nearest to the affine's axis directions: the polar factor, by Newton's
 * iteration X ← (X + X⁻ᵀ)/2 (Higham 1986), which needs no singular value decomposition.
 */
export function closestRotation(a: Affine): number[] {
  const spacing = spacingOf(a);
  let x = [0, 1, 2].flatMap((row) => [0, 1, 2].map((c) => a[4 * row + c] / spacing[c]));
  for (let iteration = 0; iteration < 100; iteration++) {
    const inverse = invertAffine([x[0], x[1], x[2], 0, x[3], x[4], x[5], 0, x[6], x[7], x[8], 0, 0, 0, 0, 1]);
    const next = x.map((value, i) => (value + inverse[4 * (i % 3) + Math.floor(i / 3)]) / 2);
    const change = Math.max(...next.map((value, i) => Math.abs(value - x[i])));
    x = next;
    if (change < 1e-15) break;
  }
  return x;
}

/**
 * What differs between two grids, in words, or `undefined` where they are the same: sizes equal and every corner of
 * the field of view within `toleranceMm`.
 */
export function gridDifference(a: Grid, b: Grid, toleranceMm = 1e-3): string | undefined {
  if (a.size.some((n, axis) => n !== b.size[axis])) return `size ${a.size.join("×")} against ${b.size.join("×")}`;
  let worst = 0;
  for (let corner = 0; corner < 8; corner++) {
    const voxel: Vec3 = [
      corner & 1 ? a.size[0] - 0.5 : -0.5,
      corner & 2 ? a.size[1] - 0.5 : -0.5,
      corner & 4 ? a.size[2] - 0.5 : -0.5,
    ];
    const [p, q] = [applyAffine(a.affine, voxel), applyAffine(b.affine, voxel)];
    const distance = Math.hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]);
    // Written so that NaN counts as different.
    if (!(distance <= worst)) worst = distance;
  }
  if (worst <= toleranceMm) return undefined;
  const [s, t] = [spacingOf(a.affine), spacingOf(b.affine)];
  if (s.some((mm, axis) => !(Math.abs(mm - t[axis]) <= 1e-4 * mm))) {
    return `spacing ${formatVec(s)} mm against ${formatVec(t)} mm`;
  }
  return `affines differ by up to ${Number(worst.toPrecision(3))} mm`;
}

/** Whether two grids are the same within `toleranceMm` at every corner. */
export function sameGrid(a: Grid, b: Grid, toleranceMm = 1e-3): boolean {
  return gridDifference(a, b, toleranceMm) === undefined;
}

function formatVec(v: Vec3): string {
  return v.map((value) => Number(value.toPrecision(4))).join("×");
}
