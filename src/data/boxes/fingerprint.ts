/** What a detection data set holds, image by image, so that a resumed training can tell what changed since it began. */
import { relative } from "node:path";
import {
  type CaseHash,
  type CaseHashes,
  changedText,
  contentHash,
  FileHashes,
  type HashOptions,
} from "../content-hash.ts";
import type { DetectionClass, DetectionItem } from "./types.ts";

/**
 * Hashes every image's file and what is to be found in it: boxes, classes by name, flags, areas. An annotation that was
 * written anew with the same content is the same.
 * @param root that annotation files are named from
 * @throws DataError naming the image that cannot be read
 */
export async function fingerprintDetection(
  items: readonly DetectionItem[],
  classes: readonly DetectionClass[],
  options: HashOptions & { readonly root?: string } = {},
): Promise<CaseHashes> {
  const { root, signal, onProgress } = options;
  const files = new FileHashes(signal);
  const found: Record<string, CaseHash> = {};
  for (const [i, item] of items.entries()) {
    signal?.throwIfAborted();
    const { id, annotation } = item;
    const file = annotation && (root === undefined ? annotation : relative(root, annotation));
    const hashes = { image: await files.of(item.image), truth: truthHash(item, classes) };
    found[id] = { ...hashes, ...(file ? { file } : {}) };
    onProgress?.(i + 1, items.length, id);
  }
  return found;
}

/** What is to be found in one image. */
function truthHash(item: DetectionItem, classes: readonly DetectionClass[]): string {
  const { boxes, labels, difficult, crowd, areas, findings } = item;
  const names = Array.from(labels, (label) => classes[label]?.name ?? String(label));
  const more = [areas ?? new Float64Array(0), JSON.stringify(findings ?? [])];
  return contentHash([boxes, JSON.stringify(names), difficult, crowd, ...more]);
}

/** What changed, for people: `3 annotation files changed, the first a/b.xml`; `undefined` where nothing did. */
export function detectionChanges(before: CaseHashes, now: CaseHashes): string | undefined {
  return changedText(before, now, { image: "image", truth: "annotation file" });
}
