/** NumPy's .npy files, version 1.0, of 32-bit floats in C order (numpy/lib/format.py). */
import { type WriteOptions, writeFileAtomic } from "./atomic.ts";

/** The bytes of a file. @param shape its product is the array's length */
export function encodeNpy(data: Float32Array, shape: readonly number[]): Uint8Array[] {
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${sizes}), }`;
  // Magic, version and length are 10 bytes; the data begin at a multiple of 64.
  const padded = `${text.padEnd(Math.ceil((10 + text.length + 1) / 64) * 64 - 11)}\n`;
  const head = new Uint8Array(10 + padded.length);
  head.set([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, padded.length & 255, padded.length >> 8]);
  head.set(new TextEncoder().encode(padded), 10);
  return [head, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)];
}

/** Writes a file whole or not at all. @throws as {@link writeFileAtomic} does */
export async function writeNpy(
  path: string,
  data: Float32Array,
  shape: readonly number[],
  options: WriteOptions = {},
): Promise<void> {
  await writeFileAtomic(path, encodeNpy(data, shape), options);
}
