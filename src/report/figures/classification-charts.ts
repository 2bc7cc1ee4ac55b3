/** Pictures of classification scores: the ROC curve with its band, how far probabilities can be believed, every case. */
import {
  againstRest,
  type CaseProbabilities,
  type ClassificationSummary,
  calledClass,
  type OperatingPoint,
  rocBand,
  rocCurve,
} from "../../metrics/index.ts";
import { type Markup, markup, type Piece } from "../draw/markup.ts";
import { fixed } from "../draw/numbers.ts";
import { linearScale } from "../draw/scale.ts";
import { fill, keySwatch, label, px, type Series, stroke } from "./chart.ts";
import { unitBand, unitChart, unitDot, unitHeight, unitLine, unitWidth, unitX, unitY } from "./unit-chart.ts";

/** Resamples of the band; it is drawn, not read off. */
const bandResamples = 1000;

/** The ROC curve: of class 1 with its band and its thresholds; with more classes, one curve each against the rest. */
export function rocFigure(summary: ClassificationSummary, cases: readonly CaseProbabilities[]): Markup | null {
  if (summary.auc === null) return null;
  const binary = summary.classes.length === 2;
  const drawn = summary.classes.flatMap(({ name, auc, aucInterval }, k) => {
    if (auc === null || (binary && k === 0)) return [];
    const scores = againstRest(cases, k);
    const points = rocCurve(scores).map((p) => [p.falsePositiveRate, p.truePositiveRate] as const);
    const color: Series["color"] = binary ? "ink" : k;
    const band = binary ? rocBand(scores, { resamples: bandResamples, level: summary.level }) : undefined;
    const interval = aucInterval ? ` (${fixed(aucInterval[0], 3)}–${fixed(aucInterval[1], 3)})` : "";
    return [
      {
        key: markup`<li>${keySwatch(color)}${name}: AUC ${fixed(auc, 3)}${interval}</li>`,
        said: `${name}: area ${fixed(auc, 3)}.`,
        marks: [
          band && unitBand(band.falsePositiveRates, band.low, band.high, color),
          unitLine(points, color),
        ] as Piece,
      },
    ];
  });
  const marks = [operating(summary.atHalf, "at 0.5", false), operating(summary.youden, "Youden’s threshold", true)];
  const chart = unitChart(`ROC curve. ${drawn.map(({ said }) => said).join(" ")}`, {
    xName: binary ? "1 − specificity" : "false positive rate",
    yName: binary ? "sensitivity" : "true positive rate",
    inside: [drawn.map((d) => d.marks), marks.map((mark) => mark?.dot)],
  });
  const keys = [drawn.map(({ key }) => key), marks.map((mark) => mark?.key)];
  return markup`<div><h3>ROC curve</h3><ul class="key">${keys}</ul>${chart}</div>`;
}

function operating(point: OperatingPoint | null, name: string, hollow: boolean): { dot: Markup; key: Markup } | null {
  if (point === null || point.sensitivity.value === null || point.specificity.value === null) return null;
  const [up, down] = [point.sensitivity.value, point.specificity.value];
  const said = `${name}: sensitivity ${fixed(up, 3)}, specificity ${fixed(down, 3)}`;
  return {
    dot: unitDot([1 - down, up], 1, said, { radius: 5, hollow }),
    key: markup`<li>${dotSwatch(1, hollow)}${name}</li>`,
  };
}

