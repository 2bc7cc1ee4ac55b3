/**
 * Label maps to boxes: every connected component of a class becomes a box of that class; or, where a `CASE.json` beside the
 * label map lists `instances` (nnDetection's layout), every label value is one object of the class it is given there.
 */
import { readFile } from "node:fs/promises";
import { basename, dirname, extname } from "node:path";
import { z } from "zod";
import { DataError } from "../errors.ts";
import { caseName, volumeExtension } from "../files/index.ts";
import { labelComponents } from "../volume/components.ts";
import type { Vec3, Volume } from "../volume/types.ts";
import { type DataCase, type Dataset, type LabelClass, openDataset } from "./dataset.ts";
import { checkDescription } from "./description.ts";
import type { DetectionDataset, DetectionItem, OpenDetectionOptions } from "./detection.ts";
import { collectBoxes, type GivenBox, Problems, splitNamed } from "./detection-boxes.ts";
import { readLabel } from "./read-case.ts";

export interface MaskBoxOptions {
  readonly neighbours?: 6 | 26;
  readonly minVoxels?: number;
  /** Label value → class, where every value is one object. */
  readonly instances?: Readonly<Record<number, number>>;
}

/** A box around one object of a label map. */
export interface MaskBox {
  /** Its class: the label value, or what `instances` says; `undefined` where that says nothing. */
  readonly value: number | undefined;
  readonly voxels: number;
  /** Half-open voxel corners. */
  readonly corners: readonly number[];
}

/** The objects of a label map, in the order of their first voxels; of instances, in the order of their values. */
export function boxesOfMask(label: Volume, options: MaskBoxOptions = {}): MaskBox[] {
  const { neighbours = 26, minVoxels = 1, instances } = options;
  const map = Int32Array.from(label.data as ArrayLike<number>, Number);
  if (instances !== undefined) return boxesOfInstances(map, label.size, instances);
  const { components } = labelComponents(map, label.size, neighbours);
  return components
    .filter(({ voxels }) => voxels >= minVoxels)
    .map(({ value, voxels, low, high }) => ({ value, voxels, corners: [...low, ...high.map((last) => last + 1)] }));
}

function boxesOfInstances(map: Int32Array, [nx, ny]: Vec3, instances: Readonly<Record<number, number>>): MaskBox[] {
  const found = new Map<number, { voxels: number; corners: number[] }>();
  for (let i = 0; i < map.length; i++) {
    if (map[i] === 0) continue;
    const at = [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))];
    const own = found.get(map[i]);
    if (own === undefined) {
      found.set(map[i], { voxels: 1, corners: [...at, ...at.map((v) => v + 1)] });
      continue;
    }
    own.voxels++;
    for (let axis = 0; axis < 3; axis++) {
      own.corners[axis] = Math.min(own.corners[axis], at[axis]);
      own.corners[3 + axis] = Math.max(own.corners[3 + axis], at[axis] + 1);
    }
  }
  return [...found].sort(([a], [b]) => a - b).map(([value, own]) => ({ value: instances[value], ...own }));
}

/** A segmentation data set seen as one for detection. @throws DataError where a label map cannot be read */
export async function readMaskDetection(path: string, options: OpenDetectionOptions = {}): Promise<DetectionDataset> {
  const dataset = await openDataset(path, { signal: options.signal });
  return detectionFromMasks(dataset, options);
}

/** @throws DataError where a label map cannot be read */
export async function detectionFromMasks(
  dataset: Dataset,
  options: OpenDetectionOptions = {},
): Promise<DetectionDataset> {
  const problems = new Problems();
  const objects = dataset.labels.filter(({ index }) => index !== 0);
  let classes = objects.map(({ index, name }) => ({ id: index, name }));
  if (options.classes) {
    classes = options.classes.map((name) => {
      const known = classes.find((c) => c.name === name);
      if (known === undefined) throw new DataError(`${dataset.source}: no label is called "${name}"`);
      return known;
    });
  }
  const items: DetectionItem[] = [];
  for (const item of [...dataset.cases, ...dataset.test]) {
    options.signal?.throwIfAborted();
    if (item.label === undefined) continue;
    const label = await readLabel(item);
    const instances = await instancesOf(item);
    const file = basename(item.label);
    const given = boxesOfMask(label, { ...options, instances }).map(({ value, corners }, i): GivenBox => {
      const place = classes.findIndex(({ id }) => id === value);
      const what = `object ${i + 1} (${nameOf(value, dataset.labels)})`;
      return { number: i + 1, what, corners, label: place < 0 ? undefined : place, className: String(value) };
    });
    // Labels that were not asked for are no objects, rather than objects of an unknown class.
    const wanted = options.classes ? given.filter((box) => box.label !== undefined) : given;
    const split = splitNamed(item.split);
    items.push({
      id: item.id,
      image: item.image,
      size: label.size,
      ...collectBoxes(wanted, { id: item.id, file, axes: 3, size: label.size }, problems),
      ...(split ? { split } : {}),
      ...(item.group ? { group: item.group } : {}),
    });
  }
  const { name, root, source } = dataset;
  const about = { name, root, source, format: "masks", axes: 3 } as const;
  return { ...about, classes, items, problems: problems.list, skipped: problems.skipped };
}

const instancesDocument = z.looseObject({ instances: z.record(z.string(), z.coerce.number()) });

/** nnDetection's list of instances beside a label map: classes from 0, where label maps have them from 1. */
async function instancesOf(item: DataCase): Promise<Readonly<Record<number, number>> | undefined> {
  const path = item.label as string;
  const extension = volumeExtension(path) ?? extname(path);
  const file = `${dirname(path)}/${caseName(path) || basename(path, extension)}.json`;
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new DataError(`${file}: not valid JSON (${(cause as Error).message})`, { cause });
  }
  const { instances } = checkDescription(instancesDocument, parsed, file);
  return Object.fromEntries(Object.entries(instances).map(([value, kind]) => [Number(value), kind + 1]));
}

function nameOf(value: number | undefined, labels: readonly LabelClass[]): string {
  return labels.find(({ index }) => index === value)?.name ?? `label ${value}`;
}
