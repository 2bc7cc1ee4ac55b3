/**
 * Scores of one case: two label maps on one grid, compared class by class.
 *
 * What a class that is missing means is decided here once and written into every result as `state`:
 * - in both masks: everything is defined;
 * - in truth only, or in the prediction only: Dice, IoU and NSD are 0, distances are undefined (`null`);
 * - in neither: there is nothing to score, every score is `null` and stays out of means. Never −1, never a silent 1.
 *
 * Precision needs predicted voxels and recall needs true ones; without them they are `null` too. `null` rather than
 * NaN, so that scores survive JSON.
 */
import { ConfigError, GeometryError, ShapeError } from "../../errors.ts";
import { eachAxis, type Vec3, type VoxelArray } from "../../volume/types.ts";
import { refuseLabel } from "../labels.ts";
import { averageSurfaceDistance, hausdorff, hausdorffPercentile, surfaceDice, surfaceDistances } from "./surface.ts";

/** A label map: one integer per voxel, x fastest. */
export type ScoredLabels = VoxelArray | readonly number[];

/** Label value → class name, as in a Decathlon `dataset.json`. 0 is background, may be listed and is never scored. */
export type LabelNames = Readonly<Record<string | number, string>>;

export type Presence = "both" | "truth only" | "prediction only" | "neither";

/** The scores of one class in one case. Distances in mm between surface voxels, volumes in ml (1000 mm³). */
export interface ClassScores {
  readonly label: number;
  readonly name: string;
  readonly state: Presence;
  readonly truthVoxels: number;
  readonly predictionVoxels: number;
  readonly overlapVoxels: number;
  readonly truthMl: number;
  readonly predictionMl: number;
  readonly dice: number | null;
  readonly iou: number | null;
  /** Share of the predicted voxels that are right. */
  readonly precision: number | null;
  /** Share of the true voxels that were found (sensitivity). */
  readonly recall: number | null;
  /** Prediction minus truth, ml: positive where too much was outlined. */
  readonly volumeDifferenceMl: number | null;
  readonly absoluteVolumeDifferenceMl: number | null;
  /** Prediction minus truth as a share of the truth: 0.1 is 10 % too much. */
  readonly volumeDifferenceRelative: number | null;
  readonly hd95Mm: number | null;
  readonly hausdorffMm: number | null;
  readonly assdMm: number | null;
  /** Surface Dice at the case's tolerance: the share of both surfaces that lies within it of the other one. */
  readonly nsd: number | null;
}

export interface CaseScores {
  readonly case: string;
  /** Mean Dice of the classes that are defined in this case; `null` when none is. */
  readonly meanDice: number | null;
  readonly classes: readonly ClassScores[];
  /** How far a surface may lie from the other one and still count as right in `nsd`, mm. */
  readonly nsdToleranceMm: number;
  /** Voxels with a label that is not listed; scored as if they were background. More than 0 only where {@link EvaluationGrid.unlisted} says "count". */
  readonly unlistedVoxels: { readonly truth: number; readonly prediction: number };
  /** Voxels that the truth says not to count. */
  readonly ignoredVoxels: number;
}

/** The tolerance of `nsd` where none is asked for, mm: the Decathlon's for the hippocampus; its other organs have larger ones. */
export const usualNsdToleranceMm = 1;

export interface EvaluationGrid {
  /** Voxels along x, y, z. */
  readonly size: Vec3;
  readonly spacingMm: Vec3;
  readonly labels: LabelNames;
  /** The truth's value of voxels that do not count: whatever is predicted there is taken for background. */
  readonly ignore?: number;
  /** How far a surface may lie from the other one and still count as right in `nsd`, mm. Default {@link usualNsdToleranceMm}. */
  readonly nsdToleranceMm?: number;
  /**
   * What becomes of a whole number that `labels` does not list, 0 and `ignore` aside. Default "refuse": a label that no class has would cost
   * nothing. "count" scores it as background and says how many there are in {@link CaseScores.unlistedVoxels}.
   */
  readonly unlisted?: "refuse" | "count";
  /** For messages and tables. */
  readonly case?: string;
}

/**
 * Compares a prediction with the truth.
 * @param truth,prediction labels, `size[0] × size[1] × size[2]` each, x fastest
 * @throws ShapeError when an array does not fit `size`; GeometryError for a spacing that is not positive; ConfigError
 *   for bad labels or a bad tolerance; DataError with the voxel of a value that is no label
 */
