/** Whose turn it is: the branches' steps of an epoch, mixed, and their batches drawn from each set's own stream. */
import type { Batch, Plan, VolumeLoader } from "../../data/index.ts";
import { random } from "../../random.ts";
import type { Feeds } from "../../runtime/index.ts";
import type { BatchSource } from "../../train/index.ts";

/**
 * The order of an epoch's updates, as indices of sets. Every set's updates lie spread over the whole epoch, one in each of
 * its equal stretches, so that no set waits long. A function of seed and epoch alone.
 */
export function turnOrder(updates: readonly number[], seed: number, epoch: number): number[] {
  const stream = random(seed, `turns/${epoch}`);
  return updates
    .flatMap((count, set) => Array.from({ length: count }, (_, k) => ({ set, time: (k + stream.uniform()) / count })))
    .sort((a, b) => a.time - b.time || a.set - b.set)
    .map(({ set }) => set);
}

export interface SetStream {
  readonly name: string;
  readonly plan: Plan;
  /** Its epoch has as many batches as its updates take. */
  readonly loader: VolumeLoader;
}

/** The batches of all sets as one source: `accumulate` of one set for each update. */
export function turnSource(sets: readonly SetStream[], accumulate: number, seed: number): BatchSource {
  const updates = sets.map(({ loader }) => loader.stepsPerEpoch / accumulate);
  /** Whose buffers come back. */
  let last = sets[0].loader;
  return {
    stepsPerEpoch: sets.reduce((sum, { loader }) => sum + loader.stepsPerEpoch, 0),
    batches: async function* (epoch, fromStep) {
      const order = turnOrder(updates, seed, epoch);
      const first = Math.floor(fromStep / accumulate);
      const taken = sets.map((_, set) => order.slice(0, first).filter((other) => other === set).length);
      const streams = sets.map(({ loader }, set) => loader.batches(epoch, taken[set] * accumulate));
      for (const set of order.slice(first)) {
        const { name, plan, loader } = sets[set];
        taken[set]++;
        for (let i = 0; i < accumulate; i++) {
          const next = await streams[set].next();
          if (next.done) return;
          last = loader;
          yield {
            feeds: feedsOf(next.value, plan),
            waitedMs: next.value.waitedMs,
            cases: next.value.cases.map((id) => `${name}/${id}`),
            turn: { branch: name, update: epoch * updates[set] + taken[set] },
          };
        }
      }
    },
    recycle: ({ input, target }) => last.recycle({ input: input as Float32Array, target: target as Int32Array }),
  };
}

function feedsOf({ input, target }: Batch, { patch, batch, preprocessing }: Plan): Feeds {
  return {
    input: { data: input, shape: [batch, preprocessing.channels, ...patch] },
    target: { data: target, shape: [batch, ...patch] },
  };
}
