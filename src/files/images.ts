/** The file system's door for 2D pictures. */
import { readFile, stat } from "node:fs/promises";
import { DataError } from "../errors.ts";
import { decodeImage } from "../images/decode.ts";
import type { DecodeImageOptions, Image2d } from "../images/types.ts";

/** A larger file is no picture of a data set. */
const maxFileBytes = 2 ** 29;

/**
 * Reads a JPEG or PNG, the right way up.
 * @throws DataError naming the path where it is missing, damaged or of another kind
 */
export async function readImage2d(path: string, options: Omit<DecodeImageOptions, "name"> = {}): Promise<Image2d> {
  let bytes: Uint8Array;
  try {
    const { size } = await stat(path);
    if (size > maxFileBytes) throw new DataError(`${path}: ${size} bytes are too many for a picture`);
    bytes = await readFile(path);
  } catch (error) {
    if (error instanceof DataError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new DataError(`${path}: ${code === "ENOENT" ? "no such file" : `cannot be read (${code})`}`, {
      cause: error,
    });
  }
  return decodeImage(bytes, { ...options, name: path });
}
