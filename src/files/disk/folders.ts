/** Making folders, with the system's own reason where one cannot be made. */
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { writeError } from "./atomic.ts";

/**
 * Makes a folder and those above it, as far as they are missing. Node's own way of making them all at once tells a read-only or full
 * file system as a folder that does not exist.
 * @returns those that were made, the outermost first
 * @throws DataError that names the folder and why it cannot be made
 */
export async function makeFolder(path: string): Promise<string[]> {
  try {
    return await make(path);
  } catch (error) {
    throw writeError(path, error);
  }
}

async function make(path: string): Promise<string[]> {
  try {
    await mkdir(path);
    return [path];
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" && dirname(path) !== path) {
      return [...(await make(dirname(path))), ...(await make(path))];
    }
    // Some systems tell a read-only place before they tell that the folder is there.
    const found = await stat(path).catch(() => undefined);
    if (found?.isDirectory() !== true) throw code === "EEXIST" ? notAFolder(path) : error;
    return [];
  }
}

function notAFolder(path: string): Error {
  return Object.assign(new Error(`${path} is a file`), { code: "ENOTDIR", path });
}
