/**
 * Lossless JPEG (ITU-T T.81, annex H) of gray samples: each is predicted from its neighbours on the left and above, and the difference
 * is Huffman-coded. DICOM keeps CT and MR so.
 */
import type { Samples } from "./pixels.ts";
import { BitReader, type HuffmanTable, ScanError } from "./scan.ts";

export interface LosslessScan {
  readonly width: number;
  readonly height: number;
  /** Bits of a sample, 2 to 16. */
  readonly bits: number;
  /** Which neighbours predict a sample, 1 to 7 (table H.1). */
  readonly predictor: number;
  /** Low bits that were left away. */
  readonly shift: number;
}

/**
 * Decodes the one scan of a lossless picture.
 * @param at where its entropy-coded bytes begin
 * @param restartInterval samples after which the prediction begins anew, whole rows of them; 0 for never
 * @throws ScanError where it is damaged
 */
export function decodeLossless(
  bytes: Uint8Array,
  at: number,
  { width, height, bits, predictor, shift }: LosslessScan,
  table: HuffmanTable | undefined,
  restartInterval: number,
): { readonly samples: Samples; readonly end: number } {
  if (predictor < 1 || predictor > 7) throw new ScanError(`a lossless scan with the predictor ${predictor}`);
  if (shift >= bits) throw new ScanError(`a lossless scan that leaves ${shift} of ${bits} bits away`);
  if (restartInterval % width !== 0) throw new ScanError("a restart within a row");
  const samples = bits > 8 ? new Uint16Array(width * height) : new Uint8Array(width * height);
  const mask = samples.BYTES_PER_ELEMENT === 2 ? 0xffff : 0xff;
  const reader = new BitReader(bytes, at);
  const restartRows = restartInterval / width;
  // Two rows of whole 16-bit numbers, as the standard counts (modulo 2^16), before the low bits are put back.
  let above = new Uint16Array(width);
  let row = new Uint16Array(width);
  for (let y = 0; y < height; y++) {
    const restarts = restartRows > 0 && y > 0 && y % restartRows === 0;
    if (restarts) reader.restart();
    const isFirst = y === 0 || restarts;
    for (let x = 0; x < width; x++) {
      let predicted: number;
      if (x === 0) predicted = isFirst ? 1 << (bits - shift - 1) : above[0];
      else if (isFirst) predicted = row[x - 1];
      else predicted = predict(predictor, row[x - 1], above[x], above[x - 1]);
      row[x] = predicted + difference(reader, table);
      samples[y * width + x] = (row[x] << shift) & mask;
    }
    if (reader.overrun()) throw new ScanError("its picture ends early: truncated?");
    [above, row] = [row, above];
  }
  return { samples, end: reader.position() };
}

function difference(reader: BitReader, table: HuffmanTable | undefined): number {
  const size = reader.huffman(table);
  if (size > 16) throw new ScanError("a difference of more than 16 bits");
  return size === 0 ? 0 : size === 16 ? 32768 : reader.signed(size);
}

function predict(predictor: number, left: number, up: number, corner: number): number {
  if (predictor === 1) return left;
  if (predictor === 2) return up;
  if (predictor === 3) return corner;
  if (predictor === 4) return left + up - corner;
  if (predictor === 5) return left + ((up - corner) >> 1);
  return predictor === 6 ? up + ((left - corner) >> 1) : (left + up) >> 1;
}
