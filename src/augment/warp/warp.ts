/**
 * Resampling a patch through an affine map: linear for images, per-class linear or nearest for labels, a plain copy when
 * the map only shifts by whole voxels and mirrors.
 *
 * Speed: along a row the source coordinate is linear in x, so the stretch of x whose eight neighbours all lie inside
 * the source is an interval, found once per row; inside it the loop has no bounds checks. Coordinates are computed as
 * base + slope · x rather than by repeated addition, so that they do not drift and depend on x alone.
 *
 * Outside the source, images have the value `fill` (0: the mean of a z-scored image) and labels class 0; the last half
 * voxel blends towards it.
 */

import type { Extent, LabelArray } from "../types.ts";
import type { PatchAffine } from "./geometry.ts";

/** Where a warped patch goes: a plain array from `offset` on. */
export interface WarpTarget<T> {
  readonly data: T;
  readonly offset: number;
}

/** True when the map is a whole-voxel shift with or without mirroring, so that nothing needs interpolating. */
export function isCopy(m: PatchAffine): boolean {
  for (let row = 0; row < 3; row++) {
    for (let column = 0; column < 3; column++) {
      const a = m[4 * row + column];
      if (row === column ? Math.abs(a) !== 1 : a !== 0) return false;
    }
    if (!Number.isInteger(m[4 * row + 3])) return false;
  }
  return true;
}

/**
 * One channel of an image through `m`, trilinear. `source` holds the channel `[D, H, W]` from `sourceOffset` on.
 */
export function warpImage(
  source: Float32Array,
  sourceOffset: number,
  from: Extent,
  m: PatchAffine,
  target: WarpTarget<Float32Array>,
  to: Extent,
  fill = 0,
): void {
  if (isCopy(m)) {
    copyVoxels(source, sourceOffset, from, m, target, to, fill);
    return;
  }
  const { depth: D, height: H, width: W } = from;
  const { width } = to;
  const out = target.data;
  const planar = D === 1 && to.depth === 1;
  const rowStep = W;
  const sliceStep = W * H;
  const [dx, dy, dz] = [m[0], m[4], m[8]];
  let o = target.offset;
  for (let z = 0; z < to.depth; z++) {
    for (let y = 0; y < to.height; y++) {
      const bx = m[1] * y + m[2] * z + m[3];
      const by = m[5] * y + m[6] * z + m[7];
      const bz = m[9] * y + m[10] * z + m[11];
      rowInterval(bx, dx, by, dy, bz, dz, W - 1, H - 1, planar ? Number.POSITIVE_INFINITY : D - 1, width);
      const first = interval[0];
      const last = interval[1];
      for (let x = 0; x < first; x++) {
        out[o++] = linearAt(source, sourceOffset, from, bx + dx * x, by + dy * x, bz + dz * x, fill);
      }
      if (planar) {
        for (let x = first; x < last; x++) {
          const sx = bx + dx * x;
          const sy = by + dy * x;
          const ix = sx | 0;
          const iy = sy | 0;
          const fx = sx - ix;
          const p = sourceOffset + iy * rowStep + ix;
          const a = source[p] + fx * (source[p + 1] - source[p]);
          const q = p + rowStep;
          const b = source[q] + fx * (source[q + 1] - source[q]);
          out[o++] = a + (sy - iy) * (b - a);
        }
      } else {
        for (let x = first; x < last; x++) {
          const sx = bx + dx * x;
          const sy = by + dy * x;
          const sz = bz + dz * x;
          const ix = sx | 0;
          const iy = sy | 0;
          const iz = sz | 0;
          const fx = sx - ix;
          const fy = sy - iy;
          let p = sourceOffset + iz * sliceStep + iy * rowStep + ix;
          let low = source[p];
          const a = low + fx * (source[p + 1] - low);
          p += rowStep;
          low = source[p];
          const b = low + fx * (source[p + 1] - low);
          p += sliceStep;
          low = source[p];
          const d = low + fx * (source[p + 1] - low);
          p -= rowStep;
          low = source[p];
          const c = low + fx * (source[p + 1] - low);
          const near = a + fy * (b - a);
          out[o++] = near + (sz - iz) * (c + fy * (d - c) - near);
        }
      }
      for (let x = last; x < width; x++) {
        out[o++] = linearAt(source, sourceOffset, from, bx + dx * x, by + dy * x, bz + dz * x, fill);
      }
    }
  }
}

