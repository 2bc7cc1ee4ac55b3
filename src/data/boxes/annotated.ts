/** From what annotations say of pictures to a data set's items: each picture is looked at, and its boxes are collected. */

import { pictureSizes } from "../pictures.ts";
import { boxesText, collectBoxes, type GivenBox, type Problems } from "./collect.ts";
import type { DetectionItem, OpenDetectionOptions } from "./types.ts";

/** A picture as its annotation has it. */
export interface AnnotatedPicture {
  readonly id: string;
  /** Absolute path, and what messages call it. */
  readonly image: string;
  readonly shown: string;
  /** Absolute path of the annotation file, where there is one, and what messages call it. */
  readonly annotation?: string;
  readonly file: string;
  /** What the annotation says of its size. */
  readonly declared?: readonly [width: number, height: number];
  /** Its boxes in pixels of a picture of that size. */
  readonly boxes: (size: readonly [width: number, height: number]) => readonly GivenBox[];
  readonly split?: DetectionItem["split"];
  readonly imageId?: DetectionItem["imageId"];
}

/**
 * Reads every picture's header. A picture that is missing or broken is left out, with its boxes; one whose size is not the
 * one its annotation speaks of is a problem that stops, since nobody knows which pixels its boxes mean.
 */
export async function annotatedItems(
  pictures: readonly AnnotatedPicture[],
  problems: Problems,
  { signal, pictures: need = "needed" }: Pick<OpenDetectionOptions, "signal" | "pictures">,
): Promise<DetectionItem[]> {
  const sizes = await pictureSizes(
    pictures.map(({ image }) => image),
    signal,
  );
  const items: DetectionItem[] = [];
  for (const picture of pictures) {
    const { id, image, shown, annotation, file, declared, split, imageId } = picture;
    const looked = sizes.get(image);
    const isNeeded = need === "needed" || declared === undefined || looked === undefined || "size" in looked;
    const seen = isNeeded || looked.rule !== "missing-file" ? looked : { size: declared };
    if (seen === undefined || "rule" in seen) {
      const { rule, reason } = seen ?? { rule: "unreadable" as const, reason: "cannot be read" };
      const boxes = picture.boxes(declared ?? [1, 1]).length;
      const rest = boxes > 0 ? ` with its ${boxesText(boxes)}` : "";
      problems.add(
        { case: id, rule, message: `image ${shown} ${reasonText(reason)}; left out${rest}` },
        { boxes, images: 1 },
      );
      continue;
    }
    const size = declared ?? seen.size;
    if (size.some((length, axis) => length !== seen.size[axis])) {
      const turned = size[0] === seen.size[1] && size[1] === seen.size[0];
      const hint = turned
        ? ", the other way round (sizes are those of the picture the right way up, as EXIF turns it)"
        : "";
      const message = `${shown}: annotation says ${size.join("×")}, the image is ${seen.size.join("×")}${hint}`;
      problems.add({ case: id, rule: "size-mismatch", message });
    }
    items.push({
      id,
      image,
      ...(annotation === undefined ? {} : { annotation }),
      ...(imageId === undefined ? {} : { imageId }),
      size,
      ...collectBoxes(picture.boxes(size), { id, file, axes: 2, size }, problems),
      ...(split === undefined ? {} : { split }),
    });
  }
  return items;
}

/** `is missing` and `is WebP` go on from the picture's name; other reasons are sentences of their own. */
function reasonText(reason: string): string {
  return reason.startsWith("is ") ? reason : `cannot be used: ${reason}`;
}
