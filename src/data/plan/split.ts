/**
 * Splits that depend on the seed and the case ids alone, never on the order of files: cases are sorted by id first.
 *
 * `stratify` keeps the share of each stratum (a diagnosis, a scanner) equal on both sides; `group` keeps the cases of
 * one group (a patient) together, which is what makes a test on unseen patients honest.
 */
import { ConfigError } from "../../errors.ts";
import { type Random, random } from "../../random.ts";
import type { DataCase } from "../types.ts";

export interface SplitOptions {
  readonly seed: number;
  readonly stratify?: (item: DataCase) => string;
  /** Default: the case's own `group`, where it has one. */
  readonly group?: (item: DataCase) => string | undefined;
}

export interface HoldOut {
  readonly train: DataCase[];
  readonly heldOut: DataCase[];
}

export interface Fold {
  readonly train: DataCase[];
  readonly validation: DataCase[];
}

/**
 * Holds out `amount` cases: a count from 1 up, or a fraction below 1 (rounded, at least one case). With groups the
 * count is met as closely as whole groups allow. Both sides come back in order of id.
 * @throws ConfigError when nothing would be left on one side.
 */
export function holdOut(cases: readonly DataCase[], amount: number, options: SplitOptions): HoldOut {
  const wanted = amount < 1 ? Math.max(1, Math.round(amount * cases.length)) : amount;
  if (!(amount > 0) || !Number.isInteger(wanted) || wanted >= cases.length) {
    const rule =
      cases.length < 2
        ? "at least 2 are needed, one for each side"
        : `expected 1 to ${cases.length - 1}, or a fraction below 1`;
    throw new ConfigError(
      `split: cannot hold out ${amount} of ${cases.length} case${cases.length === 1 ? "" : "s"}; ${rule}`,
    );
  }
  const strata = unitsByStratum(cases, options, random(options.seed, "split/hold-out"));
  const held = new Set<DataCase>();
  // Largest remainders: each stratum gives its share, and the shares add up to the count.
  const shares = strata.map((units) => (wanted * caseCount(units)) / cases.length);
  const quotas = shares.map(Math.floor);
  const byRemainder = shares
    .map((share, i) => ({ i, rest: share - quotas[i] }))
    .sort((a, b) => b.rest - a.rest || a.i - b.i);
  let left = wanted - quotas.reduce((a, b) => a + b, 0);
  for (const { i } of byRemainder) if (left-- > 0) quotas[i]++;
  strata.forEach((units, i) => {
    let missing = quotas[i];
    for (const unit of units) {
      // A group goes over the quota only if that is closer than leaving it out.
      if (missing > 0 && unit.length - missing <= missing) {
        for (const item of unit) held.add(item);
        missing -= unit.length;
      }
    }
  });
  const sorted = sortById(cases);
  const split = { train: sorted.filter((item) => !held.has(item)), heldOut: sorted.filter((item) => held.has(item)) };
  if (split.train.length === 0 || split.heldOut.length === 0) {
    throw new ConfigError(`split: groups are too large to hold out ${amount} of ${cases.length} cases`);
  }
  return split;
}

/**
 * k folds: every case is validated on exactly once, and fold sizes differ by at most one (by at most one group with
 * groups).
 * @throws ConfigError when there are fewer cases or groups than folds.
 */
export function kFolds(cases: readonly DataCase[], k: number, options: SplitOptions): Fold[] {
  const strata = unitsByStratum(cases, options, random(options.seed, "split/folds"));
  const units = strata.flat();
  if (!Number.isInteger(k) || k < 2 || k > units.length) {
    const what = units.length === cases.length ? "cases" : `groups of ${cases.length} cases`;
    throw new ConfigError(`split: cannot make ${k} folds of ${units.length} ${what}; expected 2 to ${units.length}`);
  }
  const folds: DataCase[][] = Array.from({ length: k }, () => []);
  for (const stratum of strata) {
    // Big groups first, so that small ones even the folds out; the shuffled order decides among equals.
    const ordered = [...stratum].sort((a, b) => b.length - a.length);
    const inStratum = new Array<number>(k).fill(0);
    for (const unit of ordered) {
      let target = 0;
      for (let fold = 1; fold < k; fold++) {
        const less = inStratum[fold] - inStratum[target] || folds[fold].length - folds[target].length;
        if (less < 0) target = fold;
      }
      folds[target].push(...unit);
      inStratum[target] += unit.length;
    }
  }
  return folds.map((validation) => {
    const held = new Set(validation);
    return { train: sortById(cases.filter((item) => !held.has(item))), validation: sortById(validation) };
  });
}

/** In order of id, by code units: the same on every machine and in every language setting. */
export function sortById<T extends { readonly id: string }>(cases: readonly T[]): T[] {
  return [...cases].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}

/** Groups (or single cases), shuffled, by stratum in order of name. A group belongs to the stratum of its first case. */
function unitsByStratum(cases: readonly DataCase[], options: SplitOptions, stream: Random): DataCase[][][] {
  const group = options.group ?? ((item: DataCase) => item.group);
  const units = new Map<string, DataCase[]>();
  for (const item of sortById(cases)) {
    const name = group(item);
    // The prefix keeps a group named like a case apart from that case.
    const key = name === undefined ? `case ${item.id}` : `group ${name}`;
    const unit = units.get(key);
    if (unit) unit.push(item);
    else units.set(key, [item]);
  }
  const strata = new Map<string, DataCase[][]>();
  for (const unit of units.values()) {
    const key = options.stratify?.(unit[0]) ?? "";
    const stratum = strata.get(key);
    if (stratum) stratum.push(unit);
    else strata.set(key, [unit]);
  }
  return [...strata.keys()].sort().map((key) => stream.shuffle(strata.get(key) as DataCase[][]));
}

function caseCount(units: readonly DataCase[][]): number {
  return units.reduce((sum, unit) => sum + unit.length, 0);
}
