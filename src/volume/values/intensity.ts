/**
 * Intensity schemes. Each takes a volume of any element type and gives a new one of 32-bit floats on the same grid;
 * channels are treated one by one, since their units differ. Values that are not finite count for no statistic.
 *
 * Each scheme is there twice: for a whole volume, and as a {@link Change} for the parts of an image that is never whole in
 * memory; the first is the second on one part.
 *
 * Sources: Med3D paper §3.1 (clip to the 0.5–99.5 percentile, then z-score); MedicalNet `datasets/brains18.py`
 * `__itensity_normalize_one_volume__`.
 */
import { ConfigError } from "../../errors.ts";
import type { Random } from "../../random.ts";
import { stripHeader } from "../orient.ts";
import type { Volume } from "../types.ts";
import { asFloat32, checkVolume } from "../voxels.ts";
import { type Pass, percentiles, percentilesOf } from "./percentiles.ts";

/** Statistics of the finite values of one channel; standard deviation as numpy's (divided by the count). */
export interface IntensityStatistics {
  readonly count: number;
  readonly mean: number;
  readonly standardDeviation: number;
  readonly min: number;
  readonly max: number;
}

/** Which voxels statistics are taken from. */
export type VoxelPredicate = (value: number) => boolean;

/** Statistics per channel of the voxels that `where` takes (default: all that are finite). */
export function intensityStatistics(volume: Volume, where?: VoxelPredicate): IntensityStatistics[] {
  return channelsOf(asFloat32(volume)).map((values) => statisticsOf(once(values), where));
}

/** The given percentiles (0–100, numpy's linear interpolation) per channel. */
export function intensityPercentiles(volume: Volume, wanted: readonly number[]): number[][] {
  return channelsOf(asFloat32(volume)).map((values) => percentiles(values, wanted));
}

/** Changes values in place. Whatever had to be measured was measured before, so parts may come in any order. */
export type Change = (values: Float32Array) => void;

/** Values below `low` become `low`, above `high` `high`. */
export function clip(volume: Volume, low: number, high: number): Volume<Float32Array> {
  return mapChannels(volume, () => clipChange(low, high));
}

/** {@link clip}, in parts. */
export function clipChange(low: number, high: number): Change {
  if (!(low <= high)) throw new ConfigError(`clip: low ${low} must not be above high ${high}`);
  return (values) => clipValues(values, low, high);
}

/** Clips every channel to its own percentiles; by default 0.5 and 99.5, as in the Med3D paper. */
export function clipPercentiles(volume: Volume, low = 0.5, high = 99.5): Volume<Float32Array> {
  return mapChannels(volume, (pass) => percentileClipChange(pass, low, high));
}

/** {@link clipPercentiles} of one channel, in parts. */
export function percentileClipChange(pass: Pass, low: number, high: number): Change {
  if (!(low >= 0 && low <= high && high <= 100)) {
    throw new ConfigError(`clipPercentiles: ${low} and ${high} must be in order and within 0 and 100`);
  }
  const [from, to] = percentilesOf(pass, [low, high]);
  return (values) => clipValues(values, from, to);
}

/**
 * Mean 0 and standard deviation 1 per channel, measured where `where` takes the value and applied everywhere. A
 * constant channel becomes 0.
 */
export function zScore(volume: Volume, where?: VoxelPredicate): Volume<Float32Array> {
  return mapChannels(volume, (pass) => zScoreChange(pass, where));
}

/** {@link zScore} of one channel, in parts. */
export function zScoreChange(pass: Pass, where?: VoxelPredicate): Change {
  const { mean, standardDeviation } = statisticsOf(pass, where);
  return (values) => shiftAndScale(values, mean, standardDeviation);
}

/** The lowest value becomes 0, the highest 1; a constant channel becomes 0. */
export function minMax(volume: Volume): Volume<Float32Array> {
  return mapChannels(volume, (pass) => {
    const { min, max } = statisticsOf(pass);
    return (values) => shiftAndScale(values, min, max - min);
  });
}

