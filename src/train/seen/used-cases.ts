/**
 * Which cases weights have learned from, so that nothing is scored on them again: a run says it in its record, a file of weights in its
 * metadata, by the hashes of the voxels.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { checkDescription, checkedJson, type DataCase, imageHash } from "../../data/index.ts";
import { DataError } from "../../errors.ts";
import { namedWeights, readSafetensorsHeader } from "../../files/index.ts";
import { RUN, readFingerprint, readFrame } from "../run/record.ts";
import { folderStore } from "../store/folder-store.ts";

/** The key of a safetensors file's metadata under which the hashes of all images stand that its weights have learned from. */
export const SEEN = "seen";

export interface UsedCase {
  /** Absolute path, where it is known. */
  readonly image?: string;
  /** Fingerprint of the voxels, where the run noted it. */
  readonly hash?: string;
  /** The run or the weights that used it. */
  readonly run: string;
}

/** What of a case tells whether it was used before; tasks keep more. */
const seenSchema = z.array(z.looseObject({ id: z.string(), image: z.string(), hash: z.string().optional() }));
const fromSchema = z.looseObject({ from: z.string().nullable().default(null) });

/** What was trained or watched on by a run, and by the runs that it started from. @throws ConfigError if the folder is none */
export async function usedCases(folder: string, seen: readonly string[] = []): Promise<UsedCase[]> {
  const { task, config, splits } = await readFrame(folderStore(folder));
  const used = checkDescription(seenSchema, [...splits.train, ...splits.validation], join(folder, RUN));
  const { from } = checkDescription(fromSchema, config, join(folder, RUN));
  // Of volumes that were read for a plan the fingerprint is one of the voxels; detections have one of their files.
  const noted = task === "detection" ? undefined : await readFingerprint(folderStore(folder));
  const here = used.map(({ id, image, hash = noted?.[id]?.image }): UsedCase => {
    return { image, ...(hash && { hash }), run: folder };
  });
  const older = from !== null && !seen.includes(from) ? await seenBy(from, [...seen, folder]) : [];
  return [...here, ...older];
}

const hashes = z.array(z.string());

/**
 * What a start has learned from: a run's cases, or those whose hashes a file of weights (or weights that come with medvox) carries;
 * nothing, where it says nothing.
 */
export async function seenBy(from: string, seen: readonly string[] = []): Promise<UsedCase[]> {
  const found = await stat(from).catch(() => undefined);
  if (found?.isDirectory()) return (await folderStore(from).has(RUN)) ? usedCases(from, seen) : [];
  const path = namedWeights(from) ?? from;
  if (!/\.safetensors$/i.test(path) || (found === undefined && path === from)) return [];
  const { metadata } = await readSafetensorsHeader(path);
  const carried = metadata[SEEN];
  if (carried === undefined) return [];
  return checkedJson(hashes, carried, `${path}: metadata.${SEEN}`).map((hash) => ({ hash, run: from }));
}

/**
 * Refuses to be scored on what the weights have learned from.
 * @param from a run, a file of weights or a name; null for none
 * @param where what stands in front of the message: the data set
 * @throws DataError naming cases
 */
export async function refuseSeen(
  cases: readonly Pick<DataCase, "id" | "image">[],
  from: string | null,
  where: string,
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  if (from === null || cases.length === 0) return;
  // With folds the same cases are trained on and scored.
  const once = [...new Map(cases.map((item) => [item.id, item])).values()];
  const overlap = await findOverlap(once, await seenBy(from), options);
  if (overlap.length === 0) return;
  const names = overlap.slice(0, 5).map((item) => item.case.id);
  const more = overlap.length > names.length ? `, … (${overlap.length} in all)` : "";
  throw new DataError(
    `${where}: ${names.join(", ")}${more} would be scored, but ${overlap[0].used.run} has learned from ${overlap.length === 1 ? "it" : "them"}; ` +
      "a score on what was learned says nothing: hold out other cases, or start from other weights",
  );
}

export interface Overlap {
  readonly case: Pick<DataCase, "id" | "image">;
  readonly used: UsedCase;
}

/**
 * The cases among `cases` that were used before: the same file, or, where the fingerprints were noted, the same voxels in
 * another file. Reads the images of all others, unless there is no fingerprint to compare with.
 */
export async function findOverlap(
  cases: readonly Pick<DataCase, "id" | "image">[],
  used: readonly UsedCase[],
  options: { readonly signal?: AbortSignal } = {},
): Promise<Overlap[]> {
  const byPath = new Map(used.flatMap((item) => (item.image === undefined ? [] : [[item.image, item] as const])));
  const byHash = new Map(used.flatMap((item) => (item.hash === undefined ? [] : [[item.hash, item] as const])));
  const found: Overlap[] = [];
  for (const item of cases) {
    options.signal?.throwIfAborted();
    const other = byPath.get(item.image) ?? (byHash.size === 0 ? undefined : byHash.get(await imageHash(item)));
    if (other !== undefined) found.push({ case: item, used: other });
  }
  return found;
}
