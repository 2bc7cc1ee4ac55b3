/** @module medvox/volume/internal: all that `volume` shows the other parts of medvox. `public.ts` names what `medvox/volume` promises to users. */
export * from "./affine.ts";
export type { VoxelBox } from "./crop.ts";
export * from "./crop.ts";
export type { DicomOrigin, DicomSliceOrigin } from "./formats/dicom-origin.ts";
export { gzip, isGzip } from "./formats/gzip.ts";
export type { LoadedVolume, VolumeFormat, VolumeHeader } from "./formats/header.ts";
export { decodeMetaImage } from "./formats/metaimage.ts";
export { decodeMgh, isMgh } from "./formats/mgh.ts";
export type { DecodeOptions, EncodeOptions } from "./formats/nifti.ts";
export { decodeNifti, encodeNifti, encodeNiftiPair, isNifti } from "./formats/nifti.ts";
export type { NiftiHeader } from "./formats/nifti-header.ts";
export { decodeNrrd, isNrrd } from "./formats/nrrd.ts";
export type { DataFiles } from "./formats/text-header.ts";
export type { AxisOrder, VolumeView } from "./orient.ts";
export { axisOrderTo, orderAxes, orderView, reorient, viewOf } from "./orient.ts";
export type { ResampleOptions } from "./resample/resample.ts";
export {
  argmaxOnGrid,
  centreOf,
  gridWithSize,
  gridWithSpacing,
  resample,
  resampler,
  resampleToSpacing,
  restoreToGrid,
} from "./resample/resample.ts";
export * from "./resample/sliced.ts";
export { cutWindow, overlapOf, type Size3, windowStarts } from "./resample/windows.ts";
export type { Affine, Grid, Vec3, Volume, VoxelArray } from "./types.ts";
export { type Component, labelComponents } from "./values/components.ts";
export * from "./values/intensity.ts";
export { type ComponentOptions, keepLargestComponents } from "./values/largest-components.ts";
export { type Pass, percentiles, percentilesOf } from "./values/percentiles.ts";
export type { VoxelType } from "./voxels.ts";
export { asFloat32, bytesPerVoxel, convertVoxels, emptyLike, labelTypeFor, voxelTypeOf, voxelTypes } from "./voxels.ts";
