/**
 * The networks of a classification run. One without folds and with one seed is its own only network; else every fold and seed is
 * a run of its own in `members/`, and the run itself holds what they share.
 */
import { type ClassifiedCase, kFolds } from "../../data/index.ts";
import type { Child } from "../../train/index.ts";
import type { ClassificationConfig } from "./config.ts";
import { type ClassificationCase, type ClassifiedSplits, stratumOf, watched } from "./data.ts";
import type { ClassificationRun } from "./session.ts";

export function hasMembers({ folds, seeds }: Pick<ClassificationConfig, "folds" | "seeds">): boolean {
  return folds !== null || seeds > 1;
}

/** The members of a run, fold by fold. */
export function memberRuns({
  record: { config, splits },
}: {
  readonly record: Pick<ClassificationRun["record"], "config" | "splits">;
}): Child<ClassificationConfig, ClassificationCase>[] {
  if (!hasMembers(config)) return [];
  const { seed: first, seeds, folds } = config;
  // What `run.json` keeps of a case is all that a classified case has.
  const parts = folds === null ? [undefined] : foldsOf(splits.heldOut as ClassifiedCase[], folds, first);
  return parts.flatMap((part, fold) =>
    Array.from({ length: seeds }, (_, seed): Child<ClassificationConfig, ClassificationCase> => {
      const names = [...(part === undefined ? [] : [`fold-${fold + 1}`]), ...(seeds > 1 ? [`seed-${seed + 1}`] : [])];
      const title = names.join("-");
      const alone = { ...config, folds: null, seeds: 1, seed: first + seed };
      const of = part === undefined ? splits : watched({ ...part, validation: [] }, config);
      return { name: `members/${title}`, title, role: "member", config: alone, splits: of };
    }),
  );
}

/** Folds by the run's seed, alike in their shares of classes (or ratings), patients kept together. */
export function foldsOf(
  cases: readonly ClassifiedCase[],
  folds: number,
  seed: number,
): Pick<ClassifiedSplits, "train" | "heldOut">[] {
  return kFolds(cases, folds, { seed, stratify: stratumOf }).map(({ train, validation }) => ({
    train: train as ClassifiedCase[],
    heldOut: validation as ClassifiedCase[],
  }));
}
