/**
 * Slices that are not regular, resampled: planes at equal distances along the slices' normal, each interpolated linearly between the two
 * slices around it, which are shifted in their planes first where they are stacked askew. What lies outside of every slice gets the
 * least value there is.
 */
import { DataError, GeometryError } from "../../errors.ts";
import type { LoadedVolume, VolumeHeader } from "../../volume/formats/header.ts";
import type { Vec3, Volume } from "../../volume/types.ts";
import { allocateVoxels, checkedVoxelCount, defaultMaxBytes } from "../../volume/voxels.ts";
import type { DicomSeries } from "../series.ts";
import type { DicomSlice } from "../slices.ts";
import { dot, lpsAffine, normalOf, sliceName, stackOf, subtract } from "./stack.ts";
import {
  originOf,
  type ReadSlice,
  requireRegular,
  type StackOptions,
  stackHeader,
  stackVolume,
  valueType,
} from "./volume.ts";

/** Positions nearer than this are one. */
const samePlaceMm = 1e-3;
/** A gap of that many planes is no gap: slices of another place were put together. */
const mostPlanes = 16_384;

interface RepairPlan {
  readonly header: VolumeHeader;
  /** One slice for each position, in order. */
  readonly slices: readonly DicomSlice[];
  /** Millimetres along the normal from the first slice. */
  readonly heights: readonly number[];
  /** How far each slice begins to the right of, and below, the grid's first voxel, in pixels. */
  readonly shifts: readonly (readonly [number, number])[];
  readonly spacing: number;
}

/**
 * What is known of a repaired volume before its pixels are read.
 * @throws GeometryError where the slices cannot be repaired: mixed or unplaced ones
 */
export function repairedHeader(series: DicomSeries, name: string): VolumeHeader {
  return series.verdict === "regular" ? stackHeader(series) : planRepair(series, name).header;
}

/**
 * The volume of a stack, resampled onto a regular grid where it has none; of a regular one as it is. Its header's `dicom` has the
 * slices where they truly lie, and what was wrong.
 * @throws GeometryError where it cannot be repaired; DataError where a slice cannot be read, or slices at one position differ
 */
export async function repairVolume(
  series: DicomSeries,
  read: ReadSlice,
  options: StackOptions = {},
): Promise<LoadedVolume> {
  if (series.verdict === "regular") return stackVolume(series, read, options);
  const { maxBytes = defaultMaxBytes, name = "DICOM" } = options;
  const plan = planRepair(series, name);
  await checkRepeated(series, read, name);
  const { header, slices, heights, spacing } = plan;
  const [width, height, depth] = header.size;
  const count = checkedVoxelCount(header.size, "float32", maxBytes, name);
  const data = allocateVoxels("float32", count, name) as Float32Array;
  const planes = new Map<number, Promise<Float32Array>>();
  const plane = (s: number): Promise<Float32Array> => {
    const known = planes.get(s) ?? shiftedPlane(plan, s, read);
    planes.set(s, known);
    planes.delete(s - 2);
    return known;
  };
  for (let k = 0, s = 0; k < depth; k++) {
    while (s + 2 < slices.length && heights[s + 1] < k * spacing) s++;
    const share = slices.length === 1 ? 0 : (k * spacing - heights[s]) / (heights[s + 1] - heights[s]);
    const weight = Math.min(1, Math.max(0, share));
    const low = await plane(s);
    const high = slices.length === 1 ? low : await plane(s + 1);
    const at = k * width * height;
    for (let i = 0; i < low.length; i++) {
      // At a slice's own place its value, whatever the other is.
      data[at + i] = weight === 0 ? low[i] : weight === 1 ? high[i] : low[i] + weight * (high[i] - low[i]);
    }
  }
  fillOutside(data);
  const volume: Volume = { data, size: header.size, affine: header.affine, channels: 1, name };
  return { ...volume, data: rounded(data, header.voxelType), header };
}

