/**
 * @module medvox/volume: volumes in memory: NIfTI, NRRD, MetaImage and MGH as bytes, geometry in RAS+ mm, resampling, cropping,
 * intensities. Free of Node APIs; `medvox/files` reads and writes them on disk. What is not among these names stands behind
 * `medvox/volume/internal`, where names may change with any version.
 */
export {
  clipPercentiles,
  cropOrPad,
  ctWindow,
  decodeMetaImage,
  decodeMgh,
  decodeNifti,
  decodeNrrd,
  encodeNifti,
  foregroundBox,
  type Grid,
  gzip,
  keepLargestComponents,
  medicalNetNormalize,
  minMax,
  pad,
  reorient,
  resample,
  resampleToSpacing,
  restoreToGrid,
  sameGrid,
  spacingOf,
  type Vec3,
  type Volume,
  zScore,
} from "./index.ts";
