/** Which cases a run has learned from, so that no later experiment scores itself on them. */
import { join } from "node:path";
import { z } from "zod";
import { checkDescription, type DataCase, imageHash } from "../../data/index.ts";
import { folderStore, RUN, readFrame } from "../../train/index.ts";

export interface UsedCase {
  /** Absolute path. */
  readonly image: string;
  /** Fingerprint of the voxels, where the run noted it. */
  readonly hash?: string;
  /** The run that used it. */
  readonly run: string;
}

/** What of a case tells whether it was used before; tasks keep more. */
const seenSchema = z.array(z.looseObject({ image: z.string(), hash: z.string().optional() }));
const fromSchema = z.looseObject({ from: z.string().nullable().default(null) });

/** What was trained or watched on by a run, and by the runs that it started from. @throws ConfigError if the folder is none */
export async function usedCases(folder: string, seen: readonly string[] = []): Promise<UsedCase[]> {
  const { config, splits } = await readFrame(folderStore(folder));
  const used = checkDescription(seenSchema, [...splits.train, ...splits.validation], join(folder, RUN));
  const { from } = checkDescription(fromSchema, config, join(folder, RUN));
  const here = used.map(({ image, hash }): UsedCase => ({ image, ...(hash !== undefined && { hash }), run: folder }));
  const older = from !== null && !seen.includes(from) && (await folderStore(from).has(RUN));
  return older ? [...here, ...(await usedCases(from, [...seen, folder]))] : here;
}

export interface Overlap {
  readonly case: DataCase;
  readonly used: UsedCase;
}

/**
 * The cases among `cases` that were used before: the same file, or, where the fingerprints were noted, the same voxels in
 * another file. Reads the images of all others, unless there is no fingerprint to compare with.
 */
export async function findOverlap(
  cases: readonly DataCase[],
  used: readonly UsedCase[],
  options: { readonly signal?: AbortSignal } = {},
): Promise<Overlap[]> {
  const byPath = new Map(used.map((item) => [item.image, item]));
  const byHash = new Map(used.flatMap((item) => (item.hash === undefined ? [] : [[item.hash, item] as const])));
  const found: Overlap[] = [];
  for (const item of cases) {
    options.signal?.throwIfAborted();
    const other = byPath.get(item.image) ?? (byHash.size === 0 ? undefined : byHash.get(await imageHash(item)));
    if (other !== undefined) found.push({ case: item, used: other });
  }
  return found;
}
