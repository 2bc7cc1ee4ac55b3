/** 2D pictures: JPEG and PNG to samples, and samples as networks want them. Free of Node APIs. */
export { decodeImage } from "./decode.ts";
export { imageExtensions, pictureKind, pictureStem } from "./kinds.ts";
export { applyOrientation, exifOrientation, type Orientation } from "./orientation.ts";
export {
  fittedSize,
  imageNetStatistics,
  normalizePlanar,
  paddedLength,
  placeInBatch,
  resizeBilinear,
  toPlanar,
} from "./resize.ts";
export { imageSize } from "./size.ts";
export type { DecodeImageOptions, Image2d, PlanarImage } from "./types.ts";
