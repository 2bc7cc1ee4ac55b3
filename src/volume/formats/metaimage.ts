/**
 * MetaImage files (.mha, and .mhd with its data file), bytes to volume.
 *
 * MetaIO's world is left-posterior-superior, whatever `AnatomicalOrientation` says (ITK ignores it too); it is
 * converted to RAS+ on reading. `TransformMatrix` lists the direction of one voxel axis after the other.
 * `ElementNumberOfChannels` values stand together per voxel and become channels, as does a fourth axis. Fields that
 * say nothing about the voxels (DICOM tags, comments of several lines) may have any name and are left alone.
 * Source: MetaIO documentation and metaTypes.h (Kitware); checked against SimpleITK.
 */
import { DataError } from "../../errors.ts";
import { checkAffine, flipLpsRas } from "../affine.ts";
import type { VoxelType } from "../voxels.ts";
import {
  bytesPerVoxel,
  checkedVoxelCount,
  decodeText,
  decodeVoxels,
  defaultMaxBytes,
  moveChannelsLast,
} from "../voxels.ts";
import { inflatePrefix } from "./gzip.ts";
import type { LoadedVolume, VolumeHeader } from "./header.ts";
import type { DecodeOptions } from "./nifti.ts";
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

/** What a MetaImage header says about the voxels. */
export interface MetaImageLayout extends StoredVoxels {
  readonly header: VolumeHeader;
  readonly littleEndian: boolean;
  readonly text: boolean;
  /** Where the voxels begin that follow the header. */
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
  const listed: string[] = [];
  let isList = false;
  const end = readLines(bytes, (line) => {
    if (isList) {
      if (line.trim() !== "") listed.push(line.trim());
      return false;
    }
    if (line.trim() === "") return false;
    const equals = line.indexOf("=");
    if (equals < 0) {
      // The next line of a field's value, unless nothing has been a field yet.
      if (fields.size > 0) return false;
      throw new DataError(`${name}: not a MetaImage header: line ${JSON.stringify(clip(line))} is not "Field = value"`);
    }
    const field = line.slice(0, equals).trim();
    fields.set(field, line.slice(equals + 1).trim());
    isList = field === "ElementDataFile" && /^LIST(\s|$)/.test(fields.get(field) ?? "");
    return field === "ElementDataFile" && !isList;
  });
  const file = fields.get("ElementDataFile");
  if (file === undefined) throw new DataError(`${name}: MetaImage header has no ElementDataFile, which must end it`);
  if (isList && listed.length === 0) throw new DataError(`${name}: ElementDataFile is LIST, but no files follow it`);
  const local = /^local$/i.test(file);
  const dataFiles = local ? [] : isList ? listed : (patternFiles(file, `${name}: ElementDataFile`) ?? [file]);
  for (const dataFile of dataFiles) checkDataFile(dataFile, name);
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
    length: bytesPerFile(count * bytesPerVoxel(voxelType), dataFiles, name),
    littleEndian: !isTrue(fields.get("BinaryDataByteOrderMSB") ?? fields.get("ElementByteOrderMSB")),
    text,
    dataFiles,
    dataOffset: end ?? bytes.length,
    headerSize: local ? 0 : headerSize,
    interleaved: perVoxel,
  };
}

/** Reads a MetaImage file; `data` is the data file (or files, in order) of a .mhd header. */
export function decodeMetaImage(bytes: Uint8Array, options: DecodeOptions & { data?: DataFiles } = {}): LoadedVolume {
  const name = options.name ?? "MetaImage";
  const layout = parseMetaImageHeader(bytes, options);
  const parts = dataOf(bytes, layout, options.data, name).map((data) => {
    const source = skipHeader(data, layout);
    return layout.compression === "none" ? source : inflatePrefix(source, layout.length, name, "zlib");
  });
  return metaImageVolume(layout, parts, name);
}

/** The data after the bytes that `HeaderSize` says to skip. */
export function skipHeader(data: Uint8Array, layout: MetaImageLayout): Uint8Array {
  if (layout.headerSize === -1) return data.subarray(Math.max(0, data.length - layout.length));
  return data.subarray(layout.headerSize);
}

/** A volume from its header and its inflated voxels, of one file after the other. */
export function metaImageVolume(layout: MetaImageLayout, parts: readonly Uint8Array[], name: string): LoadedVolume {
  const { header, interleaved } = layout;
  const voxels = header.size[0] * header.size[1] * header.size[2];
  const count = voxels * header.channels;
  const data = joinParts(layout.text ? parts : cutParts(parts, layout.length, name));
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

/** `DistanceUnits` of newer MetaIO; "?" and everything else is taken for millimetres. */
const unitsMm: Readonly<Record<string, number>> = { um: 0.001, mm: 1, cm: 10 };

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
  const mm = unitsMm[fields.get("DistanceUnits") ?? ""] ?? 1;
  const rows = [0, 1, 2].flatMap((row) => [
    ...[0, 1, 2].map((axis) => direction(axis, row) * (spacing[axis] ?? 1) * mm),
    (origin[row] ?? 0) * mm,
  ]);
  return flipLpsRas([...rows, 0, 0, 0, 1]).map((value: number) => (value === 0 ? 0 : value));
}

function isTrue(text: string | undefined): boolean {
  return /^(true|t|1|yes)/i.test(text ?? "");
}

function isFalse(text: string | undefined): boolean {
  return /^(false|f|0|no)/i.test(text ?? "");
}
