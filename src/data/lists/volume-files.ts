/**
 * Volume files as they lie in folders: which names count, which belong together as the channels of one image, and names that are the
 * same text in another Unicode form (macOS writes decomposed letters, NFD; most lists have composed ones, NFC).
 */
import { readdirSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { DataError } from "../../errors.ts";
import { isDicomFolder, volumeExtension, volumeExtensions } from "../../files/index.ts";
import { idOf, isVolumeName } from "../case-id.ts";
import type { Problem } from "../problem.ts";
import type { DataCase } from "../types.ts";

/** Endings of images that are no volume medvox reads; other files beside volumes (notes, tables) are nobody's concern. */
const foreignEnding = /\.(png|jpe?g|tiff?|bmp|gif|webp|dicom|ima|mnc|npy|npz|h5|zarr)$/i;

export interface FolderOfVolumes {
  /** Names of files, and of folders of DICOM files, in order; of a header and its voxels the header alone, hidden files left out. */
  readonly names: readonly string[];
  /** Images in it that cannot be read. */
  readonly problems: readonly Problem[];
}

/** The volumes of a folder; `undefined` where there is no such folder. @throws DataError where it cannot be looked into */
export async function volumesIn(folder: string): Promise<FolderOfVolumes | undefined> {
  const found = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw new DataError(`${folder}: cannot be read (${error.code})`, { cause: error });
  });
  if (found === undefined) return undefined;
  const entries = found.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
  // A folder of DICOM files is one volume.
  for (const entry of found) {
    const isFolder = entry.isDirectory() && !entry.name.startsWith(".");
    if (isFolder && (await isDicomFolder(join(folder, entry.name)))) entries.push(entry.name);
  }
  const folders = new Set(found.filter((entry) => entry.isDirectory()).map(({ name }) => name));
  const isVolume = (name: string) => isVolumeName(name) || folders.has(name);
  const isForeign = (name: string) => !name.startsWith(".") && !isVolume(name) && foreignEnding.test(name);
  return {
    names: entries.filter((name) => isVolume(name) && !/\.img(\.gz)?$/i.test(name)).sort(),
    problems: entries
      .filter(isForeign)
      .sort()
      .map((name) => unsupported(name, `${join(basename(folder), name)} is no volume that medvox reads; left out`)),
  };
}

/** A file that is left out because of its kind. */
export function unsupported(name: string, message: string): Problem {
  return { severity: "warning", case: idOf(name), rule: "unsupported", message };
}

const channelNumber = /_(\d{4})$/;

/** The number that nnU-Net puts behind a channel's name, and the name before it. */
function channelOf(file: string): { readonly id: string; readonly channel: number } | undefined {
  const id = idOf(file);
  const found = channelNumber.exec(id);
  return found === null ? undefined : { id: id.slice(0, -found[0].length), channel: Number(found[1]) };
}

/**
 * Whether names end in channel numbers (`a_0000`, `a_0001`, `b_0000`, …) rather than in the numbers of cases (`scan_0001`, `scan_0002`).
 * Where it is known how many channels an image has, each must have just those; else there is a channel 0, and more than one image or
 * no gap in it.
 */
export function haveChannels(files: readonly string[], channels?: number): boolean {
  const images = new Map<string, Set<number>>();
  for (const file of files) {
    const of = channelOf(file);
    if (of === undefined) return false;
    images.set(of.id, (images.get(of.id) ?? new Set()).add(of.channel));
  }
  const found = [...images.values()];
  const isWhole = (numbers: ReadonlySet<number>): boolean => Math.max(...numbers) === numbers.size - 1;
  if (channels !== undefined) return found.every((numbers) => numbers.size === channels && isWhole(numbers));
  return found.some((numbers) => numbers.has(0)) && (found.length > 1 || isWhole(found[0]));
}

/** Files as cases; with `suffixed`, those that differ in their channel number alone are one. @throws DataError for a gap */
export function groupChannels(files: readonly string[], suffixed: boolean, folder: string): DataCase[] {
  if (!suffixed) return files.map((file) => ({ id: idOf(file), image: join(folder, file) }));
  const images = new Map<string, string[]>();
  for (const file of files) {
    const of = channelOf(file);
    if (of === undefined)
      throw new DataError(`${join(folder, file)}: no channel number; expected a name like ${idOf(file)}_0000`);
    const list = images.get(of.id) ?? [];
    list[of.channel] = join(folder, file);
    images.set(of.id, list);
  }
  return [...images].map(([id, list]) => {
    for (let i = 0; i < list.length; i++) {
      if (list[i] === undefined) throw new DataError(`${folder}: ${id}: channel ${i} is missing`);
    }
    return list.length === 1 ? { id, image: list[0] } : { id, image: list[0], moreChannels: list.slice(1) };
  });
}

/** Looks files up in their folders, each of which is read once. */
export function fileFinder(): {
  /** The path as it lies on disk: with its names in whichever Unicode form they have there. Where there is no such file, as it came. */
  find(path: string): string;
  /** The channels of a listed image: itself, or where it is not there, what nnU-Net's channel numbers make of its name. */
  channels(path: string, count: number): { readonly image: string; readonly moreChannels?: readonly string[] };
} {
  const listings = new Map<string, ReadonlyMap<string, string>>();
  const listing = (folder: string): ReadonlyMap<string, string> => {
    let names = listings.get(folder);
    if (names === undefined) {
      const there = namesIn(folder);
      // A name as it is goes before one that is the same text.
      names = new Map([
        ...there.map((name) => [name.normalize("NFC"), name] as const),
        ...there.map((n) => [n, n] as const),
      ]);
      listings.set(folder, names);
    }
    return names;
  };
  const found = (path: string): string | undefined => {
    const folder = dirname(path);
    if (folder === path) return path;
    const names = listing(folder);
    const at = names.size > 0 ? folder : found(folder);
    if (at === undefined) return undefined;
    const inside = at === folder ? names : listing(at);
    const name = inside.get(basename(path)) ?? inside.get(basename(path).normalize("NFC"));
    return name === undefined ? undefined : join(at, name);
  };
  return {
    find: (path) => found(path) ?? path,
    channels: (path, count) => {
      const whole = found(path);
      const extension = volumeExtension(path) ?? "";
      const stem = path.slice(0, path.length - extension.length);
      const isFirst = /_0000$/.test(stem);
      if (whole !== undefined && !(isFirst && count > 1)) return { image: whole };
      const base = isFirst ? stem.slice(0, -"_0000".length) : stem;
      const files: string[] = [];
      for (;;) {
        const next = found(`${base}_${String(files.length).padStart(4, "0")}${path.slice(stem.length)}`);
        if (next === undefined) break;
        files.push(next);
      }
      if (files.length === 0) return { image: whole ?? path };
      return files.length === 1 ? { image: files[0] } : { image: files[0], moreChannels: files.slice(1) };
    },
  };
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // Whoever opens the file will be told why it cannot be.
    return [];
  }
}

/** @throws DataError for an ending that medvox does not read */
export function checkEnding(ending: string, where: string): void {
  if (volumeExtensions.some((known) => known === ending.toLowerCase())) return;
  throw new DataError(`${where}: "${ending}" is not read; medvox reads volumes (${volumeExtensions.join(", ")})`);
}
