/**
 * JPEG (ITU-T T.81): baseline and progressive, gray, colour and CMYK, 8 bits, bit for bit as libjpeg decodes it; of gray, as medical
 * images have it, 12 bits and lossless, too.
 *
 * Why not a package: jpeg-js, the one without native code, enlarges chroma by repeating pixels and rounds its transform
 * elsewhere, which is up to a hundred levels off at the edge of a stained cell. Here is the walk over the segments; scans
 * and pixels have files of their own. A small file may claim to be a huge picture, so what it claims is checked before
 * anything is allocated.
 */
import { DataError } from "../../errors.ts";
import { exifOrientation, type Orientation } from "../orientation.ts";
import { type DecodeImageOptions, defaultMaxPixels, type Image2d } from "../types.ts";
import { decodeLossless } from "./lossless.ts";
import { fromCmyk, interleave, inverseTransform, inverseTransform12, type Samples, upsample } from "./pixels.ts";
import {
  decodeScan,
  type HuffmanTable,
  huffmanTable,
  type JpegFrame,
  type ScanComponent,
  ScanError,
  zigzag,
} from "./scan.ts";

export function isJpeg(bytes: Uint8Array): boolean {
  return bytes.length >= 3 && bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff;
}

/** No encoder writes as many; a scan may cost a few bytes and touch every block. */
const mostScans = 256;

/**
 * The picture as stored, and how it is to be turned.
 * @throws DataError where it is damaged, too large, or of a kind that is not read
 */
export function decodeJpeg(
  bytes: Uint8Array,
  options: DecodeImageOptions = {},
): { image: Image2d; orientation: Orientation } {
  const { name = "image", maxPixels = defaultMaxPixels } = options;
  try {
    const segments = new Segments(bytes, name, maxPixels);
    segments.read();
    return { image: { ...segments.image(), name: options.name }, orientation: segments.orientation };
  } catch (error) {
    if (error instanceof ScanError) throw new DataError(`${name}: damaged JPEG: ${error.message}`, { cause: error });
    throw error;
  }
}

/** Gray samples as a medical image holds them. */
export interface JpegSamples {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  /** Bits of a sample, 2 to 16. */
  readonly bits: number;
  /** `[height, width, channels]`; bytes for samples of up to 8 bits. */
  readonly data: Samples;
}

/**
 * A JPEG's samples whatever their depth: those of {@link decodeJpeg}, and gray ones of 12 bits (extended, progressive) or lossless of 2
 * to 16.
 * @throws DataError where it is damaged, too large, or of a kind that is not read
 */
export function decodeJpegSamples(bytes: Uint8Array, options: DecodeImageOptions = {}): JpegSamples {
  const { name = "image", maxPixels = defaultMaxPixels } = options;
  if (!isJpeg(bytes)) throw new DataError(`${name}: a frame is no JPEG`);
  try {
    const segments = new Segments(bytes, name, maxPixels, true);
    segments.read();
    return segments.samples();
  } catch (error) {
    if (error instanceof ScanError) throw new DataError(`${name}: damaged JPEG: ${error.message}`, { cause: error });
    throw error;
  }
}

class Segments {
  orientation: Orientation = 1;
  private readonly bytes: Uint8Array;
  private readonly name: string;
  private readonly maxPixels: number;
  private frame: JpegFrame | undefined;
  private jfif = false;
  private adobeTransform: number | undefined;
  private readonly quantisation = new Map<number, Uint16Array>();
  private readonly huffman = new Map<number, HuffmanTable>();
  private restartInterval = 0;
  private scans = 0;
  /** Whether 12 bits and lossless frames are read. */
  private readonly deep: boolean;
  private bits = 8;
  private lossless: { readonly data: Samples | undefined } | undefined;

  constructor(bytes: Uint8Array, name: string, maxPixels: number, deep = false) {
    this.deep = deep;
    this.bytes = bytes;
    this.name = name;
    this.maxPixels = maxPixels;
  }

