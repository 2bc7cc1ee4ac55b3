/**
 * Safetensors files on disk. Reading goes tensor by tensor and writing piece by piece, so a file of any size needs its
 * weights in memory once, not twice. The format itself is in `weights/safetensors.ts`.
 */
import { type FileHandle, open } from "node:fs/promises";
import { WeightsError } from "../errors.ts";
import {
  decodeHeader,
  decodeValues,
  encodePieces,
  headerLength,
  type Safetensors,
  type SafetensorsHeader,
  type StoredTensor,
  type WeightTensor,
} from "../weights/index.ts";
import { type WriteOptions, writeFileAtomic } from "./disk/atomic.ts";

/** One system call reads less than 2 GiB. */
const READ_BYTES = 2 ** 30;

/** Reads a file whole. Throws `WeightsError` naming the file, the tensor and the rule. */
export async function readSafetensors(path: string): Promise<Safetensors> {
  return withFile(path, async (file, fileBytes) => {
    const { entries, metadata, unreadable, dataStart } = await readHeader(file, fileBytes, path);
    const tensors = new Map<string, WeightTensor>();
    for (const { name, dtype, shape, from, to } of entries) {
      const bytes = await readBytes(file, dataStart + from, to - from, path);
      tensors.set(name, { dtype, shape, data: decodeValues(bytes, dtype) });
    }
    return { tensors, metadata, unreadable };
  });
}

/** Reads names, dtypes, shapes and metadata only. Throws `WeightsError`. */
export async function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  return withFile(path, (file, fileBytes) => readHeader(file, fileBytes, path));
}

/** Writes a file whole or not at all. Throws as {@link writeFileAtomic} does, and `WeightsError` for wrong tensors. */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>> = {},
  options: WriteOptions = {},
): Promise<void> {
  await writeFileAtomic(path, encodePieces(tensors, metadata), options);
}

async function readHeader(file: FileHandle, fileBytes: number, path: string): Promise<SafetensorsHeader> {
  const start = await readBytes(file, 0, Math.min(8, fileBytes), path);
  const length = headerLength(start, fileBytes, path);
  return decodeHeader(await readBytes(file, 0, 8 + length, path), fileBytes, path);
}

async function readBytes(file: FileHandle, position: number, length: number, path: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, Math.min(READ_BYTES, length - done), position + done);
    if (bytesRead === 0) throw new WeightsError(`${path}: became shorter while it was read`);
    done += bytesRead;
  }
  return bytes;
}

async function withFile<T>(path: string, read: (file: FileHandle, bytes: number) => Promise<T>): Promise<T> {
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    const stat = await file.stat();
    if (stat.isDirectory()) throw new WeightsError(`${path}: is a folder, not a weights file`);
    return await read(file, stat.size);
  } catch (error) {
    if (error instanceof WeightsError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    const facts: Record<string, string> = { ENOENT: "no such file", EACCES: "no permission to read it" };
    throw new WeightsError(`${path}: ${facts[code ?? ""] ?? message}`, { cause: error });
  } finally {
    await file?.close();
  }
}
