/**
 * Gray pictures of slices: values to 8 bits, pixels made square by resampling, PNG bytes, data URIs.
 *
 * Enlarging uses Catmull–Rom (Keys' cubic, a = −1/2), which keeps edges crisp without the star pattern of linear
 * interpolation; shrinking widens the same kernel, so that nothing aliases.
 */
import { encode } from "fast-png";
import type { Slice } from "./slices.ts";

/** 8-bit gray, row by row. */
export interface GrayImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/**
 * A slice in gray, enlarged or shrunk to `width × height` pixels.
 * @param window values shown as black and as white; NaN is shown black
 */
export function grayImage(slice: Slice, window: readonly [number, number], width: number, height: number): GrayImage {
  const [low, high] = window;
  const gray = Float32Array.from(slice.values, (value) => {
    const share = (value - low) / (high - low);
    return share > 0 ? (share < 1 ? 255 * share : 255) : 0;
  });
  const wide = resampleRows(gray, slice.width, slice.height, width);
  const full = transpose(
    resampleRows(transpose(wide, width, slice.height), slice.height, width, height),
    height,
    width,
  );
  return { width, height, data: Uint8Array.from(full, (value) => Math.max(0, Math.min(255, Math.round(value)))) };
}

/** Pixels that show a slice with square pixels, about `longest` on its longer side, and at least one each way. */
export function squarePixels(slice: Slice, longest: number): [width: number, height: number] {
  const mm = [slice.width * slice.pitchMm[0], slice.height * slice.pitchMm[1]];
  const perMm = longest / Math.max(...mm);
  return [Math.max(1, Math.round(mm[0] * perMm)), Math.max(1, Math.round(mm[1] * perMm))];
}

export function grayPng(image: GrayImage): Uint8Array {
  return encode({ width: image.width, height: image.height, data: image.data, channels: 1, depth: 8 });
}

export function rgbPng(width: number, height: number, data: Uint8Array): Uint8Array {
  return encode({ width, height, data, channels: 3, depth: 8 });
}

export function pngDataUri(png: Uint8Array): string {
  return `data:image/png;base64,${Buffer.from(png.buffer, png.byteOffset, png.byteLength).toString("base64")}`;
}

function resampleRows(data: Float32Array, width: number, height: number, newWidth: number): Float32Array {
  const out = new Float32Array(newWidth * height);
  const step = width / newWidth;
  const stretch = Math.max(1, step);
  const reach = Math.ceil(2 * stretch);
  const weights = new Float64Array(2 * reach + 1);
  for (let column = 0; column < newWidth; column++) {
    const centre = (column + 0.5) * step - 0.5;
    const first = Math.floor(centre) - reach;
    let total = 0;
    for (let k = 0; k < weights.length; k++) total += weights[k] = catmullRom((first + k - centre) / stretch);
    for (let row = 0; row < height; row++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) {
        if (weights[k] === 0) continue;
        const from = Math.max(0, Math.min(width - 1, first + k));
        sum += weights[k] * data[row * width + from];
      }
      out[row * newWidth + column] = sum / total;
    }
  }
  return out;
}

function catmullRom(distance: number): number {
  const t = Math.abs(distance);
  if (t >= 2) return 0;
  return t < 1 ? 1 + t * t * (1.5 * t - 2.5) : 2 + t * (-4 + t * (2.5 - 0.5 * t));
}

function transpose(data: Float32Array, width: number, height: number): Float32Array {
  const out = new Float32Array(data.length);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) out[column * height + row] = data[row * width + column];
  }
  return out;
}
