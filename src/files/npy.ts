/** NumPy's .npy files (numpy/lib/format.py): written in version 1.0 with 32-bit floats in C order; numbers of any kind read. */
import { DataError } from "../errors.ts";
import type { VoxelArray } from "../volume/types.ts";
import { allocateVoxels, bytesPerVoxel, orderBytes, type VoxelType } from "../volume/voxels.ts";
import { type WriteOptions, writeFileAtomic } from "./disk/atomic.ts";

/** The bytes of a file. @param shape its product is the array's length */
export function encodeNpy(data: Float32Array, shape: readonly number[]): Uint8Array[] {
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${sizes}), }`;
  // Magic, version and length are 10 bytes; the data begin at a multiple of 64.
  const padded = `${text.padEnd(Math.ceil((10 + text.length + 1) / 64) * 64 - 11)}\n`;
  const head = new Uint8Array(10 + padded.length);
  head.set([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, padded.length & 255, padded.length >> 8]);
  head.set(new TextEncoder().encode(padded), 10);
  return [head, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)];
}

/** Writes a file whole or not at all. @throws as {@link writeFileAtomic} does */
export async function writeNpy(
  path: string,
  data: Float32Array,
  shape: readonly number[],
  options: WriteOptions = {},
): Promise<void> {
  await writeFileAtomic(path, encodeNpy(data, shape), options);
}

/** What a file says of its numbers. */
export interface NpyHeader {
  readonly shape: readonly number[];
  readonly type: VoxelType;
  readonly littleEndian: boolean;
  /** Where the numbers begin, in bytes. */
  readonly offset: number;
}

const types: Readonly<Record<string, VoxelType>> = {
  b1: "uint8",
  u1: "uint8",
  i1: "int8",
  u2: "uint16",
  i2: "int16",
  u4: "uint32",
  i4: "int32",
  u8: "uint64",
  i8: "int64",
  f4: "float32",
  f8: "float64",
};

/** @throws DataError for a file that is none, of another kind of numbers, or in Fortran's order */
export function parseNpyHeader(bytes: Uint8Array, name: string): NpyHeader {
  const isNpy = bytes[0] === 0x93 && new TextDecoder().decode(bytes.subarray(1, 6)) === "NUMPY";
  if (!isNpy || bytes.length < 12) throw new DataError(`${name}: is no NumPy array`);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const start = bytes[6] === 1 ? 10 : 12;
  const length = bytes[6] === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const text = new TextDecoder("latin1").decode(bytes.subarray(start, start + length));
  const described = /'descr':\s*'([<>|=]?)([a-zA-Z]\d*)'/.exec(text);
  const order = /'fortran_order':\s*(True|False)/.exec(text)?.[1];
  const shape = /'shape':\s*\(([\d,\s]*)\)/.exec(text)?.[1];
  if (described === null || order === undefined || shape === undefined)
    throw new DataError(`${name}: its NumPy header cannot be understood: ${text.trim().slice(0, 80)}`);
  const type = types[described[2]];
  if (type === undefined)
    throw new DataError(`${name}: holds numbers of NumPy's kind ${described[2]}, which is not read`);
  const sizes = shape.split(",").flatMap((size) => (size.trim() === "" ? [] : [Number(size)]));
  if (order === "True" && sizes.length > 1)
    throw new DataError(`${name}: lies in Fortran's order, which is not read; save it with numpy.ascontiguousarray`);
  return { shape: sizes, type, littleEndian: described[1] !== ">", offset: start + length };
}

/** An array with its shape. @throws DataError as {@link parseNpyHeader}, and where numbers are missing */
export function decodeNpy(
  bytes: Uint8Array,
  name: string,
): { readonly data: VoxelArray; readonly shape: readonly number[] } {
  const { shape, type, littleEndian, offset } = parseNpyHeader(bytes, name);
  const count = shape.reduce((a, b) => a * b, 1);
  const needed = count * bytesPerVoxel(type);
  const stored = bytes.subarray(offset, offset + needed);
  if (stored.length !== needed)
    throw new DataError(`${name}: has ${stored.length} bytes, its shape ${shape.join("×")} needs ${needed}`);
  const data = allocateVoxels(type, count, name);
  new Uint8Array(data.buffer).set(stored);
  return { data: orderBytes(data, littleEndian), shape };
}
