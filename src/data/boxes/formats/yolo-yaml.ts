/**
 * `data.yaml` as Ultralytics, Roboflow and others write it. Its places were right on the machine it was written on: they may
 * begin with the set's own folder, lead up and down again, or be absolute there. What exists as it stands comes first.
 */
import { stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, posix, resolve } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { DataError } from "../../../errors.ts";
import { counted } from "../../counted.ts";
import { checkDescription } from "../../lists/description.ts";
import { fileFinder } from "../../lists/volume-files.ts";
import { listPictures } from "../../pictures.ts";
import { linesOf, readText } from "../../text.ts";
import { numberOf, type Problems, splitNamed } from "../collect.ts";
import type { DetectionClass, DetectionItem } from "../types.ts";

const places = z.union([z.string(), z.array(z.string())]).nullish();
const label = z.union([z.string(), z.number(), z.boolean()]);
const description = z.looseObject({
  path: z.string().nullish(),
  train: places,
  val: places,
  valid: places,
  test: places,
  nc: z.unknown().optional(),
  names: z.union([z.array(label), z.record(z.string(), label)]).nullish(),
  kpt_shape: z.tuple([z.number().int().positive(), z.number().int().min(2).max(3)]).nullish(),
});

export interface YoloPicture {
  readonly image: string;
  readonly split?: DetectionItem["split"];
}

export interface YoloDescription {
  readonly root: string;
  readonly pictures: readonly YoloPicture[];
  readonly folders: readonly string[];
  readonly classes: readonly DetectionClass[];
  readonly keypointNumbers?: number;
}

/** Whether a YAML file is such a description, from its text. */
export function isYoloDescription(text: string): boolean {
  return /^names\s*:/m.test(text) || (/^nc\s*:/m.test(text) && /^(train|val)\s*:/m.test(text));
}

/** @throws DataError naming file and key where the description is broken, or train or val is missing */
export async function readYoloDescription(file: string, problems: Problems): Promise<YoloDescription> {
  const { names, nc, path, kpt_shape, valid, ...rest } = checkDescription(description, await readYaml(file), file);
  const parts = { ...rest, val: rest.val ?? valid };
  const root = await rootOf(file, path, [rest.train ?? []].flat()[0]);
  const pictures: YoloPicture[] = [];
  const folders: string[] = [];
  for (const part of ["train", "val", "test"] as const) {
    const given = parts[part];
    for (const place of given == null ? [] : [given].flat()) {
      const found = await picturesAt(place, root, file, part, problems);
      // Roboflow names a test part whether there is one or not.
      if (found === undefined && part === "test") {
        const message = `${basename(file)}: test: no such folder or list: ${place}; there is no test part`;
        problems.add({ case: basename(root), rule: "missing-part", message });
        continue;
      }
      if (found === undefined) throw new DataError(`${file}: ${part}: no such folder or list: ${place}`);
      pictures.push(...found.pictures.map((image) => ({ image, split: splitNamed(part) })));
      if (found.folder !== undefined) folders.push(found.folder);
    }
  }
  if (pictures.length === 0) throw new DataError(`${file}: train, val and test lead to no picture`);
  const classes = classesOf(names, nc, file);
  const keypointNumbers = kpt_shape == null ? {} : { keypointNumbers: kpt_shape[0] * kpt_shape[1] };
  return { root, pictures, folders, classes, ...keypointNumbers };
}

function classesOf(names: z.output<typeof description>["names"], nc: unknown, file: string): DetectionClass[] {
  if (names == null && nc == null)
    throw new DataError(`${file}: names: expected the names of the classes, it is missing`);
  const count = numberOf(nc);
  if (names == null && !(Number.isInteger(count) && count > 0))
    throw new DataError(`${file}: nc: expected how many classes there are, found ${JSON.stringify(nc)}`);
  const given = names ?? Array.from({ length: count }, (_, id) => String(id));
  const classes = Object.entries(given).map(([id, name]) => ({ id: Number(id), name: String(name) }));
  for (const [i, { id, name }] of classes.entries()) {
    if (!Number.isInteger(id))
      throw new DataError(`${file}: names: expected class numbers as keys, found "${Object.keys(given)[i]}"`);
    const twin = classes.find((other) => other.name === name);
    if (twin !== undefined && twin.id !== id)
      throw new DataError(`${file}: names: ${twin.id} and ${id} are both "${name}"`);
  }
  return classes;
}

/** The folder that places start from: `path`, where there is one, or the file's own, where `path` means that. @param train its first place */
async function rootOf(file: string, path: string | null | undefined, train?: string): Promise<string> {
  const here = dirname(file);
  if (path == null) return here;
  for (const place of candidates(path, here, basename(here))) if (await statOf(place)) return place;
  // Its folder was renamed since, and its parts are where the file is.
  if (train !== undefined && (await statOf(resolve(here, train)))) return here;
  throw new DataError(`${file}: path: no such folder: ${path}`);
}

/** Pictures of a folder, or of a text file that lists them; `undefined` where there is neither. */
async function picturesAt(
  place: string,
  root: string,
  file: string,
  part: string,
  problems: Problems,
): Promise<{ pictures: readonly string[]; folder?: string } | undefined> {
  for (const candidate of candidates(place, root, basename(root))) {
    const found = await statOf(candidate);
    if (found?.isDirectory()) {
      const { pictures, others } = await listPictures(candidate, true);
      return { pictures: [...pictures, ...others.map(({ path }) => path)], folder: candidate };
    }
    if (found?.isFile()) return { pictures: await picturesOfList(candidate, root, file, part, problems) };
  }
  return undefined;
}

async function picturesOfList(
  list: string,
  root: string,
  file: string,
  part: string,
  problems: Problems,
): Promise<string[]> {
  const lines = linesOf(await readText(list));
  const pictures: string[] = [];
  let there = 0;
  const { find } = fileFinder();
  for (const line of lines) {
    // Ultralytics writes ./ for the list's folder.
    const options = candidates(line, line.startsWith("./") ? dirname(list) : root, basename(root));
    let path: string | undefined;
    for (const option of options.map(find)) if (path === undefined && (await statOf(option))?.isFile()) path = option;
    if (path !== undefined) there++;
    pictures.push(path ?? options[0]);
  }
  if (lines.length > 0 && there === 0) {
    const message = `${basename(file)}: ${part}: ${basename(list)}: none of its ${counted(lines.length, "line")} is a picture; the first: ${JSON.stringify(lines[0])}`;
    problems.add({ case: basename(root), rule: "unmatched-list", message });
    return [];
  }
  return pictures;
}

/**
 * Where a place may be, the likeliest first: as it stands; without the steps up (Roboflow writes `../train/images` and means
 * `train/images`); and from behind the set's own folder, if that stands in it.
 */
function candidates(given: string, root: string, ownName: string): string[] {
  const place = given.replaceAll("\\", "/");
  const found = [given, place].map((one) => (isAbsolute(one) ? one : resolve(root, one)));
  const inside = place.replace(/^(\.\.\/)+/, "");
  if (!posix.isAbsolute(inside)) found.push(resolve(root, inside));
  const parts = place.split("/");
  const at = parts.lastIndexOf(ownName);
  if (at >= 0) found.push(join(root, ...parts.slice(at + 1)));
  return [...new Set(found)];
}

const statOf = (path: string) => stat(path).catch(() => undefined);

async function readYaml(file: string): Promise<unknown> {
  const text = await readText(file);
  try {
    return parse(text, { maxAliasCount: 100 });
  } catch (cause) {
    throw new DataError(`${file}: not valid YAML (${(cause as Error).message.split("\n")[0]})`, { cause });
  }
}
