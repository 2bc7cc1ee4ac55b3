/** A thread that decodes compressed frames, one after the other. */
import { parentPort } from "node:worker_threads";
import { decodeFrame, type PixelLayout } from "../../dicom/index.ts";

/** What it is asked. */
export interface DecodeRequest {
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly layout: PixelLayout;
  readonly name: string;
}

/** What it answers: the samples, or why there are none. */
export interface DecodeAnswer {
  readonly id: number;
  readonly raw?: Uint8Array;
  readonly error?: string;
}

parentPort?.on("message", async ({ id, bytes, layout, name }: DecodeRequest) => {
  try {
    const raw = await decodeFrame(bytes, layout, name);
    // A copy where the samples are part of a larger memory, which cannot be handed over.
    const own = raw.byteLength === raw.buffer.byteLength ? raw : raw.slice();
    const answer: DecodeAnswer = { id, raw: own };
    parentPort?.postMessage(answer, [own.buffer as ArrayBuffer]);
  } catch (error) {
    const answer: DecodeAnswer = { id, error: error instanceof Error ? error.message : String(error) };
    parentPort?.postMessage(answer);
  }
});
