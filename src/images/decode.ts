/** Bytes to a picture, whichever format they are in. */
import { DataError } from "../errors.ts";
import { decodeJpeg, isJpeg } from "./jpeg/jpeg.ts";
import { otherKindText } from "./kinds.ts";
import { applyOrientation } from "./orientation.ts";
import { decodePng, isPng } from "./png.ts";
import type { DecodeImageOptions, Image2d } from "./types.ts";

/**
 * A JPEG or PNG, the right way up (EXIF).
 * @throws DataError where it is damaged, too large or of another kind
 */
export function decodeImage(bytes: Uint8Array, options: DecodeImageOptions = {}): Image2d {
  const { name = "image" } = options;
  if (bytes.length === 0) throw new DataError(`${name}: the file is empty`);
  const decode = isJpeg(bytes) ? decodeJpeg : isPng(bytes) ? decodePng : undefined;
  if (decode === undefined) throw new DataError(`${name}: ${otherKindText(bytes)}`);
  const { image, orientation } = decode(bytes, options);
  return applyOrientation(image, orientation);
}
