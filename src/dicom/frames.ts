/** The numbers of a slice from its parsed object, native or compressed. */
import { decodeFrame } from "./codecs/decode.ts";
import type { DicomFile } from "./dataset.ts";
import { encodedFrames, type FrameArray, nativeFrame, type PixelLayout, storedValues } from "./pixels.ts";
import { transferSyntaxes } from "./transfer-syntaxes.ts";

/** Gives the samples of a compressed frame; {@link decodeFrame} unless it is done elsewhere, as in a worker thread. */
export type DecodeFrame = (bytes: Uint8Array, layout: PixelLayout, name: string) => Promise<Uint8Array>;

/**
 * Reads the frames of one object: each one's stored bits with their sign, rows from the top, before any rescaling.
 * @returns a function of the frame's index, from 0
 * @throws DataError (the function) where the frame is missing or damaged
 */
export function frameReader(
  file: DicomFile,
  layout: PixelLayout,
  decode: DecodeFrame = decodeFrame,
): (frame: number) => Promise<FrameArray> {
  let encoded: readonly Uint8Array[] | undefined;
  return async (frame) => {
    const { pixels } = transferSyntaxes[layout.transferSyntaxUid];
    if (pixels === "native") return storedValues(nativeFrame(file, layout, frame), layout, file.name);
    encoded ??= encodedFrames(file, layout);
    return storedValues(await decode(encoded[frame], layout, file.name), layout, file.name);
  };
}
