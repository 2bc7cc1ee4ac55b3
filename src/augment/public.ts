/**
 * @module medvox/augment: augmentation of patches: one resampling for all geometry, then intensities. Free of Node APIs. What is
 * not among these names stands behind `medvox/augment/internal`, where names may change with any version.
 */
export {
  type Augmentation,
  addNoise,
  augmentationPresets,
  augmentBoxesInto,
  augmentInto,
  augmentPicture,
  type BoxPatch,
  brightness,
  type ColorJitter,
  contrast,
  elasticField,
  gammaCurve,
  gaussianBlur,
  jitterColor,
  lesionBoxAugmentation,
  type PatchOptions,
  type PicturePreparation,
  pasteLesion,
  pictureAugmentations,
  preparePicture,
  resolveAugmentation,
  simulateLowResolution,
  torchvisionPreparation,
  warpImageElastic,
  warpLabelElastic,
} from "./index.ts";
