/**
 * A window of a volume with boxes: cut, turned, mirrored, scaled in one resampling, its boxes following exactly. Centred on
 * an object often enough that a detector sees some (lesions are rare), anywhere else otherwise.
 */
import { ConfigError, ShapeError } from "../../errors.ts";
import type { Random } from "../../random.ts";
import { augmentIntensity } from "../augment.ts";
import type { Augmentation } from "../augmentation.ts";
import { centredOrigin } from "../crop.ts";
import { type Extent, extentOf, type PreparedSample } from "../types.ts";
import { drawGeometry, patchAffine } from "../warp/geometry.ts";
import { warpImage } from "../warp/warp.ts";
import { type BoxShape, boxesThrough, keepCentres } from "./boxes.ts";

export interface BoxPatchOptions {
  /** `[D, H, W]`. */
  readonly patch: readonly number[];
  readonly augmentation: Augmentation;
  /** How often a window holds an object, where there is one. Default 0.5. */
  readonly objectProbability?: number;
  /** `"random"` (training, the default) or `"centre"`. */
  readonly crop?: "random" | "centre";
  /** What boxes are taken to hold under oblique turns. Default `"ellipsoid"`. */
  readonly shape?: BoxShape;
  /** What the volume has beyond its edge. */
  readonly fill?: number;
}

export interface BoxPatch {
  /** In voxels of the patch. */
  readonly boxes: Float64Array;
  /** Which of the given boxes they are. */
  readonly kept: Int32Array;
}

/** Turns about z by any quarter, mirroring of all axes, scaling by a tenth: for lesions, which have no pose. */
export const lesionBoxAugmentation: Augmentation = {
  quarterTurns: { probability: 1, axes: ["z"] },
  flip: { probability: 0.5, axes: ["x", "y", "z"] },
  rotate: { probability: 0.3, degrees: [0, 0, 20] },
  scale: { probability: 0.5, factor: [0.85, 1.15] },
  intensity: { probability: 0.3, scale: [0.9, 1.1], shift: [-0.1, 0.1] },
  noise: { probability: 0.2, sigma: [0, 0.05] },
};

/**
 * Writes one window of `sample` as item `index` of `input`, `[N, C, D, H, W]`, and returns its boxes.
 * @param targets places of the boxes a window may be aimed at; all of them where left out
 * @throws ShapeError where sample, patch and buffer do not fit each other, ConfigError for an elastic deformation
 */
export function augmentBoxesInto(
  sample: Omit<PreparedSample, "label" | "foreground">,
  boxes: Float64Array,
  options: BoxPatchOptions,
  random: Random,
  input: Float32Array,
  index: number,
  targets: ArrayLike<number> = Int32Array.from({ length: boxes.length / 6 }, (_, i) => i),
): BoxPatch {
  const { augmentation, objectProbability = 0.5, crop = "random", shape = "ellipsoid", fill = 0 } = options;
  const { channels, spatial, image, spacingMm } = sample;
  if (spatial.length !== 3 || options.patch.length !== 3) throw new ShapeError("boxes: sample and patch must be 3D");
  const size = extentOf(spatial);
  const patch = extentOf(options.patch);
  const voxels = patch.depth * patch.height * patch.width;
  if (image.length !== channels * size.depth * size.height * size.width) {
    throw new ShapeError(`boxes: image has ${image.length} values, ${channels} × [${spatial}] needs others`);
  }
  if (augmentation.elastic !== undefined)
    throw new ConfigError("augmentation.elastic: boxes cannot follow it; leave it out where boxes are augmented");
  if (input.length < (index + 1) * channels * voxels) {
    throw new ShapeError(`boxes: the input buffer of ${input.length} values has no room for item ${index}`);
  }
  const origin =
    crop === "centre"
      ? centredOrigin(size, patch)
      : drawBoxOrigin(size, patch, boxes, targets, objectProbability, random);
  const map = patchAffine(drawGeometry(augmentation, patch, false, random), patch, origin, spacingMm);
  for (let channel = 0; channel < channels; channel++) {
    const from = channel * size.depth * size.height * size.width;
    const offset = (index * channels + channel) * voxels;
    warpImage(image, from, size, map, { data: input, offset }, patch, fill);
    augmentIntensity(input, offset, patch, augmentation, random);
  }
  return keepCentres(boxesThrough(boxes, map, 3, shape), [patch.width, patch.height, patch.depth], 3);
}

/**
 * First voxel of the window as x, y, z. Aimed at an object, it may lie anywhere within the middle of the window, so that
 * a detector does not learn that objects are in the centre.
 */
function drawBoxOrigin(
  size: Extent,
  patch: Extent,
  boxes: Float64Array,
  targets: ArrayLike<number>,
  objectProbability: number,
  random: Random,
): [number, number, number] {
  const lengths = [size.width, size.height, size.depth];
  const window = [patch.width, patch.height, patch.depth];
  const aimed = random.uniform() < objectProbability && targets.length > 0;
  const target = aimed ? targets[random.integer(targets.length)] : -1;
  return window.map((length, axis) => {
    const free = lengths[axis] - length;
    if (free <= 0) return Math.floor(free / 2);
    if (target < 0) return random.integer(free + 1);
    const centre = (boxes[6 * target + axis] + boxes[6 * target + 3 + axis]) / 2;
    // Anywhere from a quarter to three quarters of the window, as far as it then stays inside.
    const at = Math.round(centre - length * random.between(0.25, 0.75));
    return Math.min(Math.max(at, 0), free);
  }) as [number, number, number];
}
