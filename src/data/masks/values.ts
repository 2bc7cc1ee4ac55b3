/**
 * The one rule by which label maps are read, wherever they are: a voxel within 1e-4 of a whole number is that number (label maps
 * written as scaled integers have 1.0000153 for 1), any other fraction is refused, and a value that no class has is counted and
 * told, never dropped.
 */
import { DataError } from "../../errors.ts";
import type { Volume, VoxelArray } from "../../volume/types.ts";
import { counted } from "../counted.ts";
import type { Problem } from "../problem.ts";
import type { DataCase, OpenedDataset } from "../types.ts";

/** How far a voxel of a label map may lie from a whole number. */
const wholeTolerance = 1e-4;

/** Class index of voxels that count in no loss and no score. */
export const ignoredClass = -1;

/** The label that a voxel's value stands for; `undefined` for a fraction, NaN or infinity. */
export function labelValue(value: number | bigint): number | undefined {
  const number = Number(value);
  const whole = Math.round(number);
  // Adding 0 makes 0 of −0.
  return Math.abs(number - whole) <= wholeTolerance ? whole + 0 : undefined;
}

/** A stretch of voxels of one value, as label maps have them long. `label` is undefined where the value is no label. */
export interface LabelRun {
  readonly label: number | undefined;
  /** As it is stored. */
  readonly value: number;
  readonly start: number;
  readonly end: number;
}

/** Goes through a label map by its runs, so that what is done for each value is done once a run. */
export function eachRun(data: VoxelArray, visit: (run: LabelRun) => void): void {
  for (let start = 0; start < data.length; ) {
    const stored = data[start];
    let end = start + 1;
    while (end < data.length && data[end] === stored) end++;
    visit({ label: labelValue(stored), value: Number(stored), start, end });
    start = end;
  }
}

/** @throws DataError for a voxel that is no label */
export function requireLabel({ label, value }: LabelRun, name: string): number {
  if (label === undefined) throw new DataError(`${name}: label has the value ${value}; labels are whole numbers`);
  return label;
}

/**
 * The label map with whole numbers only: itself where it has no others; 64-bit integers become doubles.
 * @throws DataError for a voxel that is no label
 */
export function wholeLabels<V extends Volume>(map: V, name: string): V {
  const { data } = map;
  const isWide = data instanceof BigInt64Array || data instanceof BigUint64Array;
  if (!isWide && !(data instanceof Float32Array || data instanceof Float64Array)) return map;
  let rounded: Float32Array | Float64Array | undefined = isWide ? new Float64Array(data.length) : undefined;
  eachRun(data, (run) => {
    const label = requireLabel(run, name);
    if (rounded === undefined && Object.is(label, run.value)) return;
    rounded ??= (data as Float32Array | Float64Array).slice();
    rounded.fill(label, run.start, run.end);
  });
  return rounded === undefined ? map : { ...map, data: rounded };
}

/** Voxels of each value that is none of those known. */
export function unknownValues(
  counts: ReadonlyMap<number, number>,
  known: Iterable<number>,
): ReadonlyMap<number, number> {
  const classes = new Set(known);
  return new Map([...counts].filter(([value]) => !classes.has(value)));
}

/** One problem for each value that no class has: `216 voxels with label 255, dataset.json knows 0–1`. */
export function unknownLabelProblems(
  id: string,
  unknown: ReadonlyMap<number, number>,
  known: readonly number[],
  source: string,
): Problem[] {
  return [...unknown]
    .sort(([a], [b]) => a - b)
    .map(([value, voxels]) => ({
      severity: "warning",
      case: id,
      rule: "unknown-label",
      message: `${counted(voxels, "voxel")} with label ${value}, ${source} knows ${valuesText(known)}`,
      value,
      voxels,
    }));
}

/** `0–2`, or `0, 1, 5` where values are left out. */
function valuesText(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  const whole = sorted.every((value, i) => i === 0 || value === sorted[i - 1] + 1);
  return whole && sorted.length > 1 ? `${sorted[0]}–${sorted.at(-1)}` : sorted.join(", ");
}

/** What nnU-Net calls voxels that nobody outlined. */
export const ignoreName = "ignore";

/**
 * Takes the label called `ignore` out of the classes: it is none, and its voxels count in no loss and no score. Every case
 * remembers its value.
 */
export function leaveIgnoredOut<D extends Pick<OpenedDataset, "labels" | "cases" | "test">>(dataset: D): D {
  const ignored = dataset.labels?.find(({ name }) => name === ignoreName);
  if (ignored === undefined) return dataset;
  const remember = <T extends DataCase>(item: T): T => ({ ...item, ignoreLabel: ignored.index });
  return {
    ...dataset,
    labels: dataset.labels?.filter((label) => label !== ignored),
    cases: dataset.cases.map(remember),
    test: dataset.test.map(remember),
  };
}
