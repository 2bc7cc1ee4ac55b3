/**
 * The augmentation configuration: plain JSON, one entry per transform with the probability that a patch gets it and
 * the ranges its parameters are drawn from. An absent entry means "never".
 *
 * The ranges of `"default"` follow nnU-Net's (Isensee et al. 2021, supplement 4, and batchgenerators), with two
 * differences: rotations stop at 20° because most medical scans are taken in a fixed pose, and mirroring is left–right
 * only, the one mirror symmetry a body has. `"elastic"` is the same with elastic deformation, which nnU-Net has but leaves off;
 * `"light"` is for small data sets of upright, cropped organs, `"lesion"` for
 * patches around a lesion, which has no pose: all turns and mirrorings, and its size nearly kept. Intensity ranges
 * assume normalised intensities (mean 0, standard deviation 1, or a window scaled to [0, 1]).
 */
import { ConfigError } from "../errors.ts";
import { didYouMean } from "../text/index.ts";

/** Lower and upper end of a uniform distribution. */
export type Range = readonly [number, number];

export type Axis = "x" | "y" | "z";

export interface Augmentation {
  /** Angles about x, y and z, each uniform in ±degrees; in 2D only the one about z. */
  readonly rotate?: { readonly probability: number; readonly degrees: number | readonly [number, number, number] };
  /** Rotation by 0, 90, 180 or 270°, drawn evenly about each of the axes: for structures that have no pose. */
  readonly quarterTurns?: { readonly probability: number; readonly axes: readonly Axis[] };
  /** Magnification: 1.2 makes structures 20 % larger. `perAxis` draws one factor for each axis. */
  readonly scale?: { readonly probability: number; readonly factor: Range; readonly perAxis?: boolean };
  /** Shift along each axis, uniform in ± this fraction of the patch's size. */
  readonly translate?: { readonly probability: number; readonly fraction: number };
  /**
   * Random displacements, smooth between control points. `spacing`: their distance, as a share of the patch's longest side in mm;
   * `magnitude`: the largest displacement along each axis, as a share of that distance, up to 0.4, so that nothing folds.
   */
  readonly elastic?: { readonly probability: number; readonly spacing: Range; readonly magnitude: Range };
  /** Mirroring; each axis is mirrored with the probability on its own. */
  readonly flip?: { readonly probability: number; readonly axes: readonly Axis[] };
  /** v · scale + shift · sd, with sd the standard deviation of the patch's channel. */
  readonly intensity?: { readonly probability: number; readonly scale: Range; readonly shift: Range };
  /** v · factor. */
  readonly brightness?: { readonly probability: number; readonly factor: Range };
  /** (v − mean) · factor + mean, kept within the channel's former minimum and maximum. */
  readonly contrast?: { readonly probability: number; readonly factor: Range };
  /** v^gamma on the channel scaled to [0, 1], mean and sd restored; `invertProbability` runs it on −v. */
  readonly gamma?: { readonly probability: number; readonly gamma: Range; readonly invertProbability?: number };
  /** Added Gaussian noise of this standard deviation. */
  readonly noise?: { readonly probability: number; readonly sigma: Range };
  /** Gaussian blur. */
  readonly blur?: { readonly probability: number; readonly sigmaVoxels: Range };
  /** Sampled down by the factor (0.5: every second voxel) and up again linearly: thick slices, coarse scans. */
  readonly lowResolution?: { readonly probability: number; readonly zoom: Range };
  /** How labels follow the geometry: `"linear"` (per class, the default; smooth outlines) or `"nearest"`. */
  readonly labelInterpolation?: "linear" | "nearest";
}

export type AugmentationPreset = "none" | "light" | "default" | "elastic" | "lesion";

const usualTransforms: Augmentation = {
  rotate: { probability: 0.4, degrees: 20 },
  scale: { probability: 0.4, factor: [0.8, 1.25] },
  translate: { probability: 0.8, fraction: 0.08 },
  flip: { probability: 0.5, axes: ["x"] },
  noise: { probability: 0.1, sigma: [0, 0.2] },
  blur: { probability: 0.15, sigmaVoxels: [0.5, 1] },
  brightness: { probability: 0.15, factor: [0.75, 1.25] },
  contrast: { probability: 0.15, factor: [0.75, 1.25] },
  lowResolution: { probability: 0.15, zoom: [0.5, 1] },
  gamma: { probability: 0.3, gamma: [0.7, 1.5], invertProbability: 0.25 },
};

/** The presets, written out. */
export const augmentationPresets: Readonly<Record<AugmentationPreset, Augmentation>> = {
  none: {},
  light: {
    rotate: { probability: 0.3, degrees: 10 },
    scale: { probability: 0.3, factor: [0.9, 1.1] },
    translate: { probability: 0.8, fraction: 0.06 },
    flip: { probability: 0.5, axes: ["x"] },
    intensity: { probability: 0.3, scale: [0.9, 1.1], shift: [-0.1, 0.1] },
    gamma: { probability: 0.15, gamma: [0.8, 1.25] },
    noise: { probability: 0.1, sigma: [0, 0.05] },
  },
  default: usualTransforms,
  elastic: { ...usualTransforms, elastic: { probability: 0.3, spacing: [0.25, 0.5], magnitude: [0, 0.25] } },
  lesion: {
    quarterTurns: { probability: 1, axes: ["x", "y", "z"] },
    flip: { probability: 0.5, axes: ["x", "y", "z"] },
    rotate: { probability: 0.5, degrees: 30 },
    scale: { probability: 0.5, factor: [0.9, 1.1] },
    translate: { probability: 0.8, fraction: 0.06 },
    intensity: { probability: 0.5, scale: [0.9, 1.1], shift: [-0.1, 0.1] },
    gamma: { probability: 0.2, gamma: [0.8, 1.25] },
    noise: { probability: 0.2, sigma: [0, 0.05] },
    blur: { probability: 0.1, sigmaVoxels: [0.4, 0.8] },
  },
};

