/** A parsed object as slices: one for each of its frames, with its place, its scaling and what tells it from others at that place. */
import { DataError } from "../errors.ts";
import type { Vec3 } from "../volume/types.ts";
import type { DicomAttributes, DicomFile } from "./dataset.ts";
import { type PixelLayout, pixelLayout, type Rescale } from "./pixels.ts";
import { type Keyword, segmentationClasses } from "./tags.ts";

/** One image plane as its object describes it, without its pixels. */
export interface DicomSlice {
  /** The file's name. */
  readonly name: string;
  /** Index of the frame in its object, from 0. */
  readonly frame: number;
  readonly frames: number;
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly layout: PixelLayout;
  readonly rescale: Rescale;
  /** Centre of the first pixel, LPS mm; `undefined` where the object does not say or says nonsense. */
  readonly position?: Vec3;
  /** Direction cosines along a row, then along a column. */
  readonly orientation?: readonly number[];
  readonly pixelSpacing?: readonly [row: number, column: number];
  readonly thickness?: number;
  readonly spacing?: number;
  /** What may tell slices at one place apart: stack, image type, echo, time, … */
  readonly marks: Readonly<Record<string, string>>;
  /** Of a segmentation: the segment that the frame belongs to. */
  readonly segment?: number;
}

/** What is common to the objects of a series. */
export interface SeriesFacts {
  readonly seriesInstanceUid: string;
  readonly studyInstanceUid: string;
  readonly modality: string;
  readonly description: string;
  readonly number: string;
  readonly frameOfReferenceUid: string;
  readonly isSegmentation: boolean;
  /** Of a segmentation: BINARY, FRACTIONAL or LABELMAP; the value of a whole voxel; its segments' labels by number. */
  readonly segmentation?: {
    readonly type: string;
    readonly maximum: number;
    readonly segments: Readonly<Record<number, string>>;
  };
  /** Of patient and study, by keyword. */
  readonly study: Readonly<Record<string, string>>;
}

/** What results may repeat of their source: nothing that the source has not. */
const studyKeywords = [
  "PatientName",
  "PatientID",
  "PatientBirthDate",
  "PatientSex",
  "StudyInstanceUID",
  "StudyDate",
  "StudyTime",
  "StudyID",
  "StudyDescription",
  "AccessionNumber",
  "ReferringPhysicianName",
] as const satisfies readonly Keyword[];

export function seriesFacts({ attributes: values, sopClassUid }: DicomFile): SeriesFacts {
  const study = Object.fromEntries(
    studyKeywords.map((keyword) => [keyword, values.text(keyword)]).filter(([, text]) => text !== ""),
  );
  const isSegmentation = (segmentationClasses as readonly string[]).includes(sopClassUid);
  const segments = values
    .items("SegmentSequence")
    .map((item) => [item.number("SegmentNumber") ?? 0, item.text("SegmentLabel")] as const);
  return {
    seriesInstanceUid: values.text("SeriesInstanceUID"),
    studyInstanceUid: values.text("StudyInstanceUID"),
    modality: values.text("Modality"),
    description: values.text("SeriesDescription"),
    number: values.text("SeriesNumber"),
    frameOfReferenceUid: values.text("FrameOfReferenceUID"),
    isSegmentation,
    ...(isSegmentation && {
      segmentation: {
        type: values.text("SegmentationType") || "BINARY",
        maximum: values.number("MaximumFractionalValue") || 1,
        segments: Object.fromEntries(segments),
      },
    }),
    study,
  };
}

/**
 * The slices of an object, in the order of its frames.
 * @throws DataError where it holds no image, or one that medvox does not read
 */
