/** The data of a pre-training: every set opened, split and planned on its own, with one patch for all that name none. */
import { z } from "zod";
import {
  type CaseCache,
  type DataCase,
  type Dataset,
  type Fingerprint,
  fingerprintOf,
  holdOut,
  makePlan,
  openDataset,
  type Plan,
  type Problem,
  planSchema,
  readableOf,
  select,
} from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import type { DataCredit, DataFingerprint } from "../../train/index.ts";
import {
  checkPlannedPatch,
  creditOf,
  hashesOf,
  type VolumeCase,
  volumeCase,
  volumeCaseSchema,
} from "../segmentation/data.ts";
import { type PretrainingConfig, type PretrainingSet, planChoices } from "./config.ts";

/** A case with the set it belongs to and a fingerprint of its voxels, so that other experiments can avoid it. */
export interface PretrainingCase extends VolumeCase {
  readonly set: string;
  readonly hash?: string;
}

/** A case in `run.json`. */
export const pretrainingCaseSchema = volumeCaseSchema.extend({ set: z.string(), hash: z.string().optional() });

/** `plan.json` of a pre-training. */
export const pretrainingPlanSchema = z.object({
  sets: z.record(z.string(), planSchema),
});

/** One plan per set, by its name. */
export interface PretrainingPlan {
  readonly sets: Readonly<Record<string, Plan>>;
}

export interface PreparedSets {
  readonly plan: PretrainingPlan;
  readonly train: readonly PretrainingCase[];
  readonly heldOut: readonly PretrainingCase[];
  readonly credit: DataCredit;
  readonly problems: readonly Problem[];
  readonly fingerprint: DataFingerprint;
}

interface OpenedSet {
  readonly set: PretrainingSet;
  readonly dataset: Dataset;
  readonly fingerprint: Fingerprint;
  readonly train: readonly DataCase[];
  readonly heldOut: readonly DataCase[];
}

/**
 * Opens, splits and plans all sets; reads every training case once.
 * @throws ConfigError naming the set whose request cannot be met, DataError for broken data
 */
export async function prepareSets(
  config: PretrainingConfig,
  options: { onFingerprint?: (done: number, of: number) => void; signal?: AbortSignal; cache?: CaseCache } = {},
): Promise<PreparedSets> {
  const split = [];
  for (const [i, set] of config.sets.entries()) split.push(await openSet(config, set, `sets[${i}] (${set.name})`));
  const total = split.reduce((sum, { train }) => sum + train.length, 0);
  const opened: OpenedSet[] = [];
  let done = 0;
  for (const one of split) {
    const before = done;
    const onProgress = (count: number): void => options.onFingerprint?.((done = before + count), total);
    const fingerprint = await fingerprintOf(
      { labels: one.dataset.labels, source: one.dataset.source, cases: one.train },
      { ...one.orientation, onProgress, signal: options.signal, cache: options.cache, leaveOut: true },
    );
    opened.push({ ...one, train: readableOf(one.train, fingerprint.problems), fingerprint });
  }
  const credits = await Promise.all(opened.map(({ dataset }) => creditOf(dataset)));
  return {
    plan: { sets: planSets(config, opened) },
    train: opened.flatMap(({ set, train, fingerprint }) => {
      const hashes = new Map(fingerprint.cases.map(({ id, hash }) => [id, hash]));
      return train.map((item) => ({ ...volumeCase(item), set: set.name, hash: hashes.get(item.id) }));
    }),
    heldOut: opened.flatMap(({ set, heldOut }) => heldOut.map((item) => ({ ...volumeCase(item), set: set.name }))),
    credit: joined(credits),
    problems: opened.flatMap(({ dataset, fingerprint }) => [...dataset.problems, ...fingerprint.problems]),
    fingerprint: Object.assign({}, ...opened.map(({ set, fingerprint }) => inSet(set.name, hashesOf(fingerprint)))),
  };
}

