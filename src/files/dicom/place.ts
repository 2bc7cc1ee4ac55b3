/**
 * How a volume in DICOM files is named: `PATH`, the path of a folder, a zip archive or a file, where it holds one series; `PATH#2` or
 * `PATH#UID` where it holds several; `#repair` or `#2+repair` behind it where slices that are not regular shall be resampled.
 */
import { existsSync } from "node:fs";

export interface DicomPlace {
  /** The folder, archive or file. */
  readonly file: string;
  /** The number of the series, from 1 as `medvox dicom list` counts, or its UID. */
  readonly series?: string;
  readonly repair: boolean;
}

/** What a path names; a path without `#`, or one that is there as it is, names the whole of it. */
export function dicomPlace(path: string): DicomPlace {
  const found = /^(.+)#(repair|\d+|[\d.]+)(\+repair)?$/.exec(path);
  if (found === null || existsSync(path)) return { file: path, repair: false };
  const [, file, what, repair] = found;
  return what === "repair" ? { file, repair: true } : { file, series: what, repair: repair !== undefined };
}

/** The path that names a place. */
export function dicomPath({ file, series, repair }: DicomPlace): string {
  const marks = [...(series === undefined ? [] : [series]), ...(repair ? ["repair"] : [])];
  return marks.length === 0 ? file : `${file}#${marks.join("+")}`;
}