export function evaluateSegmentation(truth: ScoredLabels, prediction: ScoredLabels, grid: EvaluationGrid): CaseScores {
  const name = grid.case ?? "case";
  const { nsdToleranceMm = usualNsdToleranceMm } = grid;
  checkGrid(truth, prediction, grid, name);
  if (!(nsdToleranceMm >= 0 && nsdToleranceMm < Infinity))
    throw new ConfigError(`${name}: nsdToleranceMm ${nsdToleranceMm}; a tolerance is a number of millimetres from 0`);
  const labels = listLabels(grid.labels);
  const counted = { truth: numbers(truth), prediction: numbers(prediction) };
  refuseStrange(counted, labels, grid, name);
  const { maps, ignoredVoxels } = countedMaps(counted.truth, counted.prediction, grid.ignore);
  const { found, unlistedVoxels } = countLabels(maps.truth, maps.prediction, grid.size, labels);
  const classes = found.map((count) => scoreClass(count, maps, { ...grid, nsdToleranceMm }));
  const meanDice = meanOf(classes.map((c) => c.dice));
  return { case: name, meanDice, classes, nsdToleranceMm, unlistedVoxels, ignoredVoxels };
}

type ScoringGrid = EvaluationGrid & { readonly nsdToleranceMm: number };

/** How many voxels a class has in truth, in the prediction and in both. */
export interface OverlapCount {
  readonly label: number;
  readonly name: string;
  readonly truth: number;
  readonly prediction: number;
  readonly both: number;
}

/** Dice = 2|A∩B| / (|A| + |B|); `null` where the class is in neither mask. */
export function dice(count: Pick<OverlapCount, "truth" | "prediction" | "both">): number | null {
  const total = count.truth + count.prediction;
  return total === 0 ? null : (2 * count.both) / total;
}

/**
 * Voxel counts per class without any distance: enough for Dice, and cheap enough to call after every epoch.
 * @param ignore the truth's value of voxels that do not count
 */
export function countOverlap(
  truth: ScoredLabels,
  prediction: ScoredLabels,
  labels: LabelNames,
  ignore?: number,
): OverlapCount[] {
  const size: Vec3 = [truth.length, 1, 1];
  checkLength("prediction", prediction.length, size, "case");
  const { maps } = countedMaps(numbers(truth), numbers(prediction), ignore);
  return countLabels(maps.truth, maps.prediction, size, listLabels(labels)).found;
}

interface Maps {
  readonly truth: ArrayLike<number>;
  readonly prediction: ArrayLike<number>;
}

/** Both maps with background where the truth says not to count; themselves where it never does. */
function countedMaps(
  truth: ArrayLike<number>,
  prediction: ArrayLike<number>,
  ignore: number | undefined,
): { maps: Maps; ignoredVoxels: number } {
  let ignoredVoxels = 0;
  if (ignore !== undefined) for (let i = 0; i < truth.length; i++) if (truth[i] === ignore) ignoredVoxels++;
  if (ignoredVoxels === 0) return { maps: { truth, prediction }, ignoredVoxels };
  const counted = (map: ArrayLike<number>): Int32Array =>
    Int32Array.from({ length: map.length }, (_, i) => (truth[i] === ignore ? 0 : map[i]));
  return { maps: { truth: counted(truth), prediction: counted(prediction) }, ignoredVoxels };
}

/** The classes to score, by ascending label. */
export function listLabels(labels: LabelNames): { label: number; name: string }[] {
  const listed = Object.entries(labels)
    .map(([key, name]) => ({ label: Number(key), name }))
    .filter(({ label }) => label !== 0)
    .sort((a, b) => a.label - b.label);
  const seen = new Set<string>();
  for (const { label, name } of listed) {
    if (!Number.isInteger(label) || label < 0 || label > 0x7fff_ffff) {
      throw new ConfigError(`labels: ${label} (${name}) is not a label; a label is an integer from 1 to 2147483647`);
    }
    if (seen.has(name))
      throw new ConfigError(`labels: two labels are called "${name}"; every class needs its own name`);
    seen.add(name);
  }
  if (listed.length === 0)
    throw new ConfigError("labels: no class to score; list at least one label besides 0, the background");
  return listed;
}