/**
 * A label map through `m`. `"linear"` gives each voxel the class with the largest trilinear weight (as if every class
 * were resampled on its own, then argmax; ties go to the lower class); `"nearest"` the class of the closest voxel.
 */
export function warpLabel(
  source: LabelArray,
  from: Extent,
  m: PatchAffine,
  target: WarpTarget<Float32Array | Int32Array>,
  to: Extent,
  interpolation: "linear" | "nearest",
): void {
  if (isCopy(m)) {
    copyVoxels(source, 0, from, m, target, to, 0);
    return;
  }
  const { depth: D, height: H, width: W } = from;
  const { width } = to;
  const out = target.data;
  const nearest = interpolation === "nearest";
  const planar = D === 1 && to.depth === 1;
  const rowStep = W;
  const sliceStep = W * H;
  const [dx, dy, dz] = [m[0], m[4], m[8]];
  let o = target.offset;
  for (let z = 0; z < to.depth; z++) {
    for (let y = 0; y < to.height; y++) {
      const bx = m[1] * y + m[2] * z + m[3];
      const by = m[5] * y + m[6] * z + m[7];
      const bz = m[9] * y + m[10] * z + m[11];
      rowInterval(bx, dx, by, dy, bz, dz, W - 1, H - 1, planar ? Number.POSITIVE_INFINITY : D - 1, width);
      const first = interval[0];
      const last = interval[1];
      for (let x = 0; x < width; x++) {
        const sx = bx + dx * x;
        const sy = by + dy * x;
        const sz = planar ? 0 : bz + dz * x;
        if (x < first || x >= last) {
          out[o++] = nearest ? nearestAt(source, from, sx, sy, sz) : likeliestAt(source, from, sx, sy, sz);
          continue;
        }
        if (nearest) {
          const p = ((sz + 0.5) | 0) * sliceStep + ((sy + 0.5) | 0) * rowStep + ((sx + 0.5) | 0);
          out[o++] = source[p];
          continue;
        }
        const p = (sz | 0) * sliceStep + (sy | 0) * rowStep + (sx | 0);
        const q = p + (planar ? 0 : sliceStep);
        const label = source[p];
        // Most voxels lie in the middle of one structure: eight equal neighbours need no weighing.
        const same =
          label === source[p + 1] &&
          label === source[p + rowStep] &&
          label === source[p + rowStep + 1] &&
          label === source[q] &&
          label === source[q + 1] &&
          label === source[q + rowStep] &&
          label === source[q + rowStep + 1];
        out[o++] = same ? label : likeliestAt(source, from, sx, sy, sz);
      }
    }
  }
}

/** The stretch [first, last) of a row whose neighbours all lie inside; filled in place, so that a row allocates nothing. */
const interval = new Int32Array(2);

function rowInterval(
  bx: number,
  dx: number,
  by: number,
  dy: number,
  bz: number,
  dz: number,
  endX: number,
  endY: number,
  endZ: number,
  width: number,
): void {
  interval[0] = 0;
  interval[1] = width;
  clipAxis(bx, dx, endX);
  clipAxis(by, dy, endY);
  if (endZ !== Number.POSITIVE_INFINITY) clipAxis(bz, dz, endZ);
}

/** Narrows `interval` to the x with 0 ≤ base + slope · x < end. */
function clipAxis(base: number, slope: number, end: number): void {
  let first = interval[0];
  let last = interval[1];
  if (slope !== 0) {
    const atZero = -base / slope;
    const atEnd = (end - base) / slope;
    // Clamped into the row: a row that misses the source has its interval far outside.
    first = Math.min(Math.max(first, Math.ceil(Math.min(atZero, atEnd))), last);
    last = Math.max(Math.min(last, Math.floor(Math.max(atZero, atEnd)) + 1), first);
  }
  // The divisions round; the comparison that counts is the one the loop's own arithmetic makes.
  while (first < last && !(base + slope * first >= 0 && base + slope * first < end)) first++;
  while (last > first && !(base + slope * (last - 1) >= 0 && base + slope * (last - 1) < end)) last--;
  interval[0] = first;
  interval[1] = last;
}

