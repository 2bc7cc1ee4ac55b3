/** Reading zip archives an entry at a time: the directory at the end first, then of the file only what the entry is. */
import { open } from "node:fs/promises";
import { promisify } from "node:util";
import { constants, crc32, inflateRaw, inflateRawSync } from "node:zlib";
import { DataError } from "../../errors.ts";

export interface ZipEntry {
  readonly name: string;
  /** Bytes once inflated. */
  readonly size: number;
  readonly storedSize: number;
  readonly offset: number;
  readonly checksum: number;
  readonly isDeflated: boolean;
}

const endMark = 0x06054b50;
const directoryMark = 0x02014b50;
const localMark = 0x04034b50;
const endBytes = 22;
/** A comment may follow the end record. */
const longestComment = 0xffff;
/** Deflate cannot say more in fewer bytes (1032 : 1). */
const bestRatio = 1100;

/**
 * The entries of an archive, by name.
 * @throws DataError where the file is no zip archive, is damaged, or has entries that are encrypted or otherwise compressed
 */
export async function readZipDirectory(path: string): Promise<ReadonlyMap<string, ZipEntry>> {
  const { length, read } = await opened(path);
  const tail = await read(Math.max(0, length - endBytes - longestComment), endBytes + longestComment);
  const view = viewOf(tail);
  let end = tail.length - endBytes;
  while (end >= 0 && view.getUint32(end, true) !== endMark) end--;
  if (end < 0) throw new DataError(`${path}: is no zip archive, or is cut off`);
  const count = view.getUint16(end + 10, true);
  const size = view.getUint32(end + 12, true);
  const start = view.getUint32(end + 16, true);
  if (count === 0xffff || start === 0xffffffff) throw new DataError(`${path}: zip archives above 4 GB are not read`);
  const directory = viewOf(await read(start, size));
  const entries = new Map<string, ZipEntry>();
  for (let i = 0, at = 0; i < count; i++) {
    if (at + 46 > directory.byteLength || directory.getUint32(at, true) !== directoryMark)
      throw new DataError(`${path}: the zip directory is damaged`);
    const flags = directory.getUint16(at + 8, true);
    const method = directory.getUint16(at + 10, true);
    const [nameLength, extra, comment] = [28, 30, 32].map((field) => directory.getUint16(at + field, true));
    const name = new TextDecoder().decode(new Uint8Array(directory.buffer, directory.byteOffset + at + 46, nameLength));
    if ((flags & 1) !== 0 || (method !== 0 && method !== 8))
      throw new DataError(`${path}: ${name}: is encrypted or compressed by method ${method}; deflate alone is read`);
    const [checksum, storedSize, inflated] = [16, 20, 24].map((field) => directory.getUint32(at + field, true));
    const offset = directory.getUint32(at + 42, true);
    if ([storedSize, inflated, offset].includes(0xffffffff))
      throw new DataError(`${path}: ${name}: entries above 4 GB are not read`);
    entries.set(name, { name, size: inflated, storedSize, offset, checksum, isDeflated: method === 8 });
    at += 46 + nameLength + extra + comment;
  }
  return entries;
}

/** An entry's bytes. @throws DataError where they are damaged */
export async function readZipEntry(path: string, entry: ZipEntry): Promise<Uint8Array> {
  if (entry.isDeflated && entry.size > bestRatio * (entry.storedSize + 1))
    throw new DataError(`${path}: ${entry.name}: claims ${entry.size} bytes in ${entry.storedSize}; damaged`);
  const stored = await storedBytes(path, entry, entry.storedSize);
  let bytes: Uint8Array = stored;
  if (entry.isDeflated) {
    try {
      bytes = await promisify(inflateRaw)(stored, { maxOutputLength: Math.max(1, entry.size) });
    } catch (cause) {
      throw new DataError(`${path}: ${entry.name}: damaged (${(cause as Error).message})`, { cause });
    }
  }
  if (bytes.length !== entry.size || crc32(bytes) !== entry.checksum)
    throw new DataError(`${path}: ${entry.name}: damaged, its checksum is wrong`);
  return bytes;
}

/** The first bytes of an entry, some thousands where it has them; unchecked. */
export async function readZipStart(path: string, entry: ZipEntry): Promise<Uint8Array> {
  const stored = await storedBytes(path, entry, Math.min(entry.storedSize, 2 ** 14));
  if (!entry.isDeflated) return stored;
  try {
    return inflateRawSync(stored, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: 2 ** 25 });
  } catch (cause) {
    throw new DataError(`${path}: ${entry.name}: damaged (${(cause as Error).message})`, { cause });
  }
}

async function storedBytes(path: string, { name, offset }: ZipEntry, length: number): Promise<Uint8Array> {
  const { read } = await opened(path);
  const local = viewOf(await read(offset, 30));
  if (local.byteLength < 30 || local.getUint32(0, true) !== localMark)
    throw new DataError(`${path}: ${name}: is not where the zip directory says`);
  const start = offset + 30 + local.getUint16(26, true) + local.getUint16(28, true);
  const bytes = await read(start, length);
  if (bytes.length !== length) throw new DataError(`${path}: ${name}: is cut off`);
  return bytes;
}

/** The file's length, and a function that reads bytes of it, fewer where it ends. */
async function opened(path: string) {
  const failed = (error: NodeJS.ErrnoException): never => {
    throw new DataError(`${path}: cannot read: ${error.code === "ENOENT" ? "no such file" : error.code}`, {
      cause: error,
    });
  };
  const use = async <T>(work: (handle: Awaited<ReturnType<typeof open>>) => Promise<T>): Promise<T> => {
    const handle = await open(path, "r").catch(failed);
    try {
      return await work(handle).catch(failed);
    } finally {
      await handle.close();
    }
  };
  const length = await use(async (handle) => (await handle.stat()).size);
  const read = (start: number, bytes: number): Promise<Uint8Array> =>
    use(async (handle) => {
      const room = new Uint8Array(Math.max(0, Math.min(bytes, length - start)));
      const { bytesRead } = await handle.read(room, 0, room.length, start);
      return room.subarray(0, bytesRead);
    });
  return { length, read };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
