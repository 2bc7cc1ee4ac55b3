/** Scores in words, charts and tables: headline numbers, one chart per class, classes summed up, every case. */
import type { CaseScores, ClassScores, Measure, SegmentationSummary, Statistic } from "../../metrics/index.ts";
import { rankCases } from "../../metrics/index.ts";
import { type Markup, markup } from "../draw/markup.ts";
import { fixed, signed } from "../draw/numbers.ts";
import { chartSvg, dotChart } from "../figures/chart.ts";
import { headlineNumber } from "./document.ts";

/** The few numbers to remember. */
export function headlineNumbers(summary: SegmentationSummary): Markup {
  const { overall, classes, bootstrap } = summary;
  const percent = `${Number((100 * bootstrap.level).toFixed(2))} %`;
  const between = ({ interval }: Statistic, digits: number) =>
    interval ? `${percent} CI ${fixed(interval[0], digits)}–${fixed(interval[1], digits)}` : null;
  const number = (name: string, value: string, unit: string, below: string | null) =>
    headlineNumber(name, [value, unit && markup` <small>${unit}</small>`], below);
  const several = classes.length > 1;
  return markup`<dl class="numbers">${[
    number(
      several ? "Mean Dice" : `Dice, ${classes[0].name}`,
      fixed(overall.dice.mean, 3),
      "",
      between(overall.dice, 3),
    ),
    several &&
      classes.length <= 3 &&
      classes.map((c) => number(`Dice, ${c.name}`, fixed(c.dice.mean, 3), "", between(c.dice, 3))),
    number("HD95", fixed(overall.hd95Mm.mean, 2), "mm", beside(between(overall.hd95Mm, 2), leftOutText(summary))),
    number(`NSD at ${summary.nsdToleranceMm} mm`, fixed(overall.nsd.mean, 3), "", between(overall.nsd, 3)),
    number("Surface distance", fixed(overall.assdMm.mean, 2), "mm", between(overall.assdMm, 2)),
    number("Cases scored", String(summary.cases), "", several ? `${classes.length} classes` : null),
  ]}</dl>`;
}

/** `3 missed, 1 spurious left out`: what distances do not count; `null` where every class is in both masks or in neither. */
export function leftOutText({ leftOutOfDistances: { missed, spurious } }: SegmentationSummary): string | null {
  const parts = [missed > 0 && `${missed} missed`, spurious > 0 && `${spurious} spurious`].filter(Boolean);
  return parts.length === 0 ? null : `${parts.join(", ")} left out`;
}

function beside(...parts: readonly (string | null)[]): string | null {
  const said = parts.filter((part) => part !== null);
  return said.length === 0 ? null : said.join(" · ");
}

/** One chart per class and one of the mean, all with the cases in the same order and the same axis. */
export function scoreCharts(summary: SegmentationSummary, cases: readonly CaseScores[]): Markup {
  const order = [...rankCases(cases), ...cases.filter((c) => c.meanDice === null)];
  const values = cases.flatMap((scores) => scores.classes.map((c) => c.dice)).filter((value) => value !== null);
  const intervals = [...summary.classes, summary.overall].flatMap((s) => s.dice.interval?.[0] ?? []);
  const floor = Math.min(0.95, ...values.map((value) => Math.floor(value * 20) / 20), ...intervals);
  const chart = (
    name: string,
    color: number | "ink",
    statistic: Statistic,
    of: (scores: CaseScores) => number | null,
  ): Markup => {
    const dots = order.map((scores) => [of(scores), `${scores.case}: ${fixed(of(scores), 3)}`] as const);
    const { mean, interval, n, leftOut } = statistic;
    const inside = dotChart({ color, dots, mean, interval, floor, xName: "cases, best to worst by mean Dice" });
    const range = interval ? `, interval ${fixed(interval[0], 3)} to ${fixed(interval[1], 3)}` : "";
    const left = leftOut > 0 && n > 0 ? ` · ${leftOut} without it left out` : "";
    const said = n === 0 ? "in no case" : `mean ${fixed(mean, 3)}${range}${left}`;
    const svg = chartSvg(`Dice of ${name} in ${n} cases: ${said}`, inside);
    return markup`<div><h3>${name}</h3><ul class="key"><li>${said}</li></ul>${svg}</div>`;
  };
  const several = summary.classes.length > 1;
  return markup`<div class="charts">${[
    several && chart("Mean over classes", "ink", summary.overall.dice, (scores) => scores.meanDice),
    summary.classes.map((c, k) => chart(c.name, k, c.dice, (scores) => scores.classes[k].dice)),
  ]}</div>`;
}