export function slicesOf(file: DicomFile): DicomSlice[] {
  const { name, attributes: values, sopClassUid, sopInstanceUid } = file;
  const layout = pixelLayout(file);
  if (values.has("ModalityLUTSequence"))
    throw new DataError(`${name}: its values go through a lookup table (Modality LUT); slope and intercept are read`);
  const perFrame = values.items("PerFrameFunctionalGroupsSequence");
  if (perFrame.length > 0 && perFrame.length < layout.frames)
    throw new DataError(`${name}: describes ${perFrame.length} of its ${layout.frames} frames`);
  // No object has more frames than it has bits.
  const pixels = values.element("PixelData")?.length ?? 0;
  if (perFrame.length === 0 && layout.frames > 1 && layout.frames > 8 * Math.max(pixels, 2 ** 16))
    throw new DataError(`${name}: ${layout.frames} frames cannot be in ${pixels} bytes`);
  const shared = values.item("SharedFunctionalGroupsSequence");
  const common = { name, frames: layout.frames, sopClassUid, sopInstanceUid, layout };
  return Array.from({ length: layout.frames }, (_, frame) => ({
    ...common,
    frame,
    ...describe(values, shared, perFrame[frame]),
  }));
}

function describe(values: DicomAttributes, shared: DicomAttributes | undefined, own: DicomAttributes | undefined) {
  const group = (keyword: Keyword): DicomAttributes => own?.item(keyword) ?? shared?.item(keyword) ?? values;
  const measures = group("PixelMeasuresSequence");
  const scaling = group("PixelValueTransformationSequence");
  const position = finite(group("PlanePositionSequence").numbers("ImagePositionPatient"), 3);
  const orientation = finite(group("PlaneOrientationSequence").numbers("ImageOrientationPatient"), 6);
  const spacing = finite(measures.numbers("PixelSpacing"), 2);
  const slope = scaling.number("RescaleSlope");
  const intercept = scaling.number("RescaleIntercept");
  return {
    rescale: {
      // A slope of 0 would make every voxel the same: some writers mean that there is none.
      slope: Number.isFinite(slope) && slope !== 0 ? (slope as number) : 1,
      intercept: Number.isFinite(intercept) ? (intercept as number) : 0,
    },
    ...(position && { position: [position[0], position[1], position[2]] as const }),
    ...(orientation && { orientation: rightAngled(orientation) }),
    ...(spacing?.every((mm) => mm > 0) && { pixelSpacing: [spacing[0], spacing[1]] as const }),
    ...positive("thickness", measures.number("SliceThickness")),
    ...positive("spacing", measures.number("SpacingBetweenSlices")),
    marks: marksOf(values, group),
    ...positive("segment", group("SegmentIdentificationSequence").number("ReferencedSegmentNumber")),
  };
}

function positive(key: "thickness" | "spacing" | "segment", value: number | undefined) {
  return value !== undefined && value > 0 && Number.isFinite(value) ? { [key]: value } : {};
}

function finite(numbers: readonly number[], count: number): readonly number[] | undefined {
  return numbers.length === count && numbers.every(Number.isFinite) ? numbers : undefined;
}

/** Two directions of length 1 at right angles, from cosines that were rounded on writing; `undefined` where they are none. */
function rightAngled(cosines: readonly number[]): readonly number[] | undefined {
  const [a, b] = [cosines.slice(0, 3), cosines.slice(3)];
  const [lengthA, lengthB] = [Math.hypot(...a), Math.hypot(...b)];
  const across = a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  if (Math.abs(lengthA - 1) > 0.01 || Math.abs(lengthB - 1) > 0.01 || Math.abs(across) > 0.01) return undefined;
  return cosines;
}

function marksOf(values: DicomAttributes, group: (keyword: Keyword) => DicomAttributes): Record<string, string> {
  const content = group("FrameContentSequence");
  const frameType = [group("MRImageFrameTypeSequence"), group("CTImageFrameTypeSequence")].find((g) => g !== values);
  return {
    stack: content.text("StackID"),
    type: frameType === undefined ? values.text("ImageType") : frameType.text("FrameType"),
    component: (frameType ?? values).text("ComplexImageComponent"),
    echo: String(group("MREchoSequence").number("EffectiveEchoTime") ?? values.number("EchoTime") ?? ""),
    time: String(content.number("TemporalPositionIndex") ?? values.text("TemporalPositionIdentifier")),
    diffusion: String(group("MRDiffusionSequence").number("DiffusionBValue") ?? ""),
    acquisition: values.text("AcquisitionNumber"),
  };
}
