/** Detection as the frame predicts it: COCO's results, a table in world millimetres, pictures with boxes. */
import { join } from "node:path";
import { counted } from "../../data/counted.ts";
import { type DetectionItem, worldCsv } from "../../data/index.ts";
import { encodeReport } from "../../dicom/index.ts";
import { ConfigError, DataError } from "../../errors.ts";
import { dicomOriginOf, readVolumeHeader, writeFileAtomic } from "../../files/index.ts";
import type { Options, Predictor, Source } from "../../train/index.ts";
import type { Vec3 } from "../../volume/index.ts";
import type { RegionHead } from "../network/head.ts";
import type { DetectedBoxes } from "../parts/post-process.ts";
import type { DetectionRun } from "../run/data.ts";
import type { OpenedImage } from "./images.ts";
import {
  type DetectorOpenOptions,
  type DetectorSource,
  type LoadedDetector,
  openDetector,
  readDetector,
  type TorchvisionOptions,
} from "./load.ts";
import { boxesPng, detectionsJson, type FoundImage, foundImage } from "./output.ts";

/** What a prediction needs to know of an image. */
export type DetectionInput = Pick<DetectionItem, "id" | "image" | "imageId">;

export interface DetectionFound {
  readonly found: DetectedBoxes;
  readonly opened: OpenedImage;
}

interface PredictionOptions extends DetectorOpenOptions {
  readonly pictures?: boolean;
  readonly format?: "sr";
}

export async function detectionPredictor(
  source: Source<DetectionRun>,
  options: Options,
  head?: RegionHead,
): Promise<Predictor<DetectionInput, DetectionFound>> {
  const { pictures = true, format, ...asked } = options as PredictionOptions;
  const detector = await openDetector(await readDetector(sourceOf(source, head), asked), asked);
  return predictorOf(detector, { pictures, score: asked.score, format });
}

/** @throws ConfigError for an exported detector, which other programs run */
function sourceOf(source: Source<DetectionRun>, head: RegionHead | undefined): DetectorSource {
  if ("run" in source) return { run: source.run, use: source.use, head };
  if ("weights" in source)
    return { weights: source.weights, ...source.settings } as Omit<TorchvisionOptions, keyof DetectorOpenOptions>;
  throw new ConfigError(`${source.path}: is an exported detector, for other programs; predict here with its run`);
}

function predictorOf(
  detector: LoadedDetector,
  { pictures, score, format }: { readonly pictures: boolean; readonly score?: number; readonly format?: "sr" },
): Predictor<DetectionInput, DetectionFound> {
  const { classes, axes } = detector;
  const pictureOf = ({ id }: DetectionInput): string => join("pictures", `${id.replace(/[\\/]/g, "_")}.png`);
  const reportOf = ({ id }: DetectionInput): string => `${id.replace(/[\\/]/g, "_")}.dcm`;
  return {
    predict: (item) => detector.detectFile(item),
    check: async ({ id, image }) => {
      if (format === "sr") dicomOriginOf({ header: await readVolumeHeader(image), name: id });
    },
    fileNames: (item) => [...(pictures ? [pictureOf(item)] : []), ...(format === "sr" ? [reportOf(item)] : [])],
    tableNames: axes === 2 ? [JSON_TABLE] : [JSON_TABLE, WORLD_TABLE],
    present: (item, { found, opened }) => {
      const png = (): Uint8Array => boxesPng(opened, found, { classes, minScore: score });
      const write = (path: string, { force }: { readonly force: boolean }) => writeFileAtomic(path, png(), { force });
      const writeReport = (path: string, { force }: { readonly force: boolean }) =>
        writeFileAtomic(path, reportBytes(found, opened, classes, item.id), { force });
      return {
        files: [
          ...(pictures ? [{ name: pictureOf(item), isPicture: true, write }] : []),
          ...(format === "sr" ? [{ name: reportOf(item), write: writeReport }] : []),
        ],
        row: foundImage(item, found, opened),
      };
    },
    conclude: (rows, { folder, paths }) => {
      const images = rows as FoundImage[];
      const detections = detectionsJson(images, classes, axes);
      const affines = new Map(images.map(({ id, affine }) => [id, affine!]));
      const tables = {
        [JSON_TABLE]: `${JSON.stringify(detections)}\n`,
        ...(axes === 2 ? {} : { [WORLD_TABLE]: worldCsv(images, classes, (id) => affines.get(id)!) }),
      };
      const written = folder === undefined ? [] : Object.keys(tables).map((name) => join(folder, name));
      const drawn =
        folder === undefined || paths.length === 0
          ? ""
          : `; ${counted(paths.length, "picture")} in ${join(folder, "pictures")}`;
      return {
        tables,
        json: { images: images.length, detections, classes, files: [...written, ...paths] },
        lines: [
          ...images.map((image) => `${image.id}  ${countsText(image, classes)}`),
          ...(written.length === 0 ? [] : [`${written.join(", ")}${drawn}`]),
        ],
      };
    },
    close: () => detector.close(),
  };
}

/** A DICOM report of what was found. @throws DataError for an image that is not from DICOM */
function reportBytes(
  { boxes, labels, scores }: DetectedBoxes,
  { volume, dicom }: OpenedImage,
  classes: LoadedDetector["classes"],
  name: string,
): Uint8Array {
  if (volume === undefined || dicom === undefined) throw new DataError(`${name}: is no DICOM image`);
  const corner = (at: number): Vec3 => [boxes[at], boxes[at + 1], boxes[at + 2]];
  const findings = Array.from(scores, (score, i) => ({
    low: corner(6 * i),
    high: corner(6 * i + 3),
    name: classes[labels[i]].name,
    score,
  }));
  return encodeReport(findings, volume.affine, dicom, { name });
}

/** COCO's results. */
const JSON_TABLE = "detections.json";
/** Of volumes: boxes in world millimetres. */
const WORLD_TABLE = "detections.csv";

/** `RBC 12 · WBC 1`, or `nothing`. */
function countsText({ labels }: FoundImage, classes: LoadedDetector["classes"]): string {
  const counts = classes
    .map(({ name }, k) => [name, Array.from(labels).filter((label) => label === k).length] as const)
    .filter(([, n]) => n > 0);
  return counts.length === 0 ? "nothing" : counts.map(([name, n]) => `${name} ${n}`).join(" · ");
}
