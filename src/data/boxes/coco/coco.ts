/**
 * COCO's instances (Lin et al. 2014): one JSON file with `images`, `annotations` and `categories`, whose numbers may have
 * gaps. Boxes are `[x, y, width, height]`, 0-based and continuous. Crowds are taken and marked, and the areas of outlines
 * too, since scoring needs both. Of what is not needed, nothing is demanded; numbers may stand in quotes.
 */
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { z } from "zod";
import { DataError } from "../../../errors.ts";
import { checkDescription } from "../../lists/description.ts";
import { readJson } from "../../text.ts";
import { type AnnotatedPicture, annotatedItems } from "../annotated.ts";
import { boxesText, classesByNumber, type GivenBox, Ids, numberOf, Problems, splitWithin } from "../collect.ts";
import type { DetectionClass, DetectionDataset, DetectionItem, OpenDetectionOptions } from "../types.ts";
import { cocoOutline } from "./outline.ts";
import { cocoPlaces } from "./places.ts";

const imageId = z.union([z.number(), z.string().min(1)]);
const categoryId = z
  .union([z.number(), z.string().regex(/^\s*-?\d+\s*$/, "expected a number")])
  .transform((value) => Number(value));

const anything = z.unknown().optional();

const document = z.object({
  images: z.array(z.looseObject({ id: imageId, file_name: z.string().min(1), width: anything, height: anything })),
  annotations: z.array(
    z.looseObject({
      id: anything,
      image_id: imageId,
      category_id: categoryId,
      bbox: anything,
      area: anything,
      iscrowd: anything,
      segmentation: anything,
    }),
  ),
  categories: z.array(z.looseObject({ id: categoryId, name: z.union([z.string(), z.number()]).transform(String) })),
});

type CocoImage = z.output<typeof document>["images"][number];
type CocoAnnotation = z.output<typeof document>["annotations"][number];

interface CocoFile {
  readonly file: string;
  readonly split?: DetectionItem["split"];
}
type ParsedFile = CocoFile & { readonly content: z.output<typeof document> };

/** A folder with files for its parts: `annotations/instances_train2017.json`, or `train/_annotations.coco.json`. */
export async function readCocoFolder(root: string, options: OpenDetectionOptions = {}): Promise<DetectionDataset> {
  const set = await readCocoFiles(await cocoFilesIn(root), options);
  return { ...set, name: basename(root), root, source: root };
}

/** The files a folder has. */
export async function cocoFilesIn(root: string): Promise<CocoFile[]> {
  const names = await readdir(join(root, "annotations")).catch(() => [] as string[]);
  const listed = names
    .filter((name) => name.endsWith(".json") && !/^\.|caption|keypoint|panoptic|image_info/.test(name))
    .map((name) => ({ file: join(root, "annotations", name), split: splitWithin(name) }));
  if (listed.length > 0) return listed.sort((a, b) => (a.file < b.file ? -1 : 1));
  const parts: CocoFile[] = [];
  for (const name of ["train", "valid", "val", "test", "."]) {
    const file = join(root, name, "_annotations.coco.json");
    if ((await stat(file).catch(() => undefined))?.isFile()) parts.push({ file, split: splitWithin(name) });
  }
  return parts;
}

/** @throws DataError naming file and key where a file is broken */
export async function readCocoFiles(
  files: readonly CocoFile[],
  options: OpenDetectionOptions = {},
): Promise<DetectionDataset> {
  const problems = new Problems(options);
  const parsed: ParsedFile[] = [];
  for (const part of files) {
    options.signal?.throwIfAborted();
    parsed.push({ ...part, content: checkDescription(document, await readJson(part.file), part.file) });
  }
  const categories = new Map(parsed.map((part) => [part.file, categoriesOf(part)]));
  const declared = classesOf([...categories.values()]);
  const classes = classesByNumber(declared, options.classes, files[0].file);
  const place = new Map(classes.map(({ name }, k) => [name, k]));
  const ids = new Ids();
  const pictures: AnnotatedPicture[] = [];
  for (const part of parsed) {
    options.signal?.throwIfAborted();
    const named = categories.get(part.file) as ReadonlyMap<number, string>;
    pictures.push(...(await picturesOf(part, named, place, ids, problems, options)));
  }
  const items = await annotatedItems(pictures, problems, options);
  const source = files[0].file;
  const about = { name: basename(source, extname(source)), root: dirname(source), source, format: "coco" } as const;
  const names = declared.map(({ name }) => name);
  const found = problems.done(about.name, files.length);
  return { ...about, axes: 2, classes, declared: names, items, categories, ...found };
}