/** Mean of what is defined; `null` when nothing is. */
export function meanOf(values: readonly (number | null)[]): number | null {
  const defined = values.filter((value) => value !== null);
  return defined.length === 0 ? null : defined.reduce((sum, value) => sum + value, 0) / defined.length;
}

interface LocatedCount extends OverlapCount {
  /** Smallest box around the class in either mask, both ends inside. */
  readonly low: Vec3;
  readonly high: Vec3;
}

function countLabels(
  truth: ArrayLike<number>,
  prediction: ArrayLike<number>,
  size: Vec3,
  labels: readonly { label: number; name: string }[],
): { found: LocatedCount[]; unlistedVoxels: { truth: number; prediction: number } } {
  const k = labels.length;
  const slot = slotFinder(labels);

  const counts = { truth: new Float64Array(k), prediction: new Float64Array(k), both: new Float64Array(k) };
  const unlistedVoxels = { truth: 0, prediction: 0 };
  const low = labels.map(() => [Infinity, Infinity, Infinity]);
  const high = labels.map(() => [-1, -1, -1]);
  const grow = (s: number, x: number, y: number, z: number): void => {
    const [a, b] = [low[s], high[s]];
    if (x < a[0]) a[0] = x;
    if (x > b[0]) b[0] = x;
    if (y < a[1]) a[1] = y;
    if (y > b[1]) b[1] = y;
    if (z < a[2]) a[2] = z;
    if (z > b[2]) b[2] = z;
  };
  for (let z = 0, at = 0; z < size[2]; z++) {
    for (let y = 0; y < size[1]; y++) {
      for (let x = 0; x < size[0]; x++, at++) {
        const t = truth[at];
        const p = prediction[at];
        if (t === 0 && p === 0) continue;
        const ts = slot(t);
        const ps = slot(p);
        if (ts >= 0) {
          counts.truth[ts]++;
          grow(ts, x, y, z);
        } else if (ts === -2) unlistedVoxels.truth++;
        if (ps >= 0) {
          counts.prediction[ps]++;
          if (ps === ts) counts.both[ps]++;
          else grow(ps, x, y, z);
        } else if (ps === -2) unlistedVoxels.prediction++;
      }
    }
  }
  const found = labels.map(({ label, name }, s) => ({
    label,
    name,
    truth: counts.truth[s],
    prediction: counts.prediction[s],
    both: counts.both[s],
    low: eachAxis((a) => low[s][a]),
    high: eachAxis((a) => high[s][a]),
  }));
  return { found, unlistedVoxels };
}

/** Slot of a label, −1 for background and −2 for a label nobody listed. */
function slotFinder(labels: readonly { label: number }[]): (label: number) => number {
  const slotOf = new Map([[0, -1], ...labels.map(({ label }, slot) => [label, slot] as const)]);
  const largest = labels[labels.length - 1].label;
  // A table is faster, as long as it is small.
  if (largest > 0xffff) return (label) => slotOf.get(label) ?? -2;
  const table = new Int32Array(largest + 1).fill(-2);
  for (const [label, slot] of slotOf) table[label] = slot;
  return (label) => table[label] ?? -2;
}

function scoreClass(count: LocatedCount, maps: Maps, grid: ScoringGrid): ClassScores {
  const { truth, prediction, both } = count;
  const state: Presence =
    truth > 0 ? (prediction > 0 ? "both" : "truth only") : prediction > 0 ? "prediction only" : "neither";
  const ml = (grid.spacingMm[0] * grid.spacingMm[1] * grid.spacingMm[2]) / 1000;
  const difference = state === "neither" ? null : (prediction - truth) * ml;
  return {
    label: count.label,
    name: count.name,
    state,
    truthVoxels: truth,
    predictionVoxels: prediction,
    overlapVoxels: both,
    truthMl: truth * ml,
    predictionMl: prediction * ml,
    dice: dice(count),
    iou: ratio(both, truth + prediction - both),
    precision: ratio(both, prediction),
    recall: ratio(both, truth),
    volumeDifferenceMl: difference,
    absoluteVolumeDifferenceMl: difference === null ? null : Math.abs(difference),
    volumeDifferenceRelative: ratio(prediction - truth, truth),
    ...(state === "both" ? classDistances(count, maps, grid) : withoutDistances(state)),
  };
}

type Distances = Pick<ClassScores, "hd95Mm" | "hausdorffMm" | "assdMm" | "nsd">;

