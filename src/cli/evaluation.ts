/** An evaluation in a few lines for a terminal. */
import type { Evaluation } from "../med3d/index.ts";
import type { Style } from "./style.ts";

export function evaluationText({ summary, predictions, report }: Evaluation, style: Style): string {
  const { overall, classes } = summary;
  const number = (value: number | null, digits: number): string => value?.toFixed(digits) ?? "undefined";
  const perClass = classes.map(({ name, dice }) => `${name.toLowerCase()} ${number(dice.mean, 3)}`).join(" · ");
  const interval =
    overall.dice.interval === null ? "" : `  (95 % ${overall.dice.interval.map((v) => v.toFixed(3)).join("–")})`;
  return [
    `held out     ${perClass} · ${style.bold(`mean ${number(overall.dice.mean, 3)}`)}${interval}   HD95 ${number(overall.hd95Mm.mean, 2)} mm   ${summary.cases} cases`,
    `masks        ${predictions}/*.nii.gz`,
    `report       ${report}`,
  ].join("\n");
}
