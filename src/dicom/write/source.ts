/** What every object that is made from images says of them: the same patient, study and frame of reference, a series of its own. */
import { DataError } from "../../errors.ts";
import type { DicomOrigin } from "../../volume/formats/dicom-origin.ts";
import { type DicomValues, newUid } from "./part10.ts";

export interface WriteObjectOptions {
  /** Shown by viewers; `"medvox"` by default. */
  readonly seriesDescription?: string;
  /** When the object was made; now by default. */
  readonly date?: Date;
}

/** A code: value, scheme and meaning. */
export function code(value: string, scheme: string, meaning: string): DicomValues {
  return { CodeValue: value, CodingSchemeDesignator: scheme, CodeMeaning: meaning };
}

/** @throws DataError where the images do not say which study they are of, or what they are called */
export function requireReferable({ study, seriesInstanceUid, slices }: DicomOrigin, name: string): void {
  const unnamed = slices.find(({ sopInstanceUid, sopClassUid }) => sopInstanceUid === "" || sopClassUid === "");
  const missing = !study.StudyInstanceUID
    ? "StudyInstanceUID"
    : seriesInstanceUid === ""
      ? "SeriesInstanceUID"
      : unnamed && `${unnamed.name} SOPInstanceUID`;
  if (missing)
    throw new DataError(
      `${name}: its images have no ${missing}, so that no DICOM object can refer to them; write NIfTI instead`,
    );
}

/** Of type 2: must be there, and may be empty. */
const patientAndStudy = [
  "PatientName",
  "PatientID",
  "PatientBirthDate",
  "PatientSex",
  "StudyInstanceUID",
  "StudyDate",
  "StudyTime",
  "StudyID",
  "AccessionNumber",
  "ReferringPhysicianName",
] as const;

/** The attributes that segmentations and reports have alike. */
export function commonValues(
  origin: DicomOrigin,
  modality: string,
  seriesNumber: number,
  { seriesDescription = "medvox", date = new Date() }: WriteObjectOptions,
): DicomValues {
  const [day, time] = [date.toISOString().slice(0, 10), date.toISOString().slice(11, 19)].map((text) =>
    text.replaceAll(/[-:]/g, ""),
  );
  const study = Object.fromEntries(patientAndStudy.map((keyword) => [keyword, origin.study[keyword] ?? ""]));
  return {
    ...study,
    SOPInstanceUID: newUid(),
    SeriesInstanceUID: newUid(),
    Modality: modality,
    Manufacturer: "medvox",
    ManufacturerModelName: "medvox",
    DeviceSerialNumber: "0",
    SoftwareVersions: "medvox",
    SeriesNumber: seriesNumber,
    SeriesDescription: seriesDescription,
    InstanceNumber: 1,
    ContentDate: day,
    ContentTime: time,
    SeriesDate: day,
    SeriesTime: time,
  };
}

/** References to the images, each instance once. */
export function instanceReferences({ slices }: DicomOrigin): DicomValues[] {
  const seen = new Map(slices.map(({ sopInstanceUid, sopClassUid }) => [sopInstanceUid, sopClassUid]));
  return [...seen].map(([uid, sopClass]) => ({ ReferencedSOPClassUID: sopClass, ReferencedSOPInstanceUID: uid }));
}
