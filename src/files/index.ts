/** @module medvox/files/internal: all that `files` shows the other parts of medvox. `public.ts` names what `medvox/files` promises to users. */
export { arraySlice, fileOf, readNpzArray, readNpzHeaders, slicePath } from "./array-slices.ts";
export { type FoundDicom, findDicom, type OtherObject } from "./dicom/find.ts";
export { type DicomPlace, dicomPath, dicomPlace } from "./dicom/place.ts";
export { isDicomFolder, isDicomPath, seriesLine } from "./dicom/volumes.ts";
export { dicomOriginOf, writeSegmentation } from "./dicom/write.ts";
export type { FileContent, WriteOptions } from "./disk/atomic.ts";
export { removeStaleTemporaries, writeError, writeFileAtomic } from "./disk/atomic.ts";
export { makeFolder } from "./disk/folders.ts";
export { type FolderLock, lockFolder, lockName } from "./disk/lock.ts";
export { readImage2d, readImageSize } from "./images.ts";
export { namedWeights, weightsNames } from "./named-weights.ts";
export { encodeNpy, type NpyHeader, writeNpy } from "./npy.ts";
export { readSafetensors, readSafetensorsHeader, writeSafetensors } from "./safetensors.ts";
export type { ReadOptions, WriteVolumeOptions } from "./volumes.ts";
export { caseName, readVolume, readVolumeHeader, volumeExtension, volumeExtensions, writeVolume } from "./volumes.ts";
export { readWeightsFile } from "./weights.ts";
