/** Lists and descriptions as text: UTF-8, or UTF-16 as Excel and Windows' editors write it. */
import { readFile } from "node:fs/promises";
import { DataError } from "../errors.ts";

/**
 * The text of a file in UTF-8 or UTF-16, with a byte order mark or without.
 * @throws DataError where it cannot be read, or is in another encoding
 */
export async function readText(path: string): Promise<string> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new DataError(`${path}: cannot be read (${error.code})`, { cause: error });
  });
  return decodeText(bytes, path);
}

/** @throws DataError for bytes that are neither UTF-8 nor UTF-16 */
export function decodeText(bytes: Uint8Array, path: string): string {
  const encoding = encodingOf(bytes);
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new DataError(`${path}: ${badPlace(bytes, encoding)}; save it as UTF-8 (in Excel: "CSV UTF-8")`, { cause });
  }
}

/** By the byte order mark; without one, every second byte of Latin letters in UTF-16 is 0. */
function encodingOf(bytes: Uint8Array): "utf-8" | "utf-16le" | "utf-16be" {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return "utf-16le";
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return "utf-16be";
  if (bytes.length < 2 || bytes.length % 2 !== 0) return "utf-8";
  const zeros = [0, 0];
  for (let i = 0; i < Math.min(bytes.length, 1024); i++) if (bytes[i] === 0) zeros[i % 2]++;
  const most = Math.min(bytes.length, 1024) / 4;
  if (zeros[1] > most && zeros[0] === 0) return "utf-16le";
  return zeros[0] > most && zeros[1] === 0 ? "utf-16be" : "utf-8";
}

function badPlace(bytes: Uint8Array, encoding: string): string {
  if (encoding !== "utf-8") return `is cut in the middle of a letter (${encoding.toUpperCase()})`;
  let line = 1;
  let start = 0;
  for (let i = 0; i <= bytes.length; i++) {
    if (i < bytes.length && bytes[i] !== 0x0a) continue;
    try {
      new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(start, i));
    } catch {
      return `line ${line} is not UTF-8`;
    }
    line++;
    start = i + 1;
  }
  return "is not UTF-8";
}
