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
import { readdir, stat } from "node:fs/promises";
import { basename, extname, join, resolve } from "node:path";
import { ConfigError, DataError } from "../../errors.ts";
import { pictureKind } from "../../images/index.ts";
import { isVolumeName } from "../case-id.ts";
import { readText, systemReason } from "../text.ts";
import { cocoFilesIn, readCocoFiles, readCocoFolder } from "./coco/coco.ts";
import { readNodulesJson, readWorldCsv } from "./formats/findings.ts";
import { readMaskDetection } from "./formats/masks.ts";
import { isVoc, readVoc } from "./formats/voc.ts";
import { readYoloFolder, readYoloYaml } from "./formats/yolo.ts";
import { isYoloDescription } from "./formats/yolo-yaml.ts";
import type { DetectionDataset, OpenDetectionOptions } from "./types.ts";

export type {
  DetectionClass,
  DetectionDataset,
  DetectionItem,
  DetectionProblem,
  OpenDetectionOptions,
  WorldPlace,
} from "./types.ts";

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

/**
 * Whether `openDetection` reads the path, without reading it. Label maps alone are a segmentation data set first.
 * @throws DataError where a file or folder that tells cannot be read, with the system's reason
 */
export async function isDetection(path: string): Promise<boolean> {
  const absolute = resolve(path);
  const isThere = await stat(absolute).then(
    () => true,
    (cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT" || cause.code === "ENOTDIR") return false;
      throw new DataError(`${path}: ${systemReason(cause)}`, { cause });
    },
  );
  const kind = isThere ? await detectionFormat(absolute) : undefined;
  return kind !== undefined && kind !== readMaskDetection;
}

type Reader = (path: string, options: OpenDetectionOptions) => Promise<DetectionDataset>;

async function detectionFormat(path: string): Promise<Reader | undefined> {
  const found = await stat(path).catch((cause) => {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") throw new ConfigError(`${path}: no such file or folder`, { cause });
    throw new DataError(`${path}: ${systemReason(cause)}`, { cause });
  });
  if (!found.isDirectory()) return fileFormat(path);
  const names = new Set(await namesOf(path));
  if (names.has("Annotations")) return readVoc;
  const yaml = [...names].filter((name) => /^[^.].*\.ya?ml$/i.test(name)).sort();
  for (const name of yaml) {
    if (isYoloDescription(await readText(join(path, name)))) {
      return (_, options) => readYoloYaml(join(path, name), options);
    }
  }
  if (names.has("classes.txt")) return readYoloFolder;
  // YOLO's folders are called so, and anybody's with label maps.
  if (names.has("labels") && names.has("images")) {
    const holdsMaps = (await namesOf(join(path, "labels"))).some(isVolumeName);
    return holdsMaps ? readMaskDetection : readYoloFolder;
  }
  if (names.has("nodules.json")) return (_, options) => readNodulesJson(join(path, "nodules.json"), options);
  if ((await cocoFilesIn(path)).length > 0) return readCocoFolder;
  if (names.has("dataset.json") || names.has("imagesTr")) return readMaskDetection;
  if (await isVoc(path)) return readVoc;
  return cocoBesidePictures(path, names);
}

/** A COCO file among its pictures, or beside their folder. */
async function cocoBesidePictures(path: string, names: ReadonlySet<string>): Promise<Reader | undefined> {
  const holdsPictures = names.has("images") || [...names].some((name) => pictureKind(name) !== undefined);
  if (!holdsPictures) return undefined;
  const files: string[] = [];
  for (const name of [...names].sort()) {
    if (!/^[^.].*\.json$/i.test(name)) continue;
    if (isCoco(await readText(join(path, name)))) files.push(join(path, name));
  }
  if (files.length > 1) {
    const listed = files.map((file) => basename(file)).join(", ");
    throw new DataError(`${path}: holds several COCO files (${listed}); name the one that is meant`);
  }
  return files.length === 0 ? undefined : (_, options) => readCocoFiles([{ file: files[0] }], options);
}

async function fileFormat(path: string): Promise<Reader | undefined> {
  const extension = extname(path).toLowerCase();
  if (extension === ".yaml" || extension === ".yml") return readYoloYaml;
  if (extension === ".csv" || extension === ".tsv") {
    const head = (await readText(path)).split(/\r?\n/, 1)[0];
    const has = (name: string): boolean => new RegExp(`\\b${name}\\b`, "i").test(head);
    return has("coordX") || (has("x1") && has("x2")) ? readWorldCsv : undefined;
  }
  if (extension !== ".json") return undefined;
  const text = await readText(path);
  if (isCoco(text)) return (file, options) => readCocoFiles([{ file }], options);
  if (/"nodules"\s*:/.test(text)) return readNodulesJson;
  return basename(path) === "dataset.json" ? readMaskDetection : undefined;
}

function isCoco(text: string): boolean {
  return /"annotations"\s*:/.test(text) && /"images"\s*:/.test(text);
}

async function namesOf(folder: string): Promise<string[]> {
  return readdir(folder).catch((cause) => {
    throw new DataError(`${folder}: ${systemReason(cause)}`, { cause });
  });
}
