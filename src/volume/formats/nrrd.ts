/**
 * NRRD files (.nrrd, and .nhdr with its data file), bytes to volume and back.
 *
 * Encodings raw, gzip, ascii and hex, voxels in the file, in one beside it or in several (`LIST` or a pattern); bzip2 and
 * blocks are refused in words. Where the voxels sit in space is read in `nrrd-geometry.ts`.
 * Source: Teem, "Definition of NRRD File Format" (teem.sourceforge.net/nrrd/format.html).
 */
import { DataError } from "../../errors.ts";
import { checkAffine, checkGrid, flipLpsRas } from "../affine.ts";
import type { Vec3, Volume } from "../types.ts";
import type { VoxelType } from "../voxels.ts";
import {
  bytesPerVoxel,
  checkedVoxelCount,
  checkVolume,
  convertVoxels,
  decodeText,
  decodeVoxels,
  defaultMaxBytes,
  encodeVoxels,
  moveChannelsLast,
  voxelTypeOf,
} from "../voxels.ts";
import { inflatePrefix } from "./gzip.ts";
import type { LoadedVolume, VolumeHeader } from "./header.ts";
import type { DecodeOptions } from "./nifti.ts";
import { readGeometry } from "./nrrd-geometry.ts";
import type { DataFiles, StoredVoxels } from "./text-header.ts";
import {
  bytesPerFile,
  checkDataFile,
  clip,
  cutParts,
  dataOf,
  joinParts,
  patternFiles,
  readLines,
  readNumbers,
  readSizes,
} from "./text-header.ts";

/** What a NRRD header says about the voxels. */
export interface NrrdLayout extends StoredVoxels {
  readonly header: VolumeHeader;
  readonly encoding: "raw" | "gzip" | "ascii" | "hex";
  readonly littleEndian: boolean;
  /** Where the voxels begin that follow the header. */
  readonly dataOffset: number;
  readonly lineSkip: number;
  /** −1: the voxels are the last bytes of the data. */
  readonly byteSkip: number;
  /** Values in front of each other along the axes before and after the channel axis. */
  readonly before: number;
  readonly after: number;
}

/** Whether bytes begin as an NRRD file's do. */
export function isNrrd(bytes: Uint8Array): boolean {
  return bytes.length >= 8 && String.fromCharCode(...bytes.subarray(0, 7)) === "NRRD000";
}

