/**
 * Volumes that lie one behind the other in an array of a NumPy archive, as MedMNIST's do: `FILE.npz#ARRAY/17` is the 18th of
 * `ARRAY.npy` `[N, D, H, W]` in it. They say nothing of their place in space: voxels are 1 mm, axes run as RAS does.
 */
import { stat } from "node:fs/promises";
import { DataError } from "../errors.ts";
import { identityAffine } from "../volume/affine.ts";
import type { LoadedVolume, VolumeHeader } from "../volume/formats/header.ts";
import type { VoxelArray } from "../volume/types.ts";
import { voxelTypeOf } from "../volume/voxels.ts";
import { dicomPlace } from "./dicom/place.ts";
import { decodeNpy, type NpyHeader, parseNpyHeader } from "./npy.ts";
import { readZipDirectory, readZipEntry, readZipStart, type ZipEntry } from "./packed/zip.ts";

export interface ArraySlice {
  /** The archive. */
  readonly file: string;
  readonly array: string;
  readonly index: number;
}

/** What a path of this kind names; `undefined` for the path of a file. */
export function arraySlice(path: string): ArraySlice | undefined {
  const found = /^(.*\.npz)#([^#/]+)\/(\d+)$/is.exec(path);
  return found === null ? undefined : { file: found[1], array: found[2], index: Number(found[3]) };
}

/** The file that a volume's path leads to. */
export function fileOf(path: string): string {
  return arraySlice(path)?.file ?? dicomPlace(path).file;
}

export function slicePath({ file, array, index }: ArraySlice): string {
  return `${file}#${array}/${index}`;
}

/** The arrays of a NumPy archive by name, without their numbers. @throws DataError where it is none */
export async function readNpzHeaders(file: string): Promise<ReadonlyMap<string, NpyHeader>> {
  const headers = new Map<string, NpyHeader>();
  for (const entry of (await readZipDirectory(file)).values()) {
    if (!entry.name.endsWith(".npy")) continue;
    headers.set(entry.name.slice(0, -4), parseNpyHeader(await readZipStart(file, entry), `${file}: ${entry.name}`));
  }
  if (headers.size === 0) throw new DataError(`${file}: holds no NumPy array`);
  return headers;
}

/** An array of an archive, whole. @throws DataError where it is not there or damaged */
export async function readNpzArray(
  file: string,
  array: string,
): Promise<{ readonly data: VoxelArray; readonly shape: readonly number[] }> {
  const entry = await entryOf(file, array);
  return decodeNpy(await readZipEntry(file, entry), `${file}: ${entry.name}`);
}

/** One volume of an array, in memory of its own. @throws DataError where there is none */
export async function readSlice(slice: ArraySlice): Promise<LoadedVolume> {
  const { data, shape } = await remembered(slice.file, slice.array);
  const header = headerOf(slice, shape, data);
  const voxels = header.size[0] * header.size[1] * header.size[2];
  return {
    data: data.slice(slice.index * voxels, (slice.index + 1) * voxels) as VoxelArray,
    size: header.size,
    affine: header.affine,
    channels: 1,
    header,
  };
}

/** Size and element type of one volume, from the first bytes of its array. */
export async function readSliceHeader(slice: ArraySlice): Promise<VolumeHeader> {
  const { file, array } = slice;
  const entry = await entryOf(file, array);
  const { shape, type } = parseNpyHeader(await readZipStart(file, entry), `${file}: ${entry.name}`);
  return { ...headerOf(slice, shape), voxelType: type };
}

function headerOf({ file, array, index }: ArraySlice, shape: readonly number[], data?: VoxelArray): VolumeHeader {
  if (shape.length !== 4)
    throw new DataError(`${file}: ${array} has the shape ${shape.join("×")}; volumes are [N, D, H, W]`);
  const [count, depth, height, width] = shape;
  if (index >= count) throw new DataError(`${file}: ${array} has ${count} volumes, there is no ${index} (from 0)`);
  const voxelType = data === undefined ? "uint8" : voxelTypeOf(data);
  const about = { format: "npz", channels: 1, slope: 1, intercept: 0, affine: identityAffine } as const;
  return { ...about, size: [width, height, depth], voxelType };
}

async function entryOf(file: string, array: string): Promise<ZipEntry> {
  const entries = await readZipDirectory(file);
  const entry = entries.get(`${array}.npy`);
  if (entry === undefined)
    throw new DataError(`${file}: has no array ${array}; it has ${[...entries.keys()].join(", ")}`);
  return entry;
}

type Loaded = ReturnType<typeof readNpzArray>;

/** Arrays that were read last, newest last: one volume after the other is asked for, and an array is inflated whole. */
const recent = new Map<string, { readonly loading: Loaded; bytes: number }>();
/** All of them together; the newest is remembered however large it is. */
const mostBytes = 2 ** 29;
const idleMs = 20_000;
let forget: NodeJS.Timeout | undefined;

async function remembered(file: string, array: string): Loaded {
  const { mtimeMs, size } = await stat(file).catch((cause: NodeJS.ErrnoException) => {
    throw new DataError(`${file}: cannot read: ${cause.code === "ENOENT" ? "no such file" : cause.code}`, { cause });
  });
  const key = `${file}#${array} ${mtimeMs} ${size}`;
  const known = recent.get(key) ?? { loading: readNpzArray(file, array), bytes: 0 };
  recent.delete(key);
  recent.set(key, known);
  clearTimeout(forget);
  forget = setTimeout(() => recent.clear(), idleMs).unref();
  try {
    const loaded = await known.loading;
    known.bytes = loaded.data.byteLength;
    let total = [...recent.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    for (const [other, { bytes }] of recent) {
      if (total <= mostBytes || other === key) break;
      recent.delete(other);
      total -= bytes;
    }
    return loaded;
  } catch (error) {
    recent.delete(key);
    throw error;
  }
}
