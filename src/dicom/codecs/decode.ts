/** One compressed frame to the bytes of its samples, whichever codec it is in. */
import { DataError } from "../../errors.ts";
import { decodeJpegSamples } from "../../images/jpeg/jpeg.ts";
import type { PixelLayout } from "../pixels.ts";
import { transferSyntaxes } from "../transfer-syntaxes.ts";
import { decodeRle } from "./rle.ts";
import { type CodecFrame, decodeWasm } from "./wasm.ts";

/**
 * @returns samples as the object allocates them, little end first
 * @throws DataError where the frame is damaged or does not fit the object
 */
export async function decodeFrame(bytes: Uint8Array, layout: PixelLayout, name: string): Promise<Uint8Array> {
  const { rows, columns, bitsAllocated } = layout;
  const { pixels } = transferSyntaxes[layout.transferSyntaxUid];
  const wide = Math.max(1, bitsAllocated / 8);
  if (pixels === "native") return bytes;
  if (pixels === "rle") return decodeRle(bytes, rows * columns, wide, name);
  const frame = pixels === "jpeg" ? jpegFrame(bytes, layout, name) : await decodeWasm(pixels, bytes, layout, name);
  return inSamplesOf(wide, frame, name);
}

function jpegFrame(bytes: Uint8Array, { rows, columns }: PixelLayout, name: string): CodecFrame {
  const { width, height, channels, data } = decodeJpegSamples(bytes, { name, maxPixels: rows * columns });
  if (width !== columns || height !== rows || channels !== 1) {
    throw new DataError(`${name}: a frame is ${width}×${height}×${channels}, its head says ${columns}×${rows}`);
  }
  const view = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { bytes: view, bytesPerSample: data.BYTES_PER_ELEMENT };
}

/** Samples in as many bytes as the object allocates: 8-bit ones may lie in 16 bits. */
function inSamplesOf(wide: number, { bytes, bytesPerSample }: CodecFrame, name: string): Uint8Array {
  if (bytesPerSample === wide) return bytes;
  if (bytesPerSample > wide)
    throw new DataError(`${name}: a frame has samples of ${8 * bytesPerSample} bits, its head allocates ${8 * wide}`);
  const out = new Uint8Array((bytes.length / bytesPerSample) * wide);
  for (let i = 0; i * bytesPerSample < bytes.length; i++)
    out.set(bytes.subarray(i * bytesPerSample, (i + 1) * bytesPerSample), i * wide);
  return out;
}
