/**
 * Pictures of a folder, by one rule for every reader and for predictions: JPEG and PNG by their names, in order of name;
 * hidden files are none; pictures of a kind that is not read are named, not passed over.
 */
import { readdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { DataError } from "../errors.ts";
import { readImageSize } from "../files/index.ts";
import { pictureKind } from "../images/index.ts";
import type { Problem } from "./problem.ts";
import { systemReason } from "./text.ts";

export interface ListedPictures {
  /** Paths of what is read, in order of name. */
  readonly pictures: readonly string[];
  /** Pictures of other kinds, with what they are. */
  readonly others: readonly { readonly path: string; readonly kind: string }[];
}

/**
 * The pictures of a folder.
 * @param deep folders within, too
 * @throws DataError where the folder cannot be read, with the system's reason
 */
export async function listPictures(folder: string, deep = false): Promise<ListedPictures> {
  const entries = await readdir(folder, { recursive: deep, withFileTypes: true }).catch((cause) => {
    throw new DataError(`${folder}: ${systemReason(cause)}`, { cause });
  });
  const pictures: string[] = [];
  const others: { path: string; kind: string }[] = [];
  for (const entry of entries) {
    if (entry.isDirectory()) continue;
    const kind = pictureKind(entry.name);
    if (kind === undefined) continue;
    const path = join(entry.parentPath, entry.name);
    // What lies in a hidden folder is hidden, too.
    if (
      relative(folder, path)
        .split(/[/\\]/)
        .some((part) => part.startsWith("."))
    )
      continue;
    if (kind === "read") pictures.push(path);
    else others.push({ path, kind });
  }
  const byPath = (a: string, b: string): number => (a < b ? -1 : 1);
  return { pictures: pictures.sort(byPath), others: others.sort((a, b) => byPath(a.path, b.path)) };
}

/** What is said of a picture of a kind that is not read. @param id of its case, `name` as messages call it */
export function unsupportedPicture(id: string, name: string, kind: string): Problem {
  const message = `${name} is ${kind}; JPEG and PNG are read; left out`;
  return { severity: "error", case: id, rule: "unsupported", message };
}

/** Width and height of a picture, or why there is none. */
export type PictureSize =
  | { readonly size: readonly [width: number, height: number] }
  | { readonly rule: "missing-file" | "unreadable" | "unsupported"; readonly reason: string };

const atOnce = 16;

/**
 * Looks at the first bytes of each picture, several at a time.
 * @param paths absolute
 * @returns by path; a picture that cannot be used has its reason, without its path
 */
export async function pictureSizes(
  paths: Iterable<string>,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, PictureSize>> {
  const wanted = [...new Set(paths)];
  const found = new Map<string, PictureSize>();
  let next = 0;
  const look = async (): Promise<void> => {
    while (next < wanted.length) {
      signal?.throwIfAborted();
      const path = wanted[next++];
      found.set(path, await sizeOf(path));
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, wanted.length) }, look));
  return found;
}

async function sizeOf(path: string): Promise<PictureSize> {
  try {
    const { width, height } = await readImageSize(path);
    return { size: [width, height] };
  } catch (error) {
    const { message, cause } = error as Error;
    const missing = (cause as NodeJS.ErrnoException | undefined)?.code === "ENOENT";
    const kind = pictureKind(path);
    if (missing) return { rule: "missing-file", reason: "is missing" };
    if (kind !== undefined && kind !== "read")
      return { rule: "unsupported", reason: `is ${kind}; JPEG and PNG are read` };
    return { rule: "unreadable", reason: message.replace(`${path}: `, "") };
  }
}
