/**
 * Voxel values as files store them: element types, byte order, and the change to typed arrays.
 *
 * Nothing here allocates before the number of bytes at hand was compared with the number asked for.
 */
import { DataError } from "../errors.ts";
import type { Volume, VoxelArray } from "./types.ts";

/** Element types in numpy's names. */
export type VoxelType =
  | "int8"
  | "uint8"
  | "int16"
  | "uint16"
  | "int32"
  | "uint32"
  | "int64"
  | "uint64"
  | "float32"
  | "float64";

type VoxelArrayConstructor = {
  new (length: number): VoxelArray;
  new (buffer: ArrayBuffer, offset: number, length: number): VoxelArray;
  readonly BYTES_PER_ELEMENT: number;
};

const constructors: Record<VoxelType, VoxelArrayConstructor> = {
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float32: Float32Array,
  float64: Float64Array,
};

/** Every element type that a volume's voxels may have. */
export const voxelTypes = Object.keys(constructors) as readonly VoxelType[];

/** The largest decoded volume that is read unless the caller says otherwise: 4 GiB. */
export const defaultMaxBytes = 2 ** 32;

/** Size of an element in bytes. */
export function bytesPerVoxel(type: VoxelType): number {
  return constructors[type].BYTES_PER_ELEMENT;
}

/** The element type of a typed array. */
export function voxelTypeOf(data: VoxelArray): VoxelType {
  for (const type of voxelTypes) if (data instanceof constructors[type]) return type;
  throw new DataError(`voxels: ${Object.prototype.toString.call(data)} is no voxel array`);
}

/** A zeroed array; where the machine has no memory for it, a `DataError` instead of a `RangeError`. */
export function allocateVoxels(type: VoxelType, length: number, name = "volume"): VoxelArray {
  try {
    return new constructors[type](length);
  } catch (error) {
    throw new DataError(`${name}: no memory for ${length} voxels of ${type}`, { cause: error });
  }
}

/** An empty array of the same type and, unless given, the same length. */
export function emptyLike<T extends VoxelArray>(data: T, length: number = data.length): T {
  return allocateVoxels(voxelTypeOf(data), length) as T;
}

/**
 * The product of `counts`, checked before anything of that size is allocated: every factor a positive whole number,
 * and the product times the bytes of one voxel at most `maxBytes`.
 */
export function checkedVoxelCount(counts: readonly number[], type: VoxelType, maxBytes: number, name: string): number {
  let product = 1;
  for (const count of counts) {
    if (!Number.isSafeInteger(count) || count < 1) {
      throw new DataError(`${name}: size ${counts.join("×")} is not made of positive whole numbers`);
    }
    product *= count;
    if (product * bytesPerVoxel(type) > maxBytes) {
      throw new DataError(`${name}: size ${counts.join("×")} of ${type} is above the limit of ${maxBytes} bytes`);
    }
  }
  return product;
}

/** `count` voxels of `type` from the start of `bytes`, always a copy with a buffer of its own. */
export function decodeVoxels(
  bytes: Uint8Array,
  type: VoxelType,
  count: number,
  littleEndian: boolean,
  name: string,
): VoxelArray {
  const need = count * bytesPerVoxel(type);
  checkVoxelBytes(bytes.byteLength, need, name);
  const voxels = allocateVoxels(type, count, name);
  new Uint8Array(voxels.buffer).set(bytes.subarray(0, need));
  return orderBytes(voxels, littleEndian);
}

/** Throws `DataError` where fewer bytes are there than the header asks for. */
export function checkVoxelBytes(found: number, need: number, name: string): void {
  if (found < need) {
    throw new DataError(`${name}: holds ${found} bytes of voxels, its header asks for ${need}: truncated?`);
  }
}

/** Voxels whose bytes are as a file had them, with the bytes put in this machine's order, in place. */
export function orderBytes(voxels: VoxelArray, littleEndian: boolean): VoxelArray {
  const raw = new Uint8Array(voxels.buffer, voxels.byteOffset, voxels.byteLength);
  if (littleEndian !== machineIsLittleEndian) swapBytes(raw, voxels.BYTES_PER_ELEMENT);
  return voxels;
}