  /** Reads all segments and scans. */
  read(): void {
    const { bytes } = this;
    let at = 2;
    while (true) {
      // Some writers leave bytes between segments; libjpeg passes over them too.
      while (at < bytes.length && (bytes[at] !== 0xff || bytes[at + 1] === 0 || bytes[at + 1] === 0xff)) at++;
      if (at + 2 > bytes.length || bytes[at + 1] === 0xd9) break;
      const marker = bytes[at + 1];
      if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
        at += 2;
        continue;
      }
      const length = at + 4 <= bytes.length ? (bytes[at + 2] << 8) | bytes[at + 3] : 0;
      if (length < 2 || at + 2 + length > bytes.length) {
        throw new ScanError("a segment runs beyond the end: truncated?");
      }
      const body = bytes.subarray(at + 4, at + 2 + length);
      at += 2 + length;
      if (marker === 0xda) at = this.scan(body, at);
      else this.segment(marker, body);
    }
    this.end(at + 2 <= bytes.length);
  }

  private segment(marker: number, body: Uint8Array): void {
    if (marker === 0xe0 && startsWith(body, "JFIF")) this.jfif = true;
    else if (marker === 0xe1 && startsWith(body, "Exif\0\0")) this.orientation = exifOrientation(body.subarray(6));
    else if (marker === 0xee && startsWith(body, "Adobe") && body.length >= 12) this.adobeTransform = body[11];
    else if (marker === 0xdb) this.quantisationTables(body);
    else if (marker === 0xc4) this.huffmanTables(body);
    else if (marker === 0xdd && body.length >= 2) this.restartInterval = (body[0] << 8) | body[1];
    else if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc8) this.frameHeader(marker, body);
  }

  private quantisationTables(body: Uint8Array): void {
    for (let at = 0; at < body.length; ) {
      const [wide, id] = [body[at] >> 4, body[at] & 15];
      const size = wide === 0 ? 64 : 128;
      if (wide > 1 || id > 3 || at + 1 + size > body.length) throw new ScanError("a quantisation table is cut off");
      const table = new Uint16Array(64);
      for (let k = 0; k < 64; k++) {
        table[zigzag[k]] = wide === 0 ? body[at + 1 + k] : (body[at + 1 + 2 * k] << 8) | body[at + 2 + 2 * k];
      }
      this.quantisation.set(id, table);
      at += 1 + size;
    }
  }

  private huffmanTables(body: Uint8Array): void {
    for (let at = 0; at < body.length; ) {
      const counts = body.subarray(at + 1, at + 17);
      const total = counts.reduce((sum, count) => sum + count, 0);
      if (counts.length < 16 || total > 256 || at + 17 + total > body.length) {
        throw new ScanError("a Huffman table is cut off");
      }
      this.huffman.set(body[at], huffmanTable(counts, body.subarray(at + 17, at + 17 + total)));
      at += 17 + total;
    }
  }

  private frameHeader(marker: number, body: Uint8Array): void {
    const { name, bytes } = this;
    const isLossless = marker === 0xc3;
    if (marker > 0xc2 && !(isLossless && this.deep)) {
      const kind = marker === 0xc3 ? "lossless" : marker >= 0xc9 ? "arithmetic" : "hierarchical";
      throw new DataError(`${name}: ${kind} JPEG; baseline and progressive are read`);
    }
    if (this.frame !== undefined) throw new ScanError("it has two frames");
    const count = body[5];
    if (body.length < 6 || body.length < 6 + 3 * count) throw new ScanError("its frame is cut off");
    const [bits] = body;
    const isRead = bits === 8 || (this.deep && (isLossless ? bits >= 2 && bits <= 16 : bits === 12));
    if (!isRead) throw new DataError(`${name}: JPEG of ${bits} bits; ${this.deep ? "8 and 12" : "8"} bits are read`);
    this.bits = bits;
    const height = (body[1] << 8) | body[2];
    const width = (body[3] << 8) | body[4];
    if (width === 0 || height === 0) throw new ScanError(`${width}×${height} pixels`);
    if (count !== 1 && count !== 3 && count !== 4) {
      throw new DataError(`${name}: JPEG of ${count} components; gray, RGB and CMYK are read (save it as RGB)`);
    }
    if ((isLossless || bits !== 8) && count !== 1)
      throw new DataError(
        `${name}: ${isLossless ? "lossless" : `${bits}-bit`} JPEG of ${count} components; gray is read`,
      );
    const pixels = width * height;
    if (pixels > this.maxPixels) {
      const most = this.maxPixels.toLocaleString("en-GB");
      throw new DataError(`${name}: ${width}×${height} pixels, at most ${most} are read`);
    }
    // Every block of 64 pixels takes at least one bit.
    if (pixels > 512 * bytes.length) {
      throw new ScanError(`${bytes.length} bytes cannot hold ${width}×${height} pixels: truncated?`);
    }
    if (isLossless) {
      // Every sample takes at least one bit.
      if (pixels > 8 * bytes.length)
        throw new ScanError(`${bytes.length} bytes cannot hold ${width}×${height} samples: truncated?`);
      this.lossless = { data: undefined };
    }
    const listed = Array.from({ length: count }, (_, i) => {
      const at = 6 + 3 * i;
      // A component alone is its own measure, whatever factors it claims.
      const [h, v] = count === 1 ? [1, 1] : [body[at + 1] >> 4, body[at + 1] & 15];
      return { id: body[at], h, v, table: body[at + 2] };
    });
    if (listed.some(({ h, v }) => h < 1 || h > 4 || v < 1 || v > 4)) {
      throw new ScanError("sampling factors must be 1 to 4");
    }
    const [mostH, mostV] = [Math.max(...listed.map(({ h }) => h)), Math.max(...listed.map(({ v }) => v))];
    const unitsAcross = Math.ceil(width / (8 * mostH));
    const unitsDown = Math.ceil(height / (8 * mostV));
    const components = listed.map((component) => {
      const { h, v } = component;
      const stride = unitsAcross * h;
      return {
        ...component,
        columns: Math.ceil(Math.ceil((width * h) / mostH) / 8),
        rows: Math.ceil(Math.ceil((height * v) / mostV) / 8),
        stride,
        coefficients: new Int16Array(isLossless ? 0 : 64 * stride * unitsDown * v),
        seen: false,
      };
    });
    this.frame = { width, height, progressive: marker === 0xc2, components, unitsAcross, unitsDown };
  }

  private scan(body: Uint8Array, at: number): number {
    const { frame } = this;
    if (frame === undefined) throw new ScanError("its first scan comes before its frame");
    if (++this.scans > mostScans) throw new ScanError(`more than ${mostScans} scans`);
    const count = body[0];
    if (body.length < 4 + 2 * count || count < 1 || count > 4) throw new ScanError("the head of a scan is cut off");
    const parts = Array.from({ length: count }, (_, i): ScanComponent => {
      const component = frame.components.find(({ id }) => id === body[1 + 2 * i]);
      if (component === undefined) throw new ScanError("a scan of a component that the frame has not");
      const tables = body[2 + 2 * i];
      return { component, dc: this.huffman.get(tables >> 4), ac: this.huffman.get(0x10 | (tables & 15)) };
    });
    const [first, last, bits] = body.subarray(1 + 2 * count);
    if (this.lossless !== undefined) {
      const { width, height } = frame;
      const how = { width, height, bits: this.bits, predictor: first, shift: bits & 15 };
      const decoded = decodeLossless(this.bytes, at, how, parts[0].dc, this.restartInterval);
      this.lossless = { data: decoded.samples };
      frame.components[0].seen = true;
      return decoded.end;
    }
    const band = frame.progressive
      ? { first, last, highBit: bits >> 4, lowBit: bits & 15 }
      : { first: 0, last: 63, highBit: 0, lowBit: 0 };
    const together = band.first === 0 && (!frame.progressive || band.last === 0);
    if (
      band.last > 63 ||
      band.last < band.first ||
      band.lowBit > 13 ||
      (!together && (count > 1 || band.first === 0))
    ) {
      throw new ScanError("a scan of coefficients that cannot be");
    }
    return decodeScan(this.bytes, at, frame, parts, band, this.restartInterval);
  }

  /** A baseline picture whose scans are complete may lack its end mark; of a progressive one something would be missing. */
  private end(marked: boolean): void {
    const { frame } = this;
    if (frame === undefined || this.scans === 0) throw new ScanError("it ends before its first scan: truncated?");
    if (!frame.components.every(({ seen }) => seen)) throw new ScanError("a component is missing: truncated?");
    if (!marked && frame.progressive) throw new ScanError("it ends without its end mark: truncated?");
  }

  /** The samples, once everything is read. */
  samples(): JpegSamples {
    const { width, height, components } = this.frame as JpegFrame;
    const about = { width, height, channels: 1, bits: this.bits };
    if (this.lossless?.data !== undefined) return { ...about, data: this.lossless.data };
    if (this.bits === 8) return { ...this.image(), bits: 8 };
    const table = this.quantisation.get(components[0].table);
    if (table === undefined) throw new ScanError("a quantisation table is missing");
    const { data: plane, stride } = inverseTransform12(components[0], table);
    const data = new Uint16Array(width * height);
    for (let y = 0; y < height; y++) data.set(plane.subarray(y * stride, y * stride + width), y * width);
    return { ...about, data };
  }

  /** The picture, once everything is read. */
  image(): Image2d {
    const { width, height, components } = this.frame as JpegFrame;
    const mostH = Math.max(...components.map(({ h }) => h));
    const mostV = Math.max(...components.map(({ v }) => v));
    const planes = components.map((component) => {
      const table = this.quantisation.get(component.table);
      if (table === undefined) throw new ScanError("a quantisation table is missing");
      return upsample(inverseTransform(component, table), width, height, mostH / component.h, mostV / component.v);
    });
    if (planes.length === 1) return { width, height, channels: 1, data: planes[0] };
    if (planes.length === 4) {
      const isYcck = this.adobeTransform !== undefined && this.adobeTransform !== 0;
      return { width, height, channels: 3, data: fromCmyk(planes, isYcck) };
    }
    const ids = String.fromCharCode(...components.map(({ id }) => id));
    const isYcc = this.adobeTransform === undefined ? this.jfif || ids !== "RGB" : this.adobeTransform !== 0;
    return { width, height, channels: 3, data: interleave(planes, isYcc) };
  }
}

function startsWith(body: Uint8Array, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (body[i] !== text.charCodeAt(i)) return false;
  return true;
}
