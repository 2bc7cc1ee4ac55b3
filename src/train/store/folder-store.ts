/** A {@link Store} that is a folder on disk. */
import { access, appendFile, open, readdir, rm, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DataError } from "../../errors.ts";
import { lockFolder, makeFolder, removeStaleTemporaries, writeError, writeFileAtomic } from "../../files/index.ts";
import { LOG } from "../log.ts";
import { BEST_CHECKPOINT, LAST_CHECKPOINT } from "./checkpoint.ts";
import type { Store } from "./store.ts";

/** The path of a run's newest checkpoint. */
export const lastCheckpoint = (folder: string): string => join(folder, LAST_CHECKPOINT);
/** The path of the checkpoint of a run's best watched score. */
export const bestCheckpoint = (folder: string): string => join(folder, BEST_CHECKPOINT);
/** The path of a run's log, one JSON object a line. */
export const logFile = (folder: string): string => join(folder, LOG);

/** One system call reads less than 2 GiB. */
const READ_BYTES = 2 ** 30;

/** A folder as a store. It is made when something is first written to it. */
export function folderStore(folder: string): Store {
  const pathOf = (name: string): string => join(folder, name);
  const made = new Set<string>();
  const makeFolderOf = async (path: string): Promise<void> => {
    const parent = dirname(path);
    if (made.has(parent)) return;
    await makeFolder(parent);
    // What a killed process left half written is cleared away once, before anything new is written beside it.
    await removeStaleTemporaries(parent);
    made.add(parent);
  };
  return {
    place: folder,
    ready: () => makeFolderOf(pathOf(LAST_CHECKPOINT)).then(() => makeFolderOf(pathOf(LOG))),
    read: (name) => readWhole(pathOf(name)),
    has: (name) =>
      access(pathOf(name)).then(
        () => true,
        () => false,
      ),
    write: async (name, content) => {
      await makeFolderOf(pathOf(name));
      await writeFileAtomic(pathOf(name), content, { force: true });
    },
    append: async (name, line) => {
      await makeFolderOf(pathOf(name));
      await appendFile(pathOf(name), `${line}\n`).catch((error: unknown) => {
        throw writeError(pathOf(name), error);
      });
    },
    remove: async (name) => {
      await rm(pathOf(name), { recursive: true, force: true }).catch((error: unknown) => {
        throw writeError(pathOf(name), error);
      });
    },
    names: async () =>
      (await readdir(folder).catch(() => [] as string[])).filter((name) => !name.startsWith(".medvox-")),
    claim: async (does) => {
      const made = await makeFolder(folder);
      // What was made for nothing goes again: a request that is refused leaves no empty folder.
      const clearUp = async (): Promise<void> => {
        for (const path of made.reverse()) await rmdir(path).catch(() => {});
      };
      const { lost, release } = await lockFolder(folder, does).catch(async (error: unknown) => {
        await clearUp();
        throw error;
      });
      return { lost, release: () => release().then(clearUp) };
    },
    child: (name) => folderStore(pathOf(name)),
  };
}

async function readWhole(path: string): Promise<Uint8Array | undefined> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw new DataError(`${path}: cannot be read (${error.code})`, { cause: error });
  });
  if (file === undefined) return undefined;
  try {
    const { size } = await file.stat();
    const bytes = new Uint8Array(size);
    for (let done = 0; done < size; ) {
      const { bytesRead } = await file.read(bytes, done, Math.min(READ_BYTES, size - done), done);
      if (bytesRead === 0) throw new DataError(`${path}: became shorter while it was read`);
      done += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}
