/**
 * Resampling on the physical grid: to a spacing, to any given grid, and back to where a prediction belongs.
 *
 * Conventions. A voxel's value sits at its centre; the field of view reaches half a voxel beyond the outer centres,
 * and within it values are clamped to the edge. {@link gridWithSpacing} keeps the centre of the field of view and has
 * exactly the spacing asked for, so its extent is right to within half a new voxel. Nothing is smoothed before going
 * to a coarser grid (MONAI's and nnU-Net's default).
 *
 * Modes: `linear` (values); `nearest` (values, ties towards higher index); `labels`: per-class linear interpolation,
 * then the class of highest weight, ties to the lowest label: the argmax of interpolated one-hot maps, computed from
 * the at most eight labels around a point, so no class map is ever made.
 */
import { DataError, GeometryError } from "../errors.ts";
import { applyAffine, checkGrid, shiftAffine, spacingOf } from "./affine.ts";
import type { LatticeMap } from "./lattice.ts";
import { latticeMap } from "./lattice.ts";
import { orderAxes, stripHeader } from "./orient.ts";
import { labelSampler, linearSampler, nearestSampler } from "./samplers.ts";
import type { Grid, Vec3, Volume, VoxelArray } from "./types.ts";
import { allocateVoxels, asFloat32, checkVolume, convertVoxels, emptyLike, voxelTypeOf } from "./voxels.ts";

export interface ResampleOptions {
  /** What a voxel beyond the source's field of view gets. Default: 0 for labels, the nearest edge value otherwise. */
  outside?: number | "edge";
}

/**
 * `volume` sampled at the voxels of `grid`, channel by channel. The result has exactly the size and affine given.
 * `linear` gives Float32Array; the other modes keep the element type.
 */
export function resample(
  volume: Volume,
  grid: Grid,
  options: ResampleOptions & { mode: "linear" },
): Volume<Float32Array>;
export function resample<T extends VoxelArray>(
  volume: Volume<T>,
  grid: Grid,
  options: ResampleOptions & { mode: "nearest" | "labels" },
): Volume<T>;
export function resample(
  volume: Volume,
  grid: Grid,
  options: ResampleOptions & { mode: "linear" | "nearest" | "labels" },
): Volume;
export function resample(
  volume: Volume,
  grid: Grid,
  options: ResampleOptions & { mode: "linear" | "nearest" | "labels" },
): Volume {
  const { mode } = options;
  const outside = options.outside ?? (mode === "labels" ? 0 : "edge");
  const { source, map } = align(numeric(mode === "linear" ? asFloat32(volume) : volume), grid);
  const out = mode === "linear" ? new Float32Array(voxelsOf(grid) * source.channels) : emptyOn(source, grid);
  const make = mode === "linear" ? linearSampler : mode === "nearest" ? nearestSampler : labelSampler;
  const sampleSlice = make(source, grid.size, map, outside);
  const perSlice = grid.size[0] * grid.size[1];
  for (let c = 0, at = 0; c < source.channels; c++) {
    for (let z = 0; z < grid.size[2]; z++, at += perSlice) sampleSlice(c, z, out, at);
  }
  const type = mode === "linear" ? "float32" : voxelTypeOf(volume.data);
  return { ...stripHeader(volume), data: convertVoxels(out, type), size: grid.size, affine: grid.affine };
}

/** The grid over the same field of view with voxels of `spacingMm`; axes that have that spacing already stay. */
export function gridWithSpacing(grid: Grid, spacingMm: Vec3): Grid {
  checkGrid(grid);
  if (!spacingMm.every((mm) => Number.isFinite(mm) && mm > 0)) {
    throw new GeometryError(`spacing ${spacingMm.join("×")} mm must be three positive numbers`);
  }
  const now = spacingOf(grid.affine);
  const ratio = now.map((mm, axis) => (Math.abs(mm - spacingMm[axis]) < 1e-6 * mm ? 1 : spacingMm[axis] / mm));
  const size = grid.size.map((n, axis) => Math.max(1, Math.round(n / ratio[axis]))) as unknown as Vec3;
  if (ratio.every((r) => r === 1)) return { size: grid.size, affine: grid.affine };
  if (!size.every(Number.isSafeInteger)) {
    throw new GeometryError(`spacing ${spacingMm.join("×")} mm is too small for ${grid.size.join("×")} voxels`);
  }
  // The first new centre, seen from the first old one, in old voxels.
  const start = size.map((n, axis) => (grid.size[axis] - n * ratio[axis]) / 2 + (ratio[axis] - 1) / 2);
  const shifted = shiftAffine(grid.affine, start as unknown as Vec3);
  return { size, affine: shifted.map((value, i) => (i < 12 && i % 4 < 3 ? value * ratio[i % 4] : value)) };
}

