/**
 * NRRD files (.nrrd, and .nhdr with its data file), bytes to volume and back.
 *
 * World space is converted to RAS+ millimetres on reading. As ITK does, a file that names no space, or one without
 * anatomy, is taken for left-posterior-superior. An axis without a direction (`none`) becomes the channels, wherever
 * it stands. Encodings raw, gzip, ascii and hex; bzip2, blocks and data in several files are refused in words.
 * Source: Teem, "Definition of NRRD File Format" (teem.sourceforge.net/nrrd/format.html).
 */
import { DataError, GeometryError } from "../errors.ts";
import { checkAffine, checkGrid, flipLpsRas } from "./affine.ts";
import { inflatePrefix } from "./gzip.ts";
import type { LoadedVolume, VolumeHeader } from "./header.ts";
import type { DecodeOptions } from "./nifti.ts";
import type { StoredVoxels } from "./text-header.ts";
import { checkDataFile, clip, readLines, readNumbers, readSizes } from "./text-header.ts";
import type { Affine, Vec3, Volume } from "./types.ts";
import type { VoxelType } from "./voxels.ts";
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
} from "./voxels.ts";

/** What a NRRD header says about the voxels. */
export interface NrrdLayout extends StoredVoxels {
  readonly header: VolumeHeader;
  readonly encoding: "raw" | "gzip" | "ascii" | "hex";
  readonly littleEndian: boolean;
  /** The file with the voxels; undefined where they follow the header, at `dataOffset`. */
  readonly dataFile?: string;
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
  let first = true;
  const end = readLines(bytes, (line) => {
    if (first || line.startsWith("#") || line.includes(":=")) {
      first = false;
      return false;
    }
    if (line === "") return true;
    const colon = line.indexOf(": ");
    if (colon < 0) throw new DataError(`${name}: header line ${JSON.stringify(clip(line))} is not "field: value"`);
    const field = line.slice(0, colon).toLowerCase().replace(/\s/g, "");
    fields.set(aliases.get(field) ?? field, line.slice(colon + 2).trim());
    return false;
  });
  const dataFile = fields.get("datafile");
  // A detached header may end without the blank line.
  if (end === undefined && dataFile === undefined) {
    throw new DataError(`${name}: NRRD header has no end (a blank line)`);
  }
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
  if (dataFile !== undefined && /^LIST\b|%/.test(dataFile)) {
    throw new DataError(`${name}: NRRD data in several files is not read; join them first`);
  }
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
    length: Math.max(byteSkip, 0) + product(sizes) * bytesPerVoxel(voxelType),
    littleEndian: endian !== "big",
    dataFile: dataFile === undefined ? undefined : checkDataFile(dataFile, name),
    dataOffset: end ?? bytes.length,
    lineSkip,
    byteSkip,
    before: product(sizes.slice(0, channelAxis ?? sizes.length)),
    after: product(sizes.slice((channelAxis ?? sizes.length) + 1)),
  };
}

