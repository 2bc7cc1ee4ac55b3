/**
 * NIfTI-1 and NIfTI-2 files, bytes to volume and back, for browser and Node alike: single files (.nii, .nii.gz) and
 * header/image pairs, every integer and float type up to 64 bits, both byte orders. Values and affine equal
 * nibabel's (`np.asanyarray(img.dataobj)`, `img.affine`).
 *
 * Damaged bytes give a `DataError` or `GeometryError` and nothing else: sizes are checked before they are allocated.
 */
import { DataError, GeometryError } from "../../errors.ts";
import { checkGrid, gridDifference } from "../affine.ts";
import type { Volume, VoxelArray } from "../types.ts";
import type { VoxelType } from "../voxels.ts";
import {
  bytesPerVoxel,
  checkedVoxelCount,
  checkVolume,
  convertVoxels,
  decodeVoxels,
  defaultMaxBytes,
  encodeVoxels,
  scaleVoxels,
  voxelTypeOf,
} from "../voxels.ts";
import { checkInflatable, gzip, inflatePrefix, isGzip } from "./gzip.ts";
import type { LoadedVolume, VolumeHeader } from "./header.ts";
import type { NiftiHeader } from "./nifti-header.ts";
import { buildNiftiHeader, niftiHeaderBytes, niftiVersion, parseNiftiHeader, splitDims } from "./nifti-header.ts";

export interface DecodeOptions {
  /** The file, for messages and as the volume's name. */
  name?: string;
  /** The largest decoded volume, in bytes of stored voxels. Default 4 GiB. */
  maxBytes?: number;
}

export interface EncodeOptions {
  /** Header of the volume this one belongs to: its grid fields, byte order and version are copied bit for bit. */
  like?: VolumeHeader;
  /** Element type to store; default that of the array. Values that do not fit are an error. */
  dtype?: VoxelType;
  /** Header version of a new file; default 1, or 2 where an axis is longer than NIfTI-1 can say. */
  version?: 1 | 2;
}

/** The general header of a NIfTI header. Throws where the volume would be larger than `maxBytes`. */
export function niftiVolumeHeader(nifti: NiftiHeader, options: DecodeOptions = {}): VolumeHeader {
  const name = options.name ?? "NIfTI";
  const { size, channels } = splitDims(nifti.dims, name);
  checkedVoxelCount([...size, channels], nifti.voxelType, options.maxBytes ?? defaultMaxBytes, name);
  return {
    format: nifti.version === 1 ? "nifti1" : "nifti2",
    size,
    channels,
    affine: nifti.affine,
    voxelType: nifti.voxelType,
    slope: nifti.slope,
    intercept: nifti.intercept,
    nifti,
  };
}

/** Bytes from the start of the voxels' file to the end of the voxels. */
function niftiDataEnd(header: VolumeHeader): number {
  const voxels = header.size[0] * header.size[1] * header.size[2] * header.channels;
  return (header.nifti?.voxelOffset ?? 0) + voxels * bytesPerVoxel(header.voxelType);
}

/**
 * Reads a NIfTI file. `bytes` is the file (gzip or plain); of a pair, the .hdr file, and `image` the .img file.
 * Scaled files give Float64Array, or Float32Array where that holds every value exactly; others keep their type.
 */
export function decodeNifti(bytes: Uint8Array, options: DecodeOptions & { image?: Uint8Array } = {}): LoadedVolume {
  const name = options.name ?? "NIfTI";
  const nifti = parseNiftiHeader(isGzip(bytes) ? inflatePrefix(bytes, niftiHeaderBytes, name) : bytes, name);
  const header = niftiVolumeHeader(nifti, { ...options, name });
  let source = bytes;
  if (nifti.pair) {
    if (options.image === undefined) throw new DataError(`${name}: header of a pair; its voxels (.img) are needed too`);
    source = options.image;
  }
  const end = niftiDataEnd(header);
  if (isGzip(source)) {
    checkInflatable(source.length, end, name);
    source = inflatePrefix(source, end, name);
  }
  const count = header.size[0] * header.size[1] * header.size[2] * header.channels;
  const voxelBytes = source.subarray(Math.min(nifti.voxelOffset, source.length));
  return niftiVolume(header, decodeVoxels(voxelBytes, header.voxelType, count, nifti.littleEndian, name), name);
}

/** A volume from its header and its voxels as they are stored, before the header's scaling. */
export function niftiVolume(header: VolumeHeader, stored: VoxelArray, name: string): LoadedVolume {
  const scaled = header.slope !== 1 || header.intercept !== 0;
  const data: VoxelArray = scaled ? scaleVoxels(stored, header.slope, header.intercept) : stored;
  return { data, size: header.size, channels: header.channels, affine: header.affine, name, header };
}

/** A NIfTI file in one piece, gzip if asked. */
export function encodeNifti(volume: Volume, options: EncodeOptions & { gzip?: boolean } = {}): Uint8Array {
  const { header, voxels } = encodeNiftiParts(volume, { ...options, pair: false });
  const whole = new Uint8Array(header.length + voxels.length);
  whole.set(header);
  whole.set(voxels, header.length);
  return options.gzip ? gzip(whole) : whole;
}

/** A NIfTI pair: the .hdr and the .img file. */
export function encodeNiftiPair(
  volume: Volume,
  options: EncodeOptions = {},
): { header: Uint8Array; image: Uint8Array } {
  const { header, voxels } = encodeNiftiParts(volume, { ...options, pair: true });
  return { header, image: voxels };
}

/**
 * The two parts of a NIfTI file: everything before the voxels, and the voxels (which may share memory with the volume).
 *
 * A new NIfTI-1 file stores its affine in 32-bit floats, as the format demands; `version: 2` keeps all 64 bits. With
 * `like`, throws `GeometryError` where the volume does not lie on that grid.
 */
export function encodeNiftiParts(
  volume: Volume,
  options: EncodeOptions & { pair: boolean },
): { header: Uint8Array; voxels: Uint8Array } {
  const name = volume.name ?? "volume";
  checkVolume(volume);
  checkGrid(volume, name);
  const { like, pair } = options;
  if (like !== undefined) {
    const difference = gridDifference(volume, like);
    if (difference !== undefined) {
      throw new GeometryError(`${name}: not on the grid of the volume it is written like: ${difference}`);
    }
  }
  const voxelType = options.dtype ?? voxelTypeOf(volume.data);
  const data = convertVoxels(volume.data, voxelType, name);
  const longest = Math.max(...volume.size, volume.channels);
  const version = like?.nifti?.version ?? options.version ?? (longest > 32767 ? 2 : 1);
  if (version === 1 && longest > 32767) {
    throw new DataError(`${name}: an axis of ${longest} does not fit NIfTI-1 (at most 32767); write NIfTI-2`);
  }
  const { size, channels, affine } = volume;
  const head = buildNiftiHeader({ size, channels, affine, voxelType, pair }, version, like?.nifti);
  // Four zero bytes after the header say that no extensions follow.
  const header = new Uint8Array(head.length + 4);
  header.set(head);
  return { header, voxels: encodeVoxels(data, like?.nifti?.littleEndian ?? true) };
}

/** Whether the bytes are a NIfTI file, looking through gzip. */
export function isNifti(bytes: Uint8Array): boolean {
  try {
    return niftiVersion(isGzip(bytes) ? inflatePrefix(bytes, 4, "NIfTI") : bytes) !== undefined;
  } catch {
    return false;
  }
}
