/** The cases of a segmentation: the data set as a configuration sees it, and who is held out, watched and trained on. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import {
  type DataCase,
  type Dataset,
  type Fingerprint,
  holdOut,
  openDataset,
  type Plan,
  select,
  sortById,
} from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import { random } from "../../random.ts";
import type { DataCredit, DataFingerprint, Splits } from "../../train/index.ts";
import { checkPatch, type SegmentationConfig } from "./config.ts";

/** A case of the run's data, by absolute path, so that evaluation finds the very files again. */
export type VolumeCase = Omit<DataCase, "split"> & {
  /** Of a cross-validation whose folds a file gives: the fold that scores the case, counted from 0. */
  readonly fold?: number;
};

/** A case as a run remembers it. */
export function volumeCase({ split: _split, ...item }: DataCase & Pick<VolumeCase, "fold">): VolumeCase {
  return item;
}

const pathSchema = z.string().min(1);

/** A case in `run.json`. */
export const volumeCaseSchema = z.looseObject({
  id: z.string(),
  image: pathSchema,
  moreChannels: z.array(pathSchema).optional(),
  label: pathSchema.optional(),
  labelPick: z.array(z.array(z.number())).optional(),
  channelPick: z.array(z.number().int().min(0)).optional(),
  labelGrid: z.literal("own").optional(),
  labelKnown: z.array(z.number()).optional(),
  ignoreLabel: z.number().optional(),
  group: z.string().optional(),
  fold: z.number().int().min(0).optional(),
});

/** The files of a case. */
export function filesOf({
  image,
  moreChannels = [],
  label,
}: Pick<DataCase, "image" | "moreChannels" | "label">): string[] {
  return [image, ...moreChannels, ...(label === undefined ? [] : [label])];
}

/** Hashes of what was read for a plan, as a resumed training compares them. */
export function hashesOf({ cases }: Fingerprint): DataFingerprint {
  return Object.fromEntries(
    cases.map(({ id, hash = "", labelHash = "" }) => [id, { image: hash, truth: labelHash }] as const),
  );
}

/** The data set as a configuration sees it. */
export async function openFor({ data, mergeLabels }: SegmentationConfig): Promise<Dataset> {
  const dataset = await openDataset(data);
  const organs = dataset.labels.filter(({ index }) => index !== 0);
  if (!mergeLabels || organs.length < 2) return dataset;
  return select(dataset, { labels: { region: organs.map(({ index }) => index) } }, data);
}

/** The list's own split where it has one; else by seed. */
export function splitCases({ cases, test: testCases }: Dataset, config: SegmentationConfig): Splits<DataCase> {
  const { heldOut, trainCases, seed } = config;
  const splitSeed = config.splitSeed ?? seed;
  const isLabelled = (item: DataCase): boolean => item.label !== undefined;
  const labelled = cases.filter(isLabelled);
  if (labelled.length === 0)
    throw new ConfigError(`data: ${config.data} has no labelled case; a training needs labels`);
  // Decathlon's test images have no labels; a list's may have.
  const test = testCases.filter(isLabelled);
  const rest = labelled.filter((item) => item.split !== "validation");
  const outer =
    test.length > 0 || heldOut === 0 ? { train: rest, heldOut: test } : holdOut(rest, heldOut, { seed: splitSeed });
  const watched = labelled.filter((item) => item.split === "validation");
  const inner = watched.length > 0 ? { train: outer.train, validation: watched } : watchedOf(outer.train, config);
  return { train: partOf(inner.train, trainCases, seed), validation: inner.validation, heldOut: outer.heldOut };
}

/** Takes the watched cases out of the training part. */
export function watchedOf(
  train: readonly DataCase[],
  { validation, seed, splitSeed }: Pick<SegmentationConfig, "validation" | "seed" | "splitSeed">,
): Pick<Splits<DataCase>, "train" | "validation"> {
  if (validation === 0) return { train, validation: [] };
  const inner = holdOut(train, validation, { seed: (splitSeed ?? seed) + 1 });
  return { train: inner.train, validation: inner.heldOut };
}

/** The first of the cases in an order drawn by the seed. */
function partOf(cases: readonly DataCase[], amount: number | null, seed: number): readonly DataCase[] {
  if (amount === null) return cases;
  const wanted = amount < 1 ? Math.max(1, Math.round(amount * cases.length)) : amount;
  if (!Number.isInteger(wanted) || wanted > cases.length)
    throw new ConfigError(`trainCases: ${amount}; there are ${cases.length} cases to train on`);
  return sortById(
    random(seed, "split/train-cases")
      .shuffle([...sortById(cases)])
      .slice(0, wanted),
  );
}

/** The encoder halves sizes three times, or five. */
export function checkPlannedPatch({ patch, medianSize }: Plan, stride = 8): void {
  checkPatch(patch, stride, ` (median size ${medianSize.join("×")})`);
}

const creditSchema = z.looseObject({
  licence: z.string().optional().catch(undefined),
  license: z.string().optional().catch(undefined),
  reference: z.string().optional().catch(undefined),
});

/** Who made the data, where its description says so. */
export async function creditOf({ name, source }: Pick<Dataset, "name" | "source">): Promise<DataCredit> {
  const file = source.endsWith(".json") ? source : join(source, "dataset.json");
  // A list or bare folders say nothing about their origin.
  const text = await readFile(file, "utf8").catch(() => "");
  const parsed = creditSchema.safeParse(parsedJson(text));
  if (!parsed.success) return { name };
  const { licence, license, reference } = parsed.data;
  return { name, licence: licence ?? license, source: reference };
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
