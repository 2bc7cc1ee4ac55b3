/**
 * Detection data sets: what one is, and opening one, whichever layout it has.
 *
 * - Pascal VOC: `Annotations/*.xml`, `JPEGImages`, `ImageSets/Main/{train,val,test}.txt`;
 * - COCO: a JSON file with `images`, `annotations`, `categories`, or a folder with one for each part;
 * - YOLO: a `data.yaml`, or a folder with `classes.txt`, and a text file for each picture;
 * - volumes (3D): a CSV of balls or boxes in world millimetres (LUNA16's `annotations.csv`), label maps whose connected
 *   components become boxes, or a `nodules.json` of readers' outlines.
 *
 * Whatever the layout, boxes come out as continuous half-open corners in pixels or voxels, and only sound ones: what is
 * degenerate, inverted, outside, not a number or of an unknown class is left out, counted, and named in `problems`.
 * Pictures without objects are fine.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, extname, join, resolve } from "node:path";
import type { Axes } from "../boxes/index.ts";
import { ConfigError, DataError } from "../errors.ts";
import { isVolumeName } from "./case-id.ts";
import { readCocoFiles, readCocoFolder } from "./detection-coco.ts";
import { readNodulesJson, readWorldCsv } from "./detection-findings.ts";
import { readMaskDetection } from "./detection-masks.ts";
import { readVoc } from "./detection-voc.ts";
import { readYoloFolder, readYoloYaml } from "./detection-yolo.ts";

export interface DetectionClass {
  /** The number the class has in its files: a COCO category, a YOLO index, a label value; its place where there is none. */
  readonly id: number;
  readonly name: string;
}

export interface DetectionItem {
  /** Unique within the data set. */
  readonly id: string;
  /** Absolute path of the picture or volume. */
  readonly image: string;
  /** What the annotation says: width, height (and depth). Absent where it does not. */
  readonly size?: readonly number[];
  /** `[R, 2·axes]`: x1 y1 (z1) x2 y2 (z2), half-open, in pixels or voxels. */
  readonly boxes: Float64Array;
  /** `[R]`: places in the data set's `classes`, from 0. */
  readonly labels: Int32Array;
  /** `[R]`: 1 for what is neither to be found nor wrong to find: VOC's difficult objects, LUNA16's excluded findings. */
  readonly difficult: Uint8Array;
  /** `[R]`: 1 for COCO's crowds, regions of many objects. */
  readonly crowd: Uint8Array;
  /** `[R]`: COCO's segment areas in pixels, by which it tells small from large; absent elsewhere. */
  readonly areas?: Float64Array;
  readonly split?: "train" | "validation" | "test";
  /** Items of the same group (a patient) stay on one side of a split. */
  readonly group?: string;
  /** COCO's `image_id`, for results that are sent back. */
  readonly imageId?: number;
}

export type DetectionRule =
  | "not-finite"
  | "inverted"
  | "degenerate"
  | "outside"
  | "beyond"
  | "unknown-class"
  | "unreadable"
  | "missing-file"
  | "missing-annotation"
  | "size-mismatch"
  | "duplicate"
  | "constant-image"
  | "unused-class";

/** Something wrong with a file, an item or a box. */
export interface DetectionProblem {
  readonly severity: "error" | "warning";
  /** Id of the item, or the data set's name. */
  readonly case: string;
  readonly rule: DetectionRule;
  /** File, number of the box in it, the fact. */
  readonly message: string;
  /** Number of the box in its file, from 1: object, annotation or line. */
  readonly box?: number;
}

export interface DetectionDataset {
  readonly name: string;
  readonly root: string;
  /** The file or folder that was read. */
  readonly source: string;
  readonly format: "voc" | "coco" | "yolo" | "csv" | "masks" | "nodules";
  readonly axes: Axes;
  readonly classes: readonly DetectionClass[];
  readonly items: readonly DetectionItem[];
  readonly problems: readonly DetectionProblem[];
  /** Boxes that were left out. */
  readonly skipped: number;
}

