/** A branch of a pre-training as a segmentation run of its own: encoder, its decoder and its plan, to be scored and to predict. */
import { dirname, join } from "node:path";
import { ConfigError } from "../errors.ts";
import { makeFolder } from "../files/index.ts";
import { lastCheckpoint, readCheckpoint, writeCheckpoint } from "../train/index.ts";
import { branchConfig } from "./pretraining-config.ts";
import { readRun, writeRun } from "./run-folder.ts";
import { exportModel } from "./segmentation-export.ts";

/**
 * Writes it to `branches/NAME` of the run, anew each time, from the weights the run has now.
 * @param name of the set; may be left out where there is but one
 * @returns the folder
 * @throws ConfigError for a set that the run does not have
 */
export async function branchRun(folder: string, name: string | undefined): Promise<string> {
  const { record, plan } = await readRun(folder, "pretraining");
  const { sets } = record.config;
  const set = name === undefined && sets.length === 1 ? sets[0] : sets.find((other) => other.name === name);
  if (set === undefined) {
    const names = sets.map((other) => other.name).join(", ");
    throw new ConfigError(
      name === undefined
        ? `${folder}: is a pre-training of several sets; name one with --set: ${names}`
        : `--set ${name}: ${folder} has no such set; it has ${names}`,
    );
  }
  const out = join(folder, "branches", set.name);
  await makeFolder(dirname(lastCheckpoint(out)));
  const { command, threads, credit, splits } = record;
  const ofSet = (part: typeof splits.train) =>
    part.filter((item) => item.set === set.name).map(({ set: _set, hash: _hash, ...item }) => item);
  const own = {
    task: "segmentation" as const,
    config: branchConfig(record.config, set),
    ...{ command, threads, credit },
    splits: { train: ofSet(splits.train), validation: [], heldOut: ofSet(splits.heldOut) },
  };
  const written = await writeRun<"segmentation">(out, own, plan.sets[set.name], true);
  const { state, position } = await readCheckpoint(lastCheckpoint(folder));
  const prefix = `branch.${set.name}.`;
  const weights = [...state].flatMap(([key, value]) =>
    key.startsWith("optimizer.") || (key.startsWith("branch.") && !key.startsWith(prefix))
      ? []
      : [[key.startsWith(prefix) ? key.slice(prefix.length) : key, value] as const],
  );
  await writeCheckpoint(lastCheckpoint(out), new Map(weights), position);
  await exportModel(out, written, plan.sets[set.name]);
  return out;
}
