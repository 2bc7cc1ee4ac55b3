/** DICOM objects wherever they lie: a file, a folder with all that is below it, a zip archive. Other files among them are passed over. */
import type { Dirent } from "node:fs";
import { open, readdir, readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import {
  type DicomFile,
  type DicomObject,
  type DicomSeries,
  groupSeries,
  isDicom,
  mediaDirectoryClass,
  objectOf,
  parseDicom,
} from "../../dicom/index.ts";
import { DataError, MedvoxError } from "../../errors.ts";
import { readZipDirectory, readZipEntry, readZipStart, type ZipEntry } from "../packed/zip.ts";

/** What is looked at before a file is parsed. */
const peekBytes = 256;
/** Nearly every head is shorter; what is not is read whole. */
const headBytes = 2 ** 20;
/** More files than any study has. */
const mostFiles = 200_000;
const mostDepth = 32;
const mostEntryBytes = 2 ** 31 - 1;
/** Files that are read at once. */
const together = 8;

/** A file that holds no image that medvox reads. */
export interface OtherObject {
  readonly name: string;
  readonly seriesInstanceUid: string;
  readonly message: string;
  /** It is not of another kind, it cannot be read. */
  readonly isDamaged: boolean;
}

export interface FoundDicom {
  readonly path: string;
  readonly series: readonly DicomSeries[];
  /** Reports, colour pictures, damaged files. */
  readonly others: readonly OtherObject[];
  /** Files that are not DICOM. */
  readonly junk: number;
  /** The bytes of an object, by the name that its slices have. */
  readBytes(name: string): Promise<Uint8Array>;
}

/** A place where an object may be. */
interface Place {
  readonly name: string;
  start(length: number): Promise<Uint8Array>;
  whole(): Promise<Uint8Array>;
  readonly size: number;
}

/**
 * All DICOM objects at a path.
 * @throws DataError where nothing is there, or it cannot be looked into
 */
export async function findDicom(path: string, signal?: AbortSignal): Promise<FoundDicom> {
  const places = await placesAt(path);
  const objects: (DicomObject | undefined)[] = [];
  const others: OtherObject[] = [];
  let junk = 0;
  let at = 0;
  const work = async (): Promise<void> => {
    while (at < places.length) {
      signal?.throwIfAborted();
      const index = at++;
      const found = await lookAt(places[index]);
      if (found === undefined) junk++;
      else if ("slices" in found) objects[index] = found;
      else others.push(found);
    }
  };
  await Promise.all(Array.from({ length: together }, work));
  const byName = new Map(places.map((place) => [place.name, place]));
  return {
    path,
    // In the order of the files, whichever was read first.
    series: groupSeries(objects.filter((object) => object !== undefined)),
    others: others.sort((a, b) => (a.name < b.name ? -1 : 1)),
    junk,
    readBytes: (name) => (byName.get(name) as Place).whole(),
  };
}

async function lookAt(place: Place): Promise<DicomObject | OtherObject | undefined> {
  let uid = "";
  try {
    if (!isDicom(await place.start(peekBytes))) return undefined;
    const file = await headOf(place);
    if (file.sopClassUid === mediaDirectoryClass) return undefined;
    uid = file.attributes.text("SeriesInstanceUID");
    if (!file.attributes.has("Rows")) {
      const kind = file.attributes.text("Modality") || "no modality";
      return { name: place.name, seriesInstanceUid: uid, message: `holds no image (${kind})`, isDamaged: false };
    }
    return objectOf(file);
  } catch (error) {
    if (!(error instanceof MedvoxError)) throw error;
    const { message } = error;
    return { name: place.name, seriesInstanceUid: uid, message, isDamaged: /damaged|truncated/.test(message) };
  }
}

/** The head alone where that is enough. */
async function headOf(place: Place): Promise<DicomFile> {
  const { name, size } = place;
  if (size > headBytes) {
    const start = await place.start(headBytes);
    try {
      const file = parseDicom(start, { name, headerOnly: true });
      if (file.attributes.has("PixelData")) return file;
    } catch {
      // Whether it is damaged shows when it is read whole.
    }
  }
  return parseDicom(await place.whole(), { name, headerOnly: true });
}

async function placesAt(path: string): Promise<Place[]> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === "ENOENT" || error.code === "ENOTDIR" ? "no such file or folder" : error.code;
    throw new DataError(`${path}: cannot read: ${reason}`, { cause: error });
  });
  if (found.isDirectory()) return (await filesBelow(path)).map(fileAt);
  if (path.toLowerCase().endsWith(".zip")) return zipPlaces(path);
  return [{ ...fileAt(path), size: found.size }];
}

function fileAt(path: string): Place {
  return {
    name: path,
    // Unknown until it is read: a folder of many files is not asked twice for each.
    size: Number.POSITIVE_INFINITY,
    start: (length) => startOf(path, length),
    whole: () => readFile(path).catch((error: unknown) => Promise.reject(unreadable(path, error))),
  };
}

async function startOf(path: string, length: number): Promise<Uint8Array> {
  try {
    const handle = await open(path, "r");
    try {
      const bytes = new Uint8Array(length);
      const { bytesRead } = await handle.read(bytes, 0, length, 0);
      return bytes.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): DataError {
  const reason = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  return new DataError(`${path}: cannot read: ${reason}`, { cause: error });
}

/** Every file below a folder in order of name; hidden ones, and links that lead elsewhere, are left out. */
async function filesBelow(folder: string): Promise<string[]> {
  const files: string[] = [];
  const walk = async (at: string, depth: number): Promise<void> => {
    if (depth > mostDepth) throw new DataError(`${at}: more than ${mostDepth} folders in each other`);
    const entries: Dirent[] = await readdir(at, { withFileTypes: true }).catch((error: unknown) =>
      Promise.reject(unreadable(at, error)),
    );
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.name.startsWith(".")) continue;
      const path = join(at, entry.name);
      if (entry.isDirectory()) await walk(path, depth + 1);
      else if (entry.isFile() || (entry.isSymbolicLink() && (await isFile(path)))) files.push(path);
      if (files.length > mostFiles) throw new DataError(`${folder}: holds more than ${mostFiles} files`);
    }
  };
  await walk(folder, 0);
  return files;
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

async function zipPlaces(path: string): Promise<Place[]> {
  const entries = [...(await readZipDirectory(path)).values()].filter(
    ({ name }) => !name.endsWith("/") && !basename(name).startsWith(".") && !name.startsWith("__MACOSX/"),
  );
  if (entries.length > mostFiles) throw new DataError(`${path}: holds more than ${mostFiles} files`);
  return entries.map((entry) => zipPlace(path, entry));
}

function zipPlace(path: string, entry: ZipEntry): Place {
  const { name, size } = entry;
  const whole = async (): Promise<Uint8Array> => {
    if (size > mostEntryBytes)
      throw new DataError(`${path}: ${name}: ${size} bytes; at most ${mostEntryBytes} are read`);
    return readZipEntry(path, entry);
  };
  return {
    name: `${path}/${name}`,
    size: 0,
    start: async (length) => (await readZipStart(path, entry)).subarray(0, length),
    whole,
  };
}
