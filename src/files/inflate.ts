/** zlib off the main thread, bounded, with gzip's checksum compared: what the browser-safe readers cannot do. */
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createGunzip, createGzip, createInflate } from "node:zlib";
import { DataError } from "../errors.ts";
import { checkInflatable } from "../volume/gzip.ts";

/** A stream that goes on longer than this after what was asked for is left there, its checksum unchecked. */
const maxSurplusBytes = 64 * 2 ** 20;

/**
 * The first `length` bytes of a gzip or zlib stream (fewer where it ends before). The stream is followed to its end, so
 * that a damaged or cut one is a `DataError` even where enough bytes came out.
 */
export async function inflateUpTo(
  bytes: Uint8Array,
  length: number,
  name: string,
  format: "gzip" | "zlib" = "gzip",
): Promise<Uint8Array> {
  checkInflatable(bytes.length, length, name);
  let out: Uint8Array;
  try {
    out = new Uint8Array(length);
  } catch (error) {
    throw damaged(name, format, error);
  }
  return out.subarray(0, await inflateInto([bytes], 0, out, name, format));
}

/**
 * Fills `out` with what a gzip or zlib stream holds after its first `skip` bytes; the pieces of the stream need not be in memory
 * together. Follows the stream to its end as {@link inflateUpTo} does.
 * @returns bytes filled: fewer than `out` has where the stream ends before
 */
export async function inflateInto(
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  skip: number,
  out: Uint8Array,
  name: string,
  format: "gzip" | "zlib" = "gzip",
): Promise<number> {
  const end = skip + out.length;
  const chunkSize = Math.min(Math.max(end, 2 ** 16), 2 ** 20);
  const stream = format === "gzip" ? createGunzip({ chunkSize }) : createInflate({ chunkSize });
  let seen = 0;
  const isLeft = (): boolean => seen - end > maxSurplusBytes;
  try {
    await pipeline(Readable.from(pieces), stream, async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        const from = Math.max(skip - seen, 0);
        const to = Math.min(chunk.length, end - seen);
        if (to > from) out.set(chunk.subarray(from, to), seen + from - skip);
        seen += chunk.length;
        if (isLeft()) return;
      }
    });
  } catch (error) {
    if (error instanceof DataError) throw error;
    if (!isLeft()) throw damaged(name, format, error);
  }
  return Math.max(0, Math.min(seen, end) - skip);
}

function damaged(name: string, format: string, error: unknown): DataError {
  return new DataError(`${name}: damaged ${format} stream: ${error instanceof Error ? error.message : error}`, {
    cause: error,
  });
}

/** The gzip stream of `pieces` one after the other, as it comes. No time or name in it: same bytes in, same bytes out. */
export async function* gzipPieces(
  pieces: readonly Uint8Array[],
  level: number = constants.Z_DEFAULT_COMPRESSION,
): AsyncGenerator<Uint8Array> {
  const stream = createGzip({ level, chunkSize: 2 ** 18 });
  // Errors of the source (there are none) would be those of the stream.
  Readable.from(parts(pieces)).pipe(stream);
  yield* stream as AsyncIterable<Buffer>;
}

/** Parts small enough that what waits to be compressed is little. */
function* parts(pieces: readonly Uint8Array[]): Generator<Uint8Array> {
  const step = 2 ** 22;
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at += step) yield piece.subarray(at, Math.min(at + step, piece.length));
  }
}
