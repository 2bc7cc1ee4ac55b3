/** Which cases a run has learned from, so that no later experiment scores itself on them. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { type DataCase, imageHash } from "../data/index.ts";
import { readAnyRun } from "./run-folder.ts";

export interface UsedCase {
  /** Absolute path. */
  readonly image: string;
  /** Fingerprint of the voxels, where the run noted it. */
  readonly hash?: string;
  /** The run that used it. */
  readonly run: string;
}

/** What was trained or watched on by a run, and by the runs that it started from. @throws ConfigError if the folder is none */
export async function usedCases(folder: string, seen: readonly string[] = []): Promise<UsedCase[]> {
  const { record } = await readAnyRun(folder);
  const own = [...record.splits.train, ...record.splits.validation].map((item): UsedCase => {
    const hash = "hash" in item && typeof item.hash === "string" ? item.hash : undefined;
    return { image: item.image, ...(hash !== undefined && { hash }), run: folder };
  });
  const { from } = record.config;
  const older = from !== null && !seen.includes(from) && (await isRun(from));
  return older ? [...own, ...(await usedCases(from, [...seen, folder]))] : own;
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

async function isRun(path: string): Promise<boolean> {
  return stat(join(path, "run.json")).then(
    () => true,
    () => false,
  );
}
