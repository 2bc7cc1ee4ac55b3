/**
 * The networks of a classification run. One without folds and with one seed is its own only member; else every fold and
 * seed is a run of its own in `members/`, and the run itself holds what they share.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type ClassifiedCase, kFolds } from "../data/index.ts";
import type { ClassificationConfig } from "./classification-config.ts";
import { modelFile } from "./segmentation-export.ts";

export interface Member {
  /** `fold-2-seed-1`; numbers from 1. */
  readonly name: string;
  readonly folder: string;
  /** From 0. */
  readonly fold: number | undefined;
  /** What it is trained with: one seed, no folds. */
  readonly config: ClassificationConfig;
}

export function hasMembers({ folds, seeds }: Pick<ClassificationConfig, "folds" | "seeds">): boolean {
  return folds !== null || seeds > 1;
}

/** The members of a run, fold by fold. */
export function membersOf(folder: string, config: ClassificationConfig): Member[] {
  if (!hasMembers(config)) return [{ name: "", folder, fold: undefined, config }];
  const folds = config.folds === null ? [undefined] : Array.from({ length: config.folds }, (_, fold) => fold);
  return folds.flatMap((fold) =>
    Array.from({ length: config.seeds }, (_, seed) => {
      const parts = [
        ...(fold === undefined ? [] : [`fold-${fold + 1}`]),
        ...(config.seeds > 1 ? [`seed-${seed + 1}`] : []),
      ];
      const name = parts.join("-");
      const own = { ...config, folds: null, seeds: 1, seed: config.seed + seed };
      return { name, folder: join(folder, "members", name), fold, config: own };
    }),
  );
}

/** Whether a member was trained to its end: the exported model is the last thing written. */
export function isTrained({ folder }: Member): boolean {
  return existsSync(modelFile(folder));
}

/** Folds by the run's seed, alike in their shares of classes (or ratings), patients kept together. */
export function foldsOf(cases: readonly ClassifiedCase[], folds: number, seed: number) {
  return kFolds(cases, folds, { seed, stratify: stratumOf }).map(({ train, validation }) => ({
    train: train as ClassifiedCase[],
    heldOut: validation as ClassifiedCase[],
  }));
}

export function stratumOf(item: ClassifiedCase): string {
  return String(item.rating ?? item.class);
}
