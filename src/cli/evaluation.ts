/** An evaluation in a few lines for a terminal. */
import { formatFinding } from "../data/index.ts";
import type { Evaluation } from "../med3d/index.ts";
import type { Style } from "./style.ts";

/** The keys of what `--json` prints of a segmentation's scores. */
export const evaluationKeys = {
  task: "segmentation",
  cases: "how many were scored",
  "dice.mean": "mean over classes of the mean over cases; absent from both masks is left out",
  "dice.interval": "its 95 % bootstrap interval over cases, [low, high] or null",
  "dice.classes": "mean Dice by class",
  hd95Mm: "95th percentile of the symmetric surface distance, mm, mean over classes",
  assdMm: "average symmetric surface distance, mm",
  perCase:
    "per case: case, dice, meanDice, hd95Mm, assdMm, volumeDifferenceMl by class, absent classes, unlistedVoxels and ignoredVoxels where there are any",
  problems: "label values that no class has: severity, case, rule, message, value, voxels",
  overall: "every measure: mean, interval, median, std, min, max, n, leftOut",
  classes: "the same by class",
  bootstrap: "resamples, confidence and seed of the intervals",
};

export function evaluationText({ summary, predictions, report, problems }: Evaluation, style: Style): string {
  const { overall, classes } = summary;
  const number = (value: number | null, digits: number): string => value?.toFixed(digits) ?? "undefined";
  const perClass = classes.map(({ name, dice }) => `${name.toLowerCase()} ${number(dice.mean, 3)}`).join(" · ");
  const interval =
    overall.dice.interval === null ? "" : `  (95 % ${overall.dice.interval.map((v) => v.toFixed(3)).join("–")})`;
  return [
    `held out     ${perClass} · ${style.bold(`mean ${number(overall.dice.mean, 3)}`)}${interval}   HD95 ${number(overall.hd95Mm.mean, 2)} mm   ${summary.cases} cases`,
    ...problems.map((problem) => style.yellow(formatFinding(problem))),
    `masks        ${predictions}/*.nii.gz`,
    `report       ${report}`,
  ].join("\n");
}
