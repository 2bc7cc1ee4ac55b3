/** Label values of label maps: counting them, and finding out the classes of a data set that does not declare any. */
import { DataError } from "../../errors.ts";
import { readVolume } from "../../files/index.ts";
import type { VoxelArray } from "../../volume/types.ts";
import type { DataCase, LabelClass } from "../types.ts";
import { eachRun } from "./values.ts";

/** More different values than this, and the file is an image rather than a label map. */
const mostClasses = 1000;

export interface LabelCounts {
  /** Voxels per whole value. Stops growing at 1000 values. */
  readonly counts: ReadonlyMap<number, number>;
  /** Voxels whose value is no label (see `label-values.ts`): fractions, NaN, infinities. */
  readonly fractional: number;
  /** One of them. */
  readonly fractionalExample?: number;
}

export function countLabels(data: VoxelArray): LabelCounts {
  const counts = new Map<number, number>();
  let fractional = 0;
  let fractionalExample: number | undefined;
  eachRun(data, ({ label, value, start, end }) => {
    if (label === undefined) {
      fractional += end - start;
      fractionalExample ??= value;
    } else if (counts.has(label) || counts.size < mostClasses) {
      counts.set(label, (counts.get(label) ?? 0) + end - start);
    }
  });
  return fractionalExample === undefined ? { counts, fractional } : { counts, fractional, fractionalExample };
}

/**
 * The values found in the cases' label maps, named `background`, `label 1`, ….
 * @throws DataError when a label map cannot be read, holds values that are not whole numbers from 0, or more than 1000.
 */
export async function discoverLabels(
  cases: readonly DataCase[],
  signal?: AbortSignal,
  onProgress?: (done: number, total: number) => void,
): Promise<readonly LabelClass[]> {
  const found = new Set<number>([0]);
  const labelled = cases.filter((item) => item.label !== undefined);
  let done = 0;
  for (const item of labelled) {
    signal?.throwIfAborted();
    const { counts, fractional, fractionalExample } = countLabels((await readVolume(item.label as string)).data);
    if (fractional > 0) {
      throw new DataError(
        `${item.id}: label has the value ${fractionalExample}; labels are whole numbers (${item.label})`,
      );
    }
    for (const value of counts.keys()) {
      if (value < 0) throw new DataError(`${item.id}: label has the value ${value}; labels start at 0 (${item.label})`);
      found.add(value);
    }
    if (found.size >= mostClasses) {
      throw new DataError(`${item.id}: more than ${mostClasses} label values; is ${item.label} a label map?`);
    }
    onProgress?.(++done, labelled.length);
  }
  return [...found]
    .sort((a, b) => a - b)
    .map((index) => ({ index, name: index === 0 ? "background" : `label ${index}` }));
}
