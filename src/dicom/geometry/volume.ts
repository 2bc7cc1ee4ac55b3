/** A stack of slices and the numbers of their frames to a volume. */
import { GeometryError } from "../../errors.ts";
import type { DicomOrigin } from "../../volume/formats/dicom-origin.ts";
import type { LoadedVolume, VolumeHeader } from "../../volume/formats/header.ts";
import type { Vec3 } from "../../volume/types.ts";
import { allocateVoxels, checkedVoxelCount, defaultMaxBytes } from "../../volume/voxels.ts";
import { type FrameArray, rescaledType, rescaleInto } from "../pixels.ts";
import type { DicomSeries } from "../series.ts";
import type { DicomSlice } from "../slices.ts";
import { sliceName, stackAffine } from "./stack.ts";

/** Gives the numbers of a slice: read, decoded, with the stored bits and their sign. */
export type ReadSlice = (slice: DicomSlice) => Promise<FrameArray>;

export interface StackOptions {
  /** The largest volume, in bytes. Default 4 GiB. */
  readonly maxBytes?: number;
  /** For messages: the path. */
  readonly name?: string;
}

/** @throws GeometryError where the stack is not regular */
export function requireRegular({ verdict, detail }: DicomSeries, name: string): void {
  if (verdict === "regular") return;
  const cannot = verdict === "mixed" || verdict === "unplaced";
  throw new GeometryError(
    `${name}: its slices make no regular volume: ${verdict}: ${detail}${cannot ? "" : "; --repair resamples them, or end the path in #repair"}`,
  );
}

/** What is known of the volume before its pixels are read. */
export function stackHeader(series: DicomSeries): VolumeHeader {
  const { slices } = series;
  const { rows, columns } = slices[0].layout;
  return {
    format: "dicom",
    size: [columns, rows, slices.length],
    affine: stackAffine(series),
    channels: 1,
    voxelType: valueType(slices),
    slope: 1,
    intercept: 0,
    dicom: originOf(series),
  };
}

/** The one element type that holds the values of all slices. */
export function valueType(slices: readonly DicomSlice[]): VolumeHeader["voxelType"] {
  const types = new Set(slices.map(({ layout, rescale }) => rescaledType(layout, [rescale])));
  if (types.size === 1) return [...types][0];
  if (types.has("float32")) return "float32";
  if (types.has("int32") || (types.has("int16") && types.has("uint16"))) return "int32";
  return types.has("int16") ? "int16" : "uint16";
}

/**
 * The volume of a regular stack, its values rescaled slice by slice (`stored × slope + intercept`): Hounsfield units of a CT.
 * @throws GeometryError where the stack is not regular; DataError where a slice cannot be read
 */
export async function stackVolume(
  series: DicomSeries,
  read: ReadSlice,
  { maxBytes = defaultMaxBytes, name = "DICOM" }: StackOptions = {},
): Promise<LoadedVolume> {
  requireRegular(series, name);
  const header = stackHeader(series);
  const count = checkedVoxelCount(header.size, header.voxelType, maxBytes, name);
  const data = allocateVoxels(header.voxelType, count, name);
  const perSlice = header.size[0] * header.size[1];
  await Promise.all(
    series.slices.map(async (slice, k) => rescaleInto(data, k * perSlice, await read(slice), slice.rescale)),
  );
  return { data, size: header.size, affine: header.affine, channels: 1, name, header };
}

/** The slices and the study they are of. */
export function originOf({ facts, slices, spacing }: DicomSeries): DicomOrigin {
  const [first] = slices;
  return {
    modality: facts.modality,
    seriesInstanceUid: facts.seriesInstanceUid,
    seriesDescription: facts.description,
    frameOfReferenceUid: facts.frameOfReferenceUid,
    study: facts.study,
    rows: first.layout.rows,
    columns: first.layout.columns,
    pixelSpacing: first.pixelSpacing as readonly [number, number],
    orientation: first.orientation as readonly number[],
    sliceThickness: first.thickness ?? spacing,
    slices: slices.map((slice) => ({
      name: sliceName(slice),
      ...(slice.frames > 1 && { frame: slice.frame + 1 }),
      sopClassUid: slice.sopClassUid,
      sopInstanceUid: slice.sopInstanceUid,
      position: slice.position as Vec3,
    })),
  };
}
