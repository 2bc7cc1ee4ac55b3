/** What a file must be before it becomes part of the data set: an image that medvox reads, a label that lies on its image. */
import { rm } from "node:fs/promises";
import { DataError, GeometryError } from "../../errors.ts";
import { readVolume, readVolumeHeader, writeVolume } from "../../files/index.ts";
import { sameGrid } from "../../volume/index.ts";

/** @throws DataError for a file that medvox cannot read as an image; its path is left out, since it is a temporary one */
export async function checkImage(path: string): Promise<void> {
  await withoutPath(path, () => readVolumeHeader(path));
}

/**
 * @param labels names of the values that a label may have
 * @returns the file to be kept: this one, or what was made of it where it is no `.nii.gz`
 * @throws GeometryError for another grid than the image's, DataError for values that are no class
 */
export async function checkLabel(
  path: string,
  image: string,
  labels: Readonly<Record<number, string>>,
): Promise<string> {
  const wanted = await readVolumeHeader(image);
  const header = await withoutPath(path, () => readVolumeHeader(path));
  if (header.size.some((n, axis) => n !== wanted.size[axis]) || header.channels !== 1)
    throw new GeometryError(
      `label: has ${header.size.join("×")} voxels${header.channels === 1 ? "" : ` and ${header.channels} channels`}, its image ${wanted.size.join("×")}; draw on the image's own grid`,
    );
  if (!sameGrid(header, wanted))
    throw new GeometryError("label: its affine is not that of its image; draw on the image's own grid");
  const volume = await withoutPath(path, () => readVolume(path));
  const known = new Set(Object.keys(labels).map(Number));
  const data = Float64Array.from(volume.data as ArrayLike<number | bigint>, Number);
  const other = data.find((value) => !known.has(value));
  if (other !== undefined)
    throw new DataError(`label: has the value ${other}; the set's classes are ${[...known].join(", ")}`);
  if (path.endsWith(".nii.gz")) return path;
  const made = `${path}.nii.gz`;
  await writeVolume(made, { ...volume, data: Uint16Array.from(data) }).catch(async (error: unknown) => {
    await rm(made, { force: true });
    throw error;
  });
  return made;
}

/** Does it, and names no temporary file in what is wrong. */
async function withoutPath<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DataError) throw new DataError(error.message.replaceAll(path, "the file"), { cause: error });
    if (error instanceof GeometryError)
      throw new GeometryError(error.message.replaceAll(path, "the file"), { cause: error });
    throw error;
  }
}