/** Reads the text header at the start of `bytes`. Throws `DataError` or `GeometryError` where it cannot be used. */
export function parseNrrdHeader(bytes: Uint8Array, options: DecodeOptions = {}): NrrdLayout {
  const name = options.name ?? "NRRD";
  if (!isNrrd(bytes)) throw new DataError(`${name}: not a NRRD file: it must begin with NRRD000`);
  const fields = new Map<string, string>();
  const listed: string[] = [];
  let first = true;
  let isList = false;
  const end = readLines(bytes, (line) => {
    if (isList) {
      if (line.trim() !== "") listed.push(line.trim());
      return false;
    }
    if (first || line.startsWith("#") || line.includes(":=")) {
      first = false;
      return false;
    }
    if (line === "") return true;
    const colon = line.indexOf(":");
    if (colon < 0) throw new DataError(`${name}: header line ${JSON.stringify(clip(line))} is not "field: value"`);
    const written = line.slice(0, colon).toLowerCase().replace(/\s/g, "");
    const field = aliases.get(written) ?? written;
    fields.set(field, line.slice(colon + 1).trim());
    isList = field === "datafile" && /^LIST(\s|$)/.test(fields.get(field) ?? "");
    return false;
  });
  const dataFile = fields.get("datafile");
  // A detached header may end without the blank line.
  if (end === undefined && dataFile === undefined) {
    throw new DataError(`${name}: NRRD header has no end (a blank line)`);
  }
  if (isList && listed.length === 0) throw new DataError(`${name}: data file is LIST, but no files follow it`);
  const typeWords = (fields.get("type") ?? "").toLowerCase();
  const voxelType = types.get(typeWords);
  if (voxelType === undefined) throw new DataError(`${name}: NRRD type ${JSON.stringify(clip(typeWords))} is not read`);
  const encoding = encodings.get((fields.get("encoding") ?? "").toLowerCase());
  if (encoding === undefined) {
    throw new DataError(
      `${name}: NRRD encoding ${JSON.stringify(clip(fields.get("encoding") ?? ""))} is not read: ` +
        "medvox takes raw, gzip, ascii and hex",
    );
  }
  const dataFiles =
    dataFile === undefined ? [] : isList ? listed : (patternFiles(dataFile, `${name}: data file`) ?? [dataFile]);
  for (const file of dataFiles) checkDataFile(file, name);
  const [dimension] = readNumbers(fields.get("dimension"), 1, `${name}: dimension`);
  if (!(dimension >= 1 && dimension <= 4)) {
    throw new DataError(`${name}: NRRD dimension ${dimension} is not read: medvox takes 1 to 4 axes`);
  }
  const sizes = readSizes(fields.get("sizes"), dimension, `${name}: sizes`);
  checkedVoxelCount(sizes, voxelType, options.maxBytes ?? defaultMaxBytes, name);
  const endian = fields.get("endian")?.toLowerCase();
  const plain = encoding === "raw" || encoding === "gzip";
  if (plain && bytesPerVoxel(voxelType) > 1 && endian !== "little" && endian !== "big") {
    throw new DataError(`${name}: endian is ${JSON.stringify(clip(endian ?? ""))}, must be little or big`);
  }
  const lineSkip = readSkip(fields.get("lineskip"), 0, `${name}: line skip`);
  const byteSkip = readSkip(fields.get("byteskip"), encoding === "raw" ? -1 : 0, `${name}: byte skip`);

  const { affine, channelAxis } = readGeometry(fields, sizes, name);
  checkAffine(affine, name);
  const spatial = sizes.filter((_, axis) => axis !== channelAxis);
  const size: Vec3 = [spatial[0] ?? 1, spatial[1] ?? 1, spatial[2] ?? 1];
  const channels = channelAxis === undefined ? 1 : sizes[channelAxis];
  const product = (list: number[]) => list.reduce((a, b) => a * b, 1);
  return {
    header: { format: "nrrd", size, channels, affine, voxelType, slope: 1, intercept: 0 },
    encoding,
    compression: encoding === "gzip" ? "gzip" : "none",
    length: Math.max(byteSkip, 0) + bytesPerFile(product(sizes) * bytesPerVoxel(voxelType), dataFiles, name),
    littleEndian: endian !== "big",
    dataFiles,
    dataOffset: end ?? bytes.length,
    lineSkip,
    byteSkip,
    before: product(sizes.slice(0, channelAxis ?? sizes.length)),
    after: product(sizes.slice((channelAxis ?? sizes.length) + 1)),
  };
}

/** Reads a NRRD file; `data` is the data file (or files, in order) of a detached header. */
export function decodeNrrd(bytes: Uint8Array, options: DecodeOptions & { data?: DataFiles } = {}): LoadedVolume {
  const name = options.name ?? "NRRD";
  const layout = parseNrrdHeader(bytes, options);
  const parts = dataOf(bytes, layout, options.data, name).map((data) => {
    const source = skipLines(data, layout, name);
    return layout.compression === "none" ? source : inflatePrefix(source, layout.length, name);
  });
  return nrrdVolume(layout, parts, name);
}

/** The data after the lines that the header says to skip; these stand before any compressed stream. */
export function skipLines(data: Uint8Array, layout: NrrdLayout, name: string): Uint8Array {
  let start = 0;
  for (let line = 0; line < layout.lineSkip; line++) {
    const next = data.indexOf(10, start);
    if (next < 0) throw new DataError(`${name}: line skip ${layout.lineSkip} is beyond the end of the data`);
    start = next + 1;
  }
  return data.subarray(start);
}

/** A volume from its header and the inflated data after skipped lines, of one file after the other. */
export function nrrdVolume(layout: NrrdLayout, parts: readonly Uint8Array[], name: string): LoadedVolume {
  const { header, littleEndian, before, after, encoding, byteSkip } = layout;
  const count = before * header.channels * after;
  const need = count * bytesPerVoxel(header.voxelType);
  const share = need / parts.length;
  const sources = parts.map((part) => part.subarray(byteSkip === -1 ? Math.max(0, part.length - share) : byteSkip));
  const text = () => joinParts(sources.flatMap((part, i) => (i === 0 ? [part] : [Uint8Array.of(10), part])));
  const stored =
    encoding === "ascii"
      ? decodeText(text(), header.voxelType, count, name)
      : decodeVoxels(
          encoding === "hex" ? fromHex(text(), need) : joinParts(cutParts(sources, share, name)),
          header.voxelType,
          count,
          littleEndian,
          name,
        );
  return {
    data: after === 1 ? stored : moveChannelsLast(stored, before, header.channels, after),
    size: header.size,
    channels: header.channels,
    affine: header.affine,
    name,
    header,
  };
}