/** Reads a NRRD file; `data` is the data file of a detached header. */
export function decodeNrrd(bytes: Uint8Array, options: DecodeOptions & { data?: Uint8Array } = {}): LoadedVolume {
  const name = options.name ?? "NRRD";
  const layout = parseNrrdHeader(bytes, options);
  let source = options.data;
  if (layout.dataFile === undefined) source = bytes.subarray(layout.dataOffset);
  else if (source === undefined)
    throw new DataError(`${name}: header alone; its voxels (${layout.dataFile}) are needed`);
  source = skipLines(source, layout, name);
  if (layout.compression !== "none") source = inflatePrefix(source, layout.length, name);
  return nrrdVolume(layout, source, name);
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

/** A volume from its header and the inflated data after skipped lines. */
export function nrrdVolume(layout: NrrdLayout, data: Uint8Array, name: string): LoadedVolume {
  const { header, littleEndian, before, after } = layout;
  const count = before * header.channels * after;
  const need = count * bytesPerVoxel(header.voxelType);
  const source =
    layout.byteSkip === -1 ? data.subarray(Math.max(0, data.length - need)) : data.subarray(layout.byteSkip);
  const stored =
    layout.encoding === "ascii"
      ? decodeText(source, header.voxelType, count, name)
      : decodeVoxels(
          layout.encoding === "hex" ? fromHex(source, need) : source,
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

/** Signs that take a space's first two axes to R and A; ITK takes whatever has no anatomy for LPS. */
function spaceSigns(space: string): Vec3 {
  const word = space.toLowerCase().replace(/-time$|t$/, "");
  if (word === "right-anterior-superior" || word === "ras") return [1, 1, 1];
  if (word === "left-anterior-superior" || word === "las") return [-1, 1, 1];
  return [-1, -1, 1];
}

function readGeometry(
  fields: ReadonlyMap<string, string>,
  sizes: readonly number[],
  name: string,
): { affine: Affine; channelAxis: number | undefined } {
  const dimension = sizes.length;
  const text = fields.get("spacedirections");
  const signs = spaceSigns(fields.get("space") ?? "");
  let directions: (number[] | undefined)[];
  let origin = [0, 0, 0];
  if (text !== undefined) {
    const vectors = text.match(/\([^()]*\)|none/gi) ?? [];
    if (vectors.length !== dimension) {
      throw new DataError(`${name}: space directions ${JSON.stringify(clip(text))} must have ${dimension} entries`);
    }
    directions = vectors.map((v) => (/none/i.test(v) ? undefined : readVector(v, `${name}: space directions`)));
    const originText = fields.get("spaceorigin");
    if (originText !== undefined) origin = readVector(originText, `${name}: space origin`);
  } else {
    // `nan` marks an axis that is not in space; "domain" kinds are.
    const kinds = fields.get("kinds")?.toLowerCase().split(/\s+/) ?? [];
    const spacings = fields.get("spacings")?.split(/\s+/);
    const inSpace = sizes.map((_, axis) => {
      const kind = kinds[axis];
      if (kind !== undefined && kind !== "???" && kind !== "none") return kind === "domain" || kind === "space";
      return spacings === undefined ? axis < 3 : !/^nan$/i.test(spacings[axis] ?? "");
    });
    let used = 0;
    directions = sizes.map((_, axis) => {
      if (!inSpace[axis] || used === 3) return undefined;
      const known = spacings?.[axis] !== undefined && !/^nan$/i.test(spacings[axis]);
      const [mm] = known ? readNumbers(spacings[axis], 1, `${name}: spacings`) : [1];
      const vector = [0, 0, 0];
      vector[used++] = mm;
      return vector;
    });
  }
  const axes = directions.flatMap((vector, axis) => (vector === undefined ? [axis] : []));
  if (axes.length > 1 || dimension - axes.length > 3) {
    throw new DataError(
      `${name}: NRRD with ${dimension - axes.length} axes in space and ${axes.length} beyond is not read`,
    );
  }
  const columns = completeAxes(directions.filter((vector) => vector !== undefined));
  const affine = [0, 1, 2].flatMap((row) => [
    ...columns.map((column) => noMinusZero(signs[row] * column[row])),
    noMinusZero(signs[row] * origin[row]),
  ]);
  return { affine: [...affine, 0, 0, 0, 1], channelAxis: axes[0] };
}

/** Three axes from one to three: missing ones are unit vectors at right angles to those given. */
function completeAxes(given: number[][]): number[][] {
  const axes = [...given];
  while (axes.length < 3) {
    const [a, b] = axes.length === 2 ? axes : [axes[0] ?? [1, 0, 0], smallestUnit(axes[0] ?? [1, 0, 0])];
    const cross = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
    const length = Math.hypot(...cross);
    if (!(length > 0)) throw new GeometryError("NRRD: space directions are parallel or zero");
    axes.push(cross.map((value) => value / length));
  }
  return axes;
}

/** The unit vector along the axis where `v` is smallest. */
function smallestUnit(v: number[]): number[] {
  const sizes = v.map(Math.abs);
  const axis = sizes.indexOf(Math.min(...sizes));
  return [0, 1, 2].map((i) => (i === axis ? 1 : 0));
}

/** A vector `(x,y,z)`, or `(x,y)` in a plane. */
function readVector(text: string, field: string): number[] {
  const inner = /^\(([^()]*)\)$/.exec(text.trim())?.[1];
  const numbers = readNumbers(inner?.replaceAll(",", " "), undefined, field);
  if (numbers.length < 1 || numbers.length > 3)
    throw new DataError(`${field}: ${clip(text)} must have up to 3 numbers`);
  return [numbers[0], numbers[1] ?? 0, numbers[2] ?? 0];
}

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

function noMinusZero(value: number): number {
  return value === 0 ? 0 : value;
}
