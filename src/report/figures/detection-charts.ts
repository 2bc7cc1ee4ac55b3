/** Charts of detection scores: precision against recall of each class, sensitivity against false positives per scan. */
import type { DetectionSummary, Froc } from "../../metrics/index.ts";
import { type Markup, markup } from "../draw/markup.ts";
import { fixed, short } from "../draw/numbers.ts";
import { linearScale } from "../draw/scale.ts";
import { fill, keySwatch, label, px, type Series, stroke } from "./chart.ts";
import { unitChart, unitHeight, unitLine, unitWidth } from "./unit-chart.ts";

/** One curve per class that has true boxes, in the order of their colours. @param iou a threshold that was scored */
export function precisionRecallFigure({ curves, classes }: DetectionSummary, iou: number): Markup {
  const drawn = classes.flatMap(({ name, positives }, k) => {
    const precision = curves.coco.precisionCurve(k, iou);
    if (precision === null) return [];
    // Beyond the recall that was reached there is no precision; the curve falls to the ground there.
    const reached = precision.findLastIndex((p) => p > 0);
    const points = Array.from(precision.subarray(0, reached + 1), (p, r) => [r / 100, p] as const);
    const last = reached < 100 ? [[Math.max(0, reached) / 100, 0] as const] : [];
    const ap = curves.coco.averagePrecision({ classIndex: k, iou });
    return [
      {
        key: markup`<li>${keySwatch(k)}${name}: ${fixed(ap, 3)} of ${positives}</li>`,
        said: `${name}: ${fixed(ap, 3)}.`,
        line: unitLine([...points, ...last], k),
      },
    ];
  });
  const title = `Precision and recall at IoU ${short(iou)}`;
  const chart = unitChart(`${title}. ${drawn.map(({ said }) => said).join(" ")}`, {
    xName: "recall",
    yName: "precision",
    diagonal: false,
    inside: drawn.map(({ line }) => line),
  });
  return markup`<div><h3>${title}</h3><ul class="key">${drawn.map(({ key }) => key)}</ul>${chart}</div>`;
}

/** The free-response curve from 1/8 to 8 false positives per scan, with the points that the CPM is the mean of. */
export function frocFigure({ curve, sensitivityAt, cpm, scans, findings }: Froc): Markup {
  const frame = { left: 52, right: unitWidth - 8, top: 10, bottom: unitHeight - 40 };
  const y = linearScale(0, 1, [frame.bottom, frame.top], 6);
  const rates = sensitivityAt.map(({ falsePositives }) => falsePositives);
  const [low, high] = [Math.log2(rates[0]), Math.log2(rates[rates.length - 1])];
  const x = (rate: number): number =>
    frame.left + 8 + ((Math.log2(rate) - low) / (high - low || 1)) * (frame.right - frame.left - 16);
  const rows = y.ticks.map((tick) => [
    markup`<line class="${tick === 0 ? "axis" : "grid"}" x1="${frame.left}" x2="${frame.right}" y1="${px(y.at(tick))}" y2="${px(y.at(tick))}"/>`,
    label(frame.left - 7, y.at(tick) + 4, "end", short(tick)),
  ]);
  const columns = rates.map((rate) => label(x(rate), frame.bottom + 16, "middle", fraction(rate)));
  const banded = sensitivityAt.flatMap(({ falsePositives, interval }) =>
    interval ? [{ falsePositives, interval }] : [],
  );
  const band =
    banded.length > 1 &&
    markup`<path d="M${[
      ...banded.map(({ falsePositives, interval }) => `${px(x(falsePositives))} ${px(y.at(interval[1]))}`),
      ...banded.map(({ falsePositives, interval }) => `${px(x(falsePositives))} ${px(y.at(interval[0]))}`).reverse(),
    ].join("L")}Z" style="${fill("ink")};fill-opacity:.14"/>`;
  // Between the seven rates the curve itself, with what it is at both ends.
  const inner = curve.filter(
    ({ falsePositives }) => falsePositives > rates[0] && falsePositives < rates[rates.length - 1],
  );
  const known = sensitivityAt.flatMap(({ falsePositives, sensitivity }) =>
    sensitivity === null ? [] : [[falsePositives, sensitivity] as const],
  );
  const points = [
    ...known.slice(0, 1),
    ...inner.map(({ falsePositives, sensitivity }) => [falsePositives, sensitivity] as const),
    ...known.slice(-1),
  ];
  const ink: Series["color"] = "ink";
  const line =
    points.length > 0 &&
    markup`<path class="series" d="M${points.map(([a, b]) => `${px(x(a))} ${px(y.at(b))}`).join("L")}" style="${stroke(ink)}"/>`;
  const dots = known.map(
    ([a, b]) =>
      markup`<circle cx="${px(x(a))}" cy="${px(y.at(b))}" r="3.5" style="${fill(ink)};stroke:var(--paper);stroke-width:.75"><title>${fixed(b, 3)} at ${fraction(a)}</title></circle>`,
  );
  const middle = (frame.top + frame.bottom) / 2;
  const names = [
    markup`<text transform="translate(13 ${middle}) rotate(-90)" text-anchor="middle">sensitivity</text>`,
    label((frame.left + frame.right) / 2, frame.bottom + 33, "middle", "false positives per scan"),
  ];
  const said = `Free-response curve: mean sensitivity ${fixed(cpm, 3)} over ${scans} scans with ${findings} findings`;
  const box = `0 0 ${unitWidth} ${unitHeight}`;
  const svg = markup`<svg class="chart" viewBox="${box}" role="img" aria-label="${said}">${rows}${columns}${names}${band}${line}${dots}</svg>`;
  const key = markup`<li>${keySwatch("ink")}CPM ${fixed(cpm, 3)}, ${findings} findings in ${scans} scans</li>`;
  return markup`<div><h3>Free-response curve</h3><ul class="key">${key}</ul>${svg}</div>`;
}

/** `0.125` → `1/8`. */
function fraction(rate: number): string {
  return rate < 1 && Number.isInteger(1 / rate) ? `1/${1 / rate}` : short(rate);
}
