/** zlib off the main thread, bounded, with gzip's checksums compared: what the browser-safe readers cannot do. */
import { Readable } from "node:stream";
import { constants, createGzip, createInflate } from "node:zlib";
import { DataError } from "../../errors.ts";
import { checkInflatable } from "../../volume/formats/gzip.ts";
import { gunzipMembers } from "./gunzip.ts";

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
  let seen = 0;
  try {
    for await (const chunk of format === "gzip" ? gunzipMembers(pieces, chunkSize) : inflated(pieces, chunkSize)) {
      const from = Math.max(skip - seen, 0);
      const to = Math.min(chunk.length, end - seen);
      if (to > from) out.set(chunk.subarray(from, to), seen + from - skip);
      seen += chunk.length;
      if (seen - end > maxSurplusBytes) break;
    }
  } catch (error) {
    throw error instanceof DataError ? error : damaged(name, format, error);
  }
  return Math.max(0, Math.min(seen, end) - skip);
}

/** What a zlib stream holds, as it comes. */
async function* inflated(
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  chunkSize: number,
): AsyncGenerator<Uint8Array> {
  const source = Readable.from(pieces);
  const stream = createInflate({ chunkSize });
  // `pipe` does not hand on the source's errors, such as a file that cannot be read to its end.
  source.on("error", (error) => stream.destroy(error));
  source.pipe(stream);
  try {
    yield* stream as AsyncIterable<Buffer>;
  } finally {
    source.destroy();
  }
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
