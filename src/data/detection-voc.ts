/**
 * Pascal VOC (Everingham et al. 2010): one XML file per picture. Its corners are 1-based and inclusive, so a box
 * `xmin … xmax` covers pixels xmin−1 … xmax−1, which is `[xmin−1, xmax)` here. An object whose corners coincide was a slip
 * of the mouse and has no extent, whatever the convention says.
 */
import { readdir, readFile } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { DOMParser, type Element } from "@xmldom/xmldom";
import { DataError } from "../errors.ts";
import { imageExtensions } from "../images/index.ts";
import type { DetectionDataset, DetectionItem, OpenDetectionOptions } from "./detection.ts";
import { classesByName, collectBoxes, numberOf, Problems, pictureSize, splitNamed } from "./detection-boxes.ts";

interface VocObject {
  readonly name: string;
  readonly corners: readonly number[];
  readonly difficult: boolean;
}

interface VocAnnotation {
  readonly id: string;
  readonly filename?: string;
  readonly size?: readonly [number, number];
  readonly objects: readonly VocObject[];
}

/** @throws DataError where the folder cannot be read or has no annotations */
export async function readVoc(root: string, options: OpenDetectionOptions = {}): Promise<DetectionDataset> {
  const problems = new Problems();
  const splits = await readImageSets(join(root, "ImageSets", "Main"));
  const files = (await namesIn(join(root, "Annotations"))).filter((name) => name.toLowerCase().endsWith(".xml"));
  if (files.length === 0) throw new DataError(`${join(root, "Annotations")}: no .xml in it`);
  const folder = options.images ?? join(root, "JPEGImages");
  const pictures = new Set(await namesIn(folder).catch(() => []));
  const annotations: VocAnnotation[] = [];
  for (const file of files) {
    options.signal?.throwIfAborted();
    const id = basename(file, extname(file));
    try {
      annotations.push(parseVoc(await readFile(join(root, "Annotations", file), "utf8"), id));
    } catch (error) {
      const message = `Annotations/${file}: ${(error as Error).message}`;
      problems.add({ severity: "error", case: id, rule: "unreadable", message });
    }
  }
  const annotated = new Set(files.map((file) => basename(file, extname(file))));
  for (const [id, split] of splits) {
    if (annotated.has(id)) continue;
    const message = `ImageSets list it for ${split}, Annotations/${id}.xml is missing`;
    problems.add({ severity: "error", case: id, rule: "missing-annotation", message });
  }
  const names = annotations.flatMap(({ objects }) => objects.map(({ name }) => name));
  const classes = classesByName(names, options.classes, root);
  const place = new Map(classes.map(({ name }, k) => [name, k]));
  const items: DetectionItem[] = [];
  for (const { id, filename, size: declared, objects } of annotations) {
    const given = objects.map(({ name, corners, difficult }, i) => ({
      number: i + 1,
      what: `object ${i + 1} (${name})`,
      corners: [corners[0] - 1, corners[1] - 1, corners[2], corners[3]],
      asWritten: corners,
      label: place.get(name),
      className: name,
      difficult,
    }));
    const split = splits.get(id);
    const found = [filename, ...imageExtensions.flatMap((end) => [id + end, id + end.toUpperCase()])].find(
      (name) => name !== undefined && pictures.has(name),
    );
    const image = join(folder, found ?? filename ?? `${id}.jpg`);
    const size = await pictureSize(declared, image);
    items.push({
      id,
      image,
      ...(size ? { size } : {}),
      ...collectBoxes(given, { id, file: `Annotations/${id}.xml`, axes: 2, size }, problems),
      ...(split ? { split } : {}),
    });
  }
  const about = { name: basename(root), root, source: root, format: "voc", axes: 2 } as const;
  return { ...about, classes, items, problems: problems.list, skipped: problems.skipped };
}

/**
 * One annotation.
 * @throws Error saying what is wrong with it
 */
export function parseVoc(text: string, id: string): VocAnnotation {
  const root = parseXml(text);
  if (root.nodeName !== "annotation") throw new Error(`its root is <${root.nodeName}>, expected <annotation>`);
  const [width, height] = ["width", "height"].map((name) => numberOf(textAt(root, "size", name)));
  const objects = childrenNamed(root, "object").map((object): VocObject => {
    const corner = (name: string): number => numberOf(textAt(object, "bndbox", name));
    return {
      name: textAt(object, "name") ?? "",
      corners: [corner("xmin"), corner("ymin"), corner("xmax"), corner("ymax")],
      difficult: textAt(object, "difficult") === "1",
    };
  });
  const filename = textAt(root, "filename");
  return {
    id,
    ...(filename ? { filename: basename(filename.replaceAll("\\", "/")) } : {}),
    // Tools that do not know the size write 0.
    ...(width > 0 && height > 0 ? { size: [width, height] as const } : {}),
    objects,
  };
}

function parseXml(text: string): Element {
  const fail = (_level: string, message: string): never => {
    throw new Error(`damaged XML: ${String(message).split("\n")[0]}`);
  };
  const { documentElement } = new DOMParser({ onError: fail }).parseFromString(text.replace(/^\uFEFF/, ""), "text/xml");
  if (documentElement === null) throw new Error("damaged XML: it has no root");
  return documentElement;
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

/** Which picture is for what, by the lists of `ImageSets/Main`; `trainval` counts only where it is alone. */
async function readImageSets(folder: string): Promise<Map<string, NonNullable<DetectionItem["split"]>>> {
  const splits = new Map<string, NonNullable<DetectionItem["split"]>>();
  const names = (await namesIn(folder).catch(() => [])).map((name) => basename(name, ".txt"));
  for (const name of names.includes("train") ? names : names.map((n) => (n === "trainval" ? "train" : n))) {
    const split = splitNamed(name);
    if (split === undefined) continue;
    const file = names.includes(name) ? name : "trainval";
    for (const line of (await readFile(join(folder, `${file}.txt`), "utf8")).split(/\r?\n/)) {
      const id = line.trim().split(/\s+/)[0];
      if (id !== "") splits.set(basename(id, extname(id).toLowerCase() === ".jpg" ? extname(id) : ""), split);
    }
  }
  return splits;
}

/** @throws DataError where there is no such folder */
export async function namesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((cause: NodeJS.ErrnoException) => {
    throw new DataError(`${folder}: ${cause.code === "ENOENT" ? "no such folder" : `cannot be read (${cause.code})`}`, {
      cause,
    });
  });
  return names.filter((name) => !name.startsWith(".")).sort();
}
