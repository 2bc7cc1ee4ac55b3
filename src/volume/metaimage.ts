/**
 * MetaImage files (.mha, and .mhd with its data file), bytes to volume.
 *
 * MetaIO's world is left-posterior-superior, whatever `AnatomicalOrientation` says (ITK ignores it too); it is
 * converted to RAS+ on reading. `TransformMatrix` lists the direction of one voxel axis after the other.
 * `ElementNumberOfChannels` values stand together per voxel and become channels, as does a fourth axis.
 * Source: MetaIO documentation and metaTypes.h (Kitware); checked against SimpleITK.
 */
import { DataError } from "../errors.ts";
import { checkAffine, flipLpsRas } from "./affine.ts";
import { inflatePrefix } from "./gzip.ts";
import type { LoadedVolume, VolumeHeader } from "./header.ts";
import type { DecodeOptions } from "./nifti.ts";
import type { StoredVoxels } from "./text-header.ts";
import { checkDataFile, clip, readLines, readNumbers, readSizes } from "./text-header.ts";
import type { VoxelType } from "./voxels.ts";
import {
  bytesPerVoxel,
  checkedVoxelCount,
  decodeText,
  decodeVoxels,
  defaultMaxBytes,
  moveChannelsLast,
} from "./voxels.ts";

/** What a MetaImage header says about the voxels. */
export interface MetaImageLayout extends StoredVoxels {
  readonly header: VolumeHeader;
  readonly littleEndian: boolean;
  readonly text: boolean;
  /** The file with the voxels; undefined where they follow the header, at `dataOffset`. */
  readonly dataFile?: string;
  readonly dataOffset: number;
  /** Bytes before the voxels in a data file; −1: the voxels are its last bytes. */
  readonly headerSize: number;
  /** Values per voxel that stand together. */
  readonly interleaved: number;
}

const types: Readonly<Record<string, VoxelType>> = {
  MET_CHAR: "int8",
  MET_UCHAR: "uint8",
  MET_SHORT: "int16",
  MET_USHORT: "uint16",
  MET_INT: "int32",
  MET_UINT: "uint32",
  // Four bytes in MetaIO on every machine.
  MET_LONG: "int32",
  MET_ULONG: "uint32",
  MET_LONG_LONG: "int64",
  MET_ULONG_LONG: "uint64",
  MET_FLOAT: "float32",
  MET_DOUBLE: "float64",
};

