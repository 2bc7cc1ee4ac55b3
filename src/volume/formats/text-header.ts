/**
 * What NRRD and MetaImage headers have in common: lines of text in front of the voxels, or in a file of their own.
 * Every number is checked here, so that a damaged header ends in a `DataError` that names the field.
 */
import { DataError } from "../../errors.ts";

/** Longer text in front of the voxels is taken for damage. */
const maxHeaderBytes = 1 << 20;

/** How the voxels of a parsed header are stored, for {@link inflatePrefix} or zlib and then the format's decoder. */
export interface StoredVoxels {
  readonly compression: "none" | "gzip" | "zlib";
  /** Bytes to be had of each file after inflating, counted from the start of the (inflated) data. */
  readonly length: number;
  /** The files with the voxels, one after the other; none where they follow the header. */
  readonly dataFiles: readonly string[];
}

/** Data of a header's voxel files: of the only one, or of all of them in order. */
export type DataFiles = Uint8Array | readonly Uint8Array[];

/**
 * Reads lines from the start of `bytes` and hands each to `take` until it returns true. Returns the byte after that
 * line, or `undefined` where the text ends before.
 */
export function readLines(bytes: Uint8Array, take: (line: string) => boolean): number | undefined {
  let start = 0;
  const limit = Math.min(bytes.length, maxHeaderBytes);
  while (start < limit) {
    let end = start;
    while (end < limit && bytes[end] !== 10) end++;
    const textEnd = end > start && bytes[end - 1] === 13 ? end - 1 : end;
    const line = decodeLine(bytes.subarray(start, textEnd));
    start = end + 1;
    if (take(line)) return Math.min(start, bytes.length);
  }
  return undefined;
}

/** UTF-8, as ITK writes names outside ASCII; what is none is taken for Latin-1, so that no byte is lost. */
function decodeLine(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("latin1").decode(bytes);
  }
}

/** The whitespace-separated finite numbers of a field; exactly `count` of them unless that is left out. */
export function readNumbers(text: string | undefined, count: number | undefined, field: string): number[] {
  if (text === undefined) throw new DataError(`${field} is missing`);
  const words = text.split(/\s+/).filter((word) => word !== "");
  const numbers = words.map(Number);
  if (!numbers.every(Number.isFinite)) throw new DataError(`${field}: ${clip(text)} must be made of numbers`);
  if (count !== undefined && numbers.length !== count) {
    throw new DataError(`${field}: ${clip(text)} has ${numbers.length} numbers, must have ${count}`);
  }
  return numbers;
}

/** Sizes along `count` axes, positive whole numbers. */
export function readSizes(text: string | undefined, count: number, field: string): number[] {
  const sizes = readNumbers(text, count, field);
  if (!sizes.every((n) => Number.isSafeInteger(n) && n > 0)) {
    throw new DataError(`${field}: ${clip(text ?? "")} must be made of positive whole numbers`);
  }
  return sizes;
}

/** A pattern stands for at most so many files. */
const maxPatternFiles = 2 ** 16;

/**
 * The names that `slice%03d.raw 1 16 1` stands for: a name with a place for a number, the first number, the last one and the step.
 * Undefined where the text is the name of one file; a `%` in a name is a `%`.
 */
export function patternFiles(text: string, field: string): string[] | undefined {
  const match = /^(.*?)%(0?)(\d{0,2})[diu](.*?)\s+(-?\d+)\s+(-?\d+)\s+(-?\d+)(?:\s+\d+)?$/.exec(text);
  if (match === null) return undefined;
  const [, before, zero, width, after] = match;
  const [first, last, step] = match.slice(5, 8).map(Number);
  const count = Math.floor((last - first) / step) + 1;
  if (!(count >= 1 && count <= maxPatternFiles)) {
    throw new DataError(`${field}: ${clip(text)} stands for no files: first, last and step must count up to the last`);
  }
  return Array.from({ length: count }, (_, i) => {
    const number = String(Math.abs(first + i * step)).padStart(Number(width), zero === "" ? " " : "0");
    return `${before}${first + i * step < 0 ? "-" : ""}${number}${after}`.replaceAll("%%", "%");
  });
}

/** Bytes of voxels in each of several files, all alike. Throws `DataError` where they do not come out even. */
export function bytesPerFile(bytes: number, files: readonly string[], name: string): number {
  const share = bytes / Math.max(1, files.length);
  if (!Number.isInteger(share)) {
    throw new DataError(
      `${name}: ${bytes} bytes of voxels do not divide evenly into the ${files.length} files it lists`,
    );
  }
  return share;
}

/**
 * The data of a header's voxels, one for each file; of an attached header, what follows it.
 * @throws DataError where files are missing
 */
export function dataOf(
  bytes: Uint8Array,
  { dataFiles, dataOffset }: StoredVoxels & { readonly dataOffset: number },
  data: DataFiles | undefined,
  name: string,
): readonly Uint8Array[] {
  if (dataFiles.length === 0) return [bytes.subarray(dataOffset)];
  const given = data === undefined ? [] : data instanceof Uint8Array ? [data] : data;
  if (given.length !== dataFiles.length) {
    const [first] = dataFiles;
    const files = dataFiles.length === 1 ? first : `${first} and ${dataFiles.length - 1} more`;
    throw new DataError(`${name}: header alone; its voxels (${files}) are needed`);
  }
  return given;
}

/** The first `length` bytes of each part. Throws `DataError` where one of several has fewer. */
export function cutParts(parts: readonly Uint8Array[], length: number, name: string): readonly Uint8Array[] {
  // That of a single file is told by the decoder, in bytes of the whole.
  if (parts.length > 1) {
    parts.forEach((part, i) => {
      if (part.length < length)
        throw new DataError(
          `${name}: file ${i + 1} of ${parts.length} holds ${part.length} bytes, its header asks for ${length} in each`,
        );
    });
  }
  return parts.map((part) => part.subarray(0, length));
}

/** The parts of one volume in one piece; the part itself where there is one. */
export function joinParts(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0];
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/**
 * The name of a separate voxel file, relative to the header. Only the header's own folder and those below it are
 * allowed: a header from elsewhere must not name any file of the machine.
 */
export function checkDataFile(file: string, name: string): string {
  if (file === "" || /^([/\\]|[A-Za-z]:)/.test(file) || file.split(/[/\\]/).includes("..") || file.includes("\0")) {
    throw new DataError(`${name}: voxel file ${JSON.stringify(clip(file))} is not in the folder of its header`);
  }
  return file;
}

/** Text shortened for a message. */
export function clip(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
