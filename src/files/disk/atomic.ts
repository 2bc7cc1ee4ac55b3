/**
 * Files are written whole or not at all: to a temporary name in the same folder, flushed to the disk, then renamed.
 * A full disk, an unwritable folder or a crash leaves what was there untouched. Checkpoints, masks, tables and reports
 * all go through here, so this is the one place that turns the system's write errors into one readable message.
 */
import type { FileHandle } from "node:fs/promises";
import { link, lstat, open, readdir, realpath, rename, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { threadId } from "node:worker_threads";
import { ConfigError, DataError } from "../../errors.ts";
import { isLiving, type Owner, ownerPattern, ownerText, parseOwner, thisProcess } from "./owner.ts";

/** Text (UTF-8), bytes, or pieces of bytes that are written one after another, as they come (no joined copy is made). */
export type FileContent = string | Uint8Array | readonly Uint8Array[] | AsyncIterable<Uint8Array>;

export interface WriteOptions {
  /** Replace the file if it exists; otherwise an existing file is a {@link ConfigError}. Default false. */
  force?: boolean;
  /** Stops between pieces; what was written of the file is removed, and the call is rejected with the signal's reason. */
  signal?: AbortSignal;
}

let written = 0;

/**
 * Writes `content` to `path` so that a reader sees either the old file or the whole new one.
 *
 * The folder must exist. Throws `ConfigError` where the file exists and `force` is not set, and `DataError` naming the
 * path where the system refuses (disk full, no permission, read-only, no such folder); the temporary file is removed
 * and an existing file stays as it was.
 */
export async function writeFileAtomic(path: string, content: FileContent, options: WriteOptions = {}): Promise<void> {
  const force = options.force ?? false;
  if (!force && (await exists(path))) throw alreadyThere(path);
  // A link is followed, so that the file it points to is replaced and the link itself stays.
  const target = await realpath(path).catch(() => path);
  let temporary: string | undefined;
  try {
    const opened = await openTemporary(dirname(target));
    temporary = opened.path;
    try {
      const pieces = typeof content === "string" || content instanceof Uint8Array ? [content] : content;
      for await (const piece of pieces) {
        options.signal?.throwIfAborted();
        await opened.handle.writeFile(piece);
      }
      options.signal?.throwIfAborted();
      await opened.handle.sync();
    } finally {
      await opened.handle.close();
    }
    await (force ? rename(temporary, target) : renameToNew(temporary, target));
    temporary = undefined;
    await syncFolder(dirname(target));
  } catch (error) {
    if (temporary !== undefined) await unlink(temporary).catch(() => {});
    options.signal?.throwIfAborted();
    throw writeError(path, error);
  }
}

/** What another machine's process has not written to for a day was left behind; a file is written in minutes. */
const staleMs = 24 * 3600 * 1000;

/** A name for a temporary file of `owner`: short, so that a long target name does not make it too long. */
export function temporaryName(owner: Owner, number: number): string {
  return `.medvox-${ownerText(owner)}-${threadId}-${number}.tmp`;
}

/** A temporary's name; earlier versions put a process id alone there, of whichever machine. */
const temporaryPattern = new RegExp(
  `^\\.medvox-(?:${ownerPattern}-(?:\\d+-\\d+|lock-[0-9a-f-]+)|\\d+-\\d+-\\d+)\\.tmp$`,
);

/**
 * Removes temporary files that were left in `folder` (only a killed process leaves one): those of processes of this machine that no
 * longer run, and those of other machines and containers that nobody has written to for a day.
 * Returns the names removed. A folder that does not exist has none.
 */
export async function removeStaleTemporaries(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => [] as string[]);
  const removed: string[] = [];
  for (const name of names) {
    const match = temporaryPattern.exec(name);
    if (match === null) continue;
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) continue;
    const ageMs = Date.now() - found.mtimeMs;
    const living = match[1] === undefined ? ageMs < staleMs : isLiving(parseOwner(match.slice(1)), ageMs, staleMs);
    if (
      !living &&
      (await unlink(path).then(
        () => true,
        () => false,
      ))
    )
      removed.push(name);
  }
  return removed;
}

/** Turns a system error on writing `path` into a `DataError` that says what to do; leaves medvox's own errors alone. */
export function writeError(path: string, error: unknown): Error {
  if (error instanceof ConfigError || error instanceof DataError) return error;
  const code = (error as NodeJS.ErrnoException | null)?.code ?? "";
  if (code === "EEXIST") return alreadyThere(path);
  const reasons: Record<string, string> = {
    ENOSPC: "the disk is full",
    EDQUOT: "the disk quota is used up",
    EFBIG: "the file is larger than this system allows",
    EACCES: "no permission to write there",
    EPERM: "no permission to write there",
    EROFS: "the file system is read-only",
    ENOENT: `the folder ${dirname(path)} does not exist`,
    ENOTDIR: `${dirname(path)} is not a folder`,
    EISDIR: "a folder has that name",
    ENOTEMPTY: "a folder has that name",
    ENAMETOOLONG: "the name is too long",
    EIO: "the disk reported an error",
  };
  const reason = reasons[code] ?? (error instanceof Error ? error.message : String(error));
  return new DataError(`${path}: cannot write: ${reason}${code in reasons ? ` (${code})` : ""}`, { cause: error });
}

async function openTemporary(folder: string): Promise<{ handle: FileHandle; path: string }> {
  // Process, thread and count make it unique, and `wx` skips what an earlier process with the same name left behind.
  for (;;) {
    const path = join(folder, temporaryName(thisProcess, written++));
    try {
      return { handle: await open(path, "wx"), path };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

/** A rename that refuses to replace: a hard link fails where the name is taken, even when it was taken just now. */
async function renameToNew(temporary: string, target: string): Promise<void> {
  try {
    await link(temporary, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") throw error;
    // File systems without hard links (FAT, some network shares).
    if (await exists(target)) throw alreadyThere(target);
    await rename(temporary, target);
    return;
  }
  await unlink(temporary);
}

/** Makes the rename itself durable; not every system can open a folder, and the content is safe either way. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, "r");
    await handle.sync().finally(() => handle.close());
  } catch {}
}

function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

function alreadyThere(path: string): ConfigError {
  return new ConfigError(`${path}: exists already and is not replaced unless forced`);
}
