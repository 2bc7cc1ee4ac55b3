/**
 * Another tool's detections in COCO's results format, `[{ image_id, category_id, bbox, score }]`, beside the data set they are
 * of. Nothing is guessed: an image or a category that the data set does not have is an error, since the score would be of
 * something else.
 */
import { z } from "zod";
import { DataError } from "../../../errors.ts";
import { checkDescription } from "../../lists/description.ts";
import { readJson } from "../../text.ts";
import { numberOf } from "../collect.ts";
import type { DetectionDataset, DetectionItem } from "../types.ts";

const number = z.union([z.number(), z.string()]);
const document = z.array(
  z.looseObject({ image_id: number, category_id: number, bbox: z.array(z.unknown()), score: number }),
);

/** Detections of one image, as the metrics take them. */
export interface ReadDetections {
  /** `[D, 2·axes]`: corners, half-open, in pixels or voxels. */
  readonly boxes: Float64Array;
  /** `[D]`: places in the data set's classes, from 0. */
  readonly labels: Int32Array;
  readonly scores: Float64Array;
}

/**
 * Reads a results file. `image_id` is COCO's number, or an item's id where the set has no numbers; category numbers are
 * those of the image's annotation file.
 * @returns the detections of every item of the data set, by its id; none for an image that the file does not mention
 * @throws DataError naming file and entry
 */
export async function readCocoResults(file: string, dataset: DetectionDataset): Promise<Map<string, ReadDetections>> {
  const entries = checkDescription(document, await readJson(file), file);
  const items = itemsByName(dataset);
  const { axes, classes } = dataset;
  const rows = new Map(
    dataset.items.map(({ id }) => [id, { boxes: [] as number[], labels: [] as number[], scores: [] as number[] }]),
  );
  for (const [i, { image_id, category_id, bbox, score }] of entries.entries()) {
    const at = `${file}: [${i}]`;
    const item = items.get(String(image_id));
    if (item === undefined)
      throw new DataError(
        `${at}.image_id: ${show(image_id)} is no image of ${dataset.source}, or one that was left out`,
      );
    if (item === "several") {
      const way = "numbers are unique in one annotation file only; score against the one they are of";
      throw new DataError(
        `${at}.image_id: ${show(image_id)} is the number of several images of ${dataset.source}; ${way}`,
      );
    }
    const label = labelOf(Number(category_id), item, dataset);
    if (label < 0) {
      const known = [...categoriesOf(item, dataset)].map(([id, name]) => `${id} (${name})`).join(", ");
      throw new DataError(
        `${at}.category_id: ${show(category_id)} is no class of ${dataset.source}; there are ${known}`,
      );
    }
    const sides = bbox.map(numberOf);
    if (sides.length !== 2 * axes || !sides.every(Number.isFinite) || sides.slice(axes).some((side) => side < 0)) {
      const form = axes === 2 ? "x, y, width, height" : "x, y, z, width, height, depth";
      throw new DataError(`${at}.bbox: expected ${form}, found ${JSON.stringify(bbox)}`);
    }
    const value = numberOf(score);
    if (!Number.isFinite(value)) throw new DataError(`${at}.score: expected a number, found ${show(score)}`);
    const row = rows.get(item.id);
    if (row === undefined) continue;
    for (let axis = 0; axis < axes; axis++) row.boxes.push(sides[axis]);
    for (let axis = 0; axis < axes; axis++) row.boxes.push(sides[axis] + sides[axes + axis]);
    row.labels.push(label);
    row.scores.push(value);
  }
  if (classes.length === 0) throw new DataError(`${dataset.source}: has no class to score`);
  return new Map(
    [...rows].map(([id, { boxes, labels, scores }]) => [
      id,
      { boxes: Float64Array.from(boxes), labels: Int32Array.from(labels), scores: Float64Array.from(scores) },
    ]),
  );
}

/** Items by what results may call them: their numbers, and where there are none their ids. */
function itemsByName({ items }: DetectionDataset): Map<string, DetectionItem | "several"> {
  const found = new Map<string, DetectionItem | "several">();
  for (const item of items) {
    if (item.imageId === undefined) continue;
    const key = String(item.imageId);
    found.set(key, found.has(key) ? "several" : item);
  }
  for (const item of items) if (!found.has(item.id)) found.set(item.id, item);
  return found;
}

/** The class of a category number, by name; −1 for none. */
function labelOf(category: number, item: DetectionItem, dataset: DetectionDataset): number {
  const name = categoriesOf(item, dataset).get(category);
  return dataset.classes.findIndex((one) => one.name === name);
}

function categoriesOf({ annotation }: DetectionItem, dataset: DetectionDataset): ReadonlyMap<number, string> {
  const own = annotation === undefined ? undefined : dataset.categories?.get(annotation);
  return own ?? new Map(dataset.classes.map(({ id, name }) => [id, name]));
}

const show = (value: unknown): string => JSON.stringify(value);
