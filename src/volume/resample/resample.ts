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
import { DataError, GeometryError } from "../../errors.ts";
import { applyAffine, checkGrid, shiftAffine, spacingOf } from "../affine.ts";
import { latticeMap } from "../lattice.ts";
import { orderView, stripHeader, type VolumeView, viewOf } from "../orient.ts";
import { type Grid, mapAxes, type Vec3, type Volume, type VoxelArray } from "../types.ts";
import { allocateVoxels, checkVolume, convertVoxels, fitsVoxel, voxelTypeOf } from "../voxels.ts";
import { labelSampler, linearSampler, nearestSampler, type SliceSampler } from "./samplers.ts";

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
  checkVolume(volume);
  const sampleSlice = resampler(viewOf(volume), grid, { ...options, name: volume.name });
  const type = mode === "linear" ? "float32" : voxelTypeOf(volume.data);
  // Doubles stand for 64-bit integers until all is sampled; labels are far below 2⁵³.
  const out = allocateVoxels(
    isWide(volume.data) && mode !== "linear" ? "float64" : type,
    voxelsOf(grid) * volume.channels,
  );
  const perSlice = grid.size[0] * grid.size[1];
  for (let c = 0, at = 0; c < volume.channels; c++) {
    for (let z = 0; z < grid.size[2]; z++, at += perSlice) sampleSlice(c, z, out, at);
  }
  return { ...stripHeader(volume), data: convertVoxels(out, type), size: grid.size, affine: grid.affine };
}

/**
 * {@link resample} one slice at a time, so that nothing of the result's size need exist. Where the axes of both grids are
 * parallel, the source is read where it lies, whatever its order of axes.
 * @returns writes slice z of a channel into an array from an index on: Float32Array for `linear`, else of the source's type
 */
export function resampler(
  view: VolumeView,
  grid: Grid,
  options: ResampleOptions & { mode: "linear" | "nearest" | "labels"; name?: string },
): SliceSampler {
  const { mode, name } = options;
  const outside = options.outside ?? (mode === "labels" ? 0 : "edge");
  checkGrid(view, name);
  checkGrid(grid, "target grid");
  const map = latticeMap(view, grid);
  const source = map.kind === "axes" ? orderView(view, map.order) : view;
  if (mode === "linear") {
    // Oblique sampling looks at voxels one by one, so they must be floats already.
    const floats = map.kind === "axes" ? source : asFloat32View(source);
    return linearSampler(floats, grid.size, map, outside);
  }
  const type = voxelTypeOf(source.data);
  if (outside !== "edge" && !fitsVoxel(outside, type))
    throw new DataError(`${name ?? "volume"}: value ${outside} outside the field of view does not fit ${type}`);
  const numbers = isWide(source.data) ? { ...source, data: convertVoxels(source.data, "float64") } : source;
  return (mode === "nearest" ? nearestSampler : labelSampler)(numbers, grid.size, map, outside);
}

/** The grid over the same field of view with voxels of `spacingMm`; axes that have that spacing already stay. */
export function gridWithSpacing(grid: Grid, spacingMm: Vec3): Grid {
  checkGrid(grid);
  if (!spacingMm.every((mm) => Number.isFinite(mm) && mm > 0)) {
    throw new GeometryError(`spacing ${spacingMm.join("×")} mm must be three positive numbers`);
  }
  const now = spacingOf(grid.affine);
  const ratio = mapAxes(now, (mm, axis) => (Math.abs(mm - spacingMm[axis]) < 1e-6 * mm ? 1 : spacingMm[axis] / mm));
  const size = mapAxes(grid.size, (n, axis) => Math.max(1, Math.round(n / ratio[axis])));
  if (ratio.every((r) => r === 1)) return { size: grid.size, affine: grid.affine };
  if (!size.every(Number.isSafeInteger)) {
    throw new GeometryError(`spacing ${spacingMm.join("×")} mm is too small for ${grid.size.join("×")} voxels`);
  }
  // The first new centre, seen from the first old one, in old voxels.
  const start = mapAxes(size, (n, axis) => (grid.size[axis] - n * ratio[axis]) / 2 + (ratio[axis] - 1) / 2);
  const shifted = shiftAffine(grid.affine, start);
  return { size, affine: shifted.map((value, i) => (i < 12 && i % 4 < 3 ? value * ratio[i % 4] : value)) };
}

/** The grid over the same field of view with exactly `size` voxels; the spacing follows. */
export function gridWithSize(grid: Grid, size: Vec3): Grid {
  checkGrid(grid);
  const ratio = mapAxes(size, (n, axis) => grid.size[axis] / n);
  const start = mapAxes(ratio, (r) => (r - 1) / 2);
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
  const { background = 0 } = options;
  if (!fitsVoxel(background, "uint8")) throw new DataError(`argmax: background ${background} does not fit uint8`);
  checkVolume(scores);
  const sampleSlice = resampler(viewOf(scores), grid, { mode: "linear", outside: Number.NaN, name: scores.name });
  const perSlice = grid.size[0] * grid.size[1];
  const labels = allocateVoxels("uint8", voxelsOf(grid)) as Uint8Array;
  const best = new Float32Array(perSlice);
  const slice = new Float32Array(perSlice);
  for (let z = 0, at = 0; z < grid.size[2]; z++, at += perSlice) {
    for (let c = 0; c < scores.channels; c++) {
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
    for (let i = 0; i < perSlice; i++) if (Number.isNaN(best[i])) labels[at + i] = background;
  }
  return { ...stripHeader(scores), data: labels, channels: 1, size: grid.size, affine: grid.affine };
}

/** Centre of the field of view in mm. */
export function centreOf(grid: Grid): Vec3 {
  return applyAffine(
    grid.affine,
    mapAxes(grid.size, (n) => (n - 1) / 2),
  );
}

function voxelsOf(grid: Grid): number {
  return grid.size[0] * grid.size[1] * grid.size[2];
}

/** Rounded where a value has more digits than 32-bit floats, as images may be. */
function asFloat32View(view: VolumeView): VolumeView {
  return {
    ...view,
    data: view.data instanceof Float32Array ? view.data : Float32Array.from(view.data as Int32Array, Number),
  };
}

/** 64-bit integers, which samplers see as doubles. */
function isWide(data: VoxelArray): boolean {
  return data instanceof BigInt64Array || data instanceof BigUint64Array;
}