/** The pictures of one file that have a number of their own, with their annotations. */
async function picturesOf(
  { file, split, content }: ParsedFile,
  categories: ReadonlyMap<number, string>,
  place: ReadonlyMap<string, number>,
  ids: Ids,
  problems: Problems,
  options: OpenDetectionOptions,
): Promise<AnnotatedPicture[]> {
  const shown = basename(file);
  const counts = new Map<string, number>();
  for (const { image_id } of content.annotations) {
    counts.set(String(image_id), (counts.get(String(image_id)) ?? 0) + 1);
  }
  const images = withoutShared(content.images, counts, shown, ids, problems);
  const numbered = new Set(content.images.map(({ id }) => String(id)));
  const byImage = new Map(images.map(({ id, image }) => [String(image.id), { id, boxes: [] as GivenBox[] }]));
  content.annotations.forEach((annotation, i) => {
    const number = i + 1;
    const key = String(annotation.image_id);
    const what = `annotation ${annotation.id ?? number} of image ${key}`;
    if (!numbered.has(key)) {
      const message = `${shown}: ${what}: no such image; left out`;
      problems.add({ case: key, rule: "missing-file", message, box: number }, { boxes: 1 });
      return;
    }
    const picture = byImage.get(key);
    if (picture === undefined) return;
    const note = (rule: "computed-area" | "computed-box", text: string): void =>
      problems.add({ case: picture.id, rule, message: `${shown}: ${what}: ${text}`, box: number });
    const className = categories.get(annotation.category_id);
    picture.boxes.push({
      number,
      what,
      ...shapeOf(annotation, note),
      label: className === undefined ? undefined : place.get(className),
      className: className ?? String(annotation.category_id),
      crowd: isCrowd(annotation.iscrowd),
    });
  });
  const paths = await cocoPlaces(
    file,
    images.map(({ image }) => image.file_name),
    options.images,
  );
  return images.map(({ id, image }, i) => {
    const [width, height] = [numberOf(image.width), numberOf(image.height)];
    const { boxes } = byImage.get(String(image.id)) as { boxes: GivenBox[] };
    return {
      id,
      imageId: image.id,
      image: paths[i],
      shown: image.file_name,
      annotation: file,
      file: shown,
      ...(width > 0 && height > 0 ? { declared: [width, height] as const } : {}),
      boxes: () => boxes,
      split,
    };
  });
}

/** Pictures that share a number are left out, since nobody knows whose its boxes are; a picture listed again counts once. */
function withoutShared(
  images: readonly CocoImage[],
  counts: ReadonlyMap<string, number>,
  file: string,
  ids: Ids,
  problems: Problems,
): { id: string; image: CocoImage }[] {
  const claims = new Map<string, Set<string>>();
  for (const { id, file_name } of images) {
    const names = claims.get(String(id)) ?? new Set();
    claims.set(String(id), names.add(file_name));
  }
  const seen = new Set<string>();
  return images.flatMap((image) => {
    const key = String(image.id);
    const id = ids.next(basename(image.file_name.replaceAll("\\", "/"), extname(image.file_name)));
    const names = [...(claims.get(key) as Set<string>)];
    const isFirst = !seen.has(key);
    seen.add(key);
    if (names.length === 1) {
      if (isFirst) return [{ id, image }];
      const message = `${file}: images: ${image.file_name} is listed twice with the number ${key}; taken once`;
      problems.add({ case: id, rule: "duplicate", message });
      return [];
    }
    const boxes = counts.get(key) ?? 0;
    const message = `${file}: images: ${names.join(" and ")} share the number ${key}; left out, with their ${boxesText(boxes)}`;
    problems.add({ case: id, rule: "duplicate-id", message }, { boxes: isFirst ? boxes : 0, images: 1 });
    return [];
  });
}

/** Box and area of an annotation; where there is no box, those of its outline. */
function shapeOf(
  { bbox, area, segmentation }: CocoAnnotation,
  note: (rule: "computed-area" | "computed-box", text: string) => void,
): Pick<GivenBox, "corners" | "area" | "wrong"> {
  const given = area === undefined || area === null ? Number.NaN : numberOf(area);
  const isBox = Array.isArray(bbox) && bbox.length >= 4;
  const outline = isBox ? undefined : cocoOutline(segmentation);
  if (outline !== undefined) note("computed-box", "has no bbox; the box around its outline is taken");
  const [x, y, w, h] = Array.from({ length: 4 }, (_, k) => (isBox ? numberOf(bbox[k]) : Number.NaN));
  const corners = outline?.corners ?? [x, y, x + w, y + h];
  const wrong = isBox || outline !== undefined ? {} : { wrong: "has neither a bbox of four numbers nor an outline" };
  if (Number.isFinite(given) && given >= 0) return { corners, area: given, ...wrong };
  const computed = outline?.area ?? w * h;
  if (area !== undefined && area !== null && Number.isFinite(computed)) {
    note("computed-area", `area ${JSON.stringify(area)} is no area; ${computed}, that of its box, is taken`);
  }
  return { corners, area: computed, ...wrong };
}

function isCrowd(flag: unknown): boolean {
  return flag === true || flag === 1 || (typeof flag === "string" && /^(1|true|yes)$/i.test(flag.trim()));
}

/** What one file calls its numbers. @throws DataError for a number that stands twice, or one name for two that are used */
function categoriesOf({ file, content }: ParsedFile): Map<number, string> {
  const used = new Set(content.annotations.map(({ category_id }) => category_id));
  const found = new Map<number, string>();
  const byName = new Map<string, number>();
  for (const { id, name } of content.categories) {
    if (found.has(id)) throw new DataError(`${file}: categories: two have the number ${id}`);
    found.set(id, name);
    const other = byName.get(name);
    if (other !== undefined && used.has(other) && used.has(id)) {
      throw new DataError(`${file}: categories: ${other} and ${id} are both called "${name}"`);
    }
    if (other === undefined || used.has(id)) byName.set(name, id);
  }
  // Some tools add an unused category with the name of a used one, as their supercategory.
  return new Map([...found].filter(([id, name]) => byName.get(name) === id || used.has(id)));
}

/** Categories by ascending number; those of several files are matched by name. */
function classesOf(files: readonly ReadonlyMap<number, string>[]): DetectionClass[] {
  const found = new Map<string, number>();
  for (const categories of files) {
    for (const [id, name] of categories) if (!found.has(name)) found.set(name, id);
  }
  return [...found].map(([name, id]) => ({ id, name })).sort((a, b) => a.id - b.id);
}
