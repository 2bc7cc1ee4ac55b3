/** RLE lossless (PS3.5 annex G): a segment for each byte of a sample, highest first, packed by PackBits. */
import { DataError } from "../../errors.ts";

/**
 * @param bytesPerSample of the pixels
 * @returns samples, little end first
 * @throws DataError where the segments do not hold the pixels
 */
export function decodeRle(bytes: Uint8Array, pixels: number, bytesPerSample: number, name: string): Uint8Array {
  if (bytes.length < 64) throw new DataError(`${name}: an RLE frame of ${bytes.length} bytes: truncated?`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const segments = view.getUint32(0, true);
  if (segments !== bytesPerSample)
    throw new DataError(`${name}: an RLE frame of ${segments} segments, ${bytesPerSample} bytes a pixel are asked for`);
  const out = new Uint8Array(pixels * bytesPerSample);
  for (let segment = 0; segment < segments; segment++) {
    const begin = view.getUint32(4 + 4 * segment, true);
    const end = segment + 1 < segments ? view.getUint32(8 + 4 * segment, true) : bytes.length;
    if (begin < 64 || begin > end || end > bytes.length)
      throw new DataError(`${name}: RLE segment ${segment + 1} lies outside its frame`);
    const filled = unpack(bytes.subarray(begin, end), out, bytesPerSample - 1 - segment, bytesPerSample);
    if (filled < pixels)
      throw new DataError(`${name}: RLE segment ${segment + 1} holds ${filled} of ${pixels} pixels: truncated?`);
  }
  return out;
}

/** Fills every `step`-th byte from `first` on; says how many. What goes beyond the end is padding. */
function unpack(packed: Uint8Array, out: Uint8Array, first: number, step: number): number {
  let to = first;
  for (let at = 0; at < packed.length && to < out.length; ) {
    const code = packed[at++];
    if (code < 128) {
      for (let i = 0; i <= code && at < packed.length && to < out.length; i++, to += step) out[to] = packed[at++];
    } else if (code > 128 && at < packed.length) {
      const value = packed[at++];
      for (let i = 0; i <= 256 - code && to < out.length; i++, to += step) out[to] = value;
    }
  }
  return (to - first) / step;
}
