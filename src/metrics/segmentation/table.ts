/** Scores as JSON and as CSV (RFC 4180; an undefined score is an empty field). */
import type { CaseScores, ClassScores } from "./segmentation.ts";
import { type ClassSummary, measures, type SegmentationSummary, type Statistic } from "./summary.ts";

/**
 * What `evaluate --json` prints for a segmentation. The stable keys are `task`, `cases`, `dice`, `hd95Mm`, `nsd`, `perCase`;
 * the rest says the same in full.
 * @param folds of a cross-validation: the fold that scored each case, by the case's id
 */
export function evaluationJson(
  summary: SegmentationSummary,
  cases: readonly CaseScores[],
  folds: ReadonlyMap<string, string> = new Map(),
) {
  const { overall, classes } = summary;
  return {
    task: "segmentation" as const,
    cases: summary.cases,
    dice: {
      mean: overall.dice.mean,
      median: overall.dice.median,
      interval: overall.dice.interval,
      classes: byName(classes, (c) => c.dice.mean),
    },
    hd95Mm: overall.hd95Mm.mean,
    leftOutOfDistances: summary.leftOutOfDistances,
    assdMm: overall.assdMm.mean,
    nsd: {
      toleranceMm: summary.nsdToleranceMm,
      mean: overall.nsd.mean,
      median: overall.nsd.median,
      interval: overall.nsd.interval,
      classes: byName(classes, (c) => c.nsd.mean),
    },
    perCase: cases.map((scores) => ({
      case: scores.case,
      ...(folds.has(scores.case) && { fold: folds.get(scores.case) }),
      dice: byName(scores.classes, (c) => c.dice),
      meanDice: scores.meanDice,
      hd95Mm: byName(scores.classes, (c) => c.hd95Mm),
      assdMm: byName(scores.classes, (c) => c.assdMm),
      nsd: byName(scores.classes, (c) => c.nsd),
      volumeDifferenceMl: byName(scores.classes, (c) => c.volumeDifferenceMl),
      ...(scores.unlistedVoxels.truth > 0 && { unlistedVoxels: scores.unlistedVoxels.truth }),
      ...(scores.ignoredVoxels > 0 && { ignoredVoxels: scores.ignoredVoxels }),
      absent: scores.classes.filter((c) => c.state !== "both").map((c) => ({ class: c.name, foundIn: c.state })),
    })),
    overall,
    classes: byName(classes, ({ name: _, ...rest }) => rest),
    bootstrap: summary.bootstrap,
  };
}

/**
 * One row per case and class.
 * @param folds of a cross-validation: the fold that scored each case, by the case's id; it gets the last column
 */
export function scoresCsv(cases: readonly CaseScores[], folds: ReadonlyMap<string, string> = new Map()): string {
  const fields = [
    "label",
    "name",
    "state",
    "truthVoxels",
    "predictionVoxels",
    "overlapVoxels",
    "truthMl",
    "predictionMl",
    ...measures,
  ] as const satisfies readonly (keyof ClassScores)[];
  const foldOf = (id: string): readonly string[] => (folds.size === 0 ? [] : [folds.get(id) ?? ""]);
  const rows = cases.flatMap((scores) =>
    scores.classes.map((c) => [scores.case, ...fields.map((field) => c[field]), ...foldOf(scores.case)]),
  );
  const names = fields.map((field) => (field === "name" ? "class" : field));
  return csv(["case", ...names, ...(folds.size === 0 ? [] : ["fold"])], rows);
}

/**
 * One row per class and measure, and one per measure over classes (class `all`, label empty). `missed` and `spurious` count cases in
 * which the class is in the truth or in the prediction only (of `all`: cases and classes): distances leave them out, overlaps count 0.
 */
export function summaryCsv(summary: SegmentationSummary): string {
  type Found = SegmentationSummary["leftOutOfDistances"];
  const row = (label: number | null, name: string, measure: string, s: Statistic, { missed, spurious }: Found) => {
    const [low, high] = s.interval ?? [null, null];
    return [label, name, measure, s.mean, low, high, s.median, s.std, s.min, s.max, s.n, s.leftOut, missed, spurious];
  };
  const foundOf = ({ presence }: ClassSummary): Found => ({
    missed: presence.truthOnly,
    spurious: presence.predictionOnly,
  });
  const rows = [
    ...summary.classes.flatMap((c) => measures.map((measure) => row(c.label, c.name, measure, c[measure], foundOf(c)))),
    ...measures.map((measure) => row(null, "all", measure, summary.overall[measure], summary.leftOutOfDistances)),
  ];
  const head = [
    "label",
    "class",
    "measure",
    "mean",
    "low",
    "high",
    "median",
    "std",
    "min",
    "max",
    "n",
    "leftOut",
    "missed",
    "spurious",
  ];
  return csv(head, rows);
}

function byName<T extends { readonly name: string }, V>(items: readonly T[], pick: (item: T) => V): Record<string, V> {
  return Object.fromEntries(items.map((item) => [item.name, pick(item)]));
}

/** RFC 4180. */
export function csv(head: readonly string[], rows: readonly (readonly (string | number | null)[])[]): string {
  const field = (value: string | number | null): string => {
    const text = value === null ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [head, ...rows].map((row) => row.map(field).join(",") + "\r\n").join("");
}
