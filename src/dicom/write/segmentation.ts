/**
 * Label maps as DICOM segmentation objects (PS3.3 A.51): on the slices that the image was made of, a frame for each segment and slice
 * where it is. BINARY frames are one bit a pixel, one behind the other without padding, little end first. The pixels come in pieces of
 * eight frames, so that a hundred segments never need a hundred volumes.
 */
import { DataError } from "../../errors.ts";
import { composeAffines, invertAffine } from "../../volume/affine.ts";
import type { DicomOrigin } from "../../volume/formats/dicom-origin.ts";
import type { Affine, Volume, VoxelArray } from "../../volume/types.ts";
import { lpsAffine } from "../geometry/stack.ts";
import { attributes } from "../tags.ts";
import { type CodeTable, codesFor } from "./codes.ts";
import { type DicomValues, encodeDicom, newUid, pixelDataHead } from "./part10.ts";
import { code, commonValues, instanceReferences, requireReferable, type WriteObjectOptions } from "./source.ts";

export interface SegmentationOptions extends WriteObjectOptions {
  /** What label values mean; 0 is no segment. */
  readonly labels: readonly { readonly index: number; readonly name: string }[];
  /** Codes for labels that medvox's table does not have, or instead of them. */
  readonly codes?: CodeTable;
  /**
   * With them the object is FRACTIONAL: the probabilities of the labels on the same grid as the label map, a channel for each entry of
   * `labels`. Without, BINARY.
   */
  readonly probabilities?: Volume<VoxelArray>;
  /** For messages. */
  readonly name?: string;
}

const segmentationStorage = "1.2.840.10008.5.1.4.1.1.66.4";
/** Frames that are packed together: eight of any size end at a byte. */
const framesTogether = 8;
const mostFraction = 255;

interface SegmentFrame {
  /** Number of the segment, from 1. */
  readonly segment: number;
  /** Index among the origin's slices. */
  readonly slice: number;
}

/**
 * The file of a segmentation object, piece by piece.
 * @param labelMap on the grid of the volume that was read from the images
 * @param origin `header.dicom` of that volume
 * @throws DataError where the images have no UIDs to refer to, or the label map has no segment
 */
export function* encodeSegmentation(
  labelMap: Volume,
  origin: DicomOrigin,
  options: SegmentationOptions,
): Generator<Uint8Array> {
  const { name = "segmentation", labels, probabilities } = options;
  requireReferable(origin, name);
  const segments = labels.filter(({ index }) => index !== 0);
  const plane = planeReader(probabilities ?? labelMap, origin);
  const isIn = (segment: number) => segments[segment - 1];
  const channelOf = (segment: number) => labels.indexOf(isIn(segment));
  const frames = framesOf(segments, origin, plane, probabilities && channelOf);
  if (frames.length === 0)
    throw new DataError(`${name}: nothing was found in it, and a segmentation object must have a frame`);
  const size = origin.rows * origin.columns;
  const bytes = probabilities === undefined ? Math.ceil((frames.length * size) / 8) : frames.length * size;
  yield encodeDicom(headOf(segments, frames, origin, options));
  yield pixelDataHead(bytes + (bytes % 2));
  for (let from = 0; from < frames.length; from += framesTogether) {
    const group = frames.slice(from, from + framesTogether);
    if (probabilities !== undefined) {
      for (const { segment, slice } of group) yield fractions(plane(slice, channelOf(segment)));
      continue;
    }
    const packed = new Uint8Array(Math.ceil((group.length * size) / 8));
    for (const [f, { segment, slice }] of group.entries()) {
      const { index } = isIn(segment);
      const values = plane(slice, 0);
      for (let i = 0, bit = f * size; i < size; i++, bit++) if (values[i] === index) packed[bit >> 3] |= 1 << (bit & 7);
    }
    yield packed;
  }
  if (bytes % 2 === 1) yield new Uint8Array(1);
}