/** The grid over the same field of view with exactly `size` voxels; the spacing follows. */
export function gridWithSize(grid: Grid, size: Vec3): Grid {
  checkGrid(grid);
  const ratio = size.map((n, axis) => grid.size[axis] / n);
  const start = ratio.map((r) => (r - 1) / 2) as unknown as Vec3;
  const shifted = shiftAffine(grid.affine, start);
  const next = { size, affine: shifted.map((value, i) => (i < 12 && i % 4 < 3 ? value * ratio[i % 4] : value)) };
  checkGrid(next);
  return next;
}

/** {@link resample} to {@link gridWithSpacing}. */
export function resampleToSpacing(volume: Volume, spacingMm: Vec3, options: { mode: "linear" }): Volume<Float32Array>;
export function resampleToSpacing<T extends VoxelArray>(
  volume: Volume<T>,
  spacingMm: Vec3,
  options: { mode: "nearest" | "labels" },
): Volume<T>;
export function resampleToSpacing(
  volume: Volume,
  spacingMm: Vec3,
  options: { mode: "linear" | "nearest" | "labels" },
): Volume {
  return resample(volume, gridWithSpacing(volume, spacingMm), { ...options, outside: "edge" });
}

/**
 * Takes a prediction that was made on a reoriented, cropped, padded or resampled grid back to the grid of the original
 * image: the result has the original's size and affine, bit for bit. Where the two grids' voxels coincide, values are
 * copied exactly. Voxels that the prediction never saw get `background` (default 0).
 */
export function restoreToGrid<T extends VoxelArray>(
  prediction: Volume<T>,
  original: Grid,
  options: { mode?: "labels" | "nearest"; background?: number } = {},
): Volume<T> {
  return resample(prediction, original, { mode: options.mode ?? "labels", outside: options.background ?? 0 });
}

/**
 * The class of highest score at every voxel of `grid`: `scores` (channels are classes; probabilities or logits) are
 * interpolated linearly, one slice at a time, so that full-size class maps never exist. Ties go to the lower class.
 */
export function argmaxOnGrid(scores: Volume, grid: Grid, options: { background?: number } = {}): Volume<Uint8Array> {
  if (scores.channels > 256) throw new DataError(`argmax: ${scores.channels} classes do not fit uint8`);
  const { source, map } = align(asFloat32(scores), grid);
  const sampleSlice = linearSampler(source, grid.size, map, Number.NaN);
  const perSlice = grid.size[0] * grid.size[1];
  const labels = allocateVoxels("uint8", voxelsOf(grid)) as Uint8Array;
  const best = new Float32Array(perSlice);
  const slice = new Float32Array(perSlice);
  for (let z = 0, at = 0; z < grid.size[2]; z++, at += perSlice) {
    for (let c = 0; c < source.channels; c++) {
      sampleSlice(c, z, c === 0 ? best : slice, 0);
      if (c === 0) continue;
      for (let i = 0; i < perSlice; i++) {
        if (slice[i] > best[i]) {
          best[i] = slice[i];
          labels[at + i] = c;
        }
      }
    }
    // NaN is what the sampler left beyond the field of view.
    for (let i = 0; i < perSlice; i++) if (Number.isNaN(best[i])) labels[at + i] = options.background ?? 0;
  }
  return { ...stripHeader(scores), data: labels, channels: 1, size: grid.size, affine: grid.affine };
}

/** Centre of the field of view in mm. */
export function centreOf(grid: Grid): Vec3 {
  return applyAffine(grid.affine, grid.size.map((n) => (n - 1) / 2) as unknown as Vec3);
}

/** The source with its axes in the target's order, so that samplers see matching axes or an oblique matrix. */
function align<T extends VoxelArray>(volume: Volume<T>, grid: Grid): { source: Volume<T>; map: LatticeMap } {
  checkVolume(volume);
  checkGrid(volume, volume.name);
  checkGrid(grid, "target grid");
  const map = latticeMap(volume, grid);
  return { source: map.kind === "axes" ? orderAxes(volume, map.order) : volume, map };
}

function voxelsOf(grid: Grid): number {
  return grid.size[0] * grid.size[1] * grid.size[2];
}

function emptyOn(volume: Volume, grid: Grid): VoxelArray {
  return emptyLike(volume.data, voxelsOf(grid) * volume.channels);
}

/** 64-bit integers as doubles, so that samplers see numbers only; labels are far below 2⁵³. */
function numeric(volume: Volume): Volume {
  const wide = volume.data instanceof BigInt64Array || volume.data instanceof BigUint64Array;
  return wide ? { ...volume, data: convertVoxels(volume.data, "float64") } : volume;
}
