/**
 * Which way up a picture is: EXIF's orientation (CIPA DC-008, tag 0x0112 of the first image directory), read and applied,
 * so that boxes drawn by someone who looked at the picture fit it.
 */
import type { Image2d } from "./types.ts";

/** 1 as stored … 8; 5 to 8 change width and height. */
export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

/** The orientation in a TIFF block (EXIF without its `Exif\0\0`); 1 where it has none or is damaged. */
export function exifOrientation(tiff: Uint8Array): Orientation {
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  if (tiff.length < 8) return 1;
  const order = view.getUint16(0);
  if (order !== 0x4949 && order !== 0x4d4d) return 1;
  const little = order === 0x4949;
  const directory = view.getUint32(4, little);
  if (directory + 2 > tiff.length) return 1;
  const entries = view.getUint16(directory, little);
  for (let i = 0; i < entries; i++) {
    const at = directory + 2 + 12 * i;
    if (at + 12 > tiff.length) return 1;
    if (view.getUint16(at, little) !== 0x0112) continue;
    const value = view.getUint16(at + 8, little);
    return value >= 1 && value <= 8 ? (value as Orientation) : 1;
  }
  return 1;
}

/** The picture turned and mirrored so that its first row is on top and its first column on the left. */
export function applyOrientation(image: Image2d, orientation: Orientation): Image2d {
  if (orientation === 1) return image;
  const { width, height, channels, data } = image;
  const swapped = orientation >= 5;
  const [newWidth, newHeight] = swapped ? [height, width] : [width, height];
  const mirrorX = [2, 3, 7, 8].includes(orientation);
  const mirrorY = [3, 4, 6, 7].includes(orientation);
  const out = new (data.constructor as new (length: number) => Uint8Array | Uint16Array)(data.length);
  for (let y = 0, to = 0; y < newHeight; y++) {
    for (let x = 0; x < newWidth; x++) {
      const [u, v] = swapped ? [y, x] : [x, y];
      const from = channels * ((mirrorY ? height - 1 - v : v) * width + (mirrorX ? width - 1 - u : u));
      for (let c = 0; c < channels; c++) out[to++] = data[from + c];
    }
  }
  return { ...image, width: newWidth, height: newHeight, data: out };
}