/** Observed share against mean prediction of each bin, and below how many cases a bin has. */
export function reliabilityFigure(summary: ClassificationSummary): Markup {
  const { reliability, classes, cases, calibrationError, brier } = summary;
  const filled = reliability.filter((bin) => bin.cases > 0);
  const most = Math.max(...filled.map((bin) => bin.cases));
  const bars = filled.map((bin) => {
    const [left, right] = [unitX(bin.from), unitX(bin.to)];
    const top = unitY((0.14 * bin.cases) / most);
    const place = markup`x="${px(left + 0.75)}" width="${px(right - left - 1.5)}" y="${top}" height="${px(unitY(0) - top)}"`;
    return markup`<rect ${place} style="${fill("soft")};fill-opacity:.28"><title>${bin.cases} cases</title></rect>`;
  });
  const whiskers = filled.map(({ predicted, observed }) => {
    const [low, high] = observed.interval!;
    const at = unitX(predicted!);
    return markup`<line x1="${at}" x2="${at}" y1="${unitY(low)}" y2="${unitY(high)}" style="${stroke("ink")};stroke-width:1"/>`;
  });
  const dots = filled.map(({ predicted, observed, cases: n }) =>
    unitDot([predicted!, observed.value!], "ink", `${observed.hits} of ${n}, predicted ${fixed(predicted, 2)}`),
  );
  const binary = classes.length === 2;
  const said = `calibration error ${fixed(calibrationError, 3)}, Brier score ${fixed(brier, 3)}`;
  const chart = unitChart(`Calibration over ${cases} cases: ${said}`, {
    xName: binary ? `predicted probability of ${classes[1].name}` : "highest probability",
    yName: binary ? `share that is ${classes[1].name}` : "share called rightly",
    inside: [
      bars,
      whiskers,
      unitLine(
        filled.map((b) => [b.predicted!, b.observed.value!]),
        "ink",
      ),
      dots,
    ],
  });
  return markup`<div><h3>Calibration</h3><ul class="key"><li>${said}</li></ul>${chart}</div>`;
}

/** Probability of the positive class (of the true one with more than two) of each case, from low to high. */
export function caseScoresFigure(summary: ClassificationSummary, cases: readonly CaseProbabilities[]): Markup {
  const binary = summary.classes.length === 2;
  const scoreOf = ({ truth, probabilities }: CaseProbabilities): number => probabilities[binary ? 1 : truth];
  const order = [...cases].sort((a, b) => scoreOf(a) - scoreOf(b) || (a.case < b.case ? -1 : 1));
  const frame = { left: 48, right: unitWidth - 8, top: 10, bottom: unitHeight - 40 };
  const y = linearScale(0, 1, [frame.bottom, frame.top]);
  const room = frame.right - frame.left;
  const radius = Math.max(2.2, Math.min(4, (0.42 * room) / order.length));
  const rule = (kind: string, at: number): Markup =>
    markup`<line class="${kind}" x1="${frame.left}" x2="${frame.right}" y1="${px(at)}" y2="${px(at)}"/>`;
  const grid = y.ticks.map((tick) => [
    rule(tick === 0 ? "axis" : "grid", y.at(tick)),
    label(frame.left - 7, y.at(tick) + 4, "end", fixed(tick, 1)),
  ]);
  const half = rule("mark", y.at(0.5));
  const dots = order.map((item, i) => {
    const place = markup`cx="${px(frame.left + (room * (i + 0.5)) / order.length)}" cy="${px(y.at(scoreOf(item)))}" r="${px(radius)}"`;
    const said = `${item.case}: ${fixed(scoreOf(item), 3)}, ${summary.classes[item.truth].name}`;
    return markup`<circle ${place} style="${look(item.truth)}"><title>${said}</title></circle>`;
  });
  const xName = `cases by ${binary ? `probability of ${summary.classes[1].name}` : "probability of their own class"}`;
  const name = label((frame.left + frame.right) / 2, frame.bottom + 22, "middle", xName);
  const keys = summary.classes.map((c, k) => markup`<li>${dotSwatch(k, k === 0)}${c.name}, ${c.cases}</li>`);
  const right = cases.filter(({ truth, probabilities }) => calledClass(probabilities) === truth).length;
  const said = `Score of each of ${cases.length} cases; ${right} called rightly`;
  const box = `0 0 ${unitWidth} ${unitHeight}`;
  const svg = markup`<svg class="chart" viewBox="${box}" role="img" aria-label="${said}">${grid}${half}${dots}${name}</svg>`;
  return markup`<div><h3>Every case</h3><ul class="key">${keys}</ul>${svg}</div>`;
}

/** Class 0 is hollow, so that two classes differ in more than colour. */
function look(k: number): Markup {
  return k === 0
    ? markup`fill:var(--paper);${stroke(0)};stroke-width:1.5`
    : markup`${fill(k)};stroke:var(--paper);stroke-width:.5`;
}

function dotSwatch(color: number, hollow: boolean): Markup {
  const style = hollow ? markup`fill:var(--paper);${stroke(color)};stroke-width:1.5` : fill(color);
  return markup`<svg class="chart" viewBox="0 0 22 8" aria-hidden="true"><circle cx="11" cy="4" r="3.5" style="${style}"/></svg>`;
}
