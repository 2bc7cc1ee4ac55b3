/**
 * @module medvox/dicom: DICOM objects in memory: their attributes, frames in every common transfer syntax, series and the volumes they
 * make. Free of Node APIs; `readVolume` of `medvox/files` reads folders and archives. What is not among these names stands behind
 * `medvox/dicom/internal`, where names may change with any version.
 */
export {
  type Code,
  type CodeTable,
  type DecodeFrame,
  DicomAttributes,
  type DicomFile,
  type DicomObject,
  type DicomSeries,
  type DicomSlice,
  decodeFrame,
  encodeReport,
  encodeSegmentation,
  type FrameArray,
  frameReader,
  groupSeries,
  isDicom,
  locateCodecs,
  objectOf,
  type ParseDicomOptions,
  type PixelLayout,
  parseDicom,
  pixelLayout,
  type ReadSlice,
  type ReportFinding,
  type ReportOptions,
  repairVolume,
  type SegmentationOptions,
  type SegmentCodes,
  type SeriesFacts,
  type StackOptions,
  type StackVerdict,
  segmentationVolume,
  stackVolume,
} from "./index.ts";