/** Trilinear with bounds checks; neighbours outside count as `fill`. */
export function linearAt(
  source: Float32Array,
  offset: number,
  { depth, height, width }: Extent,
  sx: number,
  sy: number,
  sz: number,
  fill: number,
): number {
  if (sx <= -1 || sy <= -1 || sz <= -1 || sx >= width || sy >= height || sz >= depth) return fill;
  const ix = Math.floor(sx);
  const iy = Math.floor(sy);
  const iz = Math.floor(sz);
  const fx = sx - ix;
  const fy = sy - iy;
  const fz = sz - iz;
  let sum = 0;
  for (let corner = 0; corner < 8; corner++) {
    const x = ix + (corner & 1);
    const y = iy + ((corner >> 1) & 1);
    const z = iz + (corner >> 2);
    const weight = (corner & 1 ? fx : 1 - fx) * (corner & 2 ? fy : 1 - fy) * (corner & 4 ? fz : 1 - fz);
    const inside = x >= 0 && y >= 0 && z >= 0 && x < width && y < height && z < depth;
    sum += weight * (inside ? source[offset + (z * height + y) * width + x] : fill);
  }
  return sum;
}

/** The class of the closest voxel; outside, class 0. */
export function nearestAt(
  source: LabelArray,
  { depth, height, width }: Extent,
  sx: number,
  sy: number,
  sz: number,
): number {
  const x = Math.floor(sx + 0.5);
  const y = Math.floor(sy + 0.5);
  const z = Math.floor(sz + 0.5);
  const inside = x >= 0 && y >= 0 && z >= 0 && x < width && y < height && z < depth;
  return inside ? source[(z * height + y) * width + x] : 0;
}

const cornerLabels = new Int32Array(8);
const cornerWeights = new Float64Array(8);

/** The class with the largest summed trilinear weight; neighbours outside count as class 0. */
export function likeliestAt(
  source: LabelArray,
  { depth, height, width }: Extent,
  sx: number,
  sy: number,
  sz: number,
): number {
  if (sx <= -1 || sy <= -1 || sz <= -1 || sx >= width || sy >= height || sz >= depth) return 0;
  const ix = Math.floor(sx);
  const iy = Math.floor(sy);
  const iz = Math.floor(sz);
  const fx = sx - ix;
  const fy = sy - iy;
  const fz = sz - iz;
  let kinds = 0;
  for (let corner = 0; corner < 8; corner++) {
    const x = ix + (corner & 1);
    const y = iy + ((corner >> 1) & 1);
    const z = iz + (corner >> 2);
    const weight = (corner & 1 ? fx : 1 - fx) * (corner & 2 ? fy : 1 - fy) * (corner & 4 ? fz : 1 - fz);
    const inside = x >= 0 && y >= 0 && z >= 0 && x < width && y < height && z < depth;
    const label = inside ? source[(z * height + y) * width + x] : 0;
    let kind = 0;
    while (kind < kinds && cornerLabels[kind] !== label) kind++;
    if (kind === kinds) {
      cornerLabels[kinds] = label;
      cornerWeights[kinds++] = 0;
    }
    cornerWeights[kind] += weight;
  }
  let best = 0;
  for (let kind = 1; kind < kinds; kind++) {
    const more = cornerWeights[kind] - cornerWeights[best];
    if (more > 0 || (more === 0 && cornerLabels[kind] < cornerLabels[best])) best = kind;
  }
  return cornerLabels[best];
}

/** A shift by whole voxels with mirroring, row by row. */
function copyVoxels(
  source: Float32Array | LabelArray,
  sourceOffset: number,
  { depth, height, width }: Extent,
  m: PatchAffine,
  target: WarpTarget<Float32Array | Int32Array>,
  to: Extent,
  fill: number,
): void {
  const out = target.data;
  const step = m[0];
  const startX = m[3];
  // The x of the patch that fall inside the source: 0 ≤ startX + step · x < width.
  const [from, until] = step > 0 ? [-startX, width - startX] : [startX - width + 1, startX + 1];
  const first = Math.min(Math.max(from, 0), to.width);
  const last = Math.min(Math.max(until, first), to.width);
  let o = target.offset;
  for (let z = 0; z < to.depth; z++) {
    const sz = m[10] * z + m[11];
    for (let y = 0; y < to.height; y++, o += to.width) {
      const sy = m[5] * y + m[7];
      if (sz < 0 || sz >= depth || sy < 0 || sy >= height) {
        out.fill(fill, o, o + to.width);
        continue;
      }
      const row = sourceOffset + (sz * height + sy) * width + startX;
      for (let x = 0; x < first; x++) out[o + x] = fill;
      for (let x = first; x < last; x++) out[o + x] = source[row + step * x];
      for (let x = last; x < to.width; x++) out[o + x] = fill;
    }
  }
}
