/** The file system's door for 2D pictures. */
import { open, readFile, stat } from "node:fs/promises";
import { DataError } from "../errors.ts";
import { decodeImage } from "../images/decode.ts";
import { isJpeg } from "../images/jpeg/jpeg.ts";
import { otherKindText } from "../images/kinds.ts";
import { isPng } from "../images/png.ts";
import { imageSize } from "../images/size.ts";
import type { DecodeImageOptions, Image2d } from "../images/types.ts";

/** A larger file is no picture of a data set. */
const maxFileBytes = 2 ** 29;

/**
 * Reads a JPEG or PNG, the right way up.
 * @throws DataError naming the path where it is missing, damaged or of another kind
 */
export async function readImage2d(path: string, options: Omit<DecodeImageOptions, "name"> = {}): Promise<Image2d> {
  return decodeImage(await readWhole(path), { ...options, name: path });
}

/** Enough for the size of most pictures; EXIF and profiles come before it. */
const peekBytes = 2 ** 16;

/**
 * Width and height of a JPEG or PNG, the right way up, mostly from its first bytes alone.
 * @throws DataError naming the path where it is missing, damaged or of another kind
 */
export async function readImageSize(path: string): Promise<{ readonly width: number; readonly height: number }> {
  const file = await open(path).catch((error) => {
    throw unreadable(path, error);
  });
  try {
    const start = new Uint8Array(peekBytes);
    const { bytesRead } = await file.read(start, 0, peekBytes, 0);
    if (bytesRead === 0) throw new DataError(`${path}: the file is empty`);
    const known = imageSize(start.subarray(0, bytesRead));
    if (known !== undefined) return known;
    const whole = await readWhole(path);
    const size = imageSize(whole);
    if (size === undefined) throw new DataError(`${path}: ${unsized(whole)}`);
    return size;
  } catch (error) {
    throw unreadable(path, error);
  } finally {
    await file.close();
  }
}

function unsized(bytes: Uint8Array): string {
  return isJpeg(bytes) || isPng(bytes) ? "it ends before it says its size: truncated?" : otherKindText(bytes);
}

async function readWhole(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size > maxFileBytes) throw new DataError(`${path}: ${size} bytes are too many for a picture`);
    return await readFile(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): DataError {
  if (error instanceof DataError) return error;
  const { code } = error as NodeJS.ErrnoException;
  return new DataError(`${path}: ${code === "ENOENT" ? "no such file" : `cannot be read (${code})`}`, { cause: error });
}
