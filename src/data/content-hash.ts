/**
 * What a data set's files hold, as short texts to compare: a resumed training must see the images and labels that it began
 * with. Files are hashed as they lie on disk, a piece at a time, so that a volume of any size costs the same memory.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { pipeline } from "node:stream/promises";
import { DataError } from "../errors.ts";
import { counted } from "./counted.ts";
import { systemReason } from "./text.ts";
import type { DataCase } from "./types.ts";

/** Of 64 bits: two of a million cases are taken for one with a chance of 1 in 37 million. */
const hashLength = 16;

/** A file's content. @throws DataError naming the file and the system's reason */
export async function fileHash(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  try {
    await pipeline(createReadStream(path), hash, { signal });
  } catch (cause) {
    signal?.throwIfAborted();
    throw new DataError(`${path}: ${systemReason(cause)}`, { cause });
  }
  return hash.digest("hex").slice(0, hashLength);
}

/** Texts and numbers, in their order. */
export function contentHash(parts: Iterable<string | ArrayBufferView>): string {
  const hash = createHash("sha256");
  for (const part of parts) {
    const bytes =
      typeof part === "string" ? Buffer.from(part) : Buffer.from(part.buffer, part.byteOffset, part.byteLength);
    // The length in front keeps "ab", "c" and "a", "bc" apart.
    hash.update(`${bytes.length}:`).update(bytes);
  }
  return hash.digest("hex").slice(0, hashLength);
}

/** Image and truth of one case, for comparisons; plain JSON. */
export interface CaseHash {
  /** Of the image's files, and of what is taken of them. */
  readonly image: string;
  /** Of its label map or boxes; empty where it has none. */
  readonly truth: string;
  /** The file that the truth stands in, as messages call it. */
  readonly file?: string;
}

/** By the ids of the cases. */
export type CaseHashes = Readonly<Record<string, CaseHash>>;

/** Files that several cases share are hashed once. */
export class FileHashes {
  private readonly known = new Map<string, Promise<string>>();
  private readonly signal: AbortSignal | undefined;

  constructor(signal?: AbortSignal) {
    this.signal = signal;
  }

  of(path: string): Promise<string> {
    const hash = this.known.get(path) ?? fileHash(path, this.signal);
    this.known.set(path, hash);
    return hash;
  }
}

export interface HashOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number, id: string) => void;
}

/**
 * Images and label maps of volumes, case by case: what a run keeps, to be compared on resuming.
 * @throws DataError naming the file that cannot be read
 */
export async function caseHashes(cases: readonly DataCase[], options: HashOptions = {}): Promise<CaseHashes> {
  const files = new FileHashes(options.signal);
  const found: Record<string, CaseHash> = {};
  for (const [i, item] of cases.entries()) {
    options.signal?.throwIfAborted();
    const { id, image, moreChannels = [], label, channelPick = null, labelPick = null } = item;
    const images: string[] = [];
    for (const path of [image, ...moreChannels]) images.push(await pairHash(path, files));
    // What is taken of the files belongs to what a network sees.
    const seen = contentHash([...images, JSON.stringify(channelPick)]);
    const truth = label === undefined ? "" : contentHash([await pairHash(label, files), JSON.stringify(labelPick)]);
    found[id] = { image: seen, truth, ...(label === undefined ? {} : { file: basename(label) }) };
    options.onProgress?.(i + 1, cases.length, id);
  }
  return found;
}

/** Of a header whose voxels lie in a file beside it, both. */
async function pairHash(path: string, files: FileHashes): Promise<string> {
  const pair = /\.hdr(\.gz)?$/i.test(path)
    ? path.replace(/\.hdr(\.gz)?$/i, (end) => end.replace(/hdr/i, "img"))
    : undefined;
  const own = await files.of(path);
  if (pair === undefined) return own;
  return contentHash([own, await files.of(pair).catch(() => "")]);
}

/**
 * What changed between two times, for people: `3 annotation files changed, the first b.xml`; `undefined` where nothing did.
 * @param words for a case's image and its truth, `annotation file`
 */
export function changedText(
  before: CaseHashes,
  now: CaseHashes,
  words: { readonly image: string; readonly truth: string },
): string | undefined {
  const ids = Object.keys(before).filter((id) => id in now);
  const truths = ids
    .filter((id) => before[id].truth !== now[id].truth)
    .map((id) => now[id].file ?? before[id].file ?? id);
  const images = ids.filter((id) => before[id].image !== now[id].image);
  const gone = Object.keys(before).filter((id) => !(id in now));
  const added = Object.keys(now).filter((id) => !(id in before));
  // Annotations of many images may stand in one file.
  const shared = new Set(truths).size === 1 && truths.length > 1;
  const texts = [
    shared ? `${counted(truths.length, words.image)} changed in ${truths[0]}` : named(truths, words.truth, "changed"),
    named(images, words.image, "changed"),
    named(gone, words.image, "gone"),
    named(added, words.image, "more"),
  ].filter((text) => text !== undefined);
  return texts.length === 0 ? undefined : texts.join("; ");
}

function named(which: readonly string[], noun: string, what: string): string | undefined {
  if (which.length === 0) return undefined;
  const first = which.length === 1 ? ` (${which[0]})` : `, the first ${which[0]}`;
  return `${counted(which.length, noun)} ${what}${first}`;
}
