/**
 * From a volume as it was scanned to what a network sees: orientation, spacing, intensities; and back again. Training,
 * evaluation and prediction all come through here with the same JSON specification, so they cannot differ.
 *
 * Resampling comes before the intensities, so that a z-scored image has mean 0 and standard deviation 1 on the very
 * grid that the network works on.
 */
import { ConfigError, DataError } from "../errors.ts";
import { random } from "../random.ts";
import {
  argmaxOnGrid,
  asFloat32,
  clip,
  clipPercentiles,
  ctWindow,
  type Grid,
  gridDifference,
  gridWithSpacing,
  medicalNetNormalize,
  reorient,
  resample,
  restoreToGrid,
  spacingOf,
  type Vec3,
  type Volume,
  type VoxelArray,
  zScore,
} from "../volume/index.ts";
import { counted } from "./counted.ts";
import { pickChannels } from "./pick.ts";

export type IntensityScheme =
  /** Mean 0, standard deviation 1 per channel, after clipping to percentiles of the image (MRI). */
  | { readonly kind: "zscore"; readonly clipPercentile?: readonly [number, number] }
  /**
   * Clipped to [low, high] in the image's own units (HU). Then scaled to [0, 1], or, with `mean` and `sd` of the
   * training set's foreground, z-scored by those: nnU-Net's scheme for CT.
   */
  | {
      readonly kind: "ctWindow";
      readonly low: number;
      readonly high: number;
      readonly mean?: number;
      readonly sd?: number;
    }
  /** As the released MedicalNet code: z-score of voxels above 0, noise where the image is exactly 0. */
  | { readonly kind: "medicalnet" }
  | { readonly kind: "none" };

/** Plain JSON; part of `plan.json` and of an exported model's metadata. */
export interface Preprocessing {
  /** Direction of the voxel axes, e.g. `"RAS"`. */
  readonly orientation: string;
  /** Along x, y, z after reorientation; `null` leaves every image at its own. */
  readonly spacingMm: Vec3 | null;
  readonly intensity: IntensityScheme;
  readonly channels: number;
  /** Which channels (from 0) are taken of an image that has more than `channels`. */
  readonly channelPick?: readonly number[];
  /** The file's label value of each class, class 0 (background) first: `[0, 1, 2]`. */
  readonly labels: readonly number[];
  /** Of a labelled case only the box around its labels and so many millimetres more are prepared (the fine stage of a cascade). */
  readonly regionMarginMm?: number;
}

/** An image as the network sees it, and the grid it came from. */
export interface PreprocessedImage {
  readonly volume: Volume<Float32Array>;
  /** Size and affine of the file, bit for bit. */
  readonly original: Grid;
}

/**
 * Prepares an image of any orientation and spacing.
 * @throws DataError when channels are missing or voxels are NaN or infinite; ConfigError for an unknown scheme.
 */
export function preprocess(image: Volume, spec: Preprocessing): PreprocessedImage {
  const name = image.name ?? "image";
  if (image.channels > spec.channels && spec.channelPick !== undefined) {
    return preprocess(pickChannels(image, spec.channelPick, name), spec);
  }
  if (image.channels !== spec.channels) {
    throw new DataError(
      `${name}: image has ${counted(image.channels, "channel")}, the plan was made for ${spec.channels}`,
    );
  }
  const onGrid = toWorkingGrid(asFloat32(image), spec, "linear");
  checkFinite(onGrid, name);
  const volume = normalizeIntensity(onGrid, spec.intensity);
  return { volume: { ...volume, name }, original: { size: image.size, affine: image.affine } };
}

/** A label map on the working grid, as class indices. */
export interface PreprocessedLabel {
  readonly volume: Volume<Int16Array>;
  /** Voxels of the file whose value is none of the plan's labels; they count as background. */
  readonly unknown: number;
}

/**
 * Prepares the label map that belongs to `image` (the volume as read). Values become class indices; a label whose affine
 * differs from the image's by less than half a voxel is taken to lie on the image's grid.
 * @throws DataError when label and image do not lie on one grid, or a value is not a whole number.
 */
export function preprocessLabel(label: Volume, image: Grid, spec: Preprocessing): PreprocessedLabel {
  const name = label.name ?? "label";
  if (label.size.some((n, axis) => n !== image.size[axis])) {
    throw new DataError(`${name}: label is ${label.size.join("×")}, image is ${image.size.join("×")}`);
  }
  const difference = gridDifference(image, label, Math.min(...spacingOf(image.affine)) / 2);
  if (difference) throw new DataError(`${name}: label lies elsewhere than image: ${difference}`);
  const { classes, unknown } = toClasses(label.data, spec.labels, name);
  const onImage = { ...label, data: classes, size: image.size, affine: image.affine };
  return { volume: { ...toWorkingGrid(onImage, spec, "labels"), name }, unknown };
}

