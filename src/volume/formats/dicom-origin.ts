/** Where a volume that was read from DICOM came from: enough to write results onto the very slices it was made of. */
import type { Vec3 } from "../types.ts";

/** One slice: a file, or a frame of one. */
export interface DicomSliceOrigin {
  /** File, for messages. */
  readonly name: string;
  /** From 1, as the standard counts; `undefined` for a file of one image. */
  readonly frame?: number;
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  /** The centre of the first pixel, in the standard's LPS millimetres. */
  readonly position: Vec3;
}

export interface DicomOrigin {
  readonly modality: string;
  readonly seriesInstanceUid: string;
  readonly seriesDescription: string;
  readonly frameOfReferenceUid: string;
  /** Of patient and study, by their keywords (`PatientID`, `StudyInstanceUID`, …); what the source does not say is not here. */
  readonly study: Readonly<Record<string, string>>;
  readonly rows: number;
  readonly columns: number;
  /** Millimetres from row to row and from column to column. */
  readonly pixelSpacing: readonly [row: number, column: number];
  /** Direction cosines in LPS: along a row, then along a column. */
  readonly orientation: readonly number[];
  /** As the source says, in millimetres; else the distance of the slices. */
  readonly sliceThickness: number;
  /** In order along the slices' normal: slice k of the volume, unless it was repaired. */
  readonly slices: readonly DicomSliceOrigin[];
  /** What was wrong with the slices, where the volume was resampled from them: the slices then lie elsewhere than its planes. */
  readonly repaired?: string;
  /** Of a segmentation object: its segments' labels by their numbers. */
  readonly segments?: Readonly<Record<number, string>>;
}
