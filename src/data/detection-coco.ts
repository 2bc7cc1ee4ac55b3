/**
 * COCO's instances (Lin et al. 2014): one JSON file with `images`, `annotations` and `categories`, whose numbers may have
 * gaps. Boxes are `[x, y, width, height]`, 0-based and continuous. Crowds are kept and marked, and the areas of outlines
 * too, since scoring needs both.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, extname, isAbsolute, join } from "node:path";
import { z } from "zod";
import { DataError } from "../errors.ts";
import { checkDescription } from "./description.ts";
import type { DetectionClass, DetectionDataset, DetectionItem, OpenDetectionOptions } from "./detection.ts";
import { collectBoxes, type GivenBox, numberOf, Problems, pictureSize, splitWithin } from "./detection-boxes.ts";

const document = z.object({
  images: z.array(
    z.looseObject({
      id: z.number(),
      file_name: z.string().min(1),
      width: z.number().optional(),
      height: z.number().optional(),
    }),
  ),
  annotations: z.array(
    z.looseObject({
      id: z.number().optional(),
      image_id: z.number(),
      category_id: z.number(),
      bbox: z.array(z.unknown()).optional(),
      area: z.number().nullish(),
      iscrowd: z.union([z.number(), z.boolean()]).nullish(),
    }),
  ),
  categories: z.array(z.looseObject({ id: z.number(), name: z.string() })),
});

interface CocoFile {
  readonly file: string;
  readonly split?: DetectionItem["split"];
}

/** A folder with files for its parts: `annotations/instances_train2017.json`, or `train/_annotations.coco.json`. */
export async function readCocoFolder(root: string, options: OpenDetectionOptions = {}): Promise<DetectionDataset> {
  const set = await readCocoFiles(await readCocoFolder.files(root), options);
  return { ...set, name: basename(root), root, source: root };
}

/** The files a folder has. */
readCocoFolder.files = async (root: string): Promise<CocoFile[]> => {
  const names = await readdir(join(root, "annotations")).catch(() => [] as string[]);
  const listed = names
    .filter((name) => name.endsWith(".json") && !/caption|keypoint|panoptic|image_info/.test(name))
    .map((name) => ({ file: join(root, "annotations", name), split: splitWithin(name) }));
  if (listed.length > 0) return listed.sort((a, b) => (a.file < b.file ? -1 : 1));
  const parts: CocoFile[] = [];
  for (const name of ["train", "valid", "val", "test", "."]) {
    const file = join(root, name, "_annotations.coco.json");
    if ((await stat(file).catch(() => undefined))?.isFile()) parts.push({ file, split: splitWithin(name) });
  }
  return parts;
};

/** @throws DataError naming file and key where a file is broken */
export async function readCocoFiles(
  files: readonly CocoFile[],
  options: OpenDetectionOptions = {},
): Promise<DetectionDataset> {
  const problems = new Problems();
  const parsed: (CocoFile & { readonly content: z.output<typeof document> })[] = [];
  for (const part of files) {
    options.signal?.throwIfAborted();
    parsed.push({ ...part, content: checkDescription(document, await readJson(part.file), part.file) });
  }
  const classes = classesOf(parsed, options.classes);
  const place = new Map(classes.map(({ name }, k) => [name, k]));
  const seen = new Map<string, number>();
  const items: DetectionItem[] = [];
  for (const { file, split, content } of parsed) {
    const categories = new Map(content.categories.map(({ id, name }) => [id, name]));
    const byImage = new Map<number, GivenBox[]>(content.images.map(({ id }) => [id, []]));
    const shown = basename(file);
    content.annotations.forEach((annotation, i) => {
      const { image_id, category_id, bbox = [], area, iscrowd } = annotation;
      const number = i + 1;
      const what = `annotation ${annotation.id ?? number} of image ${image_id}`;
      const own = byImage.get(image_id);
      if (own === undefined) {
        const message = `${shown}: ${what}: no such image; left out`;
        problems.add({ severity: "error", case: String(image_id), rule: "missing-file", message, box: number });
        problems.skipped++;
        return;
      }
      const [x, y, w, h] = Array.from({ length: 4 }, (_, k) => numberOf(bbox[k]));
      const className = categories.get(category_id);
      own.push({
        number,
        what,
        corners: [x, y, x + w, y + h],
        label: className === undefined ? undefined : place.get(className),
        className: className ?? String(category_id),
        crowd: Boolean(iscrowd),
        area: area ?? w * h,
      });
    });
    const folder = await imageFolder(file, content.images[0]?.file_name, options.images);
    for (const image of content.images) {
      const name = basename(image.file_name, extname(image.file_name));
      const times = (seen.get(name) ?? 0) + 1;
      seen.set(name, times);
      const id = times === 1 ? name : `${name}#${times}`;
      const { width, height, file_name } = image;
      const path = isAbsolute(file_name) ? file_name : join(folder, file_name);
      const size = await pictureSize(width && height ? [width, height] : undefined, path);
      const given = byImage.get(image.id) as GivenBox[];
      items.push({
        id,
        imageId: image.id,
        image: path,
        ...(size ? { size } : {}),
        ...collectBoxes(given, { id, file: shown, axes: 2, size }, problems),
        ...(split ? { split } : {}),
      });
    }
  }
  const source = files[0].file;
  const about = { name: basename(source, extname(source)), root: dirname(source), source, format: "coco", axes: 2 };
  return { ...about, axes: 2, format: "coco", classes, items, problems: problems.list, skipped: problems.skipped };
}

/** Categories by ascending number; those of several files are matched by name. */
function classesOf(
  parsed: readonly (CocoFile & { readonly content: z.output<typeof document> })[],
  asked: readonly string[] | undefined,
): DetectionClass[] {
  const found = new Map<string, number>();
  for (const { file, content } of parsed) {
    const own = new Set<number>();
    for (const { id, name } of content.categories) {
      if (own.has(id)) throw new DataError(`${file}: categories: two have the number ${id}`);
      own.add(id);
      if (!found.has(name)) found.set(name, id);
    }
  }
  const all = [...found].map(([name, id]) => ({ id, name })).sort((a, b) => a.id - b.id);
  return asked === undefined ? all : asked.map((name, k) => ({ id: found.get(name) ?? k, name }));
}

/** Where the pictures of an annotation file are: beside it, or in one of the usual places. */
async function imageFolder(file: string, first: string | undefined, asked: string | undefined): Promise<string> {
  const here = dirname(file);
  if (asked !== undefined) return asked;
  if (first === undefined) return here;
  const part = basename(file, ".json").replace(/^instances_/, "");
  const places = [here, join(here, "images"), join(here, "..", "images"), join(here, "..", part)];
  places.push(join(here, "..", "images", part), join(here, part), join(here, ".."));
  for (const place of places) {
    if ((await stat(join(place, first)).catch(() => undefined))?.isFile()) return place;
  }
  return here;
}

async function readJson(file: string): Promise<unknown> {
  const text = await readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new DataError(`${file}: cannot be read (${cause.code})`, { cause });
  });
  try {
    // NaN and Infinity, which Python writes and JSON has not, are let in, to be reported with their box.
    const strict = text.replace(/^\uFEFF/, "").replace(/([[:,]\s*)(-?)(NaN|Infinity)(?=\s*[,\]}])/g, '$1"$2$3"');
    return JSON.parse(strict);
  } catch (cause) {
    throw new DataError(`${file}: not valid JSON (${(cause as Error).message})`, { cause });
  }
}
