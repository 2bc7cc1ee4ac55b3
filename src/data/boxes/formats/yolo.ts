/**
 * YOLO's text files (Darknet, Ultralytics): one per picture, a line per object `class cx cy w h` as shares of width and
 * height, or `class x1 y1 x2 y2 x3 y3 …`, an outline, whose bounding box is taken; where `data.yaml` declares keypoints
 * (`kpt_shape`), a box with its keypoints behind. A picture without a file has no objects. `data.yaml` says where the parts
 * are and what classes are called; labelImg leaves a `classes.txt` instead.
 */
import { readdir, stat } from "node:fs/promises";
import { basename, extname, join, relative, sep } from "node:path";
import { DataError } from "../../../errors.ts";
import { pictureKind, pictureStem } from "../../../images/index.ts";
import { fileFinder } from "../../lists/volume-files.ts";
import { listPictures } from "../../pictures.ts";
import { linesOf, readText } from "../../text.ts";
import { type AnnotatedPicture, annotatedItems } from "../annotated.ts";
import { boxesText, classesByNumber, type GivenBox, Ids, Problems, splitNamed } from "../collect.ts";
import type { DetectionClass, DetectionDataset, DetectionItem, OpenDetectionOptions } from "../types.ts";
import { parseYolo } from "./yolo-lines.ts";
import { readYoloDescription, type YoloPicture } from "./yolo-yaml.ts";

/** A set before its pictures and text files are read. */
interface YoloSet extends Pick<DetectionDataset, "name" | "root" | "source"> {
  readonly pictures: readonly YoloPicture[];
  /** Folders that were listed whole: a text file there without a picture lost it. */
  readonly folders: readonly string[];
  readonly classes: readonly DetectionClass[];
  /** Numbers that stand behind a box, where the set declares keypoints. */
  readonly keypointNumbers?: number;
}

/** @throws DataError naming file and key where the description is broken, or a part is missing */
export async function readYoloYaml(file: string, options: OpenDetectionOptions = {}): Promise<DetectionDataset> {
  const problems = new Problems(options);
  const set = await readYoloDescription(file, problems);
  return yoloDataset({ ...set, name: basename(set.root), source: file }, problems, options);
}

/** A folder with `classes.txt`, pictures, and text files beside them or in `labels`. */
export async function readYoloFolder(root: string, options: OpenDetectionOptions = {}): Promise<DetectionDataset> {
  const problems = new Problems(options);
  const classes = (await namesOfFolder(root)).map((name, id) => ({ id, name }));
  const folder = (await isFolder(join(root, "images"))) ? join(root, "images") : root;
  const { pictures, others } = await listPictures(folder, true);
  if (pictures.length === 0) throw new DataError(`${folder}: no picture in it that is read`);
  const listed = [...pictures, ...others.map(({ path }) => path)].map((image) => {
    const split = splitNamed(relative(folder, image).split(sep)[0]);
    return { image, ...(split ? { split } : {}) };
  });
  const set = { name: basename(root), root, source: root, pictures: listed, folders: [folder], classes };
  return yoloDataset(set, problems, options);
}

async function namesOfFolder(root: string): Promise<string[]> {
  for (const name of ["classes.txt", join("labels", "classes.txt"), "obj.names"]) {
    const file = join(root, name);
    if (!(await stat(file).catch(() => undefined))?.isFile()) continue;
    const names = linesOf(await readText(file));
    const twice = names.findIndex((one, i) => names.indexOf(one) !== i);
    if (twice >= 0)
      throw new DataError(
        `${file}: lines ${names.indexOf(names[twice]) + 1} and ${twice + 1} are both "${names[twice]}"`,
      );
    return names;
  }
  throw new DataError(`${root}: no data.yaml and no classes.txt; one must name the classes`);
}

