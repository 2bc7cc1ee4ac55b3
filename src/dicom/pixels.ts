/**
 * From a data set to the numbers of its frames: where each frame's bytes are, native or in fragments, and what the bits that a codec
 * gave or the file holds mean (stored bits, sign, byte order).
 */
import type { Element } from "dicom-parser";
import { DataError } from "../errors.ts";
import type { VoxelArray } from "../volume/types.ts";
import type { DicomAttributes, DicomFile } from "./dataset.ts";
import { transferSyntaxes } from "./transfer-syntaxes.ts";

/** What the pixels of an object are like. */
export interface PixelLayout {
  readonly rows: number;
  readonly columns: number;
  readonly frames: number;
  readonly bitsAllocated: 1 | 8 | 16 | 32;
  readonly bitsStored: number;
  /** The highest of the bits that are a sample. */
  readonly highBit: number;
  readonly isSigned: boolean;
  /** 32-bit floats instead of integers (parametric maps). */
  readonly isFloat: boolean;
  readonly transferSyntaxUid: string;
}

/** The numbers of one frame, rows from the top. */
export type FrameArray = Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | Float32Array;

/** No frame has more pixels: 16 384 × 16 384. */
const mostPixels = 2 ** 28;

/**
 * The layout of an object's pixels.
 * @throws DataError where the object has none, where they are colour, or where its attributes contradict each other
 */
export function pixelLayout({ name, attributes: values, transferSyntaxUid }: DicomFile): PixelLayout {
  const wrong = (fact: string): DataError => new DataError(`${name}: ${fact}`);
  const [rows, columns] = [values.number("Rows"), values.number("Columns")];
  if (rows === undefined || columns === undefined)
    throw wrong(`holds no image (${values.text("Modality") || "no modality"})`);
  if (rows < 1 || columns < 1 || rows * columns > mostPixels) throw wrong(`${columns}×${rows} pixels are not read`);
  const samples = values.number("SamplesPerPixel") ?? 1;
  const photometric = values.text("PhotometricInterpretation") || "MONOCHROME2";
  if (samples !== 1) throw wrong(`${samples} samples a pixel (${photometric}); images of one sample are read`);
  if (!photometric.startsWith("MONOCHROME")) throw wrong(`${photometric} pixels; MONOCHROME1 and MONOCHROME2 are read`);
  const isFloat = values.has("FloatPixelData");
  const bitsAllocated = isFloat ? 32 : (values.number("BitsAllocated") ?? 16);
  if (![1, 8, 16, 32].includes(bitsAllocated)) throw wrong(`${bitsAllocated} bits allocated; 1, 8, 16 or 32 are read`);
  const bitsStored = isFloat ? 32 : (values.number("BitsStored") ?? bitsAllocated);
  const highBit = isFloat ? 31 : (values.number("HighBit") ?? bitsStored - 1);
  if (bitsStored < 1 || bitsStored > bitsAllocated || highBit < bitsStored - 1 || highBit >= bitsAllocated)
    throw wrong(`${bitsStored} bits stored up to bit ${highBit} of ${bitsAllocated}; that cannot be`);
  const frames = values.number("NumberOfFrames") ?? 1;
  if (!Number.isInteger(frames) || frames < 1) throw wrong(`${frames} frames`);
  return {
    ...{ rows, columns, frames, bitsStored, highBit, isFloat, transferSyntaxUid },
    bitsAllocated: bitsAllocated as PixelLayout["bitsAllocated"],
    isSigned: values.number("PixelRepresentation") === 1,
  };
}

/**
 * The bytes of each frame: as they stand for native pixels, joined from fragments for compressed ones. Native frames of one bit a
 * pixel may begin within a byte, so they are given by {@link nativeFrame} instead.
 * @throws DataError where frames are missing
 */
export function encodedFrames({ name, attributes: values }: DicomFile, layout: PixelLayout): Uint8Array[] {
  const element = values.element("PixelData");
  if (element?.fragments === undefined || element.fragments.length === 0)
    throw new DataError(`${name}: its compressed pixels are not in fragments`);
  const grouped = groupFragments(element, values, layout.frames);
  if (grouped.length < layout.frames)
    throw new DataError(`${name}: holds ${grouped.length} frames of the ${layout.frames} it names: truncated?`);
  return grouped.slice(0, layout.frames);
}