/** A CT window: Hounsfield units `low` to `high` become 0 to 1, everything beyond is clamped. */
export function ctWindow(volume: Volume, low: number, high: number): Volume<Float32Array> {
  return mapChannels(volume, () => ctWindowChange(low, high));
}

/** {@link ctWindow}, in parts. */
export function ctWindowChange(low: number, high: number): Change {
  if (!(low < high)) throw new ConfigError(`ctWindow: low ${low} HU must be below high ${high} HU`);
  return (values) => {
    clipValues(values, low, high);
    shiftAndScale(values, low, high - low);
  };
}

/** The Med3D paper's scheme: clip to the 0.5–99.5 percentile of all voxels of the image, then z-score. */
export function med3dNormalize(volume: Volume): Volume<Float32Array> {
  return zScore(clipPercentiles(volume));
}

/**
 * The released MedicalNet code's scheme: z-score with mean and standard deviation of the voxels above 0, then every
 * voxel that was exactly 0 becomes standard normal noise. The noise comes from `random`, voxel by voxel in order, so
 * the same stream gives the same volume (the original draws anew each time, at test time too).
 *
 * On CT this ignores all negative Hounsfield units and replaces water (0 HU) by noise: shift CT above 0 first.
 */
export function medicalNetNormalize(volume: Volume, random: Random): Volume<Float32Array> {
  return mapChannels(volume, (pass) => {
    const change = medicalNetChange(pass);
    return (values) => change(values, random);
  });
}

/** {@link medicalNetNormalize} of one channel, in parts; each part brings its place in the stream of noise. */
export function medicalNetChange(pass: Pass): (values: Float32Array, noise: Random) => void {
  const { mean, standardDeviation } = statisticsOf(pass, (value) => value > 0);
  const scale = standardDeviation > 0 ? 1 / standardDeviation : 0;
  return (values, noise) => {
    for (let i = 0; i < values.length; i++) {
      values[i] = values[i] === 0 ? noise.normal() : (values[i] - mean) * scale;
    }
  };
}

function mapChannels(volume: Volume, measure: (pass: Pass) => Change): Volume<Float32Array> {
  checkVolume(volume);
  const float = asFloat32(volume);
  const data = float.data === volume.data ? float.data.slice() : float.data;
  const result = { ...stripHeader(volume), data };
  for (const values of channelsOf(result)) measure(once(values))(values);
  return result;
}

/** All values as one part. */
function once(values: Float32Array): Pass {
  return (visit) => visit(values);
}

function channelsOf(volume: Volume<Float32Array>): Float32Array[] {
  const perChannel = volume.data.length / volume.channels;
  return Array.from({ length: volume.channels }, (_, c) => volume.data.subarray(c * perChannel, (c + 1) * perChannel));
}

/** Two passes, so that a large mean does not eat the digits of the deviation. */
function statisticsOf(pass: Pass, where: VoxelPredicate = () => true): IntensityStatistics {
  let count = 0;
  let sum = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  pass((values) => {
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      if (!Number.isFinite(value) || !where(value)) continue;
      count++;
      sum += value;
      if (value < min) min = value;
      if (value > max) max = value;
    }
  });
  if (count === 0) return { count: 0, mean: 0, standardDeviation: 0, min: 0, max: 0 };
  const mean = sum / count;
  let squares = 0;
  pass((values) => {
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      if (!Number.isFinite(value) || !where(value)) continue;
      squares += (value - mean) ** 2;
    }
  });
  return { count, mean, standardDeviation: Math.sqrt(squares / count), min, max };
}

function clipValues(values: Float32Array, low: number, high: number): void {
  for (let i = 0; i < values.length; i++) {
    if (values[i] < low) values[i] = low;
    else if (values[i] > high) values[i] = high;
  }
}

/** (value − shift) / scale; all 0 where the scale is 0. */
function shiftAndScale(values: Float32Array, shift: number, scale: number): void {
  const factor = scale > 0 ? 1 / scale : 0;
  for (let i = 0; i < values.length; i++) values[i] = (values[i] - shift) * factor;
}
