/** The cases of a classification training: which can be learnt from, and which are held out, watched, trained on. */
import { z } from "zod";
import { type ClassificationDataset, type ClassifiedCase, holdOut, openClassification } from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import type { DataFingerprint, Splits } from "../../train/index.ts";
import { checkAuxiliary } from "./auxiliary-targets.ts";
import type { ClassificationConfig } from "./config.ts";
import { takesMask } from "./config.ts";
import { checkMasks } from "./plan.ts";

/** A case that has one class or rating; its `label` is the mask of the lesion. */
export interface ClassificationCase {
  readonly id: string;
  readonly image: string;
  readonly label?: string;
  readonly class?: number;
  readonly rating?: number;
  readonly auxiliary?: Readonly<Record<string, number>>;
  readonly group?: string;
}

/** A case in `run.json`. */
export const classificationCaseSchema = z.looseObject({
  id: z.string(),
  image: z.string().min(1),
  label: z.string().optional(),
  class: z.number().int().optional(),
  rating: z.number().optional(),
  auxiliary: z.record(z.string(), z.number()).optional(),
  group: z.string().optional(),
});

export type ClassifiedSplits = Splits<ClassifiedCase>;

/** The data set a configuration asks for. @throws ConfigError where it is not what the target needs */
export async function openFor(config: ClassificationConfig): Promise<ClassificationDataset> {
  const dataset = await openClassification(config.data, {
    labelColumn: config.labelColumn ?? undefined,
    groupColumn: config.groupColumn ?? undefined,
    auxiliary: config.auxiliary,
    ...(config.positive === null ? {} : { positive: config.positive }),
    ...(config.negative === null ? {} : { negative: config.negative }),
  });
  if (config.target === "rating" && dataset.ratings === undefined)
    throw new ConfigError(`target: rating; ${dataset.name} has classes (${dataset.classes.join(", ")}), no ratings`);
  if (dataset.classes.length < 2)
    throw new ConfigError(`data: ${dataset.name} has one class only (${dataset.classes.join("")}); two are needed`);
  return dataset;
}

/** The cases that can be learnt from. @throws ConfigError where there are none, DataError where a mask is missing */
export function usableCases({ name, cases }: ClassificationDataset, config: ClassificationConfig): ClassifiedCase[] {
  const usable = cases.filter((item) => (config.target === "rating" ? item.rating : item.class) !== undefined);
  if (usable.length === 0) throw new ConfigError(`data: ${name} has no labelled case; a training needs labels`);
  checkMasks(usable, takesMask(config));
  checkAuxiliary(usable, config.auxiliary);
  return usable;
}

/** The list's own split where it has one; else by seed, with equal shares of the classes. */
export function splitCases(
  { test }: ClassificationDataset,
  cases: readonly ClassifiedCase[],
  config: ClassificationConfig,
): ClassifiedSplits {
  const labelled = test.filter((item) => item.class !== undefined);
  checkMasks(labelled, takesMask(config));
  const rest = cases.filter(({ split }) => split !== "validation");
  const listed = cases.filter(({ split }) => split === "validation");
  const { heldOut, seed } = config;
  const outer =
    labelled.length > 0 || heldOut === 0
      ? { train: rest, heldOut: labelled }
      : (holdOut(rest, heldOut, { seed, stratify: stratumOf }) as Pick<ClassifiedSplits, "train" | "heldOut">);
  return listed.length > 0 ? { ...outer, validation: listed } : watched({ ...outer, validation: [] }, config);
}

/** Takes the watched cases out of the training part. */
export function watched(
  { train, heldOut }: ClassifiedSplits,
  { validation, seed }: ClassificationConfig,
): ClassifiedSplits {
  if (validation === 0) return { train, validation: [], heldOut };
  const inner = holdOut(train, validation, { seed: seed + 1, stratify: stratumOf });
  return { train: inner.train as ClassifiedCase[], validation: inner.heldOut as ClassifiedCase[], heldOut };
}

/** What the parts of a split are to have in equal shares: the class, or the rating. */
export function stratumOf(item: ClassifiedCase): string {
  return String(item.rating ?? item.class);
}

/** With folds, every case is trained on by some members and scored by the others. */
export function everyCase(cases: readonly ClassifiedCase[]): ClassifiedSplits {
  return { train: cases, validation: [], heldOut: cases };
}

/** What a run remembers of a case. */
export function classificationCase(item: ClassifiedCase): ClassificationCase {
  const { id, image, label, class: index, rating, auxiliary, group } = item;
  return {
    id,
    image,
    ...(label === undefined ? {} : { label }),
    ...(index === undefined ? {} : { class: index }),
    ...(rating === undefined ? {} : { rating }),
    ...(auxiliary === undefined ? {} : { auxiliary }),
    ...(group === undefined ? {} : { group }),
  };
}

/** What is compared of a case when a training is resumed. @param hashes of its image and, where the network takes it, its mask */
export function classificationFingerprint(
  cases: readonly ClassificationCase[],
  hashes: DataFingerprint,
): DataFingerprint {
  return Object.fromEntries(
    cases.map(({ id, class: index, rating, auxiliary }) => {
      const { image, truth } = hashes[id];
      return [id, { image, truth: JSON.stringify([truth, index ?? null, rating ?? null, auxiliary ?? null]) }] as const;
    }),
  );
}