/** Which segments are on which slices, segment by segment. */
function framesOf(
  segments: readonly { readonly index: number }[],
  origin: DicomOrigin,
  plane: PlaneReader,
  channelOf: ((segment: number) => number) | undefined,
): SegmentFrame[] {
  const found: SegmentFrame[] = [];
  const numbers = new Map(segments.map(({ index }, i) => [index, i + 1]));
  for (let slice = 0; slice < origin.slices.length; slice++) {
    if (channelOf !== undefined) {
      for (let segment = 1; segment <= segments.length; segment++)
        if (fractions(plane(slice, channelOf(segment))).some((value) => value > 0)) found.push({ segment, slice });
      continue;
    }
    const here = new Set<number>();
    for (const value of plane(slice, 0)) here.add(Number(value));
    for (const value of here) {
      const segment = numbers.get(value);
      if (segment !== undefined) found.push({ segment, slice });
    }
  }
  return found.sort((a, b) => a.segment - b.segment || a.slice - b.slice);
}

/** Values of a channel on a source slice, in the order of its pixels. The array is used again by the next call. */
type PlaneReader = (slice: number, channel: number) => ArrayLike<number | bigint> & Iterable<number | bigint>;

function planeReader({ data, size, affine }: Volume, origin: DicomOrigin): PlaneReader {
  const [width, height, depth] = size;
  const { rows, columns } = origin;
  const perChannel = width * height * depth;
  const isSame =
    origin.repaired === undefined && width === columns && height === rows && depth === origin.slices.length;
  if (isSame) {
    const perSlice = width * height;
    return (slice, channel) =>
      data.subarray(channel * perChannel + slice * perSlice, channel * perChannel + (slice + 1) * perSlice);
  }
  // Resampled: each pixel of a slice has the value of the nearest voxel.
  const inverse = invertAffine(affine);
  const out = new Float64Array(rows * columns);
  return (slice, channel) => {
    const toVoxel = composeAffines(inverse, sliceAffine(origin, slice));
    out.fill(0);
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) {
        const at = (row: number) => Math.round(toVoxel[4 * row] * x + toVoxel[4 * row + 1] * y + toVoxel[4 * row + 3]);
        const [i, j, k] = [at(0), at(1), at(2)];
        if (i < 0 || j < 0 || k < 0 || i >= width || j >= height || k >= depth) continue;
        out[y * columns + x] = Number(data[channel * perChannel + (k * height + j) * width + i]);
      }
    }
    return out;
  };
}

function sliceAffine({ orientation, pixelSpacing, slices }: DicomOrigin, slice: number): Affine {
  const [a, b, c, d, e, f] = orientation;
  const [perRow, perColumn] = pixelSpacing;
  const normal = [b * f - c * e, c * d - a * f, a * e - b * d];
  return lpsAffine(
    [a, b, c].map((v) => v * perColumn),
    [d, e, f].map((v) => v * perRow),
    normal,
    slices[slice].position,
  );
}

function fractions(values: ArrayLike<number | bigint>): Uint8Array {
  const out = new Uint8Array(values.length);
  for (let i = 0; i < out.length; i++) out[i] = Math.round(Math.min(1, Math.max(0, Number(values[i]))) * mostFraction);
  return out;
}

