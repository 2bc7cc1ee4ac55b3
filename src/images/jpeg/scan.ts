/**
 * JPEG's entropy coding (ITU-T T.81, annexes F and G): Huffman-coded scans to quantised coefficients, baseline and
 * progressive. Damaged data is an error, never gray filling.
 */

/** One colour component of the frame. */
export interface JpegComponent {
  readonly id: number;
  /** Sampling factors. */
  readonly h: number;
  readonly v: number;
  /** Number of its quantisation table. */
  readonly table: number;
  /** Blocks that hold picture, across and down. */
  readonly columns: number;
  readonly rows: number;
  /** Blocks that are stored across: whole coding units. */
  readonly stride: number;
  /** 64 coefficients a block, in the order of rows and columns. */
  readonly coefficients: Int16Array;
  /** Whether some scan held its mean values. */
  seen: boolean;
}

export interface JpegFrame {
  readonly width: number;
  readonly height: number;
  readonly progressive: boolean;
  readonly components: readonly JpegComponent[];
  /** Coding units across and down. */
  readonly unitsAcross: number;
  readonly unitsDown: number;
}

export interface ScanComponent {
  readonly component: JpegComponent;
  readonly dc?: HuffmanTable;
  readonly ac?: HuffmanTable;
}

/** Which coefficients a scan carries, and which bits of them. */
export interface ScanBand {
  readonly first: number;
  readonly last: number;
  readonly highBit: number;
  readonly lowBit: number;
}

/** Codes of up to 9 bits are looked up at once: `length << 8 | value`; longer ones are searched by length. */
export interface HuffmanTable {
  readonly quick: Uint16Array;
  /** Largest code of each length, −1 where there is none. */
  readonly largest: Int32Array;
  /** What to add to a code of each length for its place in `values`. */
  readonly offset: Int32Array;
  readonly values: Uint8Array;
}

const quickBits = 9;

/** Thrown for damaged data; the decoder adds the file's name. */
export class ScanError extends Error {}

/** @param counts how many codes there are of 1 … 16 bits */
export function huffmanTable(counts: Uint8Array, values: Uint8Array): HuffmanTable {
  const quick = new Uint16Array(1 << quickBits);
  const largest = new Int32Array(18).fill(-1);
  const offset = new Int32Array(17);
  let code = 0;
  let place = 0;
  for (let length = 1; length <= 16; length++) {
    offset[length] = place - code;
    for (let i = 0; i < counts[length - 1]; i++, code++, place++) {
      if (length > quickBits) continue;
      const from = code << (quickBits - length);
      quick.fill((length << 8) | values[place], from, from + (1 << (quickBits - length)));
    }
    if (counts[length - 1] > 0) largest[length] = code - 1;
    if (code > 1 << length) throw new ScanError("a Huffman table has too many codes");
    code <<= 1;
  }
  return { quick, largest, offset, values };
}

/** Where coefficient k of the zigzag lies. */
export const zigzag = Uint8Array.from([
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
  35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47,
  55, 62, 63,
]);

/**
 * Decodes one scan into the components' coefficients.
 * @param at where its entropy-coded bytes begin
 * @returns where they end: at a marker, or at the end of the bytes
 */