/** Hashes of the training cases as they are now, and what is wrong with them. */
export async function setHashes(
  cases: readonly PretrainingCase[],
  { sets }: Pick<PretrainingPlan, "sets">,
  { signal, cache }: { readonly signal?: AbortSignal; readonly cache?: CaseCache },
): Promise<Pick<PreparedSets, "fingerprint" | "problems">> {
  const fingerprint: Record<string, DataFingerprint[string]> = {};
  const problems: Problem[] = [];
  for (const [name, { labels }] of Object.entries(sets)) {
    const those = cases.filter(({ set }) => set === name);
    const now = await fingerprintOf({ cases: those, labels, source: name }, { signal, cache });
    Object.assign(fingerprint, inSet(name, hashesOf(now)));
    problems.push(...now.problems);
  }
  return { fingerprint, problems };
}

/** Two sets may call a case alike. */
function inSet(set: string, hashes: DataFingerprint): DataFingerprint {
  return Object.fromEntries(Object.entries(hashes).map(([id, hash]) => [`${set}/${id}`, hash] as const));
}

async function openSet(config: PretrainingConfig, set: PretrainingSet, where: string) {
  const { name, data, decoder: _d, decoderChannels: _c, heldOut: amount, plan, ...selection } = set;
  const dataset = select(await openDataset(data), { ...selection, name }, where);
  const labelled = dataset.cases.filter((item) => item.label !== undefined);
  // A list's own test and validation cases are not trained on.
  const untrained = [
    ...labelled.filter((item) => item.split === "validation"),
    ...dataset.test.filter((item) => item.label),
  ];
  const rest = labelled.filter((item) => item.split !== "validation");
  if (rest.length === 0) throw new ConfigError(`${where}: ${data} has no labelled case; a training needs labels`);
  const given = amount ?? config.heldOut;
  const wanted = given < 1 ? Math.floor(given * rest.length) : given;
  const parts =
    untrained.length > 0 || wanted === 0
      ? { train: rest, heldOut: untrained }
      : holdOut(rest, wanted, { seed: config.seed });
  return {
    set,
    dataset,
    ...parts,
    orientation: plan.orientation === undefined ? {} : { orientation: plan.orientation },
  };
}

/** A patch for all: the per-axis median of what the sets would choose alone. */
function planSets(config: PretrainingConfig, opened: readonly OpenedSet[]): Record<string, Plan> {
  const alone = opened.map(({ set, dataset, fingerprint }) => makePlan(dataset, fingerprint, planChoices(config, set)));
  const channels = alone.map(({ preprocessing }) => preprocessing.channels);
  const odd = channels.findIndex((count) => count !== channels[0]);
  if (odd > 0) {
    const [one, other] = [opened[0].set.name, opened[odd].set.name];
    throw new ConfigError(
      `sets: ${other} has images of ${channels[odd]} channels, ${one} of ${channels[0]}; one encoder reads them all, so pick channels, e.g. "channels": [0]`,
    );
  }
  const free = alone.filter((_, i) => opened[i].set.plan.patch === undefined);
  const patch = [0, 1, 2].map((axis) => upperMedian(free.map((plan) => plan.patch[axis]))) as [number, number, number];
  return Object.fromEntries(
    opened.map(({ set, dataset, fingerprint }) => {
      const choices = planChoices(config, set);
      const plan = makePlan(dataset, fingerprint, { ...choices, patch: choices.patch ?? patch });
      checkPlannedPatch(plan, config.outputStride);
      return [set.name, plan];
    }),
  );
}

/** Sizes stay multiples of what they were chosen by. */
function upperMedian(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}

function joined(credits: readonly DataCredit[]): DataCredit {
  const of = (key: "licence" | "source"): string | undefined =>
    [...new Set(credits.flatMap((credit) => credit[key] ?? []))].join("; ") || undefined;
  return { name: credits.map(({ name }) => name).join(", "), licence: of("licence"), source: of("source") };
}
