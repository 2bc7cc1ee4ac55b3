/**
 * What is wrong with a data set, found while it is read or checked: a file that cannot be used, a box that is left out, a list
 * that matches nothing. A problem is never dropped on the way. It travels from the reader to training, evaluation, prediction,
 * their `--json`, the log and the report, and its rule says what it costs.
 */
import { DataError } from "../errors.ts";
import { counted } from "./counted.ts";

/**
 * What a problem does to a training or an evaluation.
 *
 * - `stops`: the figures would be wrong, so nothing is trained or scored.
 * - `costs`: one file or one box is left out, counted and said; stops, too, where `strict` is asked for.
 * - `noted`: nothing is left out; worth a look.
 */
export type ProblemEffect = "stops" | "costs" | "noted";

/** Every rule there is, and what breaking it does. */
export const problemEffects = {
  // Files and cases.
  "missing-file": "costs",
  "missing-label": "costs",
  "missing-annotation": "costs",
  unreadable: "costs",
  unsupported: "costs",
  geometry: "costs",
  channels: "costs",
  "not-finite": "costs",
  "duplicate-id": "costs",
  duplicate: "noted",
  "other-name": "noted",
  "missing-part": "noted",
  "without-annotation": "noted",
  "case-count": "noted",
  "constant-image": "noted",
  "one-slice": "noted",
  "affine-mismatch": "noted",
  "unmatched-list": "stops",
  "size-mismatch": "stops",
  // Label maps.
  "fractional-label": "stops",
  "unknown-label": "costs",
  "empty-label": "noted",
  "unused-label": "noted",
  // Boxes.
  inverted: "costs",
  degenerate: "costs",
  outside: "costs",
  beyond: "noted",
  "computed-area": "noted",
  "computed-box": "noted",
  "unknown-class": "stops",
  "unused-class": "noted",
  "unwanted-class": "noted",
} as const satisfies Record<string, ProblemEffect>;

export type ProblemRule = keyof typeof problemEffects;

export interface Problem {
  readonly severity: "error" | "warning";
  /** Id of the case or image, or the data set's name for what concerns the whole. */
  readonly case: string;
  readonly rule: ProblemRule;
  /** File, number of the box in it where it is about one, and the fact. */
  readonly message: string;
  /** Number of the box in its file, from 1: object, annotation or line. */
  readonly box?: number;
  /** Of label maps: the value that no class has, and how many voxels have it. */
  readonly value?: number;
  readonly voxels?: number;
}

/** How often each rule was broken, in the order in which it was first seen: `{ degenerate: 2 }`. */
export function countProblems(problems: readonly Problem[]): Partial<Record<ProblemRule, number>> {
  const counts: Partial<Record<ProblemRule, number>> = {};
  for (const { rule } of problems) counts[rule] = (counts[rule] ?? 0) + 1;
  return counts;
}

/** Problems of two readings of the same data: each of them once, in the order in which they were first seen. */
export function joinProblems(first: readonly Problem[], second: readonly Problem[]): Problem[] {
  const keyOf = ({ case: id, rule, box, value, message }: Problem): string =>
    JSON.stringify([id, rule, box, value, value === undefined ? message : ""]);
  const known = new Set(first.map(keyOf));
  return [...first, ...second.filter((problem) => !known.has(keyOf(problem)))];
}

/** Whether a problem leaves something out: a file, a box, or the figures themselves. */
export function leavesOut({ rule }: Pick<Problem, "rule">): boolean {
  return problemEffects[rule] !== "noted";
}

/** `3 problems (2 degenerate, 1 unreadable)`. */
export function problemsText(problems: readonly Problem[]): string {
  const rules = Object.entries(countProblems(problems)).map(([rule, count]) => `${count} ${rule}`);
  return `${counted(problems.length, "problem")}${rules.length > 0 ? ` (${rules.join(", ")})` : ""}`;
}

/**
 * Refuses a data set whose problems would make a figure wrong; with `strict` also one that something was left out of.
 * @param source the data set, for the message
 * @throws DataError that names the first problem and how many more there are
 */
export function refuseProblems(
  problems: readonly Problem[],
  source: string,
  options: { readonly strict?: boolean } = {},
): void {
  const { strict = false } = options;
  const bad = problems.filter(({ rule }) => {
    const effect: ProblemEffect = problemEffects[rule];
    return effect === "stops" || (strict && effect === "costs");
  });
  if (bad.length === 0) return;
  const [{ case: id, message, rule }] = bad;
  const more = bad.length > 1 ? ` (and ${bad.length - 1} more; medvox verify lists them)` : "";
  const why = problemEffects[rule] === "stops" ? "the figures would be wrong" : "--strict leaves nothing out";
  throw new DataError(`${source}: ${id}: ${message} (${rule}); ${why}${more}`);
}
