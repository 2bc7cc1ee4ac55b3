/** Volumes in DICOM files: which series a path names, its header, and its voxels. */
import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import {
  type DecodeFrame,
  type DicomSeries,
  type DicomSlice,
  decodeFrame,
  type FrameArray,
  frameReader,
  isDicom,
  parseDicom,
  type ReadSlice,
  repairedHeader,
  repairVolume,
  requireRegular,
  segmentationHeader,
  segmentationVolume,
  stackHeader,
  stackVolume,
  transferSyntaxes,
} from "../../dicom/index.ts";
import { DataError } from "../../errors.ts";
import type { LoadedVolume, VolumeHeader } from "../../volume/formats/header.ts";
import { decodeInThread } from "./decode-pool.ts";
import { type FoundDicom, findDicom } from "./find.ts";
import { dicomPath, dicomPlace } from "./place.ts";

/** Slices that are read and decoded at once. */
const together = 16;

/** Whether a path names DICOM: a folder, a zip archive, or a file that begins as DICOM does. `false` where nothing is there. */
export async function isDicomPath(path: string): Promise<boolean> {
  const { file } = dicomPlace(path);
  const found = await stat(file).catch(() => undefined);
  if (found === undefined) return false;
  return found.isDirectory() || file.toLowerCase().endsWith(".zip") || isDicomFile(file);
}

async function isDicomFile(file: string): Promise<boolean> {
  const handle = await open(file, "r").catch(() => undefined);
  if (handle === undefined) return false;
  try {
    const bytes = new Uint8Array(256);
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0);
    return isDicom(bytes.subarray(0, bytesRead));
  } catch {
    return false;
  } finally {
    await handle.close();
  }
}

/** Whether a folder holds DICOM objects directly, told by the first files in it. */
export async function isDicomFolder(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch(() => []);
  const looked = names
    .filter((name) => !name.startsWith("."))
    .sort()
    .slice(0, 8);
  for (const name of looked) if (await isDicomFile(join(folder, name))) return true;
  return false;
}

/** A series in words: `CT, 20 slices of 512×512, "plain"`. */
export function seriesLine({ facts, slices, part, verdict }: DicomSeries): string {
  const { columns, rows } = slices[0].layout;
  const count = `${slices.length} ${slices.length === 1 ? "slice" : "slices"} of ${columns}×${rows}`;
  const parts = [facts.modality || "?", count, ...(part ? [part] : []), ...(verdict === "regular" ? [] : [verdict])];
  return `${parts.join(", ")}${facts.description ? `, "${facts.description}"` : ""}`;
}

/**
 * The one series that a path names.
 * @throws DataError where there is none, or several and none is named
 */
function chosenSeries(found: FoundDicom, path: string): DicomSeries {
  const { series: wanted, file } = dicomPlace(path);
  const { series, others, junk } = found;
  const damaged = others.find(({ isDamaged }) => isDamaged);
  if (damaged !== undefined)
    throw new DataError(`${damaged.message}; what series it belongs to cannot be known: take it out of ${file}`);
  if (series.length === 0) {
    const [other] = others;
    const what =
      other === undefined ? `no DICOM object${junk > 0 ? ` among ${junk} files` : ""}` : `no image: ${other.message}`;
    throw new DataError(`${file}: holds ${what}`);
  }
  const images = series.filter(({ facts }) => !facts.isSegmentation);
  const chosen =
    wanted === undefined
      ? images.length === 1
        ? images[0]
        : series.length === 1
          ? series[0]
          : undefined
      : (series[Number(wanted) - 1] ?? series.find(({ facts }) => facts.seriesInstanceUid === wanted));
  if (chosen === undefined) {
    const shown = series.slice(0, 12).map((one, i) => `#${i + 1} ${seriesLine(one)}`);
    if (series.length > shown.length) shown.push("…");
    const fact = wanted === undefined ? `holds ${series.length} series` : `has no series ${wanted}`;
    throw new DataError(`${file}: ${fact}; name one by its number, as in ${file}#1: ${shown.join("; ")}`);
  }
  const unread = others.find(
    ({ seriesInstanceUid }) => seriesInstanceUid !== "" && seriesInstanceUid === chosen.facts.seriesInstanceUid,
  );
  if (unread !== undefined) throw new DataError(`${unread.message}, though it is of the series that is asked for`);
  return chosen;
}

/** Grid and element type of the volume that a path names. @throws DataError or GeometryError as {@link readDicomVolume} */
export async function readDicomHeader(path: string): Promise<VolumeHeader> {
  const { file, repair } = dicomPlace(path);
  const series = chosenSeries(await findDicom(file), path);
  if (series.facts.isSegmentation) return segmentationHeader(series, file);
  if (repair) return repairedHeader(series, file);
  requireRegular(series, file);
  return stackHeader(series);
}

/**
 * The volume that a path names, its values in the units that its slices are rescaled to.
 * @throws DataError where files are damaged or hold no image; GeometryError where the slices make no regular volume
 */
export async function readDicomVolume(path: string, { maxBytes }: { maxBytes?: number } = {}): Promise<LoadedVolume> {
  const place = dicomPlace(path);
  const found = await findDicom(place.file);
  const series = chosenSeries(found, path);
  const { isSegmentation } = series.facts;
  const make = isSegmentation ? segmentationVolume : place.repair ? repairVolume : stackVolume;
  const volume = await make(series, sliceReader(found), { maxBytes, name: place.file });
  return { ...volume, name: dicomPath(place) };
}

/** Reads slices of a found study; a file of several frames is opened once. A few are in memory at a time. */
function sliceReader(found: FoundDicom): ReadSlice {
  const files = new Map<string, Promise<(frame: number) => Promise<FrameArray>>>();
  const opened = ({ name, layout }: DicomSlice) => {
    const known = files.get(name);
    if (known !== undefined) return known;
    const opening = found.readBytes(name).then((bytes) => frameReader(parseDicom(bytes, { name }), layout, decode));
    files.set(name, opening);
    return opening;
  };
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (slice) => {
    while (running >= together) await new Promise<void>((resolve) => waiting.push(resolve));
    running++;
    try {
      const readFrame = await opened(slice);
      if (slice.frames === 1) files.delete(slice.name);
      return await readFrame(slice.frame);
    } finally {
      running--;
      waiting.shift()?.();
    }
  };
}

/** RLE takes less time than handing it to a thread does. */
const decode: DecodeFrame = (bytes, layout, name) =>
  transferSyntaxes[layout.transferSyntaxUid].pixels === "rle"
    ? decodeFrame(bytes, layout, name)
    : decodeInThread(bytes, layout, name);