function groupFragments(element: Element, values: DicomAttributes, frames: number): Uint8Array[] {
  const bytes = values.dataSet.byteArray;
  const fragments = element.fragments ?? [];
  const piece = ({ position, length }: { position: number; length: number }): Uint8Array =>
    bytes.subarray(position, position + length);
  if (frames === 1) return [joined(fragments.map(piece))];
  if (fragments.length === frames) return fragments.map(piece);
  const table = element.basicOffsetTable ?? [];
  if (table.length >= frames) {
    return table.map((from, i) =>
      joined(
        fragments.filter(({ offset }) => offset >= from && (i + 1 >= table.length || offset < table[i + 1])).map(piece),
      ),
    );
  }
  // Without a table a frame begins where a codestream does: JPEG's, JPEG-LS's and JPEG 2000's first bytes.
  const groups: Uint8Array[][] = [];
  for (const fragment of fragments.map(piece)) {
    const begins = fragment[0] === 0xff && (fragment[1] === 0xd8 || fragment[1] === 0x4f);
    if (begins || groups.length === 0) groups.push([]);
    groups[groups.length - 1].push(fragment);
  }
  return groups.map(joined);
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0];
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** The bits of a native frame as a codec would give them: little end first, one byte a pixel where one bit is allocated. */
export function nativeFrame({ name, attributes: values }: DicomFile, layout: PixelLayout, frame: number): Uint8Array {
  const bytes = values.bytes(layout.isFloat ? "FloatPixelData" : "PixelData");
  const pixels = layout.rows * layout.columns;
  const bits = pixels * layout.bitsAllocated;
  if (bytes === undefined || 8 * bytes.length < bits * (frame + 1)) {
    const held = Math.floor((8 * (bytes?.length ?? 0)) / bits);
    throw new DataError(`${name}: holds ${held} whole frames of the ${layout.frames} it names: truncated?`);
  }
  if (layout.bitsAllocated === 1) {
    const out = new Uint8Array(pixels);
    for (let i = 0, bit = frame * pixels; i < pixels; i++, bit++) out[i] = (bytes[bit >> 3] >> (bit & 7)) & 1;
    return out;
  }
  const length = bits / 8;
  const slice = bytes.slice(frame * length, (frame + 1) * length);
  const wide = layout.bitsAllocated / 8;
  // Pixels of 8 bits that lie in big-endian words (OW) are read as bytes, as other programs do.
  if (transferSyntaxes[layout.transferSyntaxUid].isBigEndian && wide > 1) {
    for (let start = 0; start < slice.length; start += wide) slice.subarray(start, start + wide).reverse();
  }
  return slice;
}

/**
 * What the bits of a frame mean: the stored bits alone, with their sign. Bits above them (overlays, in old files) are left away.
 * @param raw little end first; bytes where no more than 8 bits are allocated
 */
export function storedValues(raw: Uint8Array, layout: PixelLayout, name: string): FrameArray {
  const { bitsAllocated, bitsStored, highBit, isSigned, isFloat } = layout;
  const pixels = layout.rows * layout.columns;
  const wide = Math.max(1, bitsAllocated / 8);
  if (raw.length !== pixels * wide)
    throw new DataError(`${name}: a frame has ${raw.length} bytes, its head asks for ${pixels * wide}`);
  if (bitsAllocated === 1) return raw;
  // Typed arrays of wide numbers must begin where such a number may; the bits are changed in place, so a copy it is where they may not.
  const own = new Uint8Array(
    raw.buffer instanceof ArrayBuffer && raw.byteOffset === 0 ? raw.buffer : raw.slice().buffer,
  );
  const { buffer } = own;
  const at = 0;
  if (isFloat) return new Float32Array(buffer, at, pixels);
  const [left, right] = [31 - highBit, 32 - bitsStored];
  const unsigned = wide === 1 ? Uint8Array : wide === 2 ? Uint16Array : Uint32Array;
  const signed = wide === 1 ? Int8Array : wide === 2 ? Int16Array : Int32Array;
  const values = isSigned ? new signed(buffer, at, pixels) : new unsigned(buffer, at, pixels);
  if (bitsStored === bitsAllocated) return values;
  if (isSigned) for (let i = 0; i < pixels; i++) values[i] = (values[i] << left) >> right;
  else for (let i = 0; i < pixels; i++) values[i] = (values[i] << left) >>> right;
  return values;
}

/** How one slice's stored values become its own units. */
export interface Rescale {
  readonly slope: number;
  readonly intercept: number;
}

/**
 * The element type that holds the rescaled values of all slices: an integer type where slopes and intercepts are whole, so that a
 * CT's Hounsfield units stay 16 bits; else 32-bit floats.
 */
export function rescaledType(layout: PixelLayout, rescales: readonly Rescale[]) {
  const { bitsStored, isSigned, isFloat } = layout;
  if (isFloat || rescales.some(({ slope, intercept }) => !Number.isInteger(slope) || !Number.isInteger(intercept)))
    return "float32" as const;
  const stored = isSigned ? [-(2 ** (bitsStored - 1)), 2 ** (bitsStored - 1) - 1] : [0, 2 ** bitsStored - 1];
  const ends = rescales.flatMap(({ slope, intercept }) => stored.map((value) => value * slope + intercept));
  // Not Math.min(...): a study may have more slices than a call may have arguments.
  const least = ends.reduce((a, b) => Math.min(a, b));
  const most = ends.reduce((a, b) => Math.max(a, b));
  if (least >= 0 && most <= 255) return "uint8" as const;
  if (least >= -32768 && most <= 32767) return "int16" as const;
  if (least >= 0 && most <= 65535) return "uint16" as const;
  return least >= -(2 ** 31) && most < 2 ** 31 ? ("int32" as const) : ("float32" as const);
}

/** Writes a frame's values, rescaled, to their place in a volume. */
export function rescaleInto(into: VoxelArray, at: number, frame: FrameArray, { slope, intercept }: Rescale): void {
  if (into instanceof BigInt64Array || into instanceof BigUint64Array)
    throw new TypeError("no volume of 64-bit integers");
  if (slope === 1 && intercept === 0) into.set(frame, at);
  else for (let i = 0; i < frame.length; i++) into[at + i] = frame[i] * slope + intercept;
}
