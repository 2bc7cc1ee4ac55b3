/**
 * The fingerprint of a data set: per case its size, spacing, intensities and class sizes, and over all cases the
 * intensities of the foreground. What a plan is made from, and what a report shows of the data.
 */

import type { LoadedVolume } from "../volume/header.ts";
import {
  asFloat32,
  gridDifference,
  intensityPercentiles,
  intensityStatistics,
  percentiles,
  spacingOf,
  type Vec3,
  type Volume,
} from "../volume/index.ts";
import { axisOrderTo } from "../volume/orient.ts";
import { mapAxes } from "../volume/types.ts";
import type { DataCase, Dataset } from "./dataset.ts";
import { countLabels } from "./labels.ts";
import { readImage, readLabel } from "./read-case.ts";
import { scanVoxels } from "./scan.ts";

/** Intensities of one channel of one case, or of the foreground of all cases. */
export interface IntensitySummary {
  /** 0.5, 50 and 99.5 percentile. */
  readonly low: number;
  readonly median: number;
  readonly high: number;
  readonly mean: number;
  readonly sd: number;
}

export interface CaseFingerprint {
  readonly id: string;
  /** Along x, y, z in the fingerprint's orientation. */
  readonly size: Vec3;
  readonly spacingMm: Vec3;
  readonly channels: number;
  /** Per channel. */
  readonly intensity: readonly IntensitySummary[];
  /** Voxels per label value of the file. */
  readonly labelVoxels: Readonly<Record<number, number>>;
  /** The file's header gives no spacing, and 1 mm was taken. */
  readonly spacingAssumed?: true;
  /** Voxels with NaN or infinity, where there are any. */
  readonly notFinite?: number;
  /** Fingerprint of the image's voxels: equal for equal images, whatever files they lie in. */
  readonly hash?: string;
}

export interface Fingerprint {
  readonly orientation: string;
  readonly cases: readonly CaseFingerprint[];
  /** Per channel, over the labelled voxels above 0 of all cases (up to 10,000 of each); empty without labels. */
  readonly foreground: readonly IntensitySummary[];
  /** Which channels the cases take of their images; absent where they take all. */
  readonly channelPick?: readonly number[];
}

export interface FingerprintOptions {
  /** Cases to look at; default all that can be trained on. */
  readonly cases?: readonly DataCase[];
  readonly orientation?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number, id: string) => void;
}

const foregroundPerCase = 10_000;

/**
 * Reads every case once; one is in memory at a time.
 * @throws DataError or GeometryError naming the first case that cannot be read.
 */
export async function fingerprintOf(
  dataset: Pick<Dataset, "cases">,
  options: FingerprintOptions = {},
): Promise<Fingerprint> {
  const { cases: chosen = dataset.cases, orientation = "RAS", signal, onProgress } = options;
  const cases: CaseFingerprint[] = [];
  const samples: number[][] = [];
  for (const item of chosen) {
    signal?.throwIfAborted();
    const image = await readImage(item);
    const label = item.label === undefined ? undefined : await readLabel(item, image);
    cases.push(fingerprintCase(item.id, image, label, orientation));
    if (label && gridDifference(image, label, Math.min(...spacingOf(image.affine)) / 2) === undefined) {
      collectForeground(image, label, samples);
    }
    onProgress?.(cases.length, chosen.length, item.id);
  }
  const channelPick = chosen.find((item) => item.channelPick)?.channelPick;
  const foreground = samples.map((values) => summarize(Float32Array.from(values)));
  return { orientation, cases, foreground, ...(channelPick && { channelPick }) };
}

function fingerprintCase(
  id: string,
  image: LoadedVolume,
  label: Volume | undefined,
  orientation: string,
): CaseFingerprint {
  const { from } = axisOrderTo(image, orientation);
  const spacing = spacingOf(image.affine);
  const statistics = intensityStatistics(image);
  const { hash, notFinite } = scanVoxels(image);
  const intensity = intensityPercentiles(image, [0.5, 50, 99.5]).map(([low, median, high], channel) => {
    const { mean, standardDeviation: sd } = statistics[channel];
    return { low, median, high, mean, sd };
  });
  return {
    id,
    size: mapAxes(from, (axis) => image.size[axis]),
    spacingMm: mapAxes(from, (axis) => spacing[axis]),
    channels: image.channels,
    intensity,
    labelVoxels: label ? Object.fromEntries(countLabels(label.data).counts) : {},
    ...(image.header.nifti?.spacingAssumed && { spacingAssumed: true }),
    ...(notFinite > 0 && { notFinite }),
    hash,
  };
}

/** Evenly spread foreground voxels, per channel appended to `samples`. */
function collectForeground(image: Volume, label: Volume, samples: number[][]): void {
  const { data } = asFloat32(image);
  const perChannel = label.data.length;
  let count = 0;
  for (let i = 0; i < perChannel; i++) if (label.data[i] > 0) count++;
  const every = Math.max(1, Math.ceil(count / foregroundPerCase));
  let seen = 0;
  for (let i = 0; i < perChannel; i++) {
    if (!(label.data[i] > 0) || seen++ % every !== 0) continue;
    for (let channel = 0; channel < image.channels; channel++) {
      (samples[channel] ??= []).push(data[channel * perChannel + i]);
    }
  }
}

function summarize(values: Float32Array): IntensitySummary {
  const [low, median, high] = percentiles(values, [0.5, 50, 99.5]);
  const all = { data: values, size: [values.length, 1, 1] as Vec3, channels: 1, affine: [] };
  const [{ mean, standardDeviation: sd }] = intensityStatistics(all);
  return { low, median, high, mean, sd };
}