const probabilityKeys = new Set(["probability", "invertProbability"]);
const rangeKeys = new Set([
  "spacing",
  "magnitude",
  "factor",
  "scale",
  "shift",
  "gamma",
  "sigma",
  "sigmaVoxels",
  "zoom",
]);
/** Parameters that must be above zero for the transform to make sense. */
const positiveRanges = new Set(["scale.factor", "gamma.gamma", "lowResolution.zoom"]);
const transforms: Readonly<Record<keyof Augmentation, readonly string[]>> = {
  rotate: ["probability", "degrees"],
  quarterTurns: ["probability", "axes"],
  scale: ["probability", "factor", "perAxis"],
  translate: ["probability", "fraction"],
  elastic: ["probability", "spacing", "magnitude"],
  flip: ["probability", "axes"],
  intensity: ["probability", "scale", "shift"],
  brightness: ["probability", "factor"],
  contrast: ["probability", "factor"],
  gamma: ["probability", "gamma", "invertProbability"],
  noise: ["probability", "sigma"],
  blur: ["probability", "sigmaVoxels"],
  lowResolution: ["probability", "zoom"],
  labelInterpolation: [],
};
const optionalKeys = new Set(["perAxis", "invertProbability"]);

/**
 * A preset by name, or a configuration checked key by key.
 * @throws ConfigError naming the key (`augmentation.scale.factor: …`).
 */
export function resolveAugmentation(given: AugmentationPreset | Augmentation): Augmentation {
  if (typeof given === "string") {
    const preset = (augmentationPresets as Record<string, Augmentation | undefined>)[given];
    if (preset === undefined || !Object.hasOwn(augmentationPresets, given)) {
      throw new ConfigError(
        `augmentation: "${given}" is no preset; there are ${Object.keys(augmentationPresets).join(", ")}${didYouMean(given, Object.keys(augmentationPresets))}`,
      );
    }
    return preset;
  }
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new ConfigError("augmentation: expected a preset's name or an object of transforms");
  }
  for (const [name, entry] of Object.entries(given)) {
    if (entry !== undefined) checkTransform(name, entry);
  }
  return given;
}

function checkTransform(name: string, entry: unknown): void {
  if (!Object.hasOwn(transforms, name)) {
    throw new ConfigError(
      `augmentation.${name}: no such transform; there are ${Object.keys(transforms).join(", ")}${didYouMean(name, Object.keys(transforms))}`,
    );
  }
  if (name === "labelInterpolation") {
    if (entry !== "linear" && entry !== "nearest") {
      throw new ConfigError(`augmentation.labelInterpolation: expected "linear" or "nearest", got ${show(entry)}`);
    }
    return;
  }
  if (typeof entry !== "object" || entry === null || Array.isArray(entry)) {
    throw new ConfigError(`augmentation.${name}: expected an object with a probability, got ${show(entry)}`);
  }
  const known = transforms[name as keyof Augmentation];
  const given = entry as Record<string, unknown>;
  for (const key of Object.keys(given)) {
    if (!known.includes(key)) {
      throw new ConfigError(`augmentation.${name}.${key}: no such setting; there are ${known.join(", ")}`);
    }
  }
  for (const key of known) {
    const value = given[key];
    if (value === undefined && optionalKeys.has(key)) continue;
    checkSetting(`${name}.${key}`, key, value);
  }
}

function checkSetting(path: string, key: string, value: unknown): void {
  const fail = (rule: string): never => {
    throw new ConfigError(`augmentation.${path}: expected ${rule}, got ${show(value)}`);
  };
  if (probabilityKeys.has(key)) {
    if (!(isNumber(value) && value >= 0 && value <= 1)) fail("a probability between 0 and 1");
  } else if (rangeKeys.has(key)) {
    if (!(Array.isArray(value) && value.length === 2 && value.every(isNumber) && value[0] <= value[1])) {
      fail("a range [low, high]");
    }
    const [low, high] = value as number[];
    if (positiveRanges.has(path) && low <= 0) fail("a range above 0");
    if ((key === "sigma" || key === "sigmaVoxels") && low < 0) fail("a range from 0 up");
    if (key === "zoom" && high > 1) fail("a range up to 1");
    if (key === "spacing" && (low < 0.05 || high > 1)) fail("a range between 0.05 and 1");
    if (key === "magnitude" && (low < 0 || high > 0.4)) fail("a range from 0 to 0.4, beyond which images would fold");
  } else if (key === "degrees") {
    if (!(isNumber(value) || (Array.isArray(value) && value.length === 3 && value.every(isNumber)))) {
      fail("an angle in degrees, or three (about x, y, z)");
    }
  } else if (key === "fraction") {
    if (!(isNumber(value) && value >= 0 && value <= 1)) fail("a fraction between 0 and 1");
  } else if (key === "axes") {
    if (!(Array.isArray(value) && value.every((axis) => axis === "x" || axis === "y" || axis === "z"))) {
      fail('axes among "x", "y", "z"');
    }
  } else if (key === "perAxis" && typeof value !== "boolean") {
    fail("true or false");
  }
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

function show(value: unknown): string {
  return value === undefined ? "nothing" : (JSON.stringify(value) ?? String(value));
}
