/**
 * What a volume is in medvox.
 *
 * Arrays are x fastest, so a NIfTI file's voxels are already in order: as a network sees it, the array is
 * `[C, D, H, W]` = `[channel, z, y, x]`. World space is RAS+ millimetres, as in NIfTI.
 */

/** Three numbers along x, y, z. */
export type Vec3 = readonly [number, number, number];

/** Three values along x, y, z, each made from its axis (0, 1 or 2). */
export function eachAxis<T>(valueAt: (axis: number) => T): readonly [T, T, T] {
  return [valueAt(0), valueAt(1), valueAt(2)];
}

/** The values along x, y, z, each passed through `change`. */
export function mapAxes<T, U>(values: readonly [T, T, T], change: (value: T, axis: number) => U): readonly [U, U, U] {
  return eachAxis((axis) => change(values[axis], axis));
}

/** A 4×4 matrix, row by row, that takes homogeneous voxel indices (i along x, j along y, k along z) to RAS+ millimetres. */
export type Affine = readonly number[];

/** Where voxels sit in space. */
export interface Grid {
  /** Voxels along x, y, z. */
  readonly size: Vec3;
  readonly affine: Affine;
}

export type VoxelArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** A sampled image on a grid: `channels` × z × y × x values, x fastest. A 4D file's fourth axis becomes the channels. */
export interface Volume<T extends VoxelArray = VoxelArray> extends Grid {
  readonly data: T;
  readonly channels: number;
  /** The case or file it came from, for messages. */
  readonly name?: string;
}
