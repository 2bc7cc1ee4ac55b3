/** Whole items, prepared by workers, one after the other: what a training is watched by. */
import type { CaseCache } from "./cache.ts";
import { startLoader } from "./loader.ts";
import type { Mapper } from "./mapper.ts";

export interface WholeOptions {
  readonly workers?: number;
  readonly prefetch?: number;
  readonly cacheBytes?: number;
  readonly cache?: CaseCache;
  readonly signal?: AbortSignal;
}

export interface WholeItems<Source> {
  readonly count: number;
  /**
   * All of them, in the list's order.
   * @throws DataError naming an item that cannot be prepared, or after a worker died; the abort reason after an abort
   */
  all(): AsyncGenerator<Source, void, undefined>;
  /** Bytes in the cache, and how many of the items are prepared there. */
  cached(): { readonly bytes: number; readonly cases: number };
  close(): Promise<void>;
}

/** @param items the mapper, but for what a batch is: here one item */
export function startWhole<Item extends { readonly id: string }, Source>(
  items: Pick<Mapper<Item, unknown, unknown>, "items" | "worker" | "keyOf" | "filesOf">,
  { workers = 1, prefetch = workers, cacheBytes, cache, signal }: WholeOptions,
): WholeItems<Source> {
  const { length } = items.items;
  // No threads for nothing.
  if (length === 0) {
    return { count: 0, all: async function* () {}, cached: () => ({ bytes: 0, cases: 0 }), close: async () => {} };
  }
  const loader = startLoader<Item, Source, Source>(
    { ...items, batch: 1, buffers: [], batchOf: (source) => source },
    { workers, prefetch, cacheBytes, cache, signal, shuffle: false, stepsPerEpoch: length },
  );
  let round = 0;
  return { count: length, all: () => loader.batches(round++), cached: loader.cached, close: loader.close };
}
