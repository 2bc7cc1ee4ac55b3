/**
 * The fingerprint of a data set: per case its size, spacing, intensities and class sizes, and over all cases the
 * intensities of the foreground. What a plan is made from, and what a report shows of the data.
 */
import { DataError } from "../../errors.ts";
import { readVolume } from "../../files/index.ts";
import type { LoadedVolume } from "../../volume/formats/header.ts";
import {
  asFloat32,
  intensityPercentiles,
  intensityStatistics,
  percentiles,
  spacingOf,
  type Vec3,
  type Volume,
} from "../../volume/index.ts";
import { axisOrderTo } from "../../volume/orient.ts";
import { mapAxes } from "../../volume/types.ts";
import type { CaseCache, ReadVolume } from "../batches/cache.ts";
import { counted } from "../counted.ts";
import { countLabels } from "../masks/labels.ts";
import { labelProblems, readImage, readLabel } from "../prepare/read-case.ts";
import { scanVoxels } from "../prepare/scan.ts";
import type { Problem } from "../problem.ts";
import type { DataCase, Dataset } from "../types.ts";

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
  /** The same of the label map, where there is one. */
  readonly labelHash?: string;
}

export interface Fingerprint {
  readonly orientation: string;
  readonly cases: readonly CaseFingerprint[];
  /** Per channel, over the labelled voxels above 0 of all cases (up to 10,000 of each); empty without labels. */
  readonly foreground: readonly IntensitySummary[];
  /** Which channels the cases take of their images; absent where they take all. */
  readonly channelPick?: readonly number[];
  /** What was found in the cases: label values that no class has. */
  readonly problems: readonly Problem[];
}

export interface FingerprintOptions {
  /** Cases to look at; default all that can be trained on. */
  readonly cases?: readonly DataCase[];
  readonly orientation?: string;
  /** Takes in what is read, as far as it has room, so that the training does not read it again. */
  readonly cache?: CaseCache;
  /** Leave out cases whose files cannot be read, and say so; else the first of them ends the reading. Default false. */
  readonly leaveOut?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number, id: string) => void;
}

const foregroundPerCase = 10_000;

/**
 * Reads every case once; one is in memory at a time, beside what the cache takes in.
 * @throws DataError or GeometryError naming the first case that cannot be read; with `leaveOut` only where none can be.
 */
export async function fingerprintOf(
  dataset: Pick<Dataset, "cases"> & Partial<Pick<Dataset, "labels" | "source">>,
  options: FingerprintOptions = {},
): Promise<Fingerprint> {
  const { cases: chosen = dataset.cases, orientation = "RAS", cache, leaveOut = false, signal, onProgress } = options;
  const cases: CaseFingerprint[] = [];
  const samples: number[][] = [];
  const problems: Problem[] = [];
  const classes = dataset.labels && dataset.labels.length > 0 ? dataset.labels.map(({ index }) => index) : undefined;
  for (const [i, item] of chosen.entries()) {
    signal?.throwIfAborted();
    const files = await readFiles(item, cache?.read).catch((error: unknown) => {
      if (!leaveOut || !(error instanceof UnreadableFile)) throw error;
      problems.push({ severity: "error", case: item.id, rule: "unreadable", message: error.message });
    });
    onProgress?.(i + 1, chosen.length, item.id);
    if (files === undefined) continue;
    const { image, label } = files;
    if (label && classes) problems.push(...labelProblems(item, label, classes, dataset.source));
    cases.push(fingerprintCase(item.id, image, label, orientation));
    if (label) collectForeground(image, label, item.ignoreLabel, samples);
  }
  if (cases.length === 0 && chosen.length > 0)
    throw new DataError(`none of ${counted(chosen.length, "case")} can be read: ${problems[0].message}`);
  const channelPick = chosen.find((item) => item.channelPick)?.channelPick;
  const foreground = samples.map((values) => summarize(Float32Array.from(values)));
  return { orientation, cases, foreground, ...(channelPick && { channelPick }), problems };
}

/** The cases whose files could be read. */
export function readableOf<T extends { readonly id: string }>(
  cases: readonly T[],
  problems: readonly Problem[],
): readonly T[] {
  const unreadable = new Set(problems.filter(({ rule }) => rule === "unreadable").map((problem) => problem.case));
  return unreadable.size === 0 ? cases : cases.filter(({ id }) => !unreadable.has(id));
}

/** A file that is broken or gone, which costs its own case; what is wrong between files that were read is another matter. */
class UnreadableFile extends DataError {}

async function readFiles(item: DataCase, from: ReadVolume = readVolume) {
  const read: ReadVolume = (path) =>
    from(path).catch((error: unknown) => {
      if (!(error instanceof DataError)) throw error;
      throw new UnreadableFile(error.message, { cause: error });
    });
  const image = await readImage(item, read);
  return { image, label: item.label === undefined ? undefined : await readLabel(item, image, read) };
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
    ...(label && { labelHash: scanVoxels(label).hash }),
  };
}

/** Evenly spread foreground voxels, per channel appended to `samples`. */
function collectForeground(image: Volume, label: Volume, ignoreLabel: number | undefined, samples: number[][]): void {
  const { data } = asFloat32(image);
  const perChannel = label.data.length;
  const isForeground = (value: number | bigint): boolean => value > 0 && value !== ignoreLabel;
  let count = 0;
  for (let i = 0; i < perChannel; i++) if (isForeground(label.data[i])) count++;
  const every = Math.max(1, Math.ceil(count / foregroundPerCase));
  let seen = 0;
  for (let i = 0; i < perChannel; i++) {
    if (!isForeground(label.data[i]) || seen++ % every !== 0) continue;
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
