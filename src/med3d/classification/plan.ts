/** The plan of a classification: how images are prepared and cut, and what the network is to say of them. */
import {
  type ClassificationDataset,
  type ClassifiedCase,
  type Fingerprint,
  type LabelClass,
  makePlan,
  type Plan,
  type PlanChoices,
  type Preparation,
} from "../../data/index.ts";
import { ConfigError, DataError } from "../../errors.ts";
import type { AuxiliaryTarget } from "./auxiliary-targets.ts";
import type { ClassificationConfig } from "./config.ts";
import { takesMask } from "./config.ts";

/** As a segmentation's; `preprocessing.labels` are the values of masks. */
export interface ClassificationPlan extends Omit<Plan, "labels"> {
  readonly classes: readonly string[];
  /** The scale of ratings and the rule that made classes of them. */
  readonly ratings?: NonNullable<ClassificationDataset["ratings"]>;
  /** Columns learnt beside the label; none where the key is missing. */
  readonly auxiliary?: readonly AuxiliaryTarget[];
}

/** What a person decides of it. */
export type PlanningConfig = Pick<
  ClassificationConfig,
  "patch" | "batch" | "spacingMm" | "window" | "mask" | "pooling" | "outputStride" | "stages"
> &
  Pick<PlanChoices, "intensity" | "spacingRule" | "maxPatchVoxels">;

/** What a plan needs to know of a data set besides its images. */
export type DataFacts = Pick<ClassificationDataset, "name" | "modality" | "classes" | "ratings">;

/** Images in a batch, where nothing else was asked: what batch norm needs, and what a CPU manages. */
export const usualBatch = 8;

/**
 * @param fingerprint of the training cases
 * @param given a plan made before, which then decides how images are prepared and cut
 * @throws ConfigError for a patch that the encoder cannot halve three times, DataError for cases that differ in channels
 */
export function planClassification(
  { name, modality, classes, ratings }: DataFacts,
  fingerprint: Fingerprint,
  config: PlanningConfig,
  given?: Preparation,
): ClassificationPlan {
  const { patch, batch, spacingMm, window, intensity, spacingRule, maxPatchVoxels } = config;
  const values = new Set(fingerprint.cases.flatMap(({ labelVoxels }) => Object.keys(labelVoxels).map(Number)));
  const labels: LabelClass[] = [0, ...[...values].filter((value) => value !== 0).sort((a, b) => a - b)].map(
    (index) => ({ index, name: index === 0 ? "background" : `value ${index}` }),
  );
  const { labels: _, ...made } = makePlan({ name, labels, modality }, fingerprint, {
    spacingRule,
    maxPatchVoxels,
    patch: patch ?? undefined,
    batch: batch ?? usualBatch,
    spacingMm: spacingMm ?? undefined,
    intensity: window === null ? intensity : { kind: "ctWindow", low: window[0], high: window[1] },
  });
  // Which values masks have is the data's to say.
  const plan =
    given === undefined
      ? made
      : { ...given, dataset: name, preprocessing: { ...given.preprocessing, labels: made.preprocessing.labels } };
  checkPatch(plan, config);
  if (takesMask(config) && labels.length < 2)
    throw new DataError(`${name}: masks are asked for, and every one of them is empty`);
  return { ...plan, classes, ...(ratings ? { ratings } : {}) };
}

/** @throws DataError naming a case that has no mask, where the network takes one */
export function checkMasks(cases: readonly ClassifiedCase[], mask: boolean): void {
  const bare = mask ? cases.find(({ label }) => label === undefined) : undefined;
  if (bare) throw new DataError(`${bare.id}: has no mask, which the network takes (image ${bare.image})`);
}

/** The encoder halves sizes three times; the usual ResNet up to five times, which only a mask beside its features must match. */
function checkPatch(
  { patch, medianSize }: Pick<Plan, "patch" | "medianSize">,
  { pooling, outputStride, stages }: PlanningConfig,
): void {
  const divisor = pooling === "mask" && outputStride === 32 ? Math.max(8, 2 ** (stages + 1)) : 8;
  const bad = patch.find((n) => n % divisor !== 0);
  if (bad !== undefined) {
    throw new ConfigError(
      `patch ${patch.join(",")}: ${bad} is not a multiple of ${divisor}, and the encoder divides sizes by ${divisor} (median size ${medianSize.join("×")})`,
    );
  }
}