async function yoloDataset(set: YoloSet, problems: Problems, options: OpenDetectionOptions): Promise<DetectionDataset> {
  const { classes: declared, root, name, source, keypointNumbers } = set;
  const classes = classesByNumber(declared, options.classes, source);
  const known = new Map(
    declared.map((one) => [one.id, { name: one.name, label: classes.findIndex((c) => c.name === one.name) }]),
  );
  const ids = new Ids();
  const read = new Set<string>();
  const pictures: AnnotatedPicture[] = [];
  let files = 0;
  const owners = await labelFiles(set.pictures);
  for (const { image, split } of set.pictures) {
    options.signal?.throwIfAborted();
    const id = ids.next(basename(image, extname(image)));
    const { annotation, pictures: claims } = owners.get(image) as LabelFile;
    const file = annotation ? relative(root, annotation) : "";
    let text = "";
    if (annotation !== undefined) {
      if (!read.has(annotation)) files++;
      read.add(annotation);
      try {
        text = await readText(annotation);
      } catch (error) {
        const message = `${file}: ${(error as Error).message.replace(`${annotation}: `, "")}; left out with its picture`;
        problems.add({ case: id, rule: "unreadable", message }, { files: 1 });
        continue;
      }
    }
    const lines = linesOf(text).length;
    if (claims.size > 1 && lines > 0) {
      const names = [...claims].map((path) => basename(path)).sort();
      const message = `${file} has the name of ${names.join(" and of ")}; left out with its ${boxesText(lines)}`;
      problems.add(
        { case: id, rule: "duplicate-id", message },
        { boxes: names[0] === basename(image) ? lines : 0, images: 1 },
      );
      continue;
    }
    pictures.push({
      id,
      image,
      shown: relative(root, image) || image,
      ...(annotation === undefined ? {} : { annotation }),
      file,
      // Shares become pixels once the picture's size is known. A picture that is read has its file to itself.
      boxes: (size): GivenBox[] =>
        claims.size > 0 && !claims.has(image) ? [] : parseYolo(text, size, known, keypointNumbers),
      ...(split ? { split } : {}),
    });
  }
  files += await reportOrphans(set, read, problems);
  reportShared(set, problems);
  const items = await annotatedItems(pictures, problems, options);
  const names = declared.map((one) => one.name);
  return {
    name,
    root,
    source,
    format: "yolo",
    axes: 2,
    classes,
    declared: names,
    items,
    ...problems.done(name, files),
  };
}

/** Text files with boxes whose picture is not there. @returns how many */
async function reportOrphans(
  { folders, root }: YoloSet,
  read: ReadonlySet<string>,
  problems: Problems,
): Promise<number> {
  let count = 0;
  for (const folder of new Set(folders)) {
    for (const labels of new Set([twinOf(folder) ?? folder, folder])) {
      const names = await readdir(labels, { recursive: true }).catch(() => [] as string[]);
      for (const name of names.sort()) {
        const path = join(labels, name);
        if (!/\.txt$/i.test(name) || basename(name).startsWith(".") || read.has(path)) continue;
        const lines = linesOf(await readText(path).catch(() => ""));
        // Other text files lie there, too: classes, lists, a read-me.
        if (lines.length === 0 || !lines.every((line) => /^\d+(\s+[-+.\de]+){4,}$/i.test(line))) continue;
        const message = `${relative(root, path)}: no picture of that name; left out with its ${boxesText(lines.length)}`;
        problems.add(
          { case: basename(name, extname(name)), rule: "missing-file", message },
          { boxes: lines.length, images: 1 },
        );
        count++;
      }
    }
  }
  return count;
}

/** Pictures that are learnt from and scored on. */
function reportShared({ pictures, name, root }: YoloSet, problems: Problems): void {
  const parts = new Map<string, Set<DetectionItem["split"]>>();
  for (const { image, split } of pictures) parts.set(image, (parts.get(image) ?? new Set()).add(split));
  const shared = [...parts].filter(([, splits]) => splits.size > 1).map(([image]) => relative(root, image));
  if (shared.length === 0) return;
  const which = shared.length === 1 ? `picture ${shared[0]} stands` : `${shared.length} pictures stand`;
  const first = shared.length === 1 ? "" : `; the first: ${shared[0]}`;
  const message = `${which} in more than one part: learnt from and scored on${first}`;
  problems.add({ case: name, rule: "duplicate", message });
}

interface LabelFile {
  readonly annotation: string | undefined;
  /** Pictures that it has the name of; usually one. */
  readonly pictures: ReadonlySet<string>;
}

/** The text file of each picture. A picture of a kind that is not read claims none that another has. */
async function labelFiles(pictures: readonly YoloPicture[]): Promise<Map<string, LabelFile>> {
  const claims = new Map<string, Set<string>>();
  const found = new Map<string, LabelFile>();
  const { find } = fileFinder();
  for (const { image } of pictures) {
    const annotation = await labelFileOf(image, find);
    const own = claims.get(annotation ?? image) ?? new Set();
    claims.set(annotation ?? image, own);
    if (pictureKind(image) === "read") own.add(image);
    found.set(image, { annotation, pictures: own });
  }
  return found;
}

/** `…/images/a.jpg` → `…/labels/a.txt`, or the text file beside the picture; `undefined` where there is none. @param find as on disk */
async function labelFileOf(image: string, find: (path: string) => string): Promise<string | undefined> {
  const twin = twinOf(image);
  for (const place of [twin, image]) {
    const file = place && find(`${pictureStem(place)}.txt`);
    if (file !== undefined && (await stat(file).catch(() => undefined))?.isFile()) return file;
  }
  return undefined;
}

/** The same place under `labels`, for what lies under `images`. */
function twinOf(place: string): string | undefined {
  const parts = place.split(sep);
  const at = parts.lastIndexOf("images");
  return at < 0 ? undefined : [...parts.slice(0, at), "labels", ...parts.slice(at + 1)].join(sep);
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}