function planRepair(series: DicomSeries, name: string): RepairPlan {
  if (series.verdict === "mixed" || series.verdict === "unplaced") requireRegular(series, name);
  const [first] = series.slices;
  const normal = normalOf(first);
  const from = first.position as Vec3;
  const slices: DicomSlice[] = [];
  const heights: number[] = [];
  for (const slice of series.slices) {
    const up = dot(subtract(slice.position as Vec3, from), normal);
    if (slices.length > 0 && up - heights[heights.length - 1] <= samePlaceMm) continue;
    slices.push(slice);
    heights.push(up);
  }
  const { spacing } = stackOf(slices);
  const depth = Math.floor(heights[heights.length - 1] / spacing + 1e-3) + 1;
  if (depth > Math.max(mostPlanes, 4 * slices.length))
    throw new GeometryError(
      `${name}: ${slices.length} slices would become ${depth}; slices of several places together?`,
    );
  const [a, b, c, d, e, f] = first.orientation as readonly number[];
  const [perRow, perColumn] = first.pixelSpacing as readonly [number, number];
  const offsets = slices.map((slice) => {
    const step = subtract(slice.position as Vec3, from);
    return [dot(step, [a, b, c]) / perColumn, dot(step, [d, e, f]) / perRow].map((v) => (Math.abs(v) < 1e-3 ? 0 : v));
  });
  const least = [0, 1].map((axis) => Math.floor(offsets.reduce((m, o) => Math.min(m, o[axis]), 0)));
  const most = [0, 1].map((axis) => Math.ceil(offsets.reduce((m, o) => Math.max(m, o[axis]), 0)));
  const { rows, columns } = first.layout;
  const right = [a, b, c].map((v) => v * perColumn);
  const down = [d, e, f].map((v) => v * perRow);
  const origin = from.map((value, i) => value + least[0] * right[i] + least[1] * down[i]);
  return {
    header: {
      format: "dicom",
      size: [columns + most[0] - least[0], rows + most[1] - least[1], depth],
      affine: lpsAffine(
        right,
        down,
        normal.map((v) => v * spacing),
        origin,
      ),
      channels: 1,
      voxelType: valueType(slices),
      slope: 1,
      intercept: 0,
      dicom: { ...originOf({ ...series, slices, spacing }), repaired: `${series.verdict}: ${series.detail}` },
    },
    slices,
    heights,
    shifts: offsets.map(([u, v]) => [u - least[0], v - least[1]]),
    spacing,
  };
}

/** Of slices at one position one is taken, if they are equal. */
async function checkRepeated({ slices }: DicomSeries, read: ReadSlice, name: string): Promise<void> {
  const normal = normalOf(slices[0]);
  for (let i = 1; i < slices.length; i++) {
    const [one, other] = [slices[i - 1], slices[i]];
    const apart = dot(subtract(other.position as Vec3, one.position as Vec3), normal);
    if (apart > samePlaceMm) continue;
    const [a, b] = [await read(one), await read(other)];
    const alike = one.rescale.slope === other.rescale.slope && one.rescale.intercept === other.rescale.intercept;
    if (!alike || a.some((value, at) => value !== b[at]))
      throw new DataError(
        `${name}: ${sliceName(one)} and ${sliceName(other)} lie at one position and differ; which one is meant cannot be known`,
      );
  }
}

/** A slice on the columns and rows of the grid, bilinear; NaN outside of it. */
async function shiftedPlane({ slices, shifts, header }: RepairPlan, s: number, read: ReadSlice): Promise<Float32Array> {
  const [width, height] = header.size;
  const slice = slices[s];
  const { rows, columns } = slice.layout;
  const { slope, intercept } = slice.rescale;
  const stored = await read(slice);
  const [right, down] = shifts[s];
  const out = new Float32Array(width * height).fill(Number.NaN);
  for (let y = 0; y < height; y++) {
    const row = y - down;
    if (row < 0 || row > rows - 1) continue;
    const [y0, wy] = [Math.floor(row), row - Math.floor(row)];
    const below = wy === 0 ? 0 : columns;
    for (let x = 0; x < width; x++) {
      const column = x - right;
      if (column < 0 || column > columns - 1) continue;
      const [x0, wx] = [Math.floor(column), column - Math.floor(column)];
      const beside = wx === 0 ? 0 : 1;
      const at = y0 * columns + x0;
      const top = stored[at] + wx * (stored[at + beside] - stored[at]);
      const bottom = stored[at + below] + wx * (stored[at + below + beside] - stored[at + below]);
      out[y * width + x] = (top + wy * (bottom - top)) * slope + intercept;
    }
  }
  return out;
}

function fillOutside(data: Float32Array): void {
  let least = Number.POSITIVE_INFINITY;
  for (const value of data) if (value < least) least = value;
  if (!Number.isFinite(least)) least = 0;
  for (let i = 0; i < data.length; i++) if (Number.isNaN(data[i])) data[i] = least;
}

/** Interpolated values in the element type of the slices: whole numbers where those are. */
function rounded(data: Float32Array, type: VolumeHeader["voxelType"]): Volume["data"] {
  if (type === "float32") return data;
  const out = allocateVoxels(type, data.length);
  for (let i = 0; i < data.length; i++) out[i] = Math.round(data[i]);
  return out;
}
