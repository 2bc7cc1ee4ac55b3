/** What a detection data set holds, image by image, so that a resumed training can tell what changed since it began. */
import { relative } from "node:path";
import { type CaseHash, changedText, contentHash, FileHashes, type HashOptions } from "./content-hash.ts";
import type { DetectionClass, DetectionItem } from "./detection-types.ts";

/** Plain JSON. */
export interface DetectionFingerprint {
  /** Names in order. */
  readonly classes: readonly string[];
  readonly images: readonly CaseHash[];
}

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
): Promise<DetectionFingerprint> {
  const { root, signal, onProgress } = options;
  const files = new FileHashes(signal);
  const images: CaseHash[] = [];
  for (const item of items) {
    signal?.throwIfAborted();
    const { id, annotation } = item;
    const file = annotation && (root === undefined ? annotation : relative(root, annotation));
    images.push({ id, image: await files.of(item.image), truth: truthHash(item, classes), ...(file ? { file } : {}) });
    onProgress?.(images.length, items.length, id);
  }
  return { classes: classes.map(({ name }) => name), images };
}

/** What is to be found in one image. */
function truthHash(item: DetectionItem, classes: readonly DetectionClass[]): string {
  const { boxes, labels, difficult, crowd, areas, findings } = item;
  const names = Array.from(labels, (label) => classes[label]?.name ?? String(label));
  const more = [areas ?? new Float64Array(0), JSON.stringify(findings ?? [])];
  return contentHash([boxes, JSON.stringify(names), difficult, crowd, ...more]);
}

/** What changed, for people: `3 annotation files changed, the first a/b.xml`; `undefined` where nothing did. */
export function detectionChanges(before: DetectionFingerprint, now: DetectionFingerprint): string | undefined {
  const [was, are] = [before, now].map(({ classes }) => classes.join(", "));
  if (was !== are) return `the classes were ${was} and are ${are}`;
  const files = new Set(now.images.map(({ file }) => file));
  if (files.size > 1 || now.images.length < 2) {
    return changedText(before.images, now.images, { image: "image", truth: "annotation file" });
  }
  // Where one file has all annotations, it is images that are counted.
  const [file] = files;
  const words = { image: "image", truth: file === undefined ? "annotation" : `annotation in ${file}` };
  const images = now.images.map((one) => ({ ...one, file: one.id }));
  return changedText(before.images, images, words);
}
