/**
 * One augmented patch, written straight into its place in a batch: crop, geometry and elastic deformation in one resample,
 * then intensities in place. Pure: the same sample, configuration and random stream give the same bits.
 */
import { ShapeError } from "../errors.ts";
import type { Random } from "../random.ts";
import type { Augmentation, Range } from "./augmentation.ts";
import { gaussianBlur, simulateLowResolution } from "./blur.ts";
import { centredOrigin, drawOrigin } from "./crop.ts";
import { contrast, gammaCurve, scaleShift, statistics } from "./intensity.ts";
import { addNoise } from "./noise.ts";
import { type Extent, extentOf, type PatchBuffers, type PreparedSample } from "./types.ts";
import { drawElastic } from "./warp/elastic.ts";
import { warpImageElastic, warpLabelElastic } from "./warp/elastic-warp.ts";
import { drawGeometry, patchAffine } from "./warp/geometry.ts";
import { warpImage, warpLabel } from "./warp/warp.ts";

export interface PatchOptions {
  /** `[D, H, W]`, or `[H, W]` for 2D samples. */
  readonly patch: readonly number[];
  readonly augmentation: Augmentation;
  /** How often a patch smaller than the case is centred on foreground. nnU-Net: 1/3 (the default). */
  readonly foregroundProbability?: number;
  /** `"random"` (training, the default) or `"centre"`. */
  readonly crop?: "random" | "centre";
  /** What the image has beyond its edge; 0 is the mean of a z-scored image. */
  readonly fill?: number;
}

/**
 * Writes one patch of `sample` as item `index` of the batch.
 * @throws ShapeError when patch, sample and buffers do not fit each other.
 */
export function augmentInto(
  sample: PreparedSample,
  options: PatchOptions,
  random: Random,
  buffers: PatchBuffers,
  index: number,
): void {
  const { augmentation, foregroundProbability = 1 / 3, crop = "random", fill = 0 } = options;
  checkShapes(sample, options.patch, buffers, index);
  const size = extentOf(sample.spatial);
  const patch = extentOf(options.patch);
  const planar = patch.depth === 1;
  const voxels = patch.depth * patch.height * patch.width;

  const origin =
    crop === "centre"
      ? centredOrigin(size, patch)
      : drawOrigin(size, patch, sample.foreground, foregroundProbability, random);
  const affine = patchAffine(drawGeometry(augmentation, patch, planar, random), patch, origin, sample.spacingMm);
  const elastic = drawElastic(augmentation, patch, planar, sample.spacingMm, random);
  const inputAt = index * sample.channels * voxels;
  for (let channel = 0; channel < sample.channels; channel++) {
    const from = channel * size.depth * size.height * size.width;
    const target = { data: buffers.input, offset: inputAt + channel * voxels };
    if (elastic === undefined) warpImage(sample.image, from, size, affine, target, patch, fill);
    else warpImageElastic(sample.image, from, size, affine, elastic, target, patch, fill);
  }
  if (buffers.target && sample.label) {
    const target = { data: buffers.target, offset: index * voxels };
    const { labelInterpolation = "linear" } = augmentation;
    if (elastic === undefined) warpLabel(sample.label, size, affine, target, patch, labelInterpolation);
    else warpLabelElastic(sample.label, size, affine, elastic, target, patch, labelInterpolation);
  }
  for (let channel = 0; channel < sample.channels; channel++) {
    augmentIntensity(buffers.input, inputAt + channel * voxels, patch, augmentation, random);
  }
}

/** The intensity transforms on one channel, in nnU-Net's order; each channel draws its own. */
export function augmentIntensity(
  values: Float32Array,
  start: number,
  shape: Extent,
  augmentation: Augmentation,
  random: Random,
): void {
  const end = start + shape.depth * shape.height * shape.width;
  const hit = (transform: { readonly probability: number } | undefined): boolean =>
    transform !== undefined && random.uniform() < transform.probability;
  const draw = ([low, high]: Range): number => random.between(low, high);
  const { noise, blur, intensity, brightness, lowResolution, gamma } = augmentation;
  if (noise && hit(noise)) addNoise(values, start, end, draw(noise.sigma), random);
  if (blur && hit(blur)) gaussianBlur(values, start, shape, draw(blur.sigmaVoxels));
  if (intensity && hit(intensity)) {
    const scale = draw(intensity.scale);
    scaleShift(values, start, end, scale, draw(intensity.shift) * statistics(values, start, end).sd);
  }
  if (brightness && hit(brightness)) scaleShift(values, start, end, draw(brightness.factor), 0);
  if (augmentation.contrast && hit(augmentation.contrast)) {
    contrast(values, start, end, draw(augmentation.contrast.factor));
  }
  if (lowResolution && hit(lowResolution)) simulateLowResolution(values, start, shape, draw(lowResolution.zoom));
  if (gamma && hit(gamma)) {
    const exponent = draw(gamma.gamma);
    gammaCurve(values, start, end, exponent, random.uniform() < (gamma.invertProbability ?? 0));
  }
}

function checkShapes(sample: PreparedSample, patch: readonly number[], buffers: PatchBuffers, index: number): void {
  const axes = sample.spatial.length;
  if (axes !== 2 && axes !== 3) throw new ShapeError(`augment: sample has ${axes} spatial axes; expected 2 or 3`);
  if (patch.length !== axes) {
    throw new ShapeError(
      `augment: patch [${patch}] has ${patch.length} axes, the sample [${sample.spatial}] has ${axes}`,
    );
  }
  if (!patch.every((n) => Number.isInteger(n) && n > 0)) {
    throw new ShapeError(`augment: patch [${patch}]: sizes must be whole and above 0`);
  }
  const voxels = sample.spatial.reduce((a, b) => a * b, 1);
  if (sample.image.length !== voxels * sample.channels) {
    throw new ShapeError(
      `augment: image has ${sample.image.length} values; ${sample.channels} × [${sample.spatial}] needs ${voxels * sample.channels}`,
    );
  }
  if (sample.label && sample.label.length !== voxels) {
    throw new ShapeError(`augment: label has ${sample.label.length} values; [${sample.spatial}] needs ${voxels}`);
  }
  if (buffers.target && !sample.label)
    throw new ShapeError("augment: a target buffer was given, but the sample has no label");
  const patchVoxels = patch.reduce((a, b) => a * b, 1);
  if (buffers.input.length < (index + 1) * sample.channels * patchVoxels) {
    throw new ShapeError(`augment: the input buffer of ${buffers.input.length} values has no room for item ${index}`);
  }
  if (buffers.target && buffers.target.length < (index + 1) * patchVoxels) {
    throw new ShapeError(`augment: the target buffer of ${buffers.target.length} values has no room for item ${index}`);
  }
}
