/**
 * gzip with a bound on what comes out, for browser and Node alike (fflate). A few hundred bytes can claim to be
 * gigabytes, so nothing is inflated beyond what the caller has reason to expect, and nothing is allocated for a
 * length that the compressed bytes cannot yield.
 *
 * Both readers of gzip, this one and Node's in `files/inflate.ts`, keep the rule of gzip itself: members follow each
 * other without a gap, each begins with the three bytes of {@link isGzip}, and what follows the last one (zeros of a
 * tape, the rest of a disk block) is no part of the data. fflate does not compare the checksums; Node's reader does.
 */
import { type FlateError, FlateErrorCode, Gunzip, gzipSync, Unzlib } from "fflate";
import { DataError } from "../../errors.ts";

/** Deflate's best ratio is 1032:1 (RFC 1951: 258 bytes from 2 bits). */
const maxRatio = 1032;

/** Whether bytes begin as gzip's do. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes.length >= 3 && bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === 8;
}

/** Throws `DataError` where `compressed` bytes of deflate cannot possibly hold `expanded` bytes. */
export function checkInflatable(compressed: number, expanded: number, name: string): void {
  if (expanded > (compressed + 64) * maxRatio) {
    throw new DataError(
      `${name}: ${compressed} compressed bytes cannot hold the ${expanded} bytes its header asks for: truncated?`,
    );
  }
}

/** The first `length` bytes that a gzip or zlib stream yields, or fewer where it ends before; the rest is left alone. */
export function inflatePrefix(
  bytes: Uint8Array,
  length: number,
  name: string,
  format: "gzip" | "zlib" = "gzip",
): Uint8Array {
  checkInflatable(bytes.length, length, name);
  let out: Uint8Array;
  try {
    out = new Uint8Array(length);
  } catch (error) {
    throw new DataError(`${name}: no memory to inflate ${length} bytes`, { cause: error });
  }
  let filled = 0;
  const take = (chunk: Uint8Array) => {
    const part = chunk.subarray(0, length - filled);
    out.set(part, filled);
    filled += part.length;
  };
  // Small pieces, so that a stream which yields far more than asked for is left after at most 16 MB of surplus.
  const step = 16384;
  const stream = format === "gzip" ? new Gunzip(take) : new Unzlib(take);
  try {
    for (let start = 0; start < bytes.length && filled < length; start += step) {
      stream.push(bytes.subarray(start, start + step), start + step >= bytes.length);
    }
  } catch (error) {
    // The first member's head is known to be right, so a wrong one stands after a whole member: padding.
    const isPadding =
      format === "gzip" && isGzip(bytes) && (error as Partial<FlateError>).code === FlateErrorCode.InvalidHeader;
    if (!isPadding)
      throw new DataError(`${name}: damaged ${format} stream: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
  }
  return filled === length ? out : out.subarray(0, filled);
}

/** A gzip stream without time or name, so that the same bytes always give the same file. */
export function gzip(bytes: Uint8Array, level: 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 = 6): Uint8Array {
  return gzipSync(bytes, { level, mtime: 0 });
}
