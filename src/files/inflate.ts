/** zlib off the main thread, bounded, with gzip's checksum compared: what the browser-safe readers cannot do. */
import { constants, createGunzip, createGzip, createInflate } from "node:zlib";
import { DataError } from "../errors.ts";
import { checkInflatable } from "../volume/gzip.ts";

/** A stream that goes on longer than this after what was asked for is left there, its checksum unchecked. */
const maxSurplusBytes = 64 * 2 ** 20;

/**
 * The first `length` bytes of a gzip or zlib stream (fewer where it ends before). The stream is followed to its end, so
 * that a damaged or cut one is a `DataError` even where enough bytes came out.
 */
export function inflateUpTo(
  bytes: Uint8Array,
  length: number,
  name: string,
  format: "gzip" | "zlib" = "gzip",
): Promise<Uint8Array> {
  checkInflatable(bytes.length, length, name);
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) =>
      reject(
        new DataError(`${name}: damaged ${format} stream: ${error instanceof Error ? error.message : error}`, {
          cause: error,
        }),
      );
    let out: Uint8Array;
    try {
      out = new Uint8Array(length);
    } catch (error) {
      fail(error);
      return;
    }
    let filled = 0;
    let surplus = 0;
    const chunkSize = Math.min(Math.max(length, 2 ** 16), 2 ** 20);
    const stream = format === "gzip" ? createGunzip({ chunkSize }) : createInflate({ chunkSize });
    stream.on("data", (chunk: Buffer) => {
      const part = chunk.subarray(0, length - filled);
      out.set(part, filled);
      filled += part.length;
      surplus += chunk.length - part.length;
      if (surplus > maxSurplusBytes) {
        stream.destroy();
        resolve(out);
      }
    });
    stream.on("end", () => resolve(filled === length ? out : out.subarray(0, filled)));
    stream.on("error", fail);
    stream.end(bytes);
  });
}

/** The gzip stream of `pieces` one after the other, as pieces. No time or name in it: same bytes in, same bytes out. */
export function gzipPieces(pieces: readonly Uint8Array[], level: number = constants.Z_DEFAULT_COMPRESSION) {
  return new Promise<Uint8Array[]>((resolve, reject) => {
    const out: Uint8Array[] = [];
    const stream = createGzip({ level, chunkSize: 2 ** 18 });
    stream.on("data", (chunk: Buffer) => out.push(chunk));
    stream.on("end", () => resolve(out));
    stream.on("error", reject);
    for (const piece of pieces) stream.write(piece);
    stream.end();
  });
}