/** Of a class that one mask lacks, none of the other's surface lies near. */
function withoutDistances(state: Presence): Distances {
  return { hd95Mm: null, hausdorffMm: null, assdMm: null, nsd: state === "neither" ? null : 0 };
}

/**
 * Works on the box around both masks: what lies outside it is background in both, as is what lies outside the image.
 */
function classDistances({ label, low, high }: LocatedCount, maps: Maps, grid: ScoringGrid): Distances {
  // One voxel of margin on axes that the image extends along: a box one voxel wide is not an image one voxel wide.
  const margin = grid.size.map((n) => (n > 1 ? 1 : 0));
  const size = eachAxis((a) => high[a] - low[a] + 1 + 2 * margin[a]);
  const truth = new Uint8Array(size[0] * size[1] * size[2]);
  const prediction = new Uint8Array(truth.length);
  for (let z = low[2]; z <= high[2]; z++) {
    for (let y = low[1]; y <= high[1]; y++) {
      let from = low[0] + grid.size[0] * (y + grid.size[1] * z);
      let to = margin[0] + size[0] * (y - low[1] + margin[1] + size[1] * (z - low[2] + margin[2]));
      for (let x = low[0]; x <= high[0]; x++, from++, to++) {
        if (maps.truth[from] === label) truth[to] = 1;
        if (maps.prediction[from] === label) prediction[to] = 1;
      }
    }
  }
  const distances = surfaceDistances(truth, prediction, { size, spacingMm: grid.spacingMm });
  return {
    hd95Mm: hausdorffPercentile(distances, 95),
    hausdorffMm: hausdorff(distances),
    assdMm: averageSurfaceDistance(distances),
    nsd: surfaceDice(distances, grid.nsdToleranceMm),
  };
}

function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}

/** @throws DataError for a value that is no label: no whole number, below 0, or, where they are refused, not listed */
function refuseStrange(
  maps: Maps,
  labels: readonly { label: number }[],
  { size, ignore, unlisted = "refuse" }: EvaluationGrid,
  name: string,
): void {
  const slot = slotFinder(labels);
  const { length } = maps.truth;
  for (const what of ["truth", "prediction"] as const) {
    const map = maps[what];
    for (let i = 0; i < length; i++) {
      const label = map[i];
      if (label === 0 || maps.truth[i] === ignore || slot(label) >= 0) continue;
      if (unlisted === "count" && Number.isInteger(label) && label >= 0) continue;
      const place = [i % size[0], Math.floor(i / size[0]) % size[1], Math.floor(i / (size[0] * size[1]))];
      const rule = unlisted === "count" ? "labels are whole numbers from 0" : listedRule(labels, ignore);
      refuseLabel(`${name}: ${what}`, label, `voxel [${place.join(", ")}]`, rule);
    }
  }
}

function listedRule(labels: readonly { label: number }[], ignore: number | undefined): string {
  const listed = [0, ...labels.map(({ label }) => label)];
  const some = `${listed.slice(0, 10).join(", ")}${listed.length > 10 ? ", …" : ""}`;
  const except = ignore === undefined ? "" : `, or ${ignore} where the truth does not count`;
  return `labels of ${listed.length} classes are ${some}${except} (unlisted: "count" takes others for background)`;
}

/** 64-bit label files come as BigInt arrays; labels themselves are small. */
function numbers(labels: ScoredLabels): ArrayLike<number> {
  if (labels instanceof BigInt64Array || labels instanceof BigUint64Array) return Float64Array.from(labels, Number);
  return labels;
}

function checkGrid(
  truth: ScoredLabels,
  prediction: ScoredLabels,
  { size, spacingMm }: EvaluationGrid,
  name: string,
): void {
  checkLength("truth", truth.length, size, name);
  checkLength("prediction", prediction.length, size, name);
  if (!spacingMm.every((mm) => mm > 0 && mm < Infinity)) {
    throw new GeometryError(`${name}: spacing ${spacingMm.join("×")} mm; every spacing must be positive`);
  }
}

function checkLength(what: string, length: number, size: Vec3, name: string): void {
  const voxels = size[0] * size[1] * size[2];
  if (length !== voxels) {
    throw new ShapeError(`${name}: ${what} has ${length} voxels, the grid ${size.join("×")} has ${voxels}`);
  }
}
