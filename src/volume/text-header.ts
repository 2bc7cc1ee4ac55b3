/**
 * What NRRD and MetaImage headers have in common: lines of text in front of the voxels, or in a file of their own.
 * Every number is checked here, so that a damaged header ends in a `DataError` that names the field.
 */
import { DataError } from "../errors.ts";

/** Longer text in front of the voxels is taken for damage. */
const maxHeaderBytes = 1 << 20;

/** How the voxels of a parsed header are stored, for {@link inflatePrefix} or zlib and then the format's decoder. */
export interface StoredVoxels {
  readonly compression: "none" | "gzip" | "zlib";
  /** Bytes to be had after inflating, counted from the start of the (inflated) data. */
  readonly length: number;
}

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
    let line = "";
    for (let i = start; i < textEnd; i++) line += String.fromCharCode(bytes[i]);
    start = end + 1;
    if (take(line)) return Math.min(start, bytes.length);
  }
  return undefined;
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
