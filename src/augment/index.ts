/** @module medvox/augment/internal: all that `augment` shows the other parts of medvox. `public.ts` names what `medvox/augment` promises to users. */
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
export { type BoxShape, boxesThrough, keepCentres } from "./boxes/boxes.ts";
export { brightness, type ColorJitter, colorContrast, hue, jitterColor, saturation } from "./boxes/color.ts";
export {
  augmentPicture,
  type PictureAugmentation,
  type PicturePreparation,
  type PreparedPicture,
  pictureAugmentations,
  preparePicture,
  torchvisionPreparation,
} from "./boxes/picture.ts";
export { augmentBoxesInto, type BoxPatch, type BoxPatchOptions, lesionBoxAugmentation } from "./boxes/volume.ts";
export { centredOrigin, drawOrigin, foregroundVoxels } from "./crop.ts";
export { contrast, gammaCurve, type Statistics, scaleShift, statistics } from "./intensity.ts";
export {
  type Block,
  drawLesion,
  type Ellipsoid,
  ellipsoidBox,
  isFree,
  type LesionCrop,
  type LesionKind,
  maskBox,
  paintEllipsoid,
  pasteLesion,
  solidNodules,
} from "./lesions.ts";
export { addNoise } from "./noise.ts";
export {
  type Extent,
  extentOf,
  type ForegroundVoxels,
  type LabelArray,
  type PatchBuffers,
  type PreparedSample,
} from "./types.ts";
export { drawElastic, type ElasticField, ElasticRows, elasticField } from "./warp/elastic.ts";
export { warpImageElastic, warpLabelElastic } from "./warp/elastic-warp.ts";
export { drawGeometry, type Geometry, type PatchAffine, patchAffine } from "./warp/geometry.ts";
export { isCopy, type WarpTarget, warpImage, warpLabel } from "./warp/warp.ts";
