/** Making folders, with the system's own reason where one cannot be made. */
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { writeError } from "./atomic.ts";

/**
 * Makes a folder and those above it, as far as they are missing. Node's own way of making them all at once tells a read-only or full
 * file system as a folder that does not exist.
 * @returns the topmost folder that it made; undefined where all were there
 * @throws DataError that names the folder and why it cannot be made
 */
export async function makeFolder(path: string): Promise<string | undefined> {
  try {
    return await make(path);
  } catch (error) {
    throw writeError(path, error);
  }
}

async function make(path: string): Promise<string | undefined> {
  try {
    await mkdir(path);
    return path;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" && dirname(path) !== path) {
      const topmost = await make(dirname(path));
      const made = await make(path);
      return topmost ?? made;
    }
    // Some systems tell a read-only place before they tell that the folder is there.
    const found = await stat(path).catch(() => undefined);
    if (found?.isDirectory() !== true) throw code === "EEXIST" ? notAFolder(path) : error;
    return undefined;
  }
}

function notAFolder(path: string): Error {
  return Object.assign(new Error(`${path} is a file`), { code: "ENOTDIR", path });
}
