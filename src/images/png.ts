/**
 * PNG (ISO/IEC 15948): gray, RGB, palette, with or without transparency, 1 to 16 bits, interlaced or not (but for
 * interlaced gray and palettes of less than 8 bits, which fast-png gets wrong).
 *
 * fast-png decodes; before it does, the chunks are walked: only those that carry the picture are handed on (a profile or
 * a text cannot blow up), their checksums are compared, and the compressed pixels are inflated once with a bound, so that
 * a small file that claims or yields gigabytes is refused.
 */
import { convertIndexedToRgb, decode, hasPngSignature } from "fast-png";
import { DataError } from "../errors.ts";
import { inflatePrefix } from "../volume/formats/gzip.ts";
import { exifOrientation, type Orientation } from "./orientation.ts";
import { type DecodeImageOptions, defaultMaxPixels, type Image2d } from "./types.ts";

export function isPng(bytes: Uint8Array): boolean {
  return bytes.length >= 8 && hasPngSignature(bytes);
}

/** Chunks that the pixels depend on. */
const needed = new Set(["IHDR", "PLTE", "tRNS", "IDAT", "IEND"]);
const channelsOf: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/**
 * The picture as stored, and how it is to be turned.
 * @throws DataError where it is damaged, too large, or of a kind that is not read
 */
export function decodePng(
  bytes: Uint8Array,
  options: DecodeImageOptions = {},
): { image: Image2d; orientation: Orientation } {
  const { name = "image", maxPixels = defaultMaxPixels } = options;
  const { kept, packed, orientation, header } = readChunks(bytes, name);
  const { width, height, depth, channels } = header;
  if (width * height > maxPixels) {
    throw new DataError(`${name}: ${width}×${height} pixels, at most ${maxPixels.toLocaleString("en-GB")} are read`);
  }
  // One byte of filter a row; seven interlaced passes have less than twice the rows, and a part of a byte each.
  const most = (Math.ceil((width * channels * depth) / 8) + 1) * height + 8 * (width + height) + 64;
  const least = Math.ceil((width * height * channels * depth) / 8);
  checkInflated(packed, least, most, name);
  try {
    const png = decode(kept, { checkCrc: true });
    const data = png.palette ? convertIndexedToRgb(png) : unpacked(png.data, width, height, depth);
    const stored = png.palette ? png.palette[0].length : channels;
    const image: Image2d =
      stored >= 3
        ? { width, height, channels: 3, data: take(data, stored, 3) }
        : { width, height, channels: 1, data: take(data, stored, 1) };
    if (image.data.length !== width * height * image.channels) throw new Error("wrong number of pixels");
    return { image: { ...image, name: options.name }, orientation };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DataError(`${name}: damaged PNG: ${reason}`, { cause: error });
  }
}

interface PngChunks {
  readonly header: {
    readonly width: number;
    readonly height: number;
    readonly depth: number;
    readonly channels: number;
  };
  /** The file without what is not needed. */
  readonly kept: Uint8Array;
  /** All compressed pixels. */
  readonly packed: Uint8Array;
  readonly orientation: Orientation;
}

function readChunks(bytes: Uint8Array, name: string): PngChunks {
  const damaged = (what: string): DataError => new DataError(`${name}: damaged PNG: ${what}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pieces: Uint8Array[] = [bytes.subarray(0, 8)];
  const pixels: Uint8Array[] = [];
  let header: PngChunks["header"] | undefined;
  let orientation: Orientation = 1;
  let palette = false;
  for (let at = 8, type = ""; type !== "IEND"; ) {
    if (at + 12 > bytes.length) throw damaged("it ends before its last chunk: truncated?");
    const length = view.getUint32(at);
    if (at + 12 + length > bytes.length) throw damaged("a chunk runs beyond the end: truncated?");
    type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const body = bytes.subarray(at + 8, at + 8 + length);
    if (header === undefined) {
      if (type !== "IHDR" || length !== 13) throw damaged("it does not begin with a header of 13 bytes");
      header = readPngHeader(view, at + 8, name);
    } else if (type === "IHDR") throw damaged("it has two headers");
    if (type === "PLTE") palette = true;
    if (type === "IDAT") pixels.push(body);
    if (type === "eXIf") orientation = exifOrientation(body);
    if (needed.has(type)) pieces.push(bytes.subarray(at, at + 12 + length));
    at += 12 + length;
  }
  if (header === undefined) throw damaged("it has no header");
  if (header.depth < 8 && view.getUint8(28) === 1) {
    throw new DataError(`${name}: interlaced PNG of ${header.depth} bits; save it without interlacing`);
  }
  if (view.getUint8(25) === 3 && !palette) throw damaged("it has no palette");
  return { header, kept: joined(pieces), packed: joined(pixels), orientation };
}

function readPngHeader(view: DataView, at: number, name: string): PngChunks["header"] {
  const [width, height, depth] = [view.getUint32(at), view.getUint32(at + 4), view.getUint8(at + 8)];
  const channels = channelsOf[view.getUint8(at + 9)];
  if (width === 0 || height === 0 || channels === undefined || ![1, 2, 4, 8, 16].includes(depth)) {
    throw new DataError(
      `${name}: damaged PNG: its header says ${width}×${height}, ${depth} bits, colour type ${view.getUint8(at + 9)}`,
    );
  }
  if (depth < 8 && channels > 1) throw new DataError(`${name}: damaged PNG: ${channels} channels of ${depth} bits`);
  return { width, height, depth, channels };
}

/** Inflates with a bound and throws the result away: what fast-png will inflate is then known to fit. */
function checkInflated(packed: Uint8Array, least: number, most: number, name: string): void {
  const found = inflatePrefix(packed, most, name, "zlib").length;
  if (found >= most) throw new DataError(`${name}: damaged PNG: more pixels than its header says`);
  if (found < least) throw new DataError(`${name}: damaged PNG: fewer pixels than its header says: truncated?`);
}

/** One number per sample. Gray of less than 8 bits is packed, rows begin at a byte, and full scale becomes 255. */
function unpacked(data: ArrayLike<number>, width: number, height: number, depth: number): Uint8Array | Uint16Array {
  if (depth === 16) return data instanceof Uint16Array ? data : Uint16Array.from(data);
  if (depth === 8) return Uint8Array.from(data);
  const out = new Uint8Array(width * height);
  const rowBytes = Math.ceil((width * depth) / 8);
  const full = 2 ** depth - 1;
  for (let y = 0, o = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      const byte = data[y * rowBytes + (bit >> 3)];
      out[o++] = (255 / full) * ((byte >> (8 - depth - (bit & 7))) & full);
    }
  }
  return out;
}

/** The first `wanted` of every `stored` samples. */
function take(data: Uint8Array | Uint16Array, stored: number, wanted: number): Uint8Array | Uint16Array {
  if (stored === wanted) return data;
  const pixels = data.length / stored;
  const out = data instanceof Uint16Array ? new Uint16Array(pixels * wanted) : new Uint8Array(pixels * wanted);
  for (let i = 0, o = 0; i < pixels; i++) for (let c = 0; c < wanted; c++) out[o++] = data[i * stored + c];
  return out;
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}
