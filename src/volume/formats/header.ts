/** What is known of a volume's file apart from its voxels, whatever its format. */

import type { Grid, Volume, VoxelArray } from "../types.ts";
import type { VoxelType } from "../voxels.ts";
import type { DicomOrigin } from "./dicom-origin.ts";
import type { NiftiHeader } from "./nifti-header.ts";

export type VolumeFormat = "nifti1" | "nifti2" | "nrrd" | "metaimage" | "mgh" | "npz" | "dicom" | "dicom-seg";

/** Grid, channels and element type of a stored volume. */
export interface VolumeHeader extends Grid {
  readonly format: VolumeFormat;
  readonly channels: number;
  /** Element type in the file; what is read may be wider where `slope` and `intercept` apply. */
  readonly voxelType: VoxelType;
  /** A voxel's value is stored × `slope` + `intercept`; 1 and 0 where the file says nothing or something unusable. */
  readonly slope: number;
  readonly intercept: number;
  /** The NIfTI header as it stood, so that a prediction can be written with bit-same dimensions and affine. */
  readonly nifti?: NiftiHeader;
  /** The slices that a volume from DICOM was made of, so that a prediction can be written as an object that refers to them. */
  readonly dicom?: DicomOrigin;
}

/** A volume with the header of the file it came from. */
export interface LoadedVolume<T extends VoxelArray = VoxelArray> extends Volume<T> {
  readonly header: VolumeHeader;
}