const summaryRows: readonly [measure: Measure, name: string, digits: number][] = [
  ["dice", "Dice", 3],
  ["iou", "IoU", 3],
  ["precision", "Precision", 3],
  ["recall", "Recall", 3],
  ["hd95Mm", "HD95, mm", 2],
  ["hausdorffMm", "Hausdorff distance, mm", 2],
  ["assdMm", "Surface distance, mm", 2],
  ["nsd", "NSD", 3],
  ["volumeDifferenceMl", "Volume difference, ml", 2],
  ["absoluteVolumeDifferenceMl", "Volume difference, absolute, ml", 2],
  ["volumeDifferenceRelative", "Volume difference, relative", 3],
];

/** Measures by classes: the mean and its interval; below it median, deviation and how many cases it rests on. */
export function classTable({ classes, overall }: SegmentationSummary): Markup {
  const columns = [...classes, ...(classes.length > 1 ? [{ name: "Over classes", ...overall }] : [])];
  const cell = (s: Statistic, measure: Measure, digits: number): Markup => {
    if (s.mean === null) return markup`<td class="none">–</td>`;
    const say = measure.startsWith("volumeDifference") ? signed : fixed;
    const range = s.interval && markup` <small>${say(s.interval[0], digits)} to ${say(s.interval[1], digits)}</small>`;
    const spread = `median ${say(s.median, digits)}, SD ${fixed(s.std, digits)}, n ${s.n}`;
    return markup`<td>${say(s.mean, digits)}${range}<br><small>${spread}</small></td>`;
  };
  const rows = summaryRows.map(
    ([measure, name, digits]) =>
      markup`<tr><th scope="row">${name}</th>${columns.map((c) => cell(c[measure], measure, digits))}</tr>`,
  );
  const heads = columns.map(({ name }) => markup`<th scope="col">${name}</th>`);
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="Scores by class"><table class="summary">
<thead><tr><th scope="col">Measure</th>${heads}</tr></thead>
<tbody>${rows}</tbody>
</table></div>`;
}

const caseColumns: readonly [key: keyof ClassScores & Measure, name: string, digits: number][] = [
  ["dice", "Dice", 3],
  ["hd95Mm", "HD95, mm", 2],
  ["assdMm", "Surface distance, mm", 2],
  ["nsd", "NSD", 3],
  ["volumeDifferenceMl", "Volume difference, ml", 2],
];

/** Every case, best first; classes under each measure. */
export function caseTable(summary: SegmentationSummary, cases: readonly CaseScores[]): Markup {
  const order = [...rankCases(cases), ...cases.filter((scores) => scores.meanDice === null)];
  const k = summary.classes.length;
  const top = caseColumns.map(([, name]) => markup`<th colspan="${k}" scope="colgroup">${name}</th>`);
  const names = caseColumns.map(() => summary.classes.map((c) => markup`<th scope="col">${c.name}</th>`));
  const rows = order.map((scores) => {
    const cells = caseColumns.map(([key, , digits]) =>
      scores.classes.map((c) => {
        const value = c[key];
        if (value === null) return markup`<td class="none" title="${undefinedBecause(c)}">–</td>`;
        return markup`<td>${key === "volumeDifferenceMl" ? signed(value, digits) : fixed(value, digits)}</td>`;
      }),
    );
    const mean = k > 1 && markup`<td>${fixed(scores.meanDice, 3)}</td>`;
    return markup`<tr><th scope="row">${scores.case}</th>${mean}${cells}</tr>`;
  });
  const mean = k > 1 && markup`<th rowspan="2" scope="col">Mean Dice</th>`;
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="Scores of every case"><table>
<thead><tr><th rowspan="2" scope="col">Case</th>${mean}${top}</tr><tr>${names}</tr></thead>
<tbody>${rows}</tbody>
</table></div>`;
}

/** Says which classes are missing where, because that decides what the means rest on. */
export function absenceNote({ classes }: SegmentationSummary): string | null {
  const notes = classes.flatMap(({ name, presence }) => {
    const parts = [
      presence.truthOnly > 0 && `missed altogether in ${count(presence.truthOnly)} (Dice and NSD 0, no distance)`,
      presence.predictionOnly > 0 &&
        `found in ${count(presence.predictionOnly)} that have none (Dice and NSD 0, no distance)`,
      presence.neither > 0 && `in neither mask in ${count(presence.neither)} (left out)`,
    ].filter((part) => part !== false);
    return parts.length === 0 ? [] : [`${name}: ${parts.join(", ")}.`];
  });
  return notes.length === 0 ? null : notes.join(" ");
}

function undefinedBecause(c: ClassScores): string {
  return c.state === "neither" ? "in neither mask" : `in the ${c.state}`;
}

function count(n: number): string {
  return n === 1 ? "1 case" : `${n} cases`;
}
