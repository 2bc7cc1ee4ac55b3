/**
 * Pascal VOC (Everingham et al. 2010): one XML file per picture. Its corners are 1-based and inclusive, so a box
 * `xmin … xmax` covers pixels xmin−1 … xmax−1, which is `[xmin−1, xmax)` here. An object whose corners coincide was a slip
 * of the mouse and has no extent, whatever the convention says.
 *
 * An annotation belongs to the picture of its own name; the one that it speaks of (`filename`) is looked for only where there
 * is none. Annotations and pictures have folders, or lie side by side.
 */
import { readdir, stat } from "node:fs/promises";
import { basename, extname, join, relative } from "node:path";
import { DOMParser, type Element } from "@xmldom/xmldom";
import { DataError } from "../../../errors.ts";
import { pictureKind, pictureStem } from "../../../images/index.ts";
import { counted } from "../../counted.ts";
import { readXmlText, systemReason } from "../../text.ts";
import { type AnnotatedPicture, annotatedItems } from "../annotated.ts";
import { boxesText, classesByName, type GivenBox, Ids, numberOf, Problems, splitNamed } from "../collect.ts";
import type { DetectionDataset, DetectionItem, OpenDetectionOptions } from "../types.ts";
import { type ListedImages, readImageSets } from "./voc-lists.ts";

interface VocObject {
  readonly name: string;
  readonly corners: readonly number[];
  readonly difficult: boolean;
}

interface VocAnnotation {
  readonly filename?: string;
  readonly size?: readonly [number, number];
  readonly objects: readonly VocObject[];
}

/** Annotations that lie together, and where their pictures are. */
interface VocPart {
  readonly annotations: string;
  readonly pictures: string;
  readonly split?: DetectionItem["split"];
}

/** An annotation that could be read, with its name and part. */
type ReadAnnotation = VocAnnotation & {
  readonly id: string;
  readonly stem: string;
  readonly path: string;
  readonly part: VocPart;
};

/** @throws DataError where the folder cannot be read, or no annotation in it */
export async function readVoc(root: string, options: OpenDetectionOptions = {}): Promise<DetectionDataset> {
  const problems = new Problems(options);
  const parts = await vocParts(root, options.images);
  const annotations: ReadAnnotation[] = [];
  const ids = new Ids();
  const reasons: string[] = [];
  const stems = new Set<string>();
  let files = 0;
  for (const part of parts) {
    for (const name of await xmlIn(part.annotations)) {
      options.signal?.throwIfAborted();
      files++;
      const path = join(part.annotations, name);
      // Composed, whichever form the disk's names have: macOS writes decomposed letters.
      const stem = basename(name, extname(name)).normalize("NFC");
      stems.add(stem);
      const id = ids.next(stem);
      try {
        annotations.push({ ...parseVoc(await readXmlText(path)), id, stem, path, part });
      } catch (error) {
        const message = `${relative(root, path)}: ${(error as Error).message.replace(`${path}: `, "")}`;
        reasons.push(message);
        problems.add({ case: id, rule: "unreadable", message: `${message}; left out` }, { files: 1 });
      }
    }
  }
  if (files === 0) throw new DataError(`${parts[0].annotations}: no .xml in it`);
  if (annotations.length === 0) {
    throw new DataError(`${root}: no box could be read from ${counted(files, "XML file")}; the first: ${reasons[0]}`);
  }
  const lists = await readImageSets(join(root, "ImageSets"), stems, basename(root), problems);
  const names = annotations.flatMap(({ objects }) => objects.flatMap(({ name }) => name || []));
  const classes = classesByName(names, options.classes, root);
  const place = new Map(classes.map(({ name }, k) => [name, k]));
  const pictures = await picturesOf(annotations, root, stems, place, lists, problems);
  const items = await annotatedItems(pictures, problems, options);
  const about = { name: basename(root), root, source: root, format: "voc", axes: 2 } as const;
  const declared = [...new Set(names)].sort();
  return { ...about, classes, declared, items, ...problems.done(about.name, files) };
}

