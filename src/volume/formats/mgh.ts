/**
 * FreeSurfer's MGH files (.mgh, and .mgz, the same in gzip), bytes to volume.
 *
 * A header of 284 big-endian bytes, the voxels with x fastest, frames last (they become the channels), then tags that are left
 * alone. The world is RAS; the header gives spacing, directions and the position of the centre (`c_ras`), and where its flag
 * says that these are not good, they are FreeSurfer's own: 1 mm, x to the left, y down, z to the front (nibabel has y and z the
 * other way there, FreeSurfer has not).
 * Source: FreeSurfer wiki "MghFormat"; checked against nibabel.
 */
import { DataError } from "../../errors.ts";
import { checkAffine } from "../affine.ts";
import type { Affine, Vec3 } from "../types.ts";
import type { VoxelType } from "../voxels.ts";
import { bytesPerVoxel, checkedVoxelCount, decodeVoxels, defaultMaxBytes } from "../voxels.ts";
import { checkInflatable, inflatePrefix, isGzip } from "./gzip.ts";
import type { LoadedVolume, VolumeHeader } from "./header.ts";
import type { DecodeOptions } from "./nifti.ts";

/** Where the voxels begin. */
export const mghVoxelOffset = 284;

/** Bytes of the header that hold numbers. */
const usedBytes = 90;

/** The type codes of mri.h that are voxels of one number each. */
const types: Readonly<Record<number, VoxelType>> = {
  0: "uint8",
  1: "int32",
  3: "float32",
  4: "int16",
  10: "uint16",
};
const refusedTypes: Readonly<Record<number, string>> = {
  2: "long, whose size depends on the machine",
  5: "bitmap",
  6: "tensor",
  7: "complex float",
  8: "complex double",
  9: "RGB",
};

/** Whether bytes (inflated) begin as an MGH file's do: version 1, four sizes and a type that exists. */
export function isMgh(bytes: Uint8Array): boolean {
  if (bytes.length < usedBytes) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const positive = [4, 8, 12, 16].every((at) => view.getInt32(at) > 0);
  const type = view.getInt32(20);
  return view.getInt32(0) === 1 && positive && type >= 0 && type <= 10;
}

/** Reads the header at the start of `bytes` (inflated). Throws `DataError` or `GeometryError` where it cannot be used. */
export function parseMghHeader(bytes: Uint8Array, options: DecodeOptions = {}): VolumeHeader {
  const name = options.name ?? "MGH";
  if (bytes.length < usedBytes) {
    throw new DataError(`${name}: ${bytes.length} bytes, an MGH header has ${mghVoxelOffset}: truncated?`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getInt32(0);
  if (version !== 1) throw new DataError(`${name}: not an MGH file: its version is ${version}, must be 1`);
  const size: Vec3 = [view.getInt32(4), view.getInt32(8), view.getInt32(12)];
  const channels = view.getInt32(16);
  const code = view.getInt32(20);
  const voxelType = types[code];
  if (voxelType === undefined) {
    const known = refusedTypes[code];
    throw new DataError(
      `${name}: MGH type ${code}${known ? ` (${known})` : ""} is not read: medvox takes uchar, short, ushort, int and float`,
    );
  }
  checkedVoxelCount([...size, channels], voxelType, options.maxBytes ?? defaultMaxBytes, name);
  const affine = readAffine(view, size);
  checkAffine(affine, name);
  return { format: "mgh", size, channels, affine, voxelType, slope: 1, intercept: 0 };
}

/** Reads an MGH file, gzip or plain. */
export function decodeMgh(bytes: Uint8Array, options: DecodeOptions = {}): LoadedVolume {
  const name = options.name ?? "MGH";
  const packed = isGzip(bytes);
  const header = parseMghHeader(packed ? inflatePrefix(bytes, mghVoxelOffset, name) : bytes, { ...options, name });
  const { size, channels, affine, voxelType } = header;
  const count = size[0] * size[1] * size[2] * channels;
  const end = mghVoxelOffset + count * bytesPerVoxel(voxelType);
  if (packed) checkInflatable(bytes.length, end, name);
  const whole = packed ? inflatePrefix(bytes, end, name) : bytes;
  const data = decodeVoxels(whole.subarray(Math.min(mghVoxelOffset, whole.length)), voxelType, count, false, name);
  return { data, size, channels, affine, name, header };
}

/** FreeSurfer's vox2ras: directions × spacing, with voxel size/2 at the centre that the header gives. */
function readAffine(view: DataView, size: Vec3): Affine {
  const good = view.getInt16(28) > 0;
  const floats = (at: number, count: number) => Array.from({ length: count }, (_, i) => view.getFloat32(at + 4 * i));
  const spacing = good ? floats(30, 3) : [1, 1, 1];
  // One axis after the other: its direction towards R, A and S.
  const directions = good ? floats(42, 9) : [-1, 0, 0, 0, 0, -1, 0, 1, 0];
  const centre = good ? floats(78, 3) : [0, 0, 0];
  const rows = [0, 1, 2].flatMap((row) => {
    const columns = [0, 1, 2].map((axis) => directions[3 * axis + row] * spacing[axis]);
    const offset = columns.reduce((sum, value, axis) => sum + (value * size[axis]) / 2, 0);
    // Not −0, which compares as another number in tests and looks odd in tables.
    return [...columns, centre[row] - offset].map((value) => (value === 0 ? 0 : value));
  });
  return [...rows, 0, 0, 0, 1];
}
