/** @module medvox/dicom/internal: all that `dicom` shows the other parts of medvox. `public.ts` names what `medvox/dicom` promises to users. */
export { decodeFrame } from "./codecs/decode.ts";
export { decodeRle } from "./codecs/rle.ts";
export { locateCodecs } from "./codecs/wasm.ts";
export { DicomAttributes, type DicomFile, isDicom, type ParseDicomOptions, parseDicom } from "./dataset.ts";
export { type DecodeFrame, frameReader } from "./frames.ts";
export { repairedHeader, repairVolume } from "./geometry/repair.ts";
export { type Stack, type StackVerdict, sliceName } from "./geometry/stack.ts";
export { type ReadSlice, requireRegular, type StackOptions, stackHeader, stackVolume } from "./geometry/volume.ts";
export {
  encodedFrames,
  type FrameArray,
  nativeFrame,
  type PixelLayout,
  pixelLayout,
  type Rescale,
  storedValues,
} from "./pixels.ts";
export { segmentationHeader, segmentationVolume } from "./segmentation.ts";
export { type DicomObject, type DicomSeries, groupSeries, objectOf } from "./series.ts";
export { type DicomSlice, type SeriesFacts, seriesFacts, slicesOf } from "./slices.ts";
export { type Keyword, mediaDirectoryClass } from "./tags.ts";
export { type TransferSyntax, transferSyntaxes } from "./transfer-syntaxes.ts";
export { type Code, type CodeTable, codesFor, type SegmentCodes } from "./write/codes.ts";
export { encodeReport, type ReportFinding, type ReportOptions } from "./write/report.ts";
export { encodeSegmentation, type SegmentationOptions } from "./write/segmentation.ts";
export type { WriteObjectOptions } from "./write/source.ts";