export function decodeScan(
  bytes: Uint8Array,
  at: number,
  frame: JpegFrame,
  parts: readonly ScanComponent[],
  band: ScanBand,
  restartInterval: number,
): number {
  const bits = new BitReader(bytes, at);
  const previous = new Int32Array(parts.length);
  const run = { left: 0 };
  const decode = blockDecoder(frame, bits, band, previous, run);
  const alone = parts.length === 1 ? parts[0].component : undefined;
  // A scan of one component has only blocks that hold picture; of several, whole coding units.
  const across = alone?.columns ?? frame.unitsAcross;
  const units = across * (alone?.rows ?? frame.unitsDown);
  for (let unit = 0; unit < units; unit++) {
    if (restartInterval > 0 && unit > 0 && unit % restartInterval === 0) {
      bits.restart();
      previous.fill(0);
      run.left = 0;
    }
    const unitColumn = unit % across;
    const unitRow = Math.floor(unit / across);
    if (alone) {
      decode(parts[0], 0, 64 * (unitRow * alone.stride + unitColumn));
    } else {
      for (let p = 0; p < parts.length; p++) {
        const { h, v, stride } = parts[p].component;
        for (let j = 0; j < v; j++) {
          for (let i = 0; i < h; i++) decode(parts[p], p, 64 * ((unitRow * v + j) * stride + unitColumn * h + i));
        }
      }
    }
    if (bits.overrun()) throw new ScanError("its picture ends early: truncated?");
  }
  if (band.first === 0) for (const { component } of parts) component.seen = true;
  return bits.position();
}

type BlockDecoder = (part: ScanComponent, index: number, at: number) => void;

function blockDecoder(
  frame: JpegFrame,
  bits: BitReader,
  { first, last, highBit, lowBit }: ScanBand,
  previous: Int32Array,
  run: { left: number },
): BlockDecoder {
  const meanDifference = (part: ScanComponent, index: number): number => {
    const size = bits.huffman(part.dc);
    if (size > 15) throw new ScanError("a mean value of more than 15 bits");
    return (previous[index] += size === 0 ? 0 : bits.signed(size));
  };
  if (!frame.progressive) {
    return (part, index, at) => {
      const { coefficients } = part.component;
      coefficients[at] = meanDifference(part, index);
      for (let k = 1; k < 64; k++) {
        const symbol = bits.huffman(part.ac);
        const size = symbol & 15;
        if (size === 0) {
          if (symbol !== 0xf0) break;
          k += 15;
          continue;
        }
        k += symbol >> 4;
        if (k > 63) throw new ScanError("a run beyond the end of a block");
        coefficients[at + zigzag[k]] = bits.signed(size);
      }
    };
  }
  if (first === 0) {
    return highBit === 0
      ? (part, index, at) => {
          part.component.coefficients[at] = meanDifference(part, index) << lowBit;
        }
      : (part, _, at) => {
          part.component.coefficients[at] |= bits.take(1) << lowBit;
        };
  }
  return highBit === 0
    ? (part, _, at) => firstBits(part, at, bits, first, last, lowBit, run)
    : (part, _, at) => furtherBits(part, at, bits, first, last, lowBit, run);
}

/** A band's coefficients for the first time (G.1.2.2). */
function firstBits(
  part: ScanComponent,
  at: number,
  bits: BitReader,
  first: number,
  last: number,
  lowBit: number,
  run: { left: number },
): void {
  if (run.left > 0) {
    run.left--;
    return;
  }
  const { coefficients } = part.component;
  for (let k = first; k <= last; k++) {
    const symbol = bits.huffman(part.ac);
    const [zeros, size] = [symbol >> 4, symbol & 15];
    if (size === 0) {
      if (zeros < 15) {
        run.left = (1 << zeros) - 1 + (zeros > 0 ? bits.take(zeros) : 0);
        break;
      }
      k += 15;
      continue;
    }
    k += zeros;
    if (k > last) throw new ScanError("a run beyond the end of a band");
    coefficients[at + zigzag[k]] = bits.signed(size) << lowBit;
  }
}

