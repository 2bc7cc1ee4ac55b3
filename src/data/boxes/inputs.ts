/** What a path names that shall be looked at by a detector: a picture or volume, those of a folder, or of a data set. */
import { readdir, stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { DataError } from "../../errors.ts";
import { caseName, dicomPlace, isDicomFolder, isDicomPath } from "../../files/index.ts";
import { pictureKind } from "../../images/index.ts";
import { isVolumeName } from "../case-id.ts";
import { listImages } from "../lists/list-images.ts";
import { listPictures, pictureSizes, unsupportedPicture } from "../pictures.ts";
import type { Problem } from "../problem.ts";
import { systemReason } from "../text.ts";
import { Ids } from "./collect.ts";
import { isDetection, openDetection } from "./detection.ts";
import type { DetectionItem, OpenDetectionOptions } from "./types.ts";

export interface DetectionInputs {
  readonly items: readonly Pick<DetectionItem, "id" | "image" | "imageId">[];
  /** Images that are not looked at, and why. */
  readonly problems: readonly Problem[];
}

/**
 * Finds them by the rule of all readers: hidden files are none, pictures of kinds that are not read are named.
 * @throws DataError where there is nothing to look at
 */
export async function detectionInputs(
  path: string,
  options: Pick<OpenDetectionOptions, "signal"> = {},
): Promise<DetectionInputs> {
  const { file } = dicomPlace(path);
  const found = await stat(file).catch((cause: NodeJS.ErrnoException) => {
    const reason = cause.code === "ENOENT" ? "does not exist" : systemReason(cause);
    throw new DataError(`${path}: ${reason}; --in names an image, a folder of images or a data set`, { cause });
  });
  if (await isStudy(path, found.isDirectory())) {
    const { cases, problems } = await listImages(path);
    return { items: cases.map(({ id, image }) => ({ id, image })), problems };
  }
  if (found.isFile() && isImage(path)) return { items: [{ id: idOf(path), image: path }], problems: [] };
  if (!(await isBareFolder(path, found.isDirectory())) && (await isDetection(path))) {
    const { items, problems } = await openDetection(path, options);
    return { items, problems: problems.filter(({ rule }) => ofImages.includes(rule)) };
  }
  if (!found.isDirectory()) throw new DataError(`${path}: holds no image medvox reads`);
  const { pictures, others } = await listPictures(path);
  const volumes = (await readdir(path)).filter(isVolume).map((name) => join(path, name));
  // A name may say one kind and the bytes another, as every reader finds out.
  const looked = await pictureSizes(
    others.map((other) => other.path),
    options.signal,
  );
  const isRead = (other: string): boolean => "size" in (looked.get(other) ?? {});
  const readable = others.flatMap((other) => (isRead(other.path) ? other.path : []));
  const images = [...pictures, ...readable, ...volumes].sort();
  const names = images.map(idOf);
  const twice = new Set(names.filter((id, i) => names.indexOf(id) !== i));
  const ids = new Ids();
  const problems = others
    .filter((other) => !isRead(other.path))
    .map(({ path: other, kind }) => unsupportedPicture(idOf(other), basename(other), kind));
  if (images.length === 0) {
    // Volumes with label maps, or without: nothing of it says that it is for a detector.
    if (problems.length === 0 && (await isDataset(path))) {
      const { cases, problems: left } = await listImages(path);
      return { items: cases.map(({ id, image }) => ({ id, image })), problems: left };
    }
    const why = problems.length === 0 ? "" : `: ${problems[0].message}`;
    throw new DataError(`${path}: holds no image medvox reads${why}`);
  }
  const items = images.map((image, i) => ({ id: ids.next(twice.has(names[i]) ? basename(image) : names[i]), image }));
  return { items, problems };
}

/** Whether a path is DICOM: one that names a series, an archive or a file, a folder of slices or of folders of them. */
async function isStudy(path: string, isFolder: boolean): Promise<boolean> {
  if (path !== dicomPlace(path).file) return true;
  if (!isFolder)
    return pictureKind(path) === undefined && (await isDicomPath(path)) && !path.toLowerCase().endsWith(".npz");
  return isDicomFolder(path);
}

/** Whether a folder is laid out as a data set of volumes. */
async function isDataset(folder: string): Promise<boolean> {
  const names = await readdir(folder);
  return ["dataset.json", "imagesTr", "images"].some((name) => names.includes(name));
}

/** Pictures in the folder itself are all looked at, whichever of them have annotations beside; only COCO's have numbers. */
async function isBareFolder(path: string, isFolder: boolean): Promise<boolean> {
  if (!isFolder) return false;
  const { pictures, others } = await listPictures(path);
  if (pictures.length + others.length === 0) return false;
  return !(await readdir(path)).some((name) => name.endsWith(".json"));
}

/** What keeps an image from being looked at; what is wrong with its boxes does not matter here. */
const ofImages: readonly Problem["rule"][] = ["missing-file", "unreadable", "unsupported", "duplicate-id"];

const isVolume = (name: string): boolean => isVolumeName(name) && !/\.img(\.gz)?$/i.test(name);
const isImage = (path: string): boolean => pictureKind(path) !== undefined || isVolume(basename(path));
const idOf = (path: string): string =>
  pictureKind(path) === undefined ? caseName(basename(path)) : basename(path, extname(path));
