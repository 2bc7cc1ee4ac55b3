/**
 * YOLO's text files (Darknet, Ultralytics): one per picture, a line per object `class cx cy w h` as shares of width and
 * height, or `class x1 y1 x2 y2 x3 y3 …`, an outline, whose bounding box is taken. A picture without a file has no objects.
 * `data.yaml` says where the parts are and what classes are called; labelImg leaves a `classes.txt` instead.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, extname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { DataError } from "../errors.ts";
import { imageExtensions } from "../images/index.ts";
import { checkDescription } from "./description.ts";
import type { DetectionClass, DetectionDataset, DetectionItem, OpenDetectionOptions } from "./detection.ts";
import { collectBoxes, type GivenBox, numberOf, Problems, pictureSize, splitNamed } from "./detection-boxes.ts";

const places = z.union([z.string(), z.array(z.string())]).nullish();
const description = z.looseObject({
  path: z.string().nullish(),
  train: places,
  val: places,
  test: places,
  names: z.union([z.array(z.union([z.string(), z.number()])), z.record(z.string(), z.union([z.string(), z.number()]))]),
});

interface Picture {
  readonly image: string;
  readonly split?: DetectionItem["split"];
}

/** @throws DataError naming file and key where the description is broken, or a part is missing */
export async function readYoloYaml(file: string, options: OpenDetectionOptions = {}): Promise<DetectionDataset> {
  const { names, path, ...parts } = checkDescription(description, await readYaml(file), file);
  const root = path == null ? dirname(file) : isAbsolute(path) ? path : resolve(dirname(file), path);
  const pictures: Picture[] = [];
  for (const part of ["train", "val", "test"] as const) {
    const given = parts[part];
    for (const place of given == null ? [] : [given].flat()) {
      for (const image of await picturesAt(place, root, file, part)) pictures.push({ image, split: splitNamed(part) });
    }
  }
  if (pictures.length === 0) throw new DataError(`${file}: train, val and test lead to no picture`);
  const classes = Object.entries(names).map(([id, name]) => ({ id: Number(id), name: String(name) }));
  return yoloDataset(pictures, classes, { name: basename(root), root, source: file }, options);
}

/** A folder with `classes.txt`, pictures, and text files beside them or in `labels`. */
export async function readYoloFolder(root: string, options: OpenDetectionOptions = {}): Promise<DetectionDataset> {
  const lists = ["classes.txt", join("labels", "classes.txt"), "obj.names"].map((name) => join(root, name));
  let names: string[] | undefined;
  for (const file of lists) names ??= await readFile(file, "utf8").then(linesOf, () => undefined);
  if (names === undefined) throw new DataError(`${root}: no data.yaml and no classes.txt; one must name the classes`);
  const folder = (await isFolder(join(root, "images"))) ? join(root, "images") : root;
  const images = await listPictures(folder);
  if (images.length === 0) throw new DataError(`${folder}: no picture in it`);
  const pictures = images.map((image) => {
    const split = splitNamed(relative(folder, image).split(sep)[0]);
    return { image, ...(split ? { split } : {}) };
  });
  const classes = names.map((name, id) => ({ id, name }));
  return yoloDataset(pictures, classes, { name: basename(root), root, source: root }, options);
}

async function yoloDataset(
  pictures: readonly Picture[],
  declared: readonly DetectionClass[],
  about: Pick<DetectionDataset, "name" | "root" | "source">,
  options: OpenDetectionOptions,
): Promise<DetectionDataset> {
  const problems = new Problems();
  const asked = options.classes;
  const classes = asked
    ? asked.map((name, k) => ({ id: declared.find((c) => c.name === name)?.id ?? k, name }))
    : [...declared];
  const place = new Map(classes.map(({ name }, k) => [declared.find((c) => c.name === name)?.id, k]));
  const called = new Map(declared.map(({ id, name }) => [id, name]));
  const ids = new Map<string, number>();
  const items: DetectionItem[] = [];
  for (const { image, split } of pictures) {
    options.signal?.throwIfAborted();
    const stem = basename(image, extname(image));
    const times = (ids.get(stem) ?? 0) + 1;
    ids.set(stem, times);
    const id = times === 1 ? stem : `${stem}#${times}`;
    const labelFile = await labelFileOf(image);
    const text = labelFile && (await readFile(labelFile, "utf8"));
    // Shares of an unknown size are no boxes; the picture itself is reported by whoever reads it.
    const size = await pictureSize(undefined, image);
    const file = labelFile ? relative(about.root, labelFile) : "";
    const given = size === undefined || !text ? [] : parseYolo(text, size, called, place);
    const own = collectBoxes(given, { id, file, axes: 2, size }, problems);
    items.push({ id, image, ...(size ? { size } : {}), ...own, ...(split ? { split } : {}) });
  }
  return { ...about, format: "yolo", axes: 2, classes, items, problems: problems.list, skipped: problems.skipped };
}

