/**
 * @module medvox/files: volumes and weights on disk; files are written whole or not at all. What is not among these names stands
 * behind `medvox/files/internal`, where names may change with any version.
 */
export {
  caseName,
  encodeNpy,
  type FileContent,
  type FolderLock,
  type FoundDicom,
  findDicom,
  lockFolder,
  makeFolder,
  type NpyHeader,
  type OtherObject,
  type ReadOptions,
  readImage2d,
  readImageSize,
  readNpzArray,
  readNpzHeaders,
  readSafetensors,
  readSafetensorsHeader,
  readVolume,
  readVolumeHeader,
  readWeightsFile,
  volumeExtensions,
  type WriteOptions,
  type WriteVolumeOptions,
  writeFileAtomic,
  writeNpy,
  writeSafetensors,
  writeSegmentation,
  writeVolume,
} from "./index.ts";
