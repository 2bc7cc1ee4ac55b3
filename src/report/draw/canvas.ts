/**
 * A small picture to draw on: bars and boxes with soft edges, and text, all without a graphics library, so that pictures
 * of detections come out the same everywhere. Coordinates are pixels from the top left corner, fractions allowed.
 */
import { unzlibSync } from "fflate";
import { BoundedCache } from "../../bounded-cache.ts";
import { ShapeError } from "../../errors.ts";
import type { Image2d } from "../../images/index.ts";
import { glyphStrips } from "./glyphs.ts";
import { rgbPng } from "./raster.ts";

export type Color = readonly [red: number, green: number, blue: number];
export type TextSize = "small" | "large";

/** `#rrggbb` as three numbers. */
export function colorOf(hex: string): Color {
  const part = (at: number): number => Number.parseInt(hex.slice(at, at + 2), 16);
  return [part(1), part(3), part(5)];
}

interface Glyphs {
  readonly height: number;
  readonly places: ReadonlyMap<string, { readonly x: number; readonly width: number }>;
  readonly stride: number;
  readonly coverage: Uint8Array;
}

/** A font of each size, unpacked when it is first needed. */
const fonts = new BoundedCache<TextSize, Glyphs>(Object.keys(glyphStrips).length);

const glyphsOf = (size: TextSize): Glyphs => fonts.get(size, () => unpackGlyphs(size));

function unpackGlyphs(size: TextSize): Glyphs {
  const { height, letters, widths, data } = glyphStrips[size];
  const places = new Map<string, { x: number; width: number }>();
  let x = 0;
  [...letters].forEach((letter, i) => {
    places.set(letter, { x, width: widths[i] });
    x += widths[i];
  });
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  return { height, places, stride: x, coverage: unzlibSync(bytes) };
}

/** Width and height of a line of text in pixels. Letters that the font lacks are shown as `?`. */
export function textSize(text: string, size: TextSize = "small"): { readonly width: number; readonly height: number } {
  const { height, places } = glyphsOf(size);
  let width = 0;
  for (const letter of text) width += (places.get(letter) ?? places.get("?"))?.width ?? 0;
  return { width, height };
}

export class Canvas {
  readonly width: number;
  readonly height: number;
  /** Three bytes a pixel. */
  readonly data: Uint8Array;

  constructor(width: number, height: number, data?: Uint8Array) {
    if (data !== undefined && data.length !== 3 * width * height) {
      throw new ShapeError(`canvas: ${data.length} bytes for ${width}×${height} pixels of 3`);
    }
    this.width = width;
    this.height = height;
    this.data = data ?? new Uint8Array(3 * width * height);
  }

  /** A copy of a picture, every pixel `scale` × `scale` large. */
  static of(image: Image2d, scale = 1): Canvas {
    const { width, height, channels, data } = image;
    const shift = data instanceof Uint16Array ? 8 : 0;
    const canvas = new Canvas(width * scale, height * scale);
    for (let y = 0, to = 0; y < canvas.height; y++) {
      for (let x = 0; x < canvas.width; x++) {
        const from = channels * (Math.floor(y / scale) * width + Math.floor(x / scale));
        for (let c = 0; c < 3; c++) canvas.data[to++] = data[from + (channels === 3 ? c : 0)] >> shift;
      }
    }
    return canvas;
  }

  /** Another picture, its top left corner at whole pixels. */
  place(other: Canvas, left: number, top: number): void {
    for (let y = Math.max(0, -top); y < other.height && top + y < this.height; y++) {
      const from = other.data.subarray(
        3 * y * other.width,
        3 * (y * other.width + Math.min(other.width, this.width - left)),
      );
      this.data.set(from, 3 * ((top + y) * this.width + left));
    }
  }

  /** A filled bar; pixels that it covers in part are painted in part. */
  fill(left: number, top: number, right: number, bottom: number, color: Color, opacity = 1): void {
    for (let y = Math.max(0, Math.floor(top)); y < Math.min(this.height, Math.ceil(bottom)); y++) {
      const down = Math.min(bottom, y + 1) - Math.max(top, y);
      for (let x = Math.max(0, Math.floor(left)); x < Math.min(this.width, Math.ceil(right)); x++) {
        const across = Math.min(right, x + 1) - Math.max(left, x);
        if (down > 0 && across > 0) this.blend(x, y, color, opacity * down * across);
      }
    }
  }

  /** The outline of a box, `line` pixels wide, half of it outside; dashed where `dash` is given. */
  outline(
    left: number,
    top: number,
    right: number,
    bottom: number,
    color: Color,
    line = 2,
    opacity = 1,
    dash?: readonly [on: number, off: number],
  ): void {
    const half = line / 2;
    // Corners belong to the horizontal sides, so that nothing is painted twice.
    for (const [from, to] of pieces(left - half, right + half, dash)) {
      this.fill(from, top - half, to, top + half, color, opacity);
      this.fill(from, bottom - half, to, bottom + half, color, opacity);
    }
    for (const [from, to] of pieces(top + half, bottom - half, dash)) {
      this.fill(left - half, from, left + half, to, color, opacity);
      this.fill(right - half, from, right + half, to, color, opacity);
    }
  }

  /** One line of text, its top left corner at whole pixels. */
  text(text: string, left: number, top: number, color: Color, size: TextSize = "small"): void {
    const { height, places, stride, coverage } = glyphsOf(size);
    let at = Math.round(left);
    const ground = Math.round(top);
    for (const letter of text) {
      const place = places.get(letter) ?? places.get("?");
      if (place === undefined) continue;
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < place.width; x++) {
          const share = coverage[y * stride + place.x + x];
          if (share > 0) this.blend(at + x, ground + y, color, share / 255);
        }
      }
      at += place.width;
    }
  }

  png(): Uint8Array {
    return rgbPng(this.width, this.height, this.data);
  }

  private blend(x: number, y: number, color: Color, share: number): void {
    if (x < 0 || y < 0 || x >= this.width || y >= this.height) return;
    const at = 3 * (y * this.width + x);
    for (let c = 0; c < 3; c++)
      this.data[at + c] = Math.round(this.data[at + c] + share * (color[c] - this.data[at + c]));
  }
}

function pieces(from: number, to: number, dash?: readonly [on: number, off: number]): [number, number][] {
  if (dash === undefined) return [[from, to]];
  const out: [number, number][] = [];
  for (let at = from; at < to; at += dash[0] + dash[1]) out.push([at, Math.min(to, at + dash[0])]);
  return out;
}
