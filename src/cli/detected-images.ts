/** What `--in` names for a detector, and what is written of it. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { counted } from "../data/counted.ts";
import { detectionInputs, type Problem } from "../data/index.ts";
import { DataError, GeometryError } from "../errors.ts";
import { writeFileAtomic } from "../files/index.ts";
import {
  boxesPng,
  detectionsJson,
  type FoundImage,
  foundImage,
  type LoadedDetector,
  writeDetections,
} from "../rcnn/index.ts";
import type { CommandContext, Outcome } from "./command.ts";

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
  failed: "images that were not looked at: severity, case, rule, message; with any of them the exit status is 1",
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
  const { items, problems } = await detectionInputs(options.in, { signal });
  const images: FoundImage[] = [];
  const drawn: string[] = [];
  const lines: string[] = [];
  // One image that cannot be read costs itself, not those after it.
  const failed: Problem[] = [...problems];
  try {
    if (out !== undefined && pictures) await mkdir(join(out, "pictures"), { recursive: true });
    for (const [i, item] of items.entries()) {
      signal.throwIfAborted();
      progress.update({ label: `detecting  ${i}/${items.length}`, fraction: i / items.length, details: [item.id] });
      const looked = await detector.detectFile(item).catch((error: unknown) => {
        if (!(error instanceof DataError || error instanceof GeometryError)) throw error;
        failed.push({ severity: "error", case: item.id, rule: "unreadable", message: error.message });
      });
      if (looked === undefined) continue;
      const { found, opened } = looked;
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
      images: images.length,
      failed,
      detections: detectionsJson(images, classes, axes),
      classes,
      files: [...written, ...drawn],
    },
    text: [...lines, ...failed.map((problem) => `${problem.case}  not looked at: ${problem.message}`)].join("\n"),
    ok: failed.length === 0,
  };
}