/** The objects of one text file, in pixels of a picture of that size. */
export function parseYolo(
  text: string,
  [width, height]: readonly number[],
  called: ReadonlyMap<number, string>,
  place: ReadonlyMap<number | undefined, number>,
): GivenBox[] {
  return text.split(/\r?\n/).flatMap((line, i): GivenBox[] => {
    if (line.trim() === "") return [];
    const [kind, ...shares] = line.trim().split(/\s+/).map(numberOf);
    const number = i + 1;
    const className = called.get(kind) ?? String(kind);
    const about = { number, what: `line ${number} (${className})`, label: place.get(kind), className };
    if (shares.length >= 6 && shares.length % 2 === 0) {
      const [xs, ys] = [0, 1].map((from) => shares.filter((_, k) => k % 2 === from));
      const corners = [Math.min(...xs) * width, Math.min(...ys) * height];
      return [{ ...about, corners: [...corners, Math.max(...xs) * width, Math.max(...ys) * height] }];
    }
    // A line of any other length has NaN somewhere, and is reported.
    const [cx, cy, w, h] = shares.length === 4 || shares.length === 5 ? shares : [];
    const along = (centre = Number.NaN, side = Number.NaN, full = 1): [number, number] => [
      (centre - side / 2) * full,
      (centre + side / 2) * full,
    ];
    const [[x1, x2], [y1, y2]] = [along(cx, w, width), along(cy, h, height)];
    return [{ ...about, corners: [x1, y1, x2, y2] }];
  });
}

/** `…/images/a.jpg` → `…/labels/a.txt`, or the text file beside the picture; `undefined` where there is none. */
async function labelFileOf(image: string): Promise<string | undefined> {
  const parts = image.split(sep);
  const at = parts.lastIndexOf("images");
  const beside = `${image.slice(0, -extname(image).length)}.txt`;
  const twin = at < 0 ? undefined : [...parts.slice(0, at), "labels", ...parts.slice(at + 1)].join(sep);
  for (const file of [twin && `${twin.slice(0, -extname(twin).length)}.txt`, beside]) {
    if (file !== undefined && (await stat(file).catch(() => undefined))?.isFile()) return file;
  }
  return undefined;
}

/** Pictures of a folder, or of a text file that lists them. */
async function picturesAt(place: string, root: string, file: string, part: string): Promise<string[]> {
  // Roboflow's files say `../train/images` and mean `train/images`.
  const candidates = [place, place.replace(/^(\.\.[/\\])+/, "")].map((p) => (isAbsolute(p) ? p : resolve(root, p)));
  for (const candidate of candidates) {
    const found = await stat(candidate).catch(() => undefined);
    if (found?.isDirectory()) return listPictures(candidate);
    if (found?.isFile()) {
      const lines = linesOf(await readFile(candidate, "utf8"));
      return lines.map((line) =>
        isAbsolute(line) ? line : resolve(line.startsWith("./") ? dirname(candidate) : root, line),
      );
    }
  }
  throw new DataError(`${file}: ${part}: no such folder or list: ${place}`);
}

async function listPictures(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  return names
    .filter(
      (name) => imageExtensions.some((end) => name.toLowerCase().endsWith(end)) && !basename(name).startsWith("."),
    )
    .sort()
    .map((name) => join(folder, name));
}

async function readYaml(file: string): Promise<unknown> {
  try {
    return parse(await readFile(file, "utf8"), { maxAliasCount: 100 });
  } catch (cause) {
    throw new DataError(`${file}: not valid YAML (${(cause as Error).message.split("\n")[0]})`, { cause });
  }
}

function linesOf(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}
