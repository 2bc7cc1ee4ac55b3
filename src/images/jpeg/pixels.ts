/**
 * JPEG coefficients to pixels exactly as libjpeg makes them: its accurate integer cosine transform (`jidctint`: Loeffler,
 * Ligtenberg & Moschytz 1989), its triangle filter for chroma, its 16-bit colour constants. Networks were trained on these
 * very bits.
 */
import type { JpegComponent } from "./scan.ts";

/** Samples of 8 bits, or of up to 16. */
export type Samples = Uint8Array | Uint16Array;

/** One component at its own resolution; columns beyond the picture are filled by whole blocks. */
export interface Plane<S extends Samples = Samples> {
  readonly data: S;
  readonly stride: number;
}

/** How libjpeg computes samples of 8 and of 12 bits: the bits it keeps between the two passes, and the samples' range. */
interface Depth {
  readonly passBits: number;
  readonly middle: number;
  readonly most: number;
}
const eightBits: Depth = { passBits: 2, middle: 128, most: 255 };
const twelveBits: Depth = { passBits: 1, middle: 2048, most: 4095 };

/** @param table quantisation steps in the order of rows and columns */
export function inverseTransform(component: JpegComponent, table: Uint16Array): Plane<Uint8Array> {
  const data = new Uint8Array(64 * component.columns * component.rows);
  return transformed(component, table, data, eightBits);
}

/** The same of samples of 12 bits. */
export function inverseTransform12(component: JpegComponent, table: Uint16Array): Plane<Uint16Array> {
  const data = new Uint16Array(64 * component.columns * component.rows);
  return transformed(component, table, data, twelveBits);
}

function transformed<S extends Samples>(
  { columns, rows, stride: blocks, coefficients }: JpegComponent,
  table: Uint16Array,
  data: S,
  depth: Depth,
): Plane<S> {
  const stride = 8 * columns;
  const work = new Int32Array(64);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      transformColumns(coefficients, 64 * (row * blocks + column), table, work, depth);
      for (let y = 0; y < 8; y++) transformRow(work, 8 * y, data, (8 * row + y) * stride + 8 * column, depth);
    }
  }
  return { data, stride };
}

const constBits = 13;
/** The eight outputs of one transform, before their last shift. */
const out = new Int32Array(8);

/** The eight-point transform, scaled by 2^13 (times √8). */
function transform(
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  c4: number,
  c5: number,
  c6: number,
  c7: number,
): void {
  // Even part.
  const e = (c2 + c6) * 4433;
  const even2 = e - c6 * 15137;
  const even3 = e + c2 * 6270;
  const even0 = (c0 + c4) << constBits;
  const even1 = (c0 - c4) << constBits;
  const [a0, a3, a1, a2] = [even0 + even3, even0 - even3, even1 + even2, even1 - even2];
  // Odd part.
  const z5 = (c7 + c3 + c5 + c1) * 9633;
  const z1 = (c7 + c1) * -7373;
  const z2 = (c5 + c3) * -20995;
  const z3 = (c7 + c3) * -16069 + z5;
  const z4 = (c5 + c1) * -3196 + z5;
  const b0 = c7 * 2446 + z1 + z3;
  const b1 = c5 * 16819 + z2 + z4;
  const b2 = c3 * 25172 + z2 + z3;
  const b3 = c1 * 12299 + z1 + z4;
  out[0] = a0 + b3;
  out[7] = a0 - b3;
  out[1] = a1 + b2;
  out[6] = a1 - b2;
  out[2] = a2 + b1;
  out[5] = a2 - b1;
  out[3] = a3 + b0;
  out[4] = a3 - b0;
}

function transformColumns(c: Int16Array, at: number, table: Uint16Array, work: Int32Array, { passBits }: Depth): void {
  const shift = constBits - passBits;
  const round = 1 << (shift - 1);
  for (let x = 0; x < 8; x++) {
    const p = at + x;
    const mean = c[p] * table[x];
    if (!(c[p + 8] | c[p + 16] | c[p + 24] | c[p + 32] | c[p + 40] | c[p + 48] | c[p + 56])) {
      for (let y = 0; y < 64; y += 8) work[x + y] = mean << passBits;
      continue;
    }
    transform(
      mean,
      c[p + 8] * table[x + 8],
      c[p + 16] * table[x + 16],
      c[p + 24] * table[x + 24],
      c[p + 32] * table[x + 32],
      c[p + 40] * table[x + 40],
      c[p + 48] * table[x + 48],
      c[p + 56] * table[x + 56],
    );
    for (let y = 0; y < 8; y++) work[x + 8 * y] = (out[y] + round) >> shift;
  }
}

