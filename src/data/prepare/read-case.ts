/** Reading the files of a case: its image, all channels of it, and its label map; the part that the case takes of them. */
import { basename } from "node:path";
import { DataError } from "../../errors.ts";
import { readVolume, readVolumeHeader } from "../../files/index.ts";
import { gridDifference } from "../../volume/affine.ts";
import type { LoadedVolume } from "../../volume/formats/header.ts";
import { resample } from "../../volume/resample/resample.ts";
import type { Grid, Volume } from "../../volume/types.ts";
import { asFloat32, bytesPerVoxel, scaledType } from "../../volume/voxels.ts";
import type { ReadVolume } from "../batches/cache.ts";
import { labelToleranceMm, requireSameGrid } from "../masks/grid.ts";
import { countLabels } from "../masks/labels.ts";
import { pickChannels, pickLabels } from "../masks/pick.ts";
import { unknownLabelProblems, unknownValues, wholeLabels } from "../masks/values.ts";
import type { Problem } from "../problem.ts";
import type { DataCase } from "../types.ts";
import { scanVoxels } from "./scan.ts";

/**
 * The image of a case. Channels from several files are stacked as 32-bit floats; a single file keeps its element type.
 * @param read where the files' voxels come from; its default is the disk
 * @throws DataError or GeometryError that names file and case.
 */
export async function readImage(item: DataCase, read: ReadVolume = readVolume): Promise<LoadedVolume> {
  const whole = await readChannels(item, read);
  return item.channelPick === undefined ? whole : pickChannels(whole, item.channelPick, item.id);
}

async function readChannels({ id, image, moreChannels = [] }: DataCase, read: ReadVolume): Promise<LoadedVolume> {
  const first = { ...(await read(image)), name: id };
  if (moreChannels.length === 0) return first;
  const perChannel = first.data.length / first.channels;
  // Most files hold one channel: then the stack has its size from the beginning, and every file is opened once.
  let data = new Float32Array(perChannel * (first.channels + moreChannels.length));
  data.set(asFloat32(first).data);
  let at = first.data.length;
  // One file at a time: beside the stack only one is in memory.
  for (const [i, path] of moreChannels.entries()) {
    const more = await read(path);
    const difference = gridDifference(first, more);
    if (difference) throw new DataError(`${id}: ${path} is not on the grid of ${image}: ${difference}`);
    const length = at + more.data.length + perChannel * (moreChannels.length - i - 1);
    if (length > data.length) {
      const longer = new Float32Array(length);
      longer.set(data);
      data = longer;
    }
    data.set(asFloat32(more).data, at);
    at += more.data.length;
  }
  return { ...first, data, channels: data.length / perChannel };
}

/** How large the image of a case will be in memory, from its files' headers alone. */
export async function readCaseSize(
  item: DataCase,
): Promise<Grid & { channels: number; bytesPerVoxel: number; name: string }> {
  const first = await readVolumeHeader(item.image);
  const more = await Promise.all((item.moreChannels ?? []).map((path) => readVolumeHeader(path)));
  return {
    size: first.size,
    affine: first.affine,
    channels: more.reduce((sum, { channels }) => sum + channels, first.channels),
    bytesPerVoxel: bytesPerVoxel(more.length > 0 ? "float32" : scaledType(first)),
    name: item.id,
  };
}

/** Fingerprint of the voxels of a case's image: equal for equal images, whatever files they lie in. */
export async function imageHash(item: DataCase): Promise<string> {
  return scanVoxels(await readImage(item)).hash;
}

/** A case's label map, whole numbers only. */
export type LabelMap = LoadedVolume & Unpicked;

interface Unpicked {
  /** Of a map that values are picked from: voxels by value of what is neither picked nor known to be left out. */
  readonly unpicked?: ReadonlyMap<number, number>;
}

/**
 * The label map of a case.
 * @param image the grid of the case's image, which the label must lie on unless it has a grid of its own; that is then read from
 * the image's file where left out
 * @param read where the files' voxels come from; its default is the disk
 * @throws DataError where the case has none, it has several channels, a fraction for a label, or lies off the image's grid.
 */
export async function readLabel(item: DataCase, image?: Grid, read: ReadVolume = readVolume): Promise<LabelMap> {
  if (item.label === undefined) throw new DataError(`${item.id}: has no label (image ${item.image})`);
  const label = await read(item.label);
  if (label.channels !== 1) {
    throw new DataError(`${item.id}: label has ${label.channels} channels, must have one (${item.label})`);
  }
  const placed = placedLabel(label, item);
  const grid = placed.labelGrid === "own" ? (image ?? (await read(item.image))) : undefined;
  const taken = takenOf({ ...label, name: item.id }, placed, grid);
  if (image !== undefined) requireSameGrid(taken, image, item.id);
  return taken;
}

/** A DICOM segmentation spans only the planes that have a segment: it has a grid of its own, whatever the list says. */
export function placedLabel({ header }: Pick<LoadedVolume, "header">, item: DataCase): DataCase {
  return header.format === "dicom-seg" ? { ...item, labelGrid: "own" } : item;
}

/**
 * What a case takes of its label map: whole numbers, the picked values, on the image's grid.
 * @throws DataError for a fraction
 */
export function takenOf<V extends Volume>(label: V, item: DataCase, image: Grid | undefined): V & Unpicked {
  const { labelPick, labelKnown } = item;
  const picked: V & Unpicked =
    labelPick === undefined
      ? wholeLabels(label, item.id)
      : {
          ...pickLabels(label, labelPick, item.id),
          unpicked: labelKnown && unknownValues(countLabels(label.data).counts, labelKnown),
        };
  if (item.labelGrid !== "own" || image === undefined) return picked;
  if (gridDifference(image, picked, labelToleranceMm(image)) === undefined) return picked;
  return { ...picked, ...resample(picked, image, { mode: "nearest", outside: 0 }), name: item.id };
}

/**
 * What is wrong with a label map, as {@link readLabel} gives it: voxels of values that no class has.
 * @param classes the values that the data set declares; those that are picked are the case's to know
 * @param source of the data set, for the message
 */
export function labelProblems(
  item: DataCase,
  label: Volume & Unpicked,
  classes: readonly number[],
  source = "the data set",
): Problem[] {
  const known = item.labelPick === undefined ? [...classes, ...[item.ignoreLabel ?? []].flat()] : item.labelKnown;
  if (known === undefined) return [];
  const unknown = label.unpicked ?? unknownValues(countLabels(label.data).counts, known);
  return unknownLabelProblems(item.id, unknown, known, basename(source));
}
