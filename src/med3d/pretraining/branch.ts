/** A branch of a pre-training as the segmentation it is: encoder, its decoder and its plan, in memory. */
import { ConfigError } from "../../errors.ts";
import { LAST_CHECKPOINT, memoryStore, readWeights, writeCheckpoint } from "../../train/index.ts";
import { volumeCase } from "../segmentation/data.ts";
import type { SegmentationRun } from "../segmentation/session.ts";
import { branchConfig, type PretrainingConfig, type PretrainingSet } from "./config.ts";
import { type PretrainingRun, STATISTICS } from "./session.ts";

/**
 * The set that is meant.
 * @param name may be left out where there is but one
 * @throws ConfigError for a set that the run does not have
 */
export function branchSet(config: PretrainingConfig, name: string | undefined, place: string): PretrainingSet {
  const { sets } = config;
  const set = name === undefined && sets.length === 1 ? sets[0] : sets.find((other) => other.name === name);
  if (set !== undefined) return set;
  const names = sets.map((other) => other.name).join(", ");
  throw new ConfigError(
    name === undefined
      ? `${place}: is a pre-training of several sets; name one with --set: ${names}`
      : `--set ${name}: ${place} has no such set; it has ${names}`,
  );
}

/** The branch without its weights: what is needed to list and score its cases. */
export function branchRecord({ record, plan, store }: PretrainingRun, name: string | undefined): SegmentationRun {
  const set = branchSet(record.config, name, store.place);
  const ofSet = (part: typeof record.splits.train) =>
    part.filter((item) => item.set === set.name).map(({ set: _set, hash: _hash, ...item }) => volumeCase(item));
  const { train, validation, heldOut } = record.splits;
  return {
    record: {
      ...record,
      task: "segmentation",
      config: branchConfig(record.config, set),
      splits: { train: ofSet(train), validation: ofSet(validation), heldOut: ofSet(heldOut) },
    },
    plan: plan.sets[set.name],
    store: memoryStore(store.place),
  };
}

/** The branch with the weights that the run has now. */
export async function branchRun(run: PretrainingRun, name: string | undefined): Promise<SegmentationRun> {
  const branch = branchRecord(run, name);
  const prefix = `branch.${branchSet(run.record.config, name, run.store.place).name}.`;
  const all = await readWeights(run.store);
  const weights = new Map([...all].filter(([key]) => !key.startsWith("branch.")));
  const own = [...all]
    .filter(([key]) => key.startsWith(prefix))
    .map(([key, value]) => [key.slice(prefix.length), value] as const);
  // Its own running statistics take the place of those of all sets.
  for (const [key, value] of own) weights.set(key.replace(new RegExp(`^${STATISTICS}\\.`), ""), value);
  await writeCheckpoint(branch.store, LAST_CHECKPOINT, weights, {});
  return branch;
}