/** `count` voxels written out as numbers in text, separated by white space. */
export function decodeText(text: Uint8Array, type: VoxelType, count: number, name: string): VoxelArray {
  // A number and a separator take at least two bytes.
  if (count > (text.length + 1) / 2) {
    throw new DataError(`${name}: ${text.length} bytes of text cannot hold ${count} voxels: truncated?`);
  }
  const wide = type === "int64" || type === "uint64";
  const values: VoxelArray = allocateVoxels(wide ? type : "float64", count, name);
  let at = 0;
  for (let i = 0; i < count; i++) {
    while (at < text.length && text[at] <= 32) at++;
    let word = "";
    while (at < text.length && text[at] > 32 && word.length < 64) word += String.fromCharCode(text[at++]);
    const whole = /^[+-]?\d+$/.test(word);
    const value = Number(word);
    if (word === "" || (wide ? !whole : Number.isNaN(value) && !/^[+-]?nan$/i.test(word))) {
      throw new DataError(`${name}: voxel ${i} is ${JSON.stringify(word)}, must be a number`);
    }
    if (wide) {
      const big = BigInt(word.replace("+", ""));
      (values as BigInt64Array)[i] = big;
      if (values[i] !== big) throw new DataError(`${name}: voxel ${i}, ${word}, does not fit ${type}`);
    } else {
      (values as Float64Array)[i] = value;
    }
  }
  return wide ? values : convertVoxels(values, type, name);
}

/** Channels that stand in the middle of the axes (`before` × channels × `after`, first fastest), moved to the end. */
export function moveChannelsLast(data: VoxelArray, before: number, channels: number, after: number): VoxelArray {
  const out = emptyLike(data);
  for (let c = 0; c < channels; c++) {
    for (let a = 0; a < after; a++) {
      const from = before * (c + channels * a);
      const to = before * (a + after * c);
      for (let b = 0; b < before; b++) out[to + b] = data[from + b];
    }
  }
  return out;
}

/** The bytes of `voxels` in the given order; shares memory with them where no swap is needed. */
export function encodeVoxels(voxels: VoxelArray, littleEndian: boolean): Uint8Array {
  const raw = new Uint8Array(voxels.buffer, voxels.byteOffset, voxels.byteLength);
  if (littleEndian === machineIsLittleEndian || voxels.BYTES_PER_ELEMENT === 1) return raw;
  const swapped = raw.slice();
  swapBytes(swapped, voxels.BYTES_PER_ELEMENT);
  return swapped;
}

/** How a file's voxels are scaled: its element type, and what its values are multiplied by and get added. */
export interface Scaling {
  readonly voxelType: VoxelType;
  readonly slope: number;
  readonly intercept: number;
}

/**
 * The element type of a file's values once they are scaled: 32-bit floats where these hold every possible result exactly (8-
 * and 16-bit integers with a small whole slope and intercept), else doubles; the file's own where nothing is scaled.
 */
export function scaledType({ voxelType, slope, intercept }: Scaling): VoxelType {
  if (slope === 1 && intercept === 0) return voxelType;
  const exact =
    bytesPerVoxel(voxelType) <= 2 &&
    Number.isInteger(slope) &&
    Number.isInteger(intercept) &&
    65536 * Math.abs(slope) + Math.abs(intercept) <= 2 ** 24;
  return exact ? "float32" : "float64";
}

/** `stored × slope + intercept`, in double precision as nibabel computes it, in {@link scaledType}. */
export function scaleVoxels(stored: VoxelArray, slope: number, intercept: number): VoxelArray {
  const type = scaledType({ voxelType: voxelTypeOf(stored), slope, intercept });
  if (slope === 1 && intercept === 0) return stored;
  const scaled = allocateVoxels(type, stored.length) as Float32Array | Float64Array;
  // Only what differs from 1 and 0 is applied, so that infinities and -0 pass as they do in nibabel.
  for (let i = 0; i < stored.length; i++) {
    let value = Number(stored[i]);
    if (slope !== 1) value *= slope;
    if (intercept !== 0) value += intercept;
    scaled[i] = value;
  }
  return scaled;
}

/** The least and the largest value of an integer type; undefined for floats. */
function rangeOf(type: VoxelType): readonly [low: number, high: number] | undefined {
  if (type === "float32" || type === "float64") return undefined;
  const bits = 8 * bytesPerVoxel(type);
  return type.startsWith("u") ? [0, 2 ** bits - 1] : [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1];
}

