/** How large a picture is, from its first bytes. */
import { isJpeg } from "./jpeg/jpeg.ts";
import { exifOrientation } from "./orientation.ts";
import { isPng } from "./png.ts";

/**
 * Width and height the right way up, or `undefined` where the bytes do not say (yet). Of a PNG, an orientation that stands
 * behind its pixels is not seen.
 */
export function imageSize(bytes: Uint8Array): { readonly width: number; readonly height: number } | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isPng(bytes)) return bytes.length < 33 ? undefined : pngSize(bytes, view);
  if (!isJpeg(bytes)) return undefined;
  let turned = false;
  for (let at = 2; at + 9 <= bytes.length; ) {
    const marker = bytes[at + 1];
    if (bytes[at] !== 0xff || marker === 0 || marker === 0xff) {
      at++;
      continue;
    }
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2;
      continue;
    }
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      const [height, width] = [view.getUint16(at + 5), view.getUint16(at + 7)];
      return turned ? { width: height, height: width } : { width, height };
    }
    const end = at + 2 + view.getUint16(at + 2);
    // "Exif\0\0" comes before the TIFF block.
    if (marker === 0xe1 && bytes[at + 4] === 0x45 && bytes[at + 5] === 0x78) {
      turned = exifOrientation(bytes.subarray(at + 10, end)) >= 5;
    }
    at = end;
  }
  return undefined;
}

function pngSize(bytes: Uint8Array, view: DataView): { width: number; height: number } {
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  for (let at = 33; at + 12 <= bytes.length; at += 12 + view.getUint32(at)) {
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (type === "IDAT") break;
    if (type !== "eXIf") continue;
    if (exifOrientation(bytes.subarray(at + 8, at + 8 + view.getUint32(at))) >= 5) {
      return { width: height, height: width };
    }
  }
  return { width, height };
}
