export { augmentIntensity, augmentInto, type PatchOptions } from "./augment.ts";
export {
  type Augmentation,
  type AugmentationPreset,
  type Axis,
  augmentationPresets,
  type Range,
  resolveAugmentation,
} from "./augmentation.ts";
export { gaussianBlur, simulateLowResolution } from "./blur.ts";
export { centredOrigin, drawOrigin, foregroundVoxels } from "./crop.ts";
export { drawGeometry, type Geometry, type PatchAffine, patchAffine } from "./geometry.ts";
export { contrast, gammaCurve, type Statistics, scaleShift, statistics } from "./intensity.ts";
export { addNoise } from "./noise.ts";
export {
  type Extent,
  extentOf,
  type ForegroundVoxels,
  type LabelArray,
  type PatchBuffers,
  type Sample,
} from "./types.ts";
export { isCopy, warpImage, warpLabel } from "./warp.ts";