/** Each annotation with its picture, where it has one. */
async function picturesOf(
  annotations: readonly ReadAnnotation[],
  root: string,
  stems: ReadonlySet<string>,
  place: ReadonlyMap<string, number>,
  lists: ListedImages,
  problems: Problems,
): Promise<AnnotatedPicture[]> {
  const folders = new Map<string, Map<string, string[]>>();
  for (const { pictures } of new Set(annotations.map(({ part }) => part))) {
    if (!folders.has(pictures)) folders.set(pictures, await picturesByStem(pictures));
  }
  const used = new Set<string>();
  const pictures = annotations.flatMap(({ id, stem, path, part, filename, size, objects }): AnnotatedPicture[] => {
    const byStem = folders.get(part.pictures) as Map<string, string[]>;
    const file = relative(root, path);
    const image = pictureNamed(byStem, stem, filename);
    used.add(join(part.pictures, image.name));
    if (image.twins !== undefined) {
      const message = `${file}: ${image.twins.join(" and ")} have its name; left out with its ${boxesText(objects.length)}`;
      problems.add({ case: id, rule: "duplicate-id", message }, { boxes: objects.length, images: 1 });
      return [];
    }
    if (image.other !== undefined) problems.add({ case: id, rule: "other-name", message: `${file}: ${image.other}` });
    const boxes = objects.map(({ name, corners, difficult }, i): GivenBox => {
      const [x1, y1, x2, y2] = corners;
      const what = name === "" ? `object ${i + 1}` : `object ${i + 1} (${name})`;
      const label = place.get(name);
      return {
        number: i + 1,
        what,
        corners: [x1 - 1, y1 - 1, x2, y2],
        asWritten: corners,
        label,
        className: name,
        difficult,
      };
    });
    const picture = {
      id,
      image: join(part.pictures, image.name),
      shown: image.name,
      annotation: path,
      file,
      ...(size ? { declared: size } : {}),
      boxes: () => boxes,
      split: lists.splitOf(stem) ?? part.split,
    };
    return [picture];
  });
  for (const [folder, byStem] of folders) {
    const alone = [...byStem].flatMap(([stem, twins]) =>
      stems.has(stem) || twins.some((name) => used.has(join(folder, name))) ? [] : twins[0],
    );
    if (alone.length === 0) continue;
    const where = relative(root, folder) || basename(root);
    const message = `${where}: ${counted(alone.length, "picture")} without an annotation, not used; the first: ${alone[0]}`;
    problems.add({ case: basename(root), rule: "without-annotation", message });
  }
  return pictures;
}

/**
 * The picture of an annotation: the one with its name, of several the one it speaks of, else none of them; where none has its
 * name, the one it speaks of, by its full name or without its ending. What was chosen against the annotation's word is said.
 */
function pictureNamed(
  byStem: ReadonlyMap<string, readonly string[]>,
  stem: string,
  filename: string | undefined,
): { readonly name: string; readonly other?: string; readonly twins?: readonly string[] } {
  const twins = byStem.get(stem) ?? [];
  const spoken = filename === undefined ? [] : (byStem.get(pictureStem(filename)) ?? []);
  if (twins.length > 0) {
    const named = twins.find((twin) => twin.normalize("NFC") === filename);
    const name = named ?? twins[0];
    if (named === undefined && twins.filter((twin) => pictureKind(twin) === "read").length > 1) return { name, twins };
    if (filename === undefined || pictureStem(filename) === stem) return { name };
    return { name, other: `names the picture ${filename}; ${name}, which has its own name, is taken` };
  }
  const name = spoken.find((one) => one.normalize("NFC") === filename) ?? spoken[0];
  if (name !== undefined) return { name, other: `no picture has its name; ${name}, which it names, is taken` };
  return { name: filename ?? `${stem}.jpg` };
}

/** Pictures of a folder by their names without endings in composed letters, those of kinds that are not read last. */
async function picturesByStem(folder: string): Promise<Map<string, string[]>> {
  const names = (await namesIn(folder)).filter((name) => pictureKind(name) !== undefined);
  const found = new Map<string, string[]>();
  const isRead = (name: string): number => (pictureKind(name) === "read" ? 0 : 1);
  for (const name of names.sort((a, b) => isRead(a) - isRead(b) || (a < b ? -1 : 1))) {
    const stem = pictureStem(name).normalize("NFC");
    const twins = found.get(stem) ?? [];
    found.set(stem, twins);
    twins.push(name);
  }
  return found;
}

const annotationFolders = ["Annotations", "annotations", "xml", "xmls"];
const pictureFolders = ["JPEGImages", "images", "Images", "JPEGs"];
const partFolders = ["train", "valid", "val", "test"];

