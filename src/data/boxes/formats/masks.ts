/**
 * Label maps to boxes: every connected component of a class becomes a box of that class; or, where a `CASE.json` beside the
 * label map lists `instances` (nnDetection's layout), every label value is one object of the class it is given there.
 */
import { basename, dirname } from "node:path";
import { ConfigError, DataError } from "../../../errors.ts";
import type { Vec3, Volume } from "../../../volume/types.ts";
import { labelComponents } from "../../../volume/values/components.ts";
import { counted } from "../../counted.ts";
import { openDataset } from "../../lists/dataset.ts";
import { eachRun, requireLabel } from "../../masks/values.ts";
import { readLabel } from "../../prepare/read-case.ts";
import type { DataCase, Dataset } from "../../types.ts";
import { absentClassText } from "../classes.ts";
import { classesByNumber, collectBoxes, type GivenBox, Problems, splitNamed } from "../collect.ts";
import type { DetectionClass, DetectionDataset, DetectionItem, OpenDetectionOptions } from "../types.ts";
import { gridOf } from "./findings.ts";
import { type InstanceSet, instancesFile, readInstanceSet, readInstances } from "./instances.ts";

export interface MaskBoxOptions {
  readonly neighbours?: 6 | 26;
  readonly minVoxels?: number;
  /** Value of voxels that are neither objects nor background (nnU-Net's `ignore`). */
  readonly ignore?: number;
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

const int32 = 2 ** 31;

/**
 * The objects of a label map, in the order of their first voxels; of instances, in the order of their values.
 * @throws DataError for values of more than 31 bits
 */
export function boxesOfMask(label: Volume, options: MaskBoxOptions = {}): MaskBox[] {
  const { neighbours = 26, minVoxels = 1, instances, ignore } = options;
  const map = new Int32Array(label.data.length);
  eachRun(label.data, (run) => {
    const value = requireLabel(run, label.name ?? "label map");
    // Kept as it is in 32 bits or not at all: cut to them it would be another label.
    if (!(value >= -int32 && value < int32)) {
      throw new DataError(`${label.name ?? "label map"}: has the value ${value}; labels go up to ${int32 - 1}`);
    }
    if (value !== 0 && value !== ignore) map.fill(value, run.start, run.end);
  });
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

/**
 * A folder of label maps seen as a data set for detection: nnDetection's, where every value is an object, or one for
 * segmentation. @throws DataError where it is neither
 */
export async function readMaskDetection(path: string, options: OpenDetectionOptions = {}): Promise<DetectionDataset> {
  const instances = await readInstanceSet(path);
  if (instances !== undefined) return detectionFromInstances(instances, options);
  return detectionFromMasks(await openDataset(path, { signal: options.signal }), options);
}

/** A segmentation data set: every connected component of a class is an object of that class. */
export async function detectionFromMasks(
  dataset: Dataset,
  options: OpenDetectionOptions = {},
): Promise<DetectionDataset> {
  const declared = dataset.labels.flatMap(({ index, name }) => (index === 0 ? [] : { id: index, name }));
  return fromLabelMaps({ ...dataset, classes: declared, offset: 1 }, options);
}

/** nnDetection's: every value of a label map is an object, whose class stands in the list beside it. */
async function detectionFromInstances(set: InstanceSet, options: OpenDetectionOptions): Promise<DetectionDataset> {
  return fromLabelMaps({ ...set, offset: 0, needsInstances: true }, options);
}

/** Label maps with their classes. */
interface LabelMaps extends Pick<Dataset, "name" | "root" | "source" | "cases" | "test"> {
  readonly classes: readonly DetectionClass[];
  /** What is added to the class numbers of a list of instances. */
  readonly offset: number;
  /** Whether values are numbers of instances, which are no classes without a list. */
  readonly needsInstances?: boolean;
}

async function fromLabelMaps(set: LabelMaps, options: OpenDetectionOptions): Promise<DetectionDataset> {
  const problems = new Problems({ otherClasses: options.classes ? "unwanted" : options.otherClasses });
  const { name, root, source } = set;
  const classes = classesByNumber(set.classes, options.classes, source);
  if (options.classes) {
    const unknown = classes.find((one) => !set.classes.includes(one));
    if (unknown !== undefined) throw new ConfigError(absentClassText(unknown.name, set.classes, source));
  }
  const items: DetectionItem[] = [];
  let [files, unlabelled] = [0, 0];
  for (const item of [...set.cases, ...set.test]) {
    options.signal?.throwIfAborted();
    if (item.label === undefined) {
      unlabelled++;
      continue;
    }
    files++;
    const found = await itemOf(item, set, classes, problems, options);
    if (found !== undefined) items.push(found);
  }
  if (unlabelled > 0) {
    const message = `${counted(unlabelled, "case")} without a label map, not used`;
    problems.add({ case: name, rule: "without-annotation", message });
  }
  const declared = set.classes.map((one) => one.name);
  const about = { name, root, source, format: "masks", axes: 3 } as const;
  return { ...about, classes, declared, items, ...problems.done(name, files) };
}

/** One case; where it cannot be used, a problem. */
async function itemOf(
  item: DataCase,
  { classes: declared, offset, needsInstances = false }: LabelMaps,
  classes: readonly DetectionClass[],
  problems: Problems,
  options: OpenDetectionOptions,
): Promise<DetectionItem | undefined> {
  const { id, label: path = "" } = item;
  const file = basename(path);
  const grid = await gridOf(item.image, id, problems);
  if (grid === undefined) return undefined;
  let label: Volume;
  let instances: Readonly<Record<number, number>> | undefined;
  let boxes: readonly MaskBox[];
  try {
    label = await readLabel(item);
    instances = await instancesOf(path, offset);
    boxes = boxesOfMask(label, { ...options, instances, ignore: item.ignoreLabel });
  } catch (error) {
    const message = (error as Error).message.replaceAll(dirname(path), "").replace(/^[/\\]/, "");
    problems.add({ case: id, rule: "unreadable", message: `${message}; left out` }, { files: 1 });
    return undefined;
  }
  if (needsInstances && instances === undefined && boxes.length > 0) {
    const message = `${file}: its values are numbers of instances, and ${instancesFile(path)} is missing; left out`;
    problems.add({ case: id, rule: "missing-annotation", message }, { files: 1 });
    return undefined;
  }
  if (item.moreChannels !== undefined) {
    const message = `${basename(item.image)}: the first of its ${item.moreChannels.length + 1} channels is used`;
    problems.add({ case: id, rule: "channels", message });
  }
  // Where the label map has a grid of its own, nothing says that the two agree voxel by voxel.
  if (item.labelGrid === undefined && label.size.some((length, axis) => length !== grid.size[axis])) {
    const fact = `label map has ${label.size.join("×")} voxels, the image ${grid.size.join("×")}`;
    problems.add({ case: id, rule: "size-mismatch", message: `${file}: ${fact}` });
  }
  const called = new Map(declared.map((one) => [one.id, one.name]));
  const given = boxes.map(({ value, corners }, i): GivenBox => {
    const place = classes.findIndex((one) => one.id === value);
    const className =
      value === undefined ? "of an instance that is not listed" : (called.get(value) ?? `label ${value}`);
    const what = `object ${i + 1} (${className})`;
    return { number: i + 1, what, corners, label: place < 0 ? undefined : place, className };
  });
  const listed = Object.keys(instances ?? {}).length;
  const there = given.filter((_, i) => boxes[i].value !== undefined).length;
  if (there < listed) {
    const message = `${instancesFile(path)}: lists ${counted(listed, "instance")}, ${there} of them are in the label map`;
    problems.add({ case: id, rule: "unused-label", message });
  }
  const split = splitNamed(item.split);
  return {
    id,
    image: item.image,
    annotation: path,
    size: label.size,
    ...collectBoxes(given, { id, file, axes: 3, size: label.size }, problems),
    ...(split ? { split } : {}),
    ...(item.group ? { group: item.group } : {}),
  };
}

/** nnDetection's list of instances beside a label map, class numbers from 0, to which `offset` is added. */
async function instancesOf(path: string, offset: number): Promise<Readonly<Record<number, number>> | undefined> {
  const listed = await readInstances(path);
  return listed && Object.fromEntries(Object.entries(listed).map(([value, kind]) => [Number(value), kind + offset]));
}