export interface OpenDetectionOptions {
  /** The classes that are wanted, in order; others are reported as unknown. Default: what the data set has. */
  readonly classes?: readonly string[];
  /** Folder of the pictures or volumes, where it is not the usual one. */
  readonly images?: string;
  /** World coordinates of a CSV; default LPS for `coordX`, `coordY`, `coordZ` (LUNA16), RAS for boxes. */
  readonly space?: "RAS" | "LPS";
  /** Voxels that belong to one object of a label map: faces only, or edges and corners too (the default). */
  readonly neighbours?: 6 | 26;
  /** Smaller components of a label map are specks. Default 1: none is. */
  readonly minVoxels?: number;
  /** Readers that must have marked a nodule of a `nodules.json`; others become difficult. Default 3. */
  readonly minReaders?: number;
  readonly signal?: AbortSignal;
}

/**
 * Opens a detection data set by the path of its folder or file.
 * @throws ConfigError for a path that is none, DataError where its description is broken
 */
export async function openDetection(path: string, options: OpenDetectionOptions = {}): Promise<DetectionDataset> {
  const absolute = resolve(path);
  const kind = await detectionFormat(absolute);
  if (kind === undefined) {
    throw new ConfigError(
      `${path}: not a detection data set; expected a folder in the layout of Pascal VOC, COCO or YOLO, a COCO .json, ` +
        "a data.yaml, a .csv of findings in world mm, or a folder of label maps",
    );
  }
  return kind(absolute, options);
}

/** Whether `openDetection` reads the path, without reading it. Label maps alone are a segmentation data set first. */
export async function isDetection(path: string): Promise<boolean> {
  const kind = await detectionFormat(resolve(path)).catch((error: unknown) => {
    // What does not exist is nobody's; what cannot be read is told as such, and not as another kind of data.
    if (error instanceof ConfigError) return undefined;
    if (error instanceof DataError) throw error;
    throw new DataError(`${path}: cannot be read (${(error as NodeJS.ErrnoException).code ?? error})`, {
      cause: error,
    });
  });
  return kind !== undefined && kind !== readMaskDetection;
}

type Reader = (path: string, options: OpenDetectionOptions) => Promise<DetectionDataset>;

async function detectionFormat(path: string): Promise<Reader | undefined> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "ENOENT" && cause.code !== "ENOTDIR")
      throw new DataError(`${path}: cannot be read (${cause.code})`, { cause });
    throw new ConfigError(`${path}: no such file or folder`, { cause });
  });
  if (!found.isDirectory()) return fileFormat(path);
  const names = new Set(await readdir(path));
  if (names.has("Annotations")) return readVoc;
  const yaml = [...names].filter((name) => /\.ya?ml$/i.test(name)).sort();
  for (const name of yaml) {
    const text = await readFile(join(path, name), "utf8");
    if (/^names\s*:/m.test(text)) return (_, options) => readYoloYaml(join(path, name), options);
  }
  if (names.has("classes.txt")) return readYoloFolder;
  // YOLO's folders are called so, and anybody's with label maps.
  if (names.has("labels") && names.has("images")) {
    const holdsMaps = (await readdir(join(path, "labels"))).some(isVolumeName);
    return holdsMaps ? readMaskDetection : readYoloFolder;
  }
  if (names.has("nodules.json")) return (_, options) => readNodulesJson(join(path, "nodules.json"), options);
  if ((await readCocoFolder.files(path)).length > 0) return readCocoFolder;
  if (names.has("dataset.json") || names.has("imagesTr")) return readMaskDetection;
  return undefined;
}

async function fileFormat(path: string): Promise<Reader | undefined> {
  const extension = extname(path).toLowerCase();
  if (extension === ".yaml" || extension === ".yml") return readYoloYaml;
  if (extension === ".csv" || extension === ".tsv") {
    const head = (await readFile(path, "utf8")).split(/\r?\n/, 1)[0];
    const has = (name: string): boolean => new RegExp(`\\b${name}\\b`, "i").test(head);
    return has("coordX") || (has("x1") && has("x2")) ? readWorldCsv : undefined;
  }
  if (extension !== ".json") return undefined;
  const text = await readFile(path, "utf8").catch((cause) => {
    throw new DataError(`${path}: cannot be read (${(cause as NodeJS.ErrnoException).code})`, { cause });
  });
  if (/"annotations"\s*:/.test(text) && /"images"\s*:/.test(text)) {
    return (file, options) => readCocoFiles([{ file }], options);
  }
  if (/"nodules"\s*:/.test(text)) return readNodulesJson;
  return basename(path) === "dataset.json" ? readMaskDetection : undefined;
}
