/** What a detector found, as files: COCO's results, a table in world millimetres, pictures with boxes. */
import { cocoResults, type DetectedImage, type DetectionClass, imageNames } from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import type { Detections, TrueBoxes } from "../../metrics/index.ts";
import { pictureBoxesPng, volumeBoxesPng } from "../../report/index.ts";
import type { Affine } from "../../volume/index.ts";
import type { DetectedBoxes } from "../parts/post-process.ts";
import type { OpenedImage } from "./images.ts";

/** Detections of one image of a file, to be written. */
export interface FoundImage extends DetectedImage {
  /** Of a volume. */
  readonly affine?: Affine;
}

/** An image's detections with what its files need to name it. */
export function foundImage(
  { id, imageId }: { readonly id: string; readonly imageId?: number | string },
  { boxes, labels, scores }: DetectedBoxes,
  { affine }: OpenedImage,
): FoundImage {
  return { id, imageId, affine, boxes, labels, scores };
}

/** A volume's detections as `detections` of `--json`: voxel boxes as COCO has them, and millimetres. */
export function detectionsJson(
  images: readonly FoundImage[],
  classes: readonly DetectionClass[],
  axes: 2 | 3,
): object[] {
  if (axes === 2) return cocoResults(images, classes);
  const names = imageNames(images);
  return images.flatMap(({ boxes, labels, scores }, image) =>
    Array.from(scores, (score, i) => {
      const [low, high] = [boxes.subarray(6 * i, 6 * i + 3), boxes.subarray(6 * i + 3, 6 * i + 6)];
      return {
        image_id: names[image],
        category_id: classes[labels[i]].id,
        bbox: [...low, ...high.map((value, axis) => value - low[axis])],
        score,
      };
    }),
  );
}

/** A picture, or three planes of a volume, with the boxes. @returns the bytes of a PNG */
export function boxesPng(
  { picture, volume }: OpenedImage,
  detections: Detections,
  options: {
    readonly classes: readonly DetectionClass[];
    readonly truth?: Pick<TrueBoxes, "boxes" | "labels" | "difficult" | "crowd">;
    readonly minScore?: number;
  },
): Uint8Array {
  const classes = options.classes.map(({ name }) => name);
  if (picture !== undefined) return pictureBoxesPng(picture, detections, { ...options, classes });
  if (volume === undefined) throw new ConfigError("boxes: no picture and no volume to draw them on");
  return volumeBoxesPng(volume, detections, { ...options, classes });
}
