/** What `--in` names for a detector, and what is written of it. */
import { readdir, stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { counted } from "../data/counted.ts";
import { type DetectionItem, isDetection, openDetection } from "../data/index.ts";
import { DataError } from "../errors.ts";
import { caseName, makeFolder, volumeExtension, writeFileAtomic } from "../files/index.ts";
import { imageExtensions } from "../images/index.ts";
import {
  boxesPng,
  detectionsJson,
  type FoundImage,
  foundImage,
  type LoadedDetector,
  writeDetections,
} from "../rcnn/index.ts";
import type { CommandContext, Outcome } from "./command.ts";

type Item = Pick<DetectionItem, "id" | "image" | "imageId">;

const isPicture = (name: string): boolean =>
  (imageExtensions as readonly string[]).includes(extname(name).toLowerCase());
const isImage = (name: string): boolean =>
  isPicture(name) || (volumeExtension(name) !== undefined && !/\.img(\.gz)?$/i.test(name));
const idOf = (path: string): string => (isPicture(path) ? basename(path, extname(path)) : caseName(basename(path)));

/** A picture or volume, those of a folder, or of a data set with boxes. */
export async function imagesIn(path: string): Promise<Item[]> {
  const found = await stat(path).catch(() => {
    throw new DataError(`${path}: does not exist; --in names an image, a folder of images or a data set`);
  });
  if (found.isFile() && isImage(path)) return [{ id: idOf(path), image: path }];
  if (await isDetection(path)) return [...(await openDetection(path)).items];
  const names = found.isDirectory() ? (await readdir(path)).filter(isImage).sort() : [];
  if (names.length === 0) throw new DataError(`${path}: holds no image medvox reads`);
  const twice = new Set(names.map(idOf).filter((id, i, ids) => ids.indexOf(id) !== i));
  return names.map((name) => ({ id: twice.has(idOf(name)) ? name : idOf(name), image: join(path, name) }));
}

export interface DetectOptions {
  readonly in: string;
  readonly out?: string;
  readonly score?: number;
  readonly pictures?: boolean;
}

/** The keys of what `--json` prints of detections. */
export const detectedJson = {
  task: "detection",
  images: "how many were looked at",
  detections:
    "COCO's results: image_id (COCO's number, else the image's name), category_id, bbox [x, y, width, height] in pixels of the image, score; of volumes [x, y, z, width, height, depth] in voxels",
  classes: "category_id and name of each class",
  files: "detections.json, of volumes detections.csv, and the pictures, where --out is given",
};

/** Detects in every image; with `--out` writes detections and pictures with boxes. */
export async function detectImages(
  { signal, progress, force }: CommandContext,
  detector: LoadedDetector,
  options: DetectOptions,
): Promise<Outcome> {
  const { out, score, pictures = true } = options;
  const { classes, axes } = detector;
  const items = await imagesIn(options.in);
  const images: FoundImage[] = [];
  const drawn: string[] = [];
  const lines: string[] = [];
  try {
    if (out !== undefined && pictures) await makeFolder(join(out, "pictures"));
    for (const [i, item] of items.entries()) {
      signal.throwIfAborted();
      progress.update({ label: `detecting  ${i}/${items.length}`, fraction: i / items.length, details: [item.id] });
      const { found, opened } = await detector.detectFile(item);
      images.push(foundImage(item, found, opened));
      const counts = classes
        .map(({ name }, k) => [name, Array.from(found.labels).filter((label) => label === k + 1).length] as const)
        .filter(([, n]) => n > 0);
      lines.push(
        `${item.id}  ${counts.length === 0 ? "nothing" : counts.map(([name, n]) => `${name} ${n}`).join(" · ")}`,
      );
      if (out === undefined || !pictures) continue;
      const file = join(out, "pictures", `${item.id.replace(/[\\/]/g, "_")}.png`);
      await writeFileAtomic(file, boxesPng(opened, found, { classes, minScore: score }), { force });
      drawn.push(file);
    }
  } finally {
    await detector.close();
    progress.clear();
  }
  const written = out === undefined ? [] : await writeDetections(out, images, classes, axes, force);
  if (out !== undefined)
    lines.push(
      `${written.join(", ")}${drawn.length > 0 ? `; ${counted(drawn.length, "picture")} in ${join(out, "pictures")}` : ""}`,
    );
  return {
    document: {
      task: "detection",
      images: items.length,
      detections: detectionsJson(images, classes, axes),
      classes,
      files: [...written, ...drawn],
    },
    text: lines.join("\n"),
  };
}
