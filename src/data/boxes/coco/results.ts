/**
 * What a detector said, written for others: COCO's results format for pictures, a table in world millimetres for volumes
 * (LUNA16's columns first, so that its evaluation reads it, then the box).
 */
import { type BoxArray, type WorldSpace, worldBoxOf } from "../../../boxes/index.ts";
import type { Affine } from "../../../volume/types.ts";
import type { DetectionClass } from "../types.ts";

/** Detections of one image, in pixels or voxels of its file. */
export interface DetectedImage {
  readonly id: string;
  /** COCO's number of the image; its id where there is none. */
  readonly imageId?: number | string;
  /** `[D, 2·axes]`. */
  readonly boxes: BoxArray;
  /** `[D]`, places in the classes. */
  readonly labels: ArrayLike<number>;
  readonly scores: ArrayLike<number>;
}

export interface CocoDetection {
  readonly image_id: number | string;
  readonly category_id: number;
  readonly bbox: readonly [x: number, y: number, width: number, height: number];
  readonly score: number;
}

/**
 * What results call each image: COCO's numbers where all have one and no two the same, else the items' ids. Numbers are
 * unique in one annotation file only, so images of several files may share them.
 */
export function imageNames(images: readonly Pick<DetectedImage, "id" | "imageId">[]): (number | string)[] {
  const numbers = new Set(images.map(({ imageId }) => imageId));
  const areUnique = numbers.size === images.length && !numbers.has(undefined);
  return images.map(({ id, imageId }) => (areUnique ? (imageId as number | string) : id));
}

/** COCO's results: `[{ image_id, category_id, bbox: [x, y, width, height], score }]`. */
export function cocoResults(images: readonly DetectedImage[], classes: readonly DetectionClass[]): CocoDetection[] {
  const names = imageNames(images);
  return images.flatMap(({ boxes, labels, scores }, image) =>
    Array.from(scores, (score, i): CocoDetection => {
      const [x1, y1, x2, y2] = boxes.subarray(4 * i, 4 * i + 4);
      return {
        image_id: names[image],
        category_id: classes[labels[i]].id,
        bbox: [x1, y1, x2 - x1, y2 - y1],
        score,
      };
    }),
  );
}

/**
 * A table of detections in volumes: `seriesuid, coordX, coordY, coordZ, probability, diameter_mm, sizeX, sizeY, sizeZ, class`,
 * centres in `space` (LPS by default, as LUNA16 has them), sizes along the voxel axes, all in mm.
 * @param affineOf of the grid that an image's boxes are in
 */
export function worldCsv(
  images: readonly DetectedImage[],
  classes: readonly DetectionClass[],
  affineOf: (id: string) => Affine,
  space: WorldSpace = "LPS",
): string {
  const head = "seriesuid,coordX,coordY,coordZ,probability,diameter_mm,sizeX,sizeY,sizeZ,class";
  const lines = images.flatMap(({ id, boxes, labels, scores }) =>
    Array.from(scores, (score, i) => {
      const { centreMm, sizeMm } = worldBoxOf(boxes, i, affineOf(id), space);
      const diameter = Math.cbrt(sizeMm[0] * sizeMm[1] * sizeMm[2]);
      const numbers = [...centreMm, score, diameter, ...sizeMm].map((value) => String(+value.toFixed(6)));
      return [quoted(id), ...numbers, quoted(classes[labels[i]].name)].join(",");
    }),
  );
  return `${[head, ...lines].join("\n")}\n`;
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
