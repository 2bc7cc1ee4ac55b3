/** What a 2D picture is in medvox: samples as they stand in its file, rows from the top, and as a network sees them. */

/** A decoded picture. */
export interface Image2d {
  readonly width: number;
  readonly height: number;
  /** 1 gray, 3 red green blue. Transparency is left away, as by `PIL.Image.convert("RGB")`. */
  readonly channels: 1 | 3;
  /** `[height, width, channels]`, full scale 255 or 65535. */
  readonly data: Uint8Array | Uint16Array;
  /** The file it came from, for messages. */
  readonly name?: string;
}

/** A picture as a network sees it: 32-bit floats, one plane after another, `[channels, height, width]`. */
export interface PlanarImage {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: Float32Array;
}

export interface DecodeImageOptions {
  /** For messages: the file's path. Default `"image"`. */
  readonly name?: string;
  /** The largest picture that is decoded, in pixels. Default 100 million. */
  readonly maxPixels?: number;
}

export const defaultMaxPixels = 100_000_000;
