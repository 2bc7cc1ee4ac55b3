/**
 * The plan of a training: how images are prepared, how large patches and batches are. Made from the fingerprint of the
 * data set by a few rules, written to `plan.json`, and open to change by hand.
 *
 * The rules, after nnU-Net (Isensee et al. 2021) and Med3D §3.1:
 * - spacing: the per-axis median;
 * - patch: the median size at that spacing, rounded up to multiples of 16, shrunk to what a CPU can train on;
 * - batch: as many patches as make up about 590,000 voxels (four of 48×64×48), from 2 to 8;
 * - intensities: CT is clipped to the 0.5–99.5 percentile of the foreground of all cases and z-scored by its mean and
 *   standard deviation; anything else is clipped to its own 0.5–99.5 percentiles and z-scored, image by image.
 */
import { ConfigError, DataError } from "../../errors.ts";
import { eachAxis, type Vec3 } from "../../volume/types.ts";
import { counted } from "../counted.ts";
import type { IntensityScheme, Preprocessing } from "../prepare/preprocess.ts";
import type { Dataset, LabelClass } from "../types.ts";
import type { Fingerprint } from "./fingerprint.ts";
import { median } from "./verify.ts";

export interface Plan {
  readonly dataset: string;
  readonly labels: readonly LabelClass[];
  readonly modality: readonly string[];
  readonly preprocessing: Preprocessing;
  /** `[D, H, W]`. */
  readonly patch: readonly [number, number, number];
  readonly batch: number;
  /** Median size along x, y, z at the plan's spacing. */
  readonly medianSize: Vec3;
}

/** What a person decides; the rules decide the rest. */
export interface PlanChoices {
  readonly orientation?: string;
  /** `null` keeps every image at its own spacing. */
  readonly spacingMm?: Vec3 | null;
  /** Of the training cases, per axis; the median by default. Med3D takes the mean for the liver, where some cases are far off. */
  readonly spacingRule?: "median" | "mean";
  readonly intensity?: IntensityScheme;
  readonly patch?: readonly [number, number, number];
  readonly batch?: number;
  /** The most voxels a patch may have. Default 96³. */
  readonly maxPatchVoxels?: number;
  /** About how many voxels a batch has. Default four patches of 48×64×48. */
  readonly voxelsPerBatch?: number;
}

const patchStep = 16;
const voxelsPerBatch = 4 * 48 * 64 * 48;

/**
 * The plan for a data set.
 * @throws DataError when the fingerprint has no case or its cases differ in channels, ConfigError where a channel's name asks for a
 * normalisation that is not there.
 */
export function makePlan(
  dataset: Pick<Dataset, "name" | "labels" | "modality">,
  fingerprint: Fingerprint,
  choices: PlanChoices = {},
): Plan {
  const { cases } = fingerprint;
  if (cases.length === 0) throw new DataError(`${dataset.name}: no case to plan from`);
  const channels = cases[0].channels;
  const odd = cases.find((c) => c.channels !== channels);
  if (odd) {
    throw new DataError(
      `${odd.id}: image has ${counted(odd.channels, "channel")}, ${cases[0].id} has ${channels}; all must agree`,
    );
  }
  const middle = choices.spacingRule === "mean" ? mean : median;
  const usualSpacing = eachAxis((axis) => round(middle(cases.map((c) => c.spacingMm[axis]))));
  const spacingMm = choices.spacingMm === undefined ? usualSpacing : choices.spacingMm;
  const medianSize = eachAxis((axis) =>
    median(
      cases.map((c) =>
        spacingMm ? Math.max(1, Math.round((c.size[axis] * c.spacingMm[axis]) / spacingMm[axis])) : c.size[axis],
      ),
    ),
  );
  const patch = choices.patch ?? patchFor(medianSize, choices.maxPatchVoxels ?? 96 ** 3);
  const voxels = patch[0] * patch[1] * patch[2];
  return {
    dataset: dataset.name,
    labels: dataset.labels,
    modality: dataset.modality,
    preprocessing: {
      orientation: choices.orientation ?? fingerprint.orientation,
      spacingMm,
      intensity: choices.intensity ?? intensityFor(dataset.modality, fingerprint),
      channels,
      ...(fingerprint.channelPick && { channelPick: fingerprint.channelPick }),
      labels: dataset.labels.map((label) => label.index),
    },
    patch,
    batch: choices.batch ?? Math.min(8, Math.max(2, Math.floor((choices.voxelsPerBatch ?? voxelsPerBatch) / voxels))),
    medianSize,
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** `[D, H, W]` from a median size along x, y, z. Axes of one voxel (2D) stay as they are. */
export function patchFor(medianSize: Vec3, maxVoxels: number): [number, number, number] {
  const patch = medianSize.map((n) => (n <= 1 ? 1 : Math.ceil(n / patchStep) * patchStep));
  // The axis that is largest goes first, so that a patch tends to a cube.
  while (patch[0] * patch[1] * patch[2] > maxVoxels && Math.max(...patch) > patchStep) {
    patch[patch.indexOf(Math.max(...patch))] -= patchStep;
  }
  return [patch[2], patch[1], patch[0]];
}

/** What nnU-Net's names for channels ask for, by the words it knows. */
const otherNormalisations = ["rescale_to_0_1", "rescale_0_1", "rgb_to_0_1"];

function intensityFor(modality: readonly string[], fingerprint: Fingerprint): IntensityScheme {
  const words = modality.map((name) => name.trim().toLowerCase());
  const isRaw = (name: string): boolean => name === "nonorm";
  const other = words.findIndex((name) => otherNormalisations.includes(name) || (isRaw(name) && !words.every(isRaw)));
  if (other >= 0)
    throw new ConfigError(
      `channel_names: "${modality[other]}" asks for a normalisation that medvox does not do channel by channel; choose one for all with intensity`,
    );
  if (words.length > 0 && words.every(isRaw)) return { kind: "none" };
  const isCt = modality.length > 0 && modality.every((name) => name.trim().toLowerCase() === "ct");
  const foreground = fingerprint.foreground[0];
  if (isCt && modality.length === 1 && foreground) {
    const { low, high, mean, sd } = foreground;
    return { kind: "ctWindow", low: round(low), high: round(high), mean: round(mean), sd: round(Math.max(sd, 1e-6)) };
  }
  return { kind: "zscore", clipPercentile: [0.5, 99.5] };
}

/** Six digits: enough for any use, and short to read in `plan.json`. */
function round(value: number): number {
  return Number(value.toPrecision(6));
}
