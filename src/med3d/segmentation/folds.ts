/** Who is in which fold of a cross-validation: drawn by the seed, or as an nnU-Net `splits_final.json` says. */
import { type DataCase, type Dataset, kFolds, readSplitsFile, scoredIn } from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import type { Child, Splits } from "../../train/index.ts";
import type { SegmentationConfig } from "./config.ts";
import { splitCases, type VolumeCase, watchedOf } from "./data.ts";

/** A case and, where a file says it, the fold that scores it, counted from 0. */
export type FoldCase = DataCase & Pick<VolumeCase, "fold">;

/** With folds every case is learnt from by some networks and scored by another. */
export function splitsOf(dataset: Dataset, config: SegmentationConfig): Splits<FoldCase> {
  if (config.folds === null) return splitCases(dataset, config);
  const labelled = dataset.cases.filter(({ label }) => label !== undefined);
  if (labelled.length === 0)
    throw new ConfigError(`data: ${config.data} has no labelled case; a training needs labels`);
  const cases = config.splits === null ? labelled : withFolds(labelled, config.splits);
  // Folds that cannot be made are refused before anything is written.
  if (config.splits === null) kFolds(labelled, config.folds, { seed: config.splitSeed ?? config.seed });
  return { train: cases, validation: [], heldOut: cases };
}

function withFolds(cases: readonly DataCase[], file: string): readonly FoldCase[] {
  const ids = cases.map(({ id }) => id);
  const fold = scoredIn(readSplitsFile(file), ids, file);
  return cases.map((item) => ({ ...item, fold: fold.get(item.id)! }));
}

/** The networks of a run of folds. The run's own list of cases says who is where, so that the file is needed once only. */
export function foldsOf(
  config: SegmentationConfig,
  { heldOut }: Splits<VolumeCase>,
): Child<SegmentationConfig, VolumeCase>[] {
  const { folds, ...rest } = config;
  if (folds === null) return [];
  const parts =
    config.splits === null
      ? kFolds(heldOut as DataCase[], folds, { seed: config.splitSeed ?? config.seed })
      : Array.from({ length: folds }, (_, fold) => ({
          train: heldOut.filter((item) => item.fold !== fold),
          validation: heldOut.filter((item) => item.fold === fold),
        }));
  return parts.map(({ train, validation }, fold) => {
    const title = `fold-${fold + 1}`;
    const alone = { ...rest, folds: null, splits: null };
    return {
      name: `members/${title}`,
      title,
      role: "member",
      config: alone,
      splits: { ...watchedOf(train as DataCase[], alone), heldOut: validation as DataCase[] },
    };
  });
}