/**
 * A NRRD file with attached voxels, uncompressed, in two parts. The affine is written in full double precision as
 * LPS (what 3D Slicer and ITK write), so that reading it back gives the same bits.
 */
export function encodeNrrdParts(volume: Volume, dtype?: VoxelType): { header: Uint8Array; voxels: Uint8Array } {
  const name = volume.name ?? "volume";
  checkVolume(volume);
  checkGrid(volume, name);
  const voxelType = dtype ?? voxelTypeOf(volume.data);
  const lps = flipLpsRas(volume.affine);
  const column = (c: number) => `(${lps[c]},${lps[4 + c]},${lps[8 + c]})`;
  const many = volume.channels > 1;
  const lines = [
    "NRRD0004",
    // NRRD's floats have no bits in their names.
    `type: ${{ float32: "float", float64: "double" }[voxelType as string] ?? voxelType}`,
    `dimension: ${many ? 4 : 3}`,
    "space: left-posterior-superior",
    `sizes: ${[...volume.size, ...(many ? [volume.channels] : [])].join(" ")}`,
    `space directions: ${column(0)} ${column(1)} ${column(2)}${many ? " none" : ""}`,
    `kinds: domain domain domain${many ? " list" : ""}`,
    "endian: little",
    "encoding: raw",
    `space origin: ${column(3)}`,
    "",
    "",
  ];
  return {
    header: new TextEncoder().encode(lines.join("\n")),
    voxels: encodeVoxels(convertVoxels(volume.data, voxelType, name), true),
  };
}

/** Field names that NRRD allows in two spellings, without spaces. */
const aliases: ReadonlyMap<string, string> = new Map([
  ["centers", "centerings"],
  ["lineskips", "lineskip"],
  ["byteskips", "byteskip"],
]);

const types: ReadonlyMap<string, VoxelType> = new Map(
  (
    [
      ["int8", "signed char, int8, int8_t"],
      ["uint8", "uchar, unsigned char, uint8, uint8_t"],
      ["int16", "short, short int, signed short, signed short int, int16, int16_t"],
      ["uint16", "ushort, unsigned short, unsigned short int, uint16, uint16_t"],
      ["int32", "int, signed int, int32, int32_t"],
      ["uint32", "uint, unsigned int, uint32, uint32_t"],
      ["int64", "longlong, long long, long long int, signed long long, signed long long int, int64, int64_t"],
      ["uint64", "ulonglong, unsigned long long, unsigned long long int, uint64, uint64_t"],
      ["float32", "float"],
      ["float64", "double"],
    ] as [VoxelType, string][]
  ).flatMap(([type, words]) => words.split(", ").map((word) => [word, type] as const)),
);

const encodings: ReadonlyMap<string, NrrdLayout["encoding"]> = new Map([
  ["raw", "raw"],
  ["gz", "gzip"],
  ["gzip", "gzip"],
  ["txt", "ascii"],
  ["text", "ascii"],
  ["ascii", "ascii"],
  ["hex", "hex"],
]);

function readSkip(text: string | undefined, least: number, field: string): number {
  if (text === undefined) return 0;
  const [skip] = readNumbers(text, 1, field);
  if (!Number.isSafeInteger(skip) || skip < least) throw new DataError(`${field}: ${clip(text)} is not usable`);
  return skip;
}

function fromHex(text: Uint8Array, need: number): Uint8Array {
  const out = new Uint8Array(Math.min(need, Math.floor(text.length / 2)));
  let digits = 0;
  for (let i = 0; i < text.length && digits < 2 * out.length; i++) {
    const value = Number.parseInt(String.fromCharCode(text[i]), 16);
    if (Number.isNaN(value)) continue;
    out[digits >> 1] |= digits & 1 ? value : value << 4;
    digits++;
  }
  return out.subarray(0, digits >> 1);
}