/** Whether a number is the same once it is a voxel of `type` (NaN and the infinities are in floats alone). */
export function fitsVoxel(value: number, type: VoxelType): boolean {
  const range = rangeOf(type);
  if (range !== undefined) return Number.isInteger(value) && value >= range[0] && value <= range[1];
  return type === "float64" || Number.isNaN(value) || Math.fround(value) === value;
}

/**
 * The smallest element type that label values fit, of those that other programs read as labels, too.
 * @throws DataError that names the first value that none of them holds
 */
export function labelTypeFor(
  values: readonly number[],
  name = "labels",
): "uint8" | "int16" | "uint16" | "int32" | "uint32" {
  for (const type of ["uint8", "int16", "uint16", "int32", "uint32"] as const)
    if (values.every((value) => fitsVoxel(value, type))) return type;
  const unfit = values.find((value) => !fitsVoxel(value, "int32")) ?? values[0];
  throw new DataError(`${name}: label ${unfit} does not fit a label map: whole numbers of 32 bits do`);
}

/**
 * The same values in another element type; the array itself where it has that type. Integer types take the nearest
 * whole number. Throws `DataError` where a value lies outside the type's range or is NaN, and where a whole number is
 * too large for a float to hold it exactly: nothing is clamped or changed silently.
 */
export function convertVoxels(data: VoxelArray, type: VoxelType, name = "volume"): VoxelArray {
  if (voxelTypeOf(data) === type) return data;
  const out = allocateVoxels(type, data.length, name);
  const unfit = (value: number | bigint) => new DataError(`${name}: value ${value} does not fit ${type}`);
  if (out instanceof Float32Array || out instanceof Float64Array) {
    const isWhole = !(data instanceof Float32Array || data instanceof Float64Array);
    for (let i = 0; i < data.length; i++) {
      out[i] = Number(data[i]);
      // Loose equality, because the one may be a bigint.
      // biome-ignore lint/suspicious/noDoubleEquals: a number and a bigint of one value are equal only so
      if (isWhole && out[i] != data[i]) throw unfit(data[i]);
    }
  } else if (out instanceof BigInt64Array || out instanceof BigUint64Array) {
    const [low, high] = type === "int64" ? [-(2n ** 63n), 2n ** 63n - 1n] : [0n, 2n ** 64n - 1n];
    for (let i = 0; i < data.length; i++) {
      const value = data[i];
      if (typeof value === "number" && !Number.isFinite(value)) throw unfit(value);
      const whole = typeof value === "bigint" ? value : BigInt(Math.round(value));
      if (whole < low || whole > high) throw unfit(value);
      out[i] = whole;
    }
  } else {
    const [low, high] = rangeOf(type) ?? [0, 0];
    for (let i = 0; i < data.length; i++) {
      const value = Math.round(Number(data[i]));
      // Written so that NaN does not pass.
      if (!(value >= low && value <= high)) throw unfit(data[i]);
      out[i] = value;
    }
  }
  return out;
}

/**
 * The same volume with values as 32-bit floats, as networks take them (rounded where they have more digits); the volume itself where
 * it is one already.
 */
export function asFloat32(volume: Volume): Volume<Float32Array> {
  if (volume.data instanceof Float32Array) return volume as Volume<Float32Array>;
  if (volume.data instanceof BigInt64Array || volume.data instanceof BigUint64Array) {
    const data = allocateVoxels("float32", volume.data.length, volume.name) as Float32Array;
    for (let i = 0; i < data.length; i++) data[i] = Number(volume.data[i]);
    return { ...volume, data };
  }
  // Not `from`, which lists the values on the heap first: a whole-body CT's do not fit there.
  return { ...volume, data: new Float32Array(volume.data) };
}

/** Throws `DataError` where the array does not hold size × channels values. */
export function checkVolume(volume: Volume): void {
  const want = volume.size[0] * volume.size[1] * volume.size[2] * volume.channels;
  if (volume.data.length !== want) {
    throw new DataError(
      `${volume.name ?? "volume"}: array holds ${volume.data.length} values, ` +
        `size ${volume.size.join("×")} with ${volume.channels} channels asks for ${want}`,
    );
  }
}

const machineIsLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Reverses the bytes of every element of `size` bytes in place. */
function swapBytes(raw: Uint8Array, size: number): void {
  for (let start = 0; start < raw.length && size > 1; start += size) {
    for (let i = start, j = start + size - 1; i < j; i++, j--) {
      const byte = raw[i];
      raw[i] = raw[j];
      raw[j] = byte;
    }
  }
}
