/** @module medvox/volume: volumes in memory: NIfTI, NRRD, MetaImage and MGH as bytes, geometry in RAS+ mm, resampling, cropping, intensities. Free of Node APIs; `medvox/files` reads and writes them on disk. */
export * from "./affine.ts";
export { type Component, labelComponents } from "./components.ts";
export * from "./crop.ts";
export { gzip, isGzip } from "./gzip.ts";
export type { LoadedVolume, VolumeFormat, VolumeHeader } from "./header.ts";
export * from "./intensity.ts";
export { keepLargestComponents } from "./largest-components.ts";
export { decodeMetaImage } from "./metaimage.ts";
export { decodeMgh, isMgh } from "./mgh.ts";
export type { DecodeOptions, EncodeOptions } from "./nifti.ts";
export { decodeNifti, encodeNifti, encodeNiftiPair, isNifti } from "./nifti.ts";
export type { NiftiHeader } from "./nifti-header.ts";
export { decodeNrrd, isNrrd } from "./nrrd.ts";
export type { AxisOrder, VolumeView } from "./orient.ts";
export { axisOrderTo, orderAxes, orderView, reorient, viewOf } from "./orient.ts";
export { type Pass, percentiles, percentilesOf } from "./percentiles.ts";
export type { ResampleOptions } from "./resample.ts";
export {
  argmaxOnGrid,
  centreOf,
  gridWithSize,
  gridWithSpacing,
  resample,
  resampler,
  resampleToSpacing,
  restoreToGrid,
} from "./resample.ts";
export * from "./sliced.ts";
export type { Affine, Grid, Vec3, Volume, VoxelArray } from "./types.ts";
export type { VoxelType } from "./voxels.ts";
export { asFloat32, bytesPerVoxel, convertVoxels, emptyLike, labelTypeFor, voxelTypeOf, voxelTypes } from "./voxels.ts";
export { cutWindow, overlapOf, type Size3, windowStarts } from "./windows.ts";