function headOf(
  segments: SegmentationOptions["labels"],
  frames: readonly SegmentFrame[],
  origin: DicomOrigin,
  { codes, probabilities, ...options }: SegmentationOptions,
): DicomValues {
  const isBinary = probabilities === undefined;
  const dimension = newUid();
  const spacing = origin.slices.length > 1 ? stepOf(origin) : origin.sliceThickness;
  const pointer = (
    to: "ReferencedSegmentNumber" | "ImagePositionPatient",
    group: "SegmentIdentificationSequence" | "PlanePositionSequence",
  ) => ({
    DimensionOrganizationUID: dimension,
    DimensionIndexPointer: attributes[to][0],
    FunctionalGroupPointer: attributes[group][0],
    DimensionDescriptionLabel: to,
  });
  return {
    ...commonValues(origin, "SEG", 300, { seriesDescription: "medvox segmentation", ...options }),
    SOPClassUID: segmentationStorage,
    ImageType: ["DERIVED", "PRIMARY"],
    ContentLabel: "SEGMENTATION",
    ContentDescription: "",
    ContentCreatorName: "",
    SamplesPerPixel: 1,
    PhotometricInterpretation: "MONOCHROME2",
    Rows: origin.rows,
    Columns: origin.columns,
    BitsAllocated: isBinary ? 1 : 8,
    BitsStored: isBinary ? 1 : 8,
    HighBit: isBinary ? 0 : 7,
    PixelRepresentation: 0,
    LossyImageCompression: "00",
    SegmentationType: isBinary ? "BINARY" : "FRACTIONAL",
    ...(isBinary ? {} : { SegmentationFractionalType: "PROBABILITY", MaximumFractionalValue: mostFraction }),
    // Of probabilities every voxel may have several.
    SegmentsOverlap: isBinary ? "NO" : "UNDEFINED",
    NumberOfFrames: frames.length,
    ...(origin.frameOfReferenceUid === ""
      ? {}
      : { FrameOfReferenceUID: origin.frameOfReferenceUid, PositionReferenceIndicator: "" }),
    DimensionOrganizationSequence: [{ DimensionOrganizationUID: dimension }],
    DimensionIndexSequence: [
      pointer("ReferencedSegmentNumber", "SegmentIdentificationSequence"),
      pointer("ImagePositionPatient", "PlanePositionSequence"),
    ],
    ReferencedSeriesSequence: [
      { SeriesInstanceUID: origin.seriesInstanceUid, ReferencedInstanceSequence: instanceReferences(origin) },
    ],
    SegmentSequence: segments.map(({ index, name }, i) => segmentValues(i + 1, name, index, codes)),
    SharedFunctionalGroupsSequence: [
      {
        PixelMeasuresSequence: [
          {
            PixelSpacing: [...origin.pixelSpacing],
            SliceThickness: origin.sliceThickness,
            SpacingBetweenSlices: spacing,
          },
        ],
        PlaneOrientationSequence: [{ ImageOrientationPatient: [...origin.orientation] }],
      },
    ],
    PerFrameFunctionalGroupsSequence: frames.map((frame) => frameValues(frame, origin)),
  };
}

/** The middle distance from slice to slice. */
function stepOf({ slices, orientation }: DicomOrigin): number {
  const [a, b, c, d, e, f] = orientation;
  const normal = [b * f - c * e, c * d - a * f, a * e - b * d];
  const heights = slices.map(({ position }) => position.reduce((sum, v, i) => sum + v * normal[i], 0));
  const steps = heights
    .slice(1)
    .map((height, i) => height - heights[i])
    .sort((x, y) => x - y);
  return Number(steps[Math.floor((steps.length - 1) / 2)].toPrecision(10));
}

function segmentValues(number: number, name: string, value: number, own: CodeTable | undefined): DicomValues {
  const { type, category, modifier } = codesFor(name, value, own);
  return {
    SegmentNumber: number,
    SegmentLabel: name.slice(0, 64) || `label ${value}`,
    SegmentAlgorithmType: "AUTOMATIC",
    SegmentAlgorithmName: "medvox",
    SegmentedPropertyCategoryCodeSequence: [code(...category)],
    SegmentedPropertyTypeCodeSequence: [
      { ...code(...type), ...(modifier && { SegmentedPropertyTypeModifierCodeSequence: [code(...modifier)] }) },
    ],
    RecommendedDisplayCIELabValue: colourOf(number),
  };
}

/** Colours that differ, as CIELab in the standard's 16-bit scale: hues a golden angle apart. */
function colourOf(number: number): number[] {
  const angle = number * 2.399963;
  const scaled = (value: number, low: number, span: number) => Math.round(((value - low) / span) * 65535);
  return [scaled(65, 0, 100), scaled(60 * Math.cos(angle), -128, 255), scaled(60 * Math.sin(angle), -128, 255)];
}

function frameValues({ segment, slice }: SegmentFrame, origin: DicomOrigin): DicomValues {
  const { position, sopClassUid, sopInstanceUid, frame } = origin.slices[slice];
  return {
    FrameContentSequence: [{ DimensionIndexValues: [segment, slice + 1] }],
    PlanePositionSequence: [{ ImagePositionPatient: [...position] }],
    SegmentIdentificationSequence: [{ ReferencedSegmentNumber: segment }],
    DerivationImageSequence: [
      {
        SourceImageSequence: [
          {
            ReferencedSOPClassUID: sopClassUid,
            ReferencedSOPInstanceUID: sopInstanceUid,
            ...(frame !== undefined && { ReferencedFrameNumber: frame }),
            PurposeOfReferenceCodeSequence: [code("121322", "DCM", "Source image for image processing operation")],
          },
        ],
        DerivationCodeSequence: [code("113076", "DCM", "Segmentation")],
      },
    ],
  };
}