/**
 * A predicted class map on the working grid, brought back to the file's grid and label values.
 * Where the working grid is the file's own, classes are copied exactly.
 */
export function restoreClasses<T extends VoxelArray>(
  prediction: Volume<T>,
  original: Grid,
  spec: Preprocessing,
): Volume<Uint8Array | Int16Array> {
  const restored = restoreToGrid(prediction, original);
  return { ...restored, data: toLabelValues(restored.data, spec.labels) };
}

/**
 * Class scores (channels are classes) on the working grid, interpolated to the file's grid, the highest one's label
 * value at every voxel. One slice at a time, so full-size score maps never exist.
 */
export function restoreScores(scores: Volume, original: Grid, spec: Preprocessing): Volume<Uint8Array | Int16Array> {
  const classes = argmaxOnGrid(scores, original);
  return { ...classes, data: toLabelValues(classes.data, spec.labels) };
}

/** Reorients and resamples; the grid itself does not depend on the mode, so image and label stay together. */
function toWorkingGrid<T extends Float32Array | Int16Array>(
  volume: Volume<T>,
  spec: Preprocessing,
  mode: "linear" | "labels",
): Volume<T> {
  const oriented = reorient(volume, spec.orientation);
  if (spec.spacingMm === null) return oriented;
  const grid = gridWithSpacing(oriented, spec.spacingMm);
  if (gridDifference(oriented, grid, 0) === undefined) return oriented;
  return resample(oriented, grid, { mode, outside: "edge" }) as Volume<T>;
}

/** The intensity scheme on its own. */
export function normalizeIntensity(volume: Volume<Float32Array>, scheme: IntensityScheme): Volume<Float32Array> {
  switch (scheme.kind) {
    case "zscore":
      return zScore(scheme.clipPercentile ? clipPercentiles(volume, ...scheme.clipPercentile) : volume);
    case "ctWindow": {
      const { low, high, mean, sd } = scheme;
      if (mean === undefined || sd === undefined) return ctWindow(volume, low, high);
      if (!(sd > 0)) throw new ConfigError(`intensity.sd: ${sd} must be above 0`);
      const clipped = clip(volume, low, high);
      for (let i = 0; i < clipped.data.length; i++) clipped.data[i] = (clipped.data[i] - mean) / sd;
      return clipped;
    }
    case "medicalnet":
      // One fixed stream: the same file gives the same volume at training and at test time.
      return medicalNetNormalize(volume, random(0, "medicalnet-background"));
    case "none":
      return volume;
    default:
      throw new ConfigError(
        `intensity.kind: expected zscore, ctWindow, medicalnet or none, got ${JSON.stringify((scheme as { kind: unknown }).kind)}`,
      );
  }
}

function checkFinite(volume: Volume<Float32Array>, name: string): void {
  let bad = 0;
  for (let i = 0; i < volume.data.length; i++) if (!Number.isFinite(volume.data[i])) bad++;
  if (bad > 0)
    throw new DataError(
      `${name}: image has ${counted(bad, "voxel")} with NaN or infinity; medvox verify lists such cases`,
    );
}

function toClasses(
  data: VoxelArray,
  labels: readonly number[],
  name: string,
): { classes: Int16Array; unknown: number } {
  const classOf = new Map(labels.map((value, index) => [value, index]));
  const classes = new Int16Array(data.length);
  let unknown = 0;
  // Runs of one value are long, so the map is asked once per run.
  let last: number | bigint = 0;
  let index = classOf.get(0) ?? 0;
  let known = classOf.has(0);
  for (let i = 0; i < data.length; i++) {
    const value = data[i];
    if (value !== last) {
      const number = Number(value);
      if (!Number.isInteger(number)) {
        throw new DataError(`${name}: label has the value ${number}; labels are whole numbers`);
      }
      last = value;
      known = classOf.has(number);
      index = classOf.get(number) ?? 0;
    }
    classes[i] = index;
    if (!known) unknown++;
  }
  return { classes, unknown };
}

function toLabelValues(classes: VoxelArray, labels: readonly number[]): Uint8Array | Int16Array {
  const small = labels.every((value) => value <= 255);
  const out = small ? new Uint8Array(classes.length) : new Int16Array(classes.length);
  for (let i = 0; i < classes.length; i++) out[i] = labels[Number(classes[i])];
  return out;
}
