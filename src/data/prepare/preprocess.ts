/**
 * From a volume as it was scanned to what a network sees: orientation, spacing, intensities; and back again. Training,
 * evaluation and prediction all come through here with the same JSON specification, so they cannot differ.
 *
 * Resampling comes before the intensities, so that a z-scored image has mean 0 and standard deviation 1 on the very
 * grid that the network works on.
 */
import { ConfigError, DataError } from "../../errors.ts";
import { type RandomState, random, restoreRandom } from "../../random.ts";
import {
  argmaxOnGrid,
  type Change,
  clipChange,
  ctWindowChange,
  emptyLike,
  type Grid,
  gridDifference,
  gridWithSpacing,
  labelTypeFor,
  medicalNetChange,
  type Pass,
  passOver,
  percentileClipChange,
  reorient,
  resample,
  resampler,
  type SlicedVolume,
  slicedOnGrid,
  slicedWhole,
  type Vec3,
  type Volume,
  type VoxelArray,
  viewOf,
  wholeOf,
  zScoreChange,
} from "../../volume/index.ts";
import { counted } from "../counted.ts";
import { requireSameGrid } from "../masks/grid.ts";
import { pickChannels } from "../masks/pick.ts";
import { eachRun, ignoredClass, requireLabel } from "../masks/values.ts";

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
  // Whole first: looking at what lies in memory several times is cheaper than resampling several times.
  const whole = wholeOf(onWorkingGrid(image, spec));
  checkFinite(slicedWhole(whole));
  return { volume: normalizeInPlace(whole, spec.intensity), original: { size: image.size, affine: image.affine } };
}

/**
 * The same image, to the bit, made slice by slice when it is asked for: beside the image itself it takes memory for a few slices.
 * The slices are gone through several times here, for what the intensity scheme has to measure.
 * @throws as {@link preprocess}
 */
export function preprocessSlices(image: Volume, spec: Preprocessing): SlicedVolume {
  const raw = onWorkingGrid(image, spec);
  // What is interpolated between whole numbers is finite.
  if (image.data instanceof Float32Array || image.data instanceof Float64Array) checkFinite(raw);
  const change = intensityChange(raw, spec.intensity);
  const perSlice = raw.size[0] * raw.size[1];
  return {
    ...raw,
    slice: (channel, z, out, at) => {
      raw.slice(channel, z, out, at);
      change(out.subarray(at, at + perSlice), channel, z);
    },
  };
}

function onWorkingGrid(image: Volume, spec: Preprocessing): SlicedVolume {
  const name = image.name ?? "image";
  if (image.channels > spec.channels && spec.channelPick !== undefined) {
    return onWorkingGrid(pickChannels(image, spec.channelPick, name), spec);
  }
  if (image.channels !== spec.channels) {
    throw new DataError(
      `${name}: image has ${counted(image.channels, "channel")}, the plan was made for ${spec.channels}`,
    );
  }
  return slicedOnGrid({ ...image, name }, spec.orientation, spec.spacingMm);
}

/** A label map on the working grid, as class indices. */
export interface PreprocessedLabel {
  readonly volume: Volume<Int16Array>;
  /** Voxels of the file whose value is none of the plan's labels, by value; they count as background. */
  readonly unknown: ReadonlyMap<number, number>;
}

/**
 * Prepares the label map that belongs to `image` (the volume as read). Values become class indices; a label whose affine
 * differs from the image's by less than half a voxel is taken to lie on the image's grid.
 * @param ignoreLabel the value of voxels that do not count; they get {@link ignoredClass}
 * @throws DataError when label and image do not lie on one grid, or a value is not a whole number.
 */
export function preprocessLabel(
  label: Volume,
  image: Grid,
  spec: Preprocessing,
  ignoreLabel?: number,
): PreprocessedLabel {
  const name = label.name ?? "label";
  requireSameGrid(label, image, name);
  const { classes, unknown } = toClasses(label.data, spec.labels, ignoreLabel, name);
  const onImage = { ...label, data: classes, size: image.size, affine: image.affine };
  const oriented = reorient(onImage, spec.orientation);
  const grid = spec.spacingMm === null ? oriented : gridWithSpacing(oriented, spec.spacingMm);
  const same = gridDifference(oriented, grid, 0) === undefined;
  const volume = same ? oriented : resample(oriented, grid, { mode: "labels", outside: "edge" });
  return { volume: { ...volume, name }, unknown };
}

/**
 * A predicted class map on the working grid, brought back to the file's grid and label values.
 * Where the working grid is the file's own, classes are copied exactly.
 */
export function restoreClasses<T extends VoxelArray>(
  prediction: Volume<T>,
  original: Grid,
  spec: Preprocessing,
): Volume<LabelValues> {
  const values = labelValues(spec.labels);
  const data = emptyLike(values, voxelsOf(original));
  const sample = resampler(viewOf(prediction), original, { mode: "labels", name: prediction.name });
  const perSlice = original.size[0] * original.size[1];
  const classes = emptyLike(prediction.data, perSlice);
  for (let z = 0; z < original.size[2]; z++) {
    sample(0, z, classes, 0);
    for (let i = 0, at = z * perSlice; i < perSlice; i++) data[at + i] = values[Number(classes[i])];
  }
  return { data, size: original.size, affine: original.affine, channels: 1, name: prediction.name };
}

