/** Making folders, with the system's own reason where one cannot be made. */
import { mkdir, rmdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { writeError } from "./atomic.ts";

/**
 * Makes a folder and those above it, as far as they are missing. Node's own way of making them all at once tells a read-only or full
 * file system as a folder that does not exist.
 * @returns those that it made, the outermost first
 * @throws DataError that names the folder and why it cannot be made
 */
export async function makeFolder(path: string): Promise<readonly string[]> {
  const made: string[] = [];
  try {
    await make(path, made);
  } catch (error) {
    throw writeError(path, error);
  }
  return made;
}

/** Removes folders that {@link makeFolder} made, as far as nothing lies in them. */
export async function removeEmptyFolders(made: readonly string[]): Promise<void> {
  for (const path of made.toReversed()) {
    try {
      await rmdir(path);
    } catch {
      return;
    }
  }
}

async function make(path: string, made: string[]): Promise<void> {
  try {
    await mkdir(path);
    made.push(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" && dirname(path) !== path) {
      await make(dirname(path), made);
      await make(path, made);
      return;
    }
    // Some systems tell a read-only place before they tell that the folder is there.
    const found = await stat(path).catch(() => undefined);
    if (found?.isDirectory() !== true) throw code === "EEXIST" ? notAFolder(path) : error;
  }
}

function notAFolder(path: string): Error {
  return Object.assign(new Error(`${path} is a file`), { code: "ENOTDIR", path });
}