/** Where a folder has VOC's XML files: in a folder of their own, beside the pictures, or in a folder for each part. */
async function vocParts(root: string, images?: string): Promise<VocPart[]> {
  const alone = await vocPart(root, images);
  if (alone !== undefined) return [alone];
  const parts: VocPart[] = [];
  for (const name of partFolders) {
    const part = (await isFolder(join(root, name))) ? await vocPart(join(root, name), images) : undefined;
    if (part !== undefined) parts.push({ ...part, split: splitNamed(name) });
  }
  // A folder that is called so was meant as one, though it holds nothing.
  return parts.length > 0 ? parts : [{ annotations: join(root, "Annotations"), pictures: join(root, "JPEGImages") }];
}

/** Whether a folder holds VOC's XML files in one of the ways `vocParts` knows. */
export async function isVoc(root: string): Promise<boolean> {
  if (await isFolder(join(root, "Annotations"))) return true;
  if ((await vocPart(root)) !== undefined) return true;
  for (const name of partFolders) {
    if ((await isFolder(join(root, name))) && (await vocPart(join(root, name))) !== undefined) return true;
  }
  return false;
}

async function vocPart(folder: string, images?: string): Promise<VocPart | undefined> {
  for (const name of annotationFolders) {
    const annotations = join(folder, name);
    if (!(await isFolder(annotations)) || (await xmlIn(annotations)).length === 0) continue;
    let pictures = images;
    for (const one of pictureFolders) {
      if (pictures === undefined && (await isFolder(join(folder, one)))) pictures = join(folder, one);
    }
    return { annotations, pictures: pictures ?? folder };
  }
  if ((await xmlIn(folder)).length === 0) return undefined;
  for (const one of ["", ...pictureFolders]) {
    const pictures = images ?? join(folder, one);
    const names = await readdir(pictures).catch(() => []);
    if (names.some((name) => pictureKind(name) !== undefined)) return { annotations: folder, pictures };
  }
  return undefined;
}

async function xmlIn(folder: string): Promise<string[]> {
  return (await namesIn(folder)).filter((name) => name.toLowerCase().endsWith(".xml"));
}

/**
 * One annotation.
 * @throws DataError saying what is wrong with it
 */
function parseVoc(text: string): VocAnnotation {
  const root = parseXml(text);
  if (root.nodeName !== "annotation") throw new DataError(`its root is <${root.nodeName}>, expected <annotation>`);
  const [width, height] = ["width", "height"].map((name) => numberOf(textAt(root, "size", name)));
  const objects = childrenNamed(root, "object").map((object): VocObject => {
    const corner = (name: string): number => numberOf(textAt(object, "bndbox", name));
    return {
      name: textAt(object, "name") ?? "",
      corners: [corner("xmin"), corner("ymin"), corner("xmax"), corner("ymax")],
      difficult: /^(1|true)$/i.test(textAt(object, "difficult") ?? ""),
    };
  });
  const filename = textAt(root, "filename");
  return {
    ...(filename ? { filename: basename(filename.replaceAll("\\", "/")).normalize("NFC") } : {}),
    // Tools that do not know the size write 0.
    ...(width > 0 && height > 0 ? { size: [width, height] as const } : {}),
    objects,
  };
}

function parseXml(text: string): Element {
  let first: string | undefined;
  // What the parser throws on wraps the reason, so the reason is taken down.
  const onError = (_level: string, message: string): never => {
    first ??= String(message).split("\n")[0];
    throw new DataError(first);
  };
  try {
    const { documentElement } = new DOMParser({ onError }).parseFromString(text, "text/xml");
    if (documentElement !== null) return documentElement;
    first = "it has no root";
  } catch (cause) {
    throw new DataError(`damaged XML: ${first ?? (cause as Error).message}`, { cause });
  }
  throw new DataError(`damaged XML: ${first}`);
}

/** Direct children only: parts of an object (heads, hands) have boxes of their own. */
function childrenNamed(parent: Element, name: string): Element[] {
  const found: Element[] = [];
  for (let child = parent.firstChild; child !== null; child = child.nextSibling) {
    if (child.nodeName === name) found.push(child as Element);
  }
  return found;
}

function textAt(parent: Element, ...path: readonly string[]): string | undefined {
  let at: Element | undefined = parent;
  for (const name of path) at = at && childrenNamed(at, name)[0];
  return at?.textContent?.trim();
}

/** @throws DataError where the folder cannot be read */
export async function namesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((cause) => {
    throw new DataError(`${folder}: ${systemReason(cause)}`, { cause });
  });
  return names.filter((name) => !name.startsWith(".")).sort();
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}
