/** Segmentation objects (PS3.3 A.51) as label maps: a voxel's value is the number of its segment. */
import { DataError, GeometryError } from "../errors.ts";
import type { LoadedVolume, VolumeHeader } from "../volume/formats/header.ts";
import type { Vec3 } from "../volume/types.ts";
import { allocateVoxels, checkedVoxelCount, defaultMaxBytes } from "../volume/voxels.ts";
import { dot, lpsAffine, normalOf, sliceName, subtract } from "./geometry/stack.ts";
import { originOf, type ReadSlice, requireRegular, type StackOptions } from "./geometry/volume.ts";
import type { DicomSeries } from "./series.ts";

/** How far a frame may be from a plane of the grid, in planes. */
const planeTolerance = 0.1;
const mostPlanes = 16_384;

interface LabelGrid {
  readonly header: VolumeHeader;
  /** The plane of each frame. */
  readonly planes: readonly number[];
}

/**
 * Grid and element type of a segmentation: it spans the planes that have a segment, which may be fewer than its images have.
 * @throws GeometryError where its frames are on no common grid
 */
export function segmentationHeader(series: DicomSeries, name: string): VolumeHeader {
  return gridOf(series, name).header;
}

/**
 * The label map of a segmentation. Of a fractional one, a voxel belongs to the segment with the largest share, from a half on.
 * @throws DataError where two segments have a voxel in common; GeometryError where its frames are on no common grid
 */
export async function segmentationVolume(
  series: DicomSeries,
  read: ReadSlice,
  { maxBytes = defaultMaxBytes, name = "DICOM" }: StackOptions = {},
): Promise<LoadedVolume> {
  const { header, planes } = gridOf(series, name);
  const count = checkedVoxelCount(header.size, header.voxelType, maxBytes, name);
  const data = allocateVoxels(header.voxelType, count, name) as Uint8Array | Uint16Array;
  const { type, maximum } = series.facts.segmentation ?? { type: "BINARY", maximum: 1 };
  const pixels = header.size[0] * header.size[1];
  const shares = type === "FRACTIONAL" ? new Float32Array(count) : undefined;
  for (const [f, slice] of series.slices.entries()) {
    const values = await read(slice);
    const at = planes[f] * pixels;
    const segment = slice.segment ?? 1;
    for (let i = 0; i < pixels; i++) {
      if (values[i] === 0) continue;
      const place = at + i;
      if (type === "LABELMAP") data[place] = values[i];
      else if (shares !== undefined) {
        const share = values[i] / maximum;
        if (share < 0.5 || share <= shares[place]) continue;
        shares[place] = share;
        data[place] = segment;
      } else if (data[place] !== 0 && data[place] !== segment) {
        throw new DataError(
          `${name}: segments ${data[place]} and ${segment} overlap (${sliceName(slice)}); a label map has one label a voxel`,
        );
      } else data[place] = segment;
    }
  }
  return { data, size: header.size, affine: header.affine, channels: 1, name, header };
}

function gridOf(series: DicomSeries, name: string): LabelGrid {
  if (series.verdict !== "regular") requireRegular(series, name);
  const { slices, facts } = series;
  const [first] = slices;
  const normal = normalOf(first);
  const from = first.position as Vec3;
  const heights = slices.map(({ position }) => dot(subtract(position as Vec3, from), normal));
  const steps = heights
    .slice(1)
    .map((height, i) => height - heights[i])
    .filter((mm) => mm > 1e-3);
  const spacing = first.spacing ?? (steps.length > 0 ? steps.reduce((a, b) => Math.min(a, b)) : (first.thickness ?? 1));
  const planes = heights.map((height) => Math.round(height / spacing));
  const off = planes.findIndex((plane, i) => Math.abs(heights[i] / spacing - plane) > planeTolerance);
  if (off >= 0)
    throw new GeometryError(
      `${name}: ${sliceName(slices[off])} lies between the planes, which are ${spacing} mm apart`,
    );
  const depth = planes[planes.length - 1] + 1;
  if (depth > mostPlanes) throw new GeometryError(`${name}: its frames span ${depth} planes`);
  const { rows, columns } = first.layout;
  const [a, b, c, d, e, f] = first.orientation as readonly number[];
  const [perRow, perColumn] = first.pixelSpacing as readonly [number, number];
  const affine = lpsAffine(
    [a, b, c].map((v) => v * perColumn),
    [d, e, f].map((v) => v * perRow),
    normal.map((v) => v * spacing),
    from,
  );
  const segments = facts.segmentation?.segments ?? {};
  const isWide = first.layout.bitsAllocated > 8 || Object.keys(segments).some((number) => Number(number) > 255);
  return {
    header: {
      format: "dicom-seg",
      size: [columns, rows, depth],
      affine,
      channels: 1,
      voxelType: isWide ? "uint16" : "uint8",
      slope: 1,
      intercept: 0,
      dicom: { ...originOf(series), segments },
    },
    planes,
  };
}