/**
 * Class scores (channels are classes) on the working grid, interpolated to the file's grid, the highest one's label
 * value at every voxel. One slice at a time, so full-size score maps never exist.
 */
export function restoreScores(scores: Volume, original: Grid, spec: Preprocessing): Volume<LabelValues> {
  const classes = argmaxOnGrid(scores, original);
  const values = labelValues(spec.labels);
  const data = emptyLike(values, classes.data.length);
  for (let i = 0; i < data.length; i++) data[i] = values[classes.data[i]];
  return { ...classes, data };
}

/** The intensity scheme on its own. */
export function normalizeIntensity(volume: Volume<Float32Array>, scheme: IntensityScheme): Volume<Float32Array> {
  return normalizeInPlace({ ...volume, data: volume.data.slice() }, scheme);
}

function normalizeInPlace(volume: Volume<Float32Array>, scheme: IntensityScheme): Volume<Float32Array> {
  const change = intensityChange(slicedWhole(volume), scheme);
  const perSlice = volume.size[0] * volume.size[1];
  for (let c = 0, at = 0; c < volume.channels; c++)
    for (let z = 0; z < volume.size[2]; z++, at += perSlice) change(volume.data.subarray(at, at + perSlice), c, z);
  return volume;
}

/** What a scheme does to a slice, which may then come in any order; the image is gone through first, where there is something to measure. */
function intensityChange(
  image: SlicedVolume,
  scheme: IntensityScheme,
): (values: Float32Array, channel: number, z: number) => void {
  const perChannel = (measure: (pass: Pass) => Change) => {
    const changes = Array.from({ length: image.channels }, (_, channel) => measure(passOver(image, channel)));
    return (values: Float32Array, channel: number): void => changes[channel](values);
  };
  switch (scheme.kind) {
    case "zscore":
      return perChannel((pass) => {
        if (scheme.clipPercentile === undefined) return zScoreChange(pass);
        const clipped = percentileClipChange(pass, ...scheme.clipPercentile);
        return inTurn(
          clipped,
          zScoreChange((visit) => pass(inTurn(clipped, visit))),
        );
      });
    case "ctWindow": {
      const { low, high, mean, sd } = scheme;
      if (mean === undefined || sd === undefined) return ctWindowChange(low, high);
      if (!(sd > 0)) throw new ConfigError(`intensity.sd: ${sd} must be above 0`);
      return inTurn(clipChange(low, high), (values) => {
        for (let i = 0; i < values.length; i++) values[i] = (values[i] - mean) / sd;
      });
    }
    case "medicalnet":
      return medicalNetSlices(image);
    case "none":
      return () => {};
    default:
      throw new ConfigError(
        `intensity.kind: expected zscore, ctWindow, medicalnet or none, got ${JSON.stringify((scheme as { kind: unknown }).kind)}`,
      );
  }
}

function inTurn(first: Change, then: Change): Change {
  return (values) => {
    first(values);
    then(values);
  };
}

/**
 * One fixed stream of noise: the same file gives the same volume at training and at test time. It runs from the first voxel to the
 * last, so where it stands at each slice is noted.
 */
function medicalNetSlices(image: SlicedVolume): (values: Float32Array, channel: number, z: number) => void {
  const noise = random(0, "medicalnet-background");
  const states: RandomState[] = [];
  const changes = Array.from({ length: image.channels }, (_, channel) => {
    const pass = passOver(image, channel);
    const change = medicalNetChange(pass);
    pass((values) => {
      states.push(noise.state());
      for (let i = 0; i < values.length; i++) if (values[i] === 0) noise.normal();
    });
    return change;
  });
  return (values, channel, z) => changes[channel](values, restoreRandom(states[channel * image.size[2] + z]));
}

function checkFinite(image: SlicedVolume): void {
  let bad = 0;
  for (let channel = 0; channel < image.channels; channel++) {
    passOver(
      image,
      channel,
    )((values) => {
      for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) bad++;
    });
  }
  if (bad > 0)
    throw new DataError(
      `${image.name}: image has ${counted(bad, "voxel")} with NaN or infinity; medvox verify lists such cases`,
    );
}

function toClasses(
  data: VoxelArray,
  labels: readonly number[],
  ignoreLabel: number | undefined,
  name: string,
): { classes: Int16Array; unknown: Map<number, number> } {
  const classOf = new Map(labels.map((value, index) => [value, index]));
  if (ignoreLabel !== undefined) classOf.set(ignoreLabel, ignoredClass);
  const classes = new Int16Array(data.length);
  const unknown = new Map<number, number>();
  eachRun(data, (run) => {
    const value = requireLabel(run, name);
    const index = classOf.get(value);
    if (index === undefined) unknown.set(value, (unknown.get(value) ?? 0) + run.end - run.start);
    else if (index !== 0) classes.fill(index, run.start, run.end);
  });
  return { classes, unknown };
}

/** Label values in a type that holds them all. */
export type LabelValues = Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array;

const labelArrays = {
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
} as const;

/** The file's value of each class, in the smallest type that holds them all. */
function labelValues(labels: readonly number[]): LabelValues {
  return labelArrays[labelTypeFor(labels)].from(labels);
}

function voxelsOf({ size }: Grid): number {
  return size[0] * size[1] * size[2];
}