function transformRow(
  work: Int32Array,
  from: number,
  data: Samples,
  to: number,
  { passBits, middle, most }: Depth,
): void {
  const shift = constBits + passBits + 3;
  const round = 1 << (shift - 1);
  transform(
    work[from],
    work[from + 1],
    work[from + 2],
    work[from + 3],
    work[from + 4],
    work[from + 5],
    work[from + 6],
    work[from + 7],
  );
  for (let x = 0; x < 8; x++) {
    const value = ((out[x] + round) >> shift) + middle;
    data[to + x] = value < 0 ? 0 : value > most ? most : value;
  }
}

/**
 * A plane at the picture's size. Twice as many columns, rows or both are filtered, three parts of the nearer sample and
 * one of the next; other ratios repeat samples.
 * @param byX,byY how many pixels a sample covers
 */
export function upsample(
  plane: Plane<Uint8Array>,
  width: number,
  height: number,
  byX: number,
  byY: number,
): Uint8Array {
  const columns = Math.ceil(width / byX);
  const rows = Math.ceil(height / byY);
  // libjpeg leaves planes of one or two columns alone.
  const doubleX = byX === 2 && columns > 2;
  const doubleY = byY === 2 && (doubleX || byX === 1);
  const result = new Uint8Array(width * height);
  const sums = new Int32Array(columns);
  for (let y = 0; y < height; y++) {
    const row = result.subarray(y * width, (y + 1) * width);
    const near = Math.floor(y / byY);
    const nearAt = near * plane.stride;
    if (!doubleY && !doubleX) {
      for (let x = 0; x < width; x++) row[x] = plane.data[nearAt + Math.floor(x / byX)];
      continue;
    }
    // The first and the last row have no next one and count fourfold.
    const farAt = Math.min(rows - 1, Math.max(0, near + (y & 1 ? 1 : -1))) * plane.stride;
    for (let x = 0; x < columns; x++) {
      const value = plane.data[nearAt + x];
      sums[x] = doubleY ? 3 * value + plane.data[farAt + x] : value;
    }
    if (doubleX && (doubleY || byY === 1)) {
      doubleRow(sums, row, doubleY);
    } else if (doubleX) {
      for (let x = 0; x < width; x++) row[x] = sums[x >> 1];
    } else {
      const bias = y & 1 ? 2 : 1;
      for (let x = 0; x < width; x++) row[x] = (sums[x] + bias) >> 2;
    }
  }
  return result;
}

/** Twice as many columns, with libjpeg's alternating rounding. */
function doubleRow(sums: Int32Array, row: Uint8Array, fourfold: boolean): void {
  const last = sums.length - 1;
  const shift = fourfold ? 4 : 2;
  const [left, right] = fourfold ? [8, 7] : [1, 2];
  for (let x = 0; x < row.length; x++) {
    const at = x >> 1;
    const odd = (x & 1) === 1;
    const next = odd ? at + 1 : at - 1;
    const other = next < 0 || next > last ? sums[at] : sums[next];
    row[x] = (3 * sums[at] + other + (odd ? right : left)) >> shift;
  }
}

/** Planes side by side, three samples a pixel; luma and chroma (BT.601, full range) become red, green and blue. */
export function interleave(planes: readonly Uint8Array[], isYcc: boolean): Uint8Array {
  const [first, second, third] = planes;
  const data = new Uint8Array(3 * first.length);
  for (let i = 0, o = 0; i < first.length; i++) {
    if (isYcc) {
      const y = first[i];
      const cb = second[i] - 128;
      const cr = third[i] - 128;
      // 1.402, 0.344136, 0.714136 and 1.772 times 2^16.
      data[o++] = clamp(y + ((91881 * cr + 32768) >> 16));
      data[o++] = clamp(y + ((-22554 * cb - 46802 * cr + 32768) >> 16));
      data[o++] = clamp(y + ((116130 * cb + 32768) >> 16));
    } else {
      data[o++] = first[i];
      data[o++] = second[i];
      data[o++] = third[i];
    }
  }
  return data;
}

/**
 * Planes of ink to red, green and blue, as Pillow does it: four-component files are taken to hold inverted ink, which Adobe's
 * programs write and others copied, and black takes its share of what is left of each colour.
 * @param isYcck whether the first three planes are luma and chroma of the inks
 */
export function fromCmyk(planes: readonly Uint8Array[], isYcck: boolean): Uint8Array {
  const light = interleave(planes, isYcck);
  const black = planes[3];
  for (let i = 0, o = 0; i < black.length; i++) {
    const paper = black[i];
    for (let c = 0; c < 3; c++, o++) {
      // The file's ink is stored as light; of luma and chroma, the conversion turns it round once more.
      const ink = isYcck ? light[o] : 255 - light[o];
      const product = ink * paper + 128;
      light[o] = clamp(paper - (((product >> 8) + product) >> 8));
    }
  }
  return light;
}

function clamp(value: number): number {
  return value < 0 ? 0 : value > 255 ? 255 : value;
}