/** Reads the text header at the start of `bytes`. Throws `DataError` or `GeometryError` where it cannot be used. */
export function parseMetaImageHeader(bytes: Uint8Array, options: DecodeOptions = {}): MetaImageLayout {
  const name = options.name ?? "MetaImage";
  const fields = new Map<string, string>();
  const end = readLines(bytes, (line) => {
    if (line.trim() === "") return false;
    const match = /^\s*([A-Za-z][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$/.exec(line);
    if (match === null) {
      throw new DataError(`${name}: not a MetaImage header: line ${JSON.stringify(clip(line))} is not "Field = value"`);
    }
    fields.set(match[1], match[2]);
    return match[1] === "ElementDataFile";
  });
  const file = fields.get("ElementDataFile");
  if (end === undefined || file === undefined) {
    throw new DataError(`${name}: MetaImage header has no ElementDataFile, which must end it`);
  }
  if (/^LIST\b|%/.test(file))
    throw new DataError(`${name}: MetaImage data in several files is not read; join them first`);
  const objectType = fields.get("ObjectType");
  if (objectType !== undefined && objectType !== "Image") {
    throw new DataError(`${name}: MetaIO object ${JSON.stringify(clip(objectType))} is not an Image`);
  }
  const typeName = fields.get("ElementType") ?? "";
  const voxelType = Object.hasOwn(types, typeName) ? types[typeName] : undefined;
  if (voxelType === undefined) {
    throw new DataError(`${name}: ElementType ${JSON.stringify(clip(typeName))} is not read`);
  }
  const [dimension] = readNumbers(fields.get("NDims"), 1, `${name}: NDims`);
  if (!(Number.isInteger(dimension) && dimension >= 1 && dimension <= 4)) {
    throw new DataError(`${name}: NDims is ${dimension}: medvox takes 1 to 4 axes`);
  }
  const sizes = readSizes(fields.get("DimSize"), dimension, `${name}: DimSize`);
  const [perVoxel] = readSizes(fields.get("ElementNumberOfChannels") ?? "1", 1, `${name}: ElementNumberOfChannels`);
  if (perVoxel > 1 && sizes.length === 4 && sizes[3] > 1) {
    throw new DataError(`${name}: both a fourth axis and ${perVoxel} channels per voxel; medvox takes one of them`);
  }
  const channels = perVoxel > 1 ? perVoxel : (sizes[3] ?? 1);
  const count = checkedVoxelCount([...sizes, perVoxel], voxelType, options.maxBytes ?? defaultMaxBytes, name);
  const headerSize = readNumbers(fields.get("HeaderSize") ?? "0", 1, `${name}: HeaderSize`)[0];
  if (!Number.isSafeInteger(headerSize) || headerSize < -1) {
    throw new DataError(`${name}: HeaderSize ${headerSize} is not usable`);
  }
  const text = isFalse(fields.get("BinaryData"));
  const compressed = isTrue(fields.get("CompressedData"));
  const affine = readAffine(fields, dimension, name);
  checkAffine(affine, name);
  const local = /^local$/i.test(file);
  return {
    header: {
      format: "metaimage",
      size: [sizes[0], sizes[1] ?? 1, sizes[2] ?? 1],
      channels,
      affine,
      voxelType,
      slope: 1,
      intercept: 0,
    },
    compression: compressed ? "zlib" : "none",
    length: count * bytesPerVoxel(voxelType),
    littleEndian: !isTrue(fields.get("BinaryDataByteOrderMSB") ?? fields.get("ElementByteOrderMSB")),
    text,
    dataFile: local ? undefined : checkDataFile(file, name),
    dataOffset: end,
    headerSize: local ? 0 : headerSize,
    interleaved: perVoxel,
  };
}

/** Reads a MetaImage file; `data` is the data file of a .mhd header. */
export function decodeMetaImage(bytes: Uint8Array, options: DecodeOptions & { data?: Uint8Array } = {}): LoadedVolume {
  const name = options.name ?? "MetaImage";
  const layout = parseMetaImageHeader(bytes, options);
  let source = options.data;
  if (layout.dataFile === undefined) source = bytes.subarray(layout.dataOffset);
  else if (source === undefined)
    throw new DataError(`${name}: header alone; its voxels (${layout.dataFile}) are needed`);
  source = skipHeader(source, layout);
  if (layout.compression !== "none") source = inflatePrefix(source, layout.length, name, "zlib");
  return metaImageVolume(layout, source, name);
}

/** The data after the bytes that `HeaderSize` says to skip. */
export function skipHeader(data: Uint8Array, layout: MetaImageLayout): Uint8Array {
  if (layout.headerSize === -1) return data.subarray(Math.max(0, data.length - layout.length));
  return data.subarray(layout.headerSize);
}

/** A volume from its header and its inflated voxels. */
export function metaImageVolume(layout: MetaImageLayout, data: Uint8Array, name: string): LoadedVolume {
  const { header, interleaved } = layout;
  const voxels = header.size[0] * header.size[1] * header.size[2];
  const count = voxels * header.channels;
  const stored = layout.text
    ? decodeText(data, header.voxelType, count, name)
    : decodeVoxels(data, header.voxelType, count, layout.littleEndian, name);
  return {
    data: interleaved === 1 ? stored : moveChannelsLast(stored, 1, interleaved, voxels),
    size: header.size,
    channels: header.channels,
    affine: header.affine,
    name,
    header,
  };
}

function readAffine(fields: ReadonlyMap<string, string>, dimension: number, name: string): number[] {
  const first = (...names: string[]) => names.map((n) => [n, fields.get(n)] as const).find(([, v]) => v !== undefined);
  const list = (found: readonly [string, string | undefined] | undefined, count: number, otherwise: number[]) =>
    found === undefined ? otherwise : readNumbers(found[1], count, `${name}: ${found[0]}`);
  const matrix = list(first("TransformMatrix", "Orientation", "Rotation"), dimension ** 2, []);
  const spacing = list(first("ElementSpacing", "ElementSize"), dimension, new Array(dimension).fill(1));
  const origin = list(first("Offset", "Position", "Origin"), dimension, new Array(dimension).fill(0));
  // Axes beyond those given are unit vectors; a fourth axis (channels) is left out.
  const direction = (axis: number, row: number) =>
    matrix.length === 0 || axis >= dimension || row >= dimension
      ? Number(axis === row)
      : matrix[axis * dimension + row];
  const rows = [0, 1, 2].flatMap((row) => [
    ...[0, 1, 2].map((axis) => direction(axis, row) * (spacing[axis] ?? 1)),
    origin[row] ?? 0,
  ]);
  return flipLpsRas([...rows, 0, 0, 0, 1]).map((value: number) => (value === 0 ? 0 : value));
}

function isTrue(text: string | undefined): boolean {
  return /^(true|t|1|yes)/i.test(text ?? "");
}

function isFalse(text: string | undefined): boolean {
  return /^(false|f|0|no)/i.test(text ?? "");
}