/** One more bit of a band's coefficients, and those that become different from 0 by it (G.1.2.3). */
function furtherBits(
  part: ScanComponent,
  at: number,
  bits: BitReader,
  first: number,
  last: number,
  lowBit: number,
  run: { left: number },
): void {
  const { coefficients } = part.component;
  const [plus, minus] = [1 << lowBit, -1 << lowBit];
  const refine = (place: number): void => {
    if (bits.take(1) === 0 || (coefficients[place] & plus) !== 0) return;
    coefficients[place] += coefficients[place] > 0 ? plus : minus;
  };
  let k = first;
  if (run.left === 0) {
    for (; k <= last; k++) {
      const symbol = bits.huffman(part.ac);
      let zeros = symbol >> 4;
      const size = symbol & 15;
      if (size === 0 && zeros < 15) {
        run.left = (1 << zeros) + (zeros > 0 ? bits.take(zeros) : 0);
        break;
      }
      const value = size === 0 ? 0 : bits.take(1) === 1 ? plus : minus;
      for (; k <= last; k++) {
        const place = at + zigzag[k];
        if (coefficients[place] !== 0) refine(place);
        else if (--zeros < 0) break;
      }
      if (value !== 0) {
        if (k > last) throw new ScanError("a run beyond the end of a band");
        coefficients[at + zigzag[k]] = value;
      }
    }
  }
  if (run.left > 0) {
    for (; k <= last; k++) if (coefficients[at + zigzag[k]] !== 0) refine(at + zigzag[k]);
    run.left--;
  }
}

/** Bits of entropy-coded bytes, highest first; `FF 00` is a byte FF, any other `FF xx` the end. */
export class BitReader {
  private readonly bytes: Uint8Array;
  private at: number;
  private buffer = 0;
  private count = 0;
  /** Bits that were made up behind the end. */
  private beyond = 0;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  private fill(): void {
    while (this.count <= 24) {
      let byte = this.at < this.bytes.length ? this.bytes[this.at] : -1;
      if (byte === 0xff && this.bytes[this.at + 1] !== 0) byte = -1;
      if (byte < 0) {
        byte = 0;
        this.beyond += 8;
      } else {
        this.at += byte === 0xff ? 2 : 1;
      }
      this.buffer = (this.buffer << 8) | byte;
      this.count += 8;
    }
  }

  /** The next `n` bits, at most 16. */
  take(n: number): number {
    if (this.count < n) this.fill();
    this.count -= n;
    return (this.buffer >>> this.count) & ((1 << n) - 1);
  }

  /** A number of `n` bits, 1 to 15, of which the lower half of the codes are negative (F.2.2.1). */
  signed(n: number): number {
    const value = this.take(n);
    return value < 1 << (n - 1) ? value - (1 << n) + 1 : value;
  }

  huffman(table: HuffmanTable | undefined): number {
    if (table === undefined) throw new ScanError("a Huffman table is missing");
    if (this.count < 16) this.fill();
    const quick = table.quick[(this.buffer >>> (this.count - quickBits)) & ((1 << quickBits) - 1)];
    if (quick !== 0) {
      this.count -= quick >> 8;
      return quick & 255;
    }
    for (let length = quickBits + 1; length <= 16; length++) {
      const code = (this.buffer >>> (this.count - length)) & ((1 << length) - 1);
      if (code > table.largest[length]) continue;
      this.count -= length;
      return table.values[code + table.offset[length]];
    }
    throw new ScanError(this.overrun() ? "its picture ends early: truncated?" : "a code that is in no Huffman table");
  }

  /** Whether more bits were taken than there are. */
  overrun(): boolean {
    return this.beyond > this.count;
  }

  /** To the next byte and over a restart marker. */
  restart(): void {
    this.at = this.position();
    const marker = this.bytes[this.at] === 0xff ? this.bytes[this.at + 1] : 0;
    if (!(marker >= 0xd0 && marker <= 0xd7)) throw new ScanError("a restart marker is missing");
    this.at += 2;
    this.buffer = this.count = this.beyond = 0;
  }

  /** Where the next marker is. */
  position(): number {
    let at = this.at;
    while (at < this.bytes.length && !(this.bytes[at] === 0xff && this.bytes[at + 1] !== 0)) at++;
    while (this.bytes[at] === 0xff && this.bytes[at + 1] === 0xff) at++;
    return at;
  }
}
