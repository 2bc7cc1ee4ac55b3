/**
 * What a data set's files hold, as short texts to compare: a resumed training must see the images and labels that it began
 * with. Files are hashed as they lie on disk, a piece at a time, so that a volume of any size costs the same memory.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { DataError } from "../errors.ts";
import { counted } from "./counted.ts";
import type { DataCase } from "./dataset.ts";
import { systemReason } from "./text.ts";

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
  readonly id: string;
  /** Of the image's files. */
  readonly image: string;
  /** Of its label map or boxes; absent where it has none. */
  readonly truth?: string;
  /** The file that the truth stands in, as messages call it. */
  readonly file?: string;
}

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
export async function caseHashes(cases: readonly DataCase[], options: HashOptions = {}): Promise<CaseHash[]> {
  const files = new FileHashes(options.signal);
  const found: CaseHash[] = [];
  for (const { id, image, moreChannels = [], label, channelPick, labelPick } of cases) {
    options.signal?.throwIfAborted();
    const images: string[] = [];
    for (const path of [image, ...moreChannels]) images.push(await pairHash(path, files));
    // What is taken of the files belongs to what a network sees.
    const seen = contentHash([...images, JSON.stringify(channelPick ?? null)]);
    const truth =
      label === undefined
        ? {}
        : { truth: contentHash([await pairHash(label, files), JSON.stringify(labelPick ?? null)]), file: label };
    found.push({ id, image: seen, ...truth });
    options.onProgress?.(found.length, cases.length, id);
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
 * What changed between two times, for people: `3 label files changed, the first b.nii.gz`; `undefined` where nothing did.
 * Cases are matched by id, whatever their order.
 * @param words for a case's image and its truth
 */
export function changedText(
  before: readonly CaseHash[],
  now: readonly CaseHash[],
  words: { readonly image: string; readonly truth: string },
): string | undefined {
  const byId = new Map(now.map((one) => [one.id, one]));
  const gone = before.filter(({ id }) => !byId.has(id)).map(({ id }) => id);
  const known = new Set(before.map(({ id }) => id));
  const added = now.filter(({ id }) => !known.has(id)).map(({ id }) => id);
  const images = before.filter(({ id, image }) => byId.has(id) && byId.get(id)?.image !== image).map(({ id }) => id);
  const truths = before
    .filter(({ id, truth }) => byId.has(id) && byId.get(id)?.truth !== truth)
    .map(({ id, file }) => byId.get(id)?.file ?? file ?? id);
  const parts: [number: number, text: string, first: string][] = [
    [truths.length, `${several(truths.length, words.truth)} changed`, truths[0]],
    [images.length, `${several(images.length, words.image)} changed`, images[0]],
    [gone.length, `${several(gone.length, words.image)} gone`, gone[0]],
    [added.length, `${several(added.length, words.image)} more`, added[0]],
  ];
  const texts = parts.flatMap(([count, text, first]) =>
    count === 0 ? [] : `${text}${count > 1 ? `, the first ${first}` : ` (${first})`}`,
  );
  return texts.length === 0 ? undefined : texts.join("; ");
}

/** `1 label map`, `3 annotations in a.json`: the first noun has the plural. */
function several(count: number, words: string): string {
  const [noun, ...where] = words.split(" in ");
  return [counted(count, noun), ...where].join(" in ");
}
