/** Learning curves: loss, Dice on the validation cases, learning rate, each over epochs. */
import { DataError } from "../errors.ts";
import { chartHeight, chartSvg, chartWidth, keySwatch, lineChart, lineClass, type Series, stroke } from "./chart.ts";
import type { EpochRecord } from "./input.ts";
import { type Markup, markup, type Piece, trusted } from "./markup.ts";
import { chartStyle, themeVariables } from "./theme.ts";

export interface CurveOptions {
  /** Marked by a dotted line: the epoch whose weights were kept. */
  readonly bestEpoch?: number;
  /** Class names in the order of their colours; the order in which the log first names them where left out. */
  readonly classes?: readonly string[];
  /** What the scores of watched cases are; Dice by class where left out. */
  readonly scores?: string;
  /** Whether to draw the mean of several scores as well; true where left out. */
  readonly mean?: boolean;
}

interface Panel {
  readonly title: string;
  readonly series: readonly Series[];
  readonly chart: Markup;
}

/**
 * The three panels as one picture that stands alone: an SVG file for a README, light or dark as its reader's screen.
 * @param history what an epoch did not measure is skipped
 * @throws DataError where there is nothing at all to draw
 */
export function curvesSvg(history: readonly EpochRecord[], options: CurveOptions = {}): string {
  const panels = curvePanels(history, options);
  if (panels.length === 0)
    throw new DataError("learning curves: no epoch with a loss, a Dice or a learning rate to draw");
  const gap = 28;
  const head = 44;
  const width = panels.length * chartWidth + (panels.length - 1) * gap;
  const drawn = panels.map(({ title, series, chart }, i) => {
    let at = 0;
    const key = series.map((s) => {
      const line = markup`<path class="${lineClass(s.dashed)}" d="M0 -4h20" style="${stroke(s.color)}"/>`;
      const item = shifted(at, 0, [line, markup`<text x="26">${s.name}</text>`]);
      // An SVG alone cannot measure text: 6.2 units a letter is a little wider than the fonts of the theme at 11.
      at += 26 + 6.2 * s.name.length + 14;
      return item;
    });
    const name = markup`<text class="name" x="0" y="14">${title}</text>`;
    return shifted(i * (chartWidth + gap), 0, [name, shifted(0, 34, key), shifted(0, head, chart)]);
  });
  const style = trusted(themeVariables("svg") + chartStyle);
  const size = markup`viewBox="-4 0 ${width + 8} ${head + chartHeight}" width="${width + 8}" height="${head + chartHeight}"`;
  const root = markup`<svg xmlns="http://www.w3.org/2000/svg" class="chart" ${size} role="img" aria-label="Learning curves">`;
  return markup`${root}<style>${style}</style>${drawn}</svg>\n`.text;
}

function shifted(x: number, y: number, inside: Piece): Markup {
  return markup`<g transform="translate(${x} ${y})">${inside}</g>`;
}

/** The panels for a page, each with its title and key. */
export function curveFigures(history: readonly EpochRecord[], options: CurveOptions = {}): Markup[] {
  return curvePanels(history, options).map(({ title, series, chart }) => {
    const key = series.map((s) => markup`<li>${keySwatch(s.color, s.dashed)}${s.name}</li>`);
    const label = `${title} over ${history.length} epochs. ${series.map(describe).join(" ")}`;
    return markup`<div><h3>${title}</h3><ul class="key">${key}</ul>${chartSvg(label, chart)}</div>`;
  });
}

function curvePanels(
  history: readonly EpochRecord[],
  { bestEpoch: mark, classes = [], scores = "Dice on validation cases", mean: withMean = true }: CurveOptions,
): Panel[] {
  const take = (pick: (record: EpochRecord) => number | null | undefined) =>
    history.flatMap((record) => {
      const value = pick(record);
      return value === null || value === undefined || !Number.isFinite(value) ? [] : [[record.epoch, value] as const];
    });
  const panel = (title: string, series: readonly Series[], options: object = {}): Panel[] => {
    const shown = series.filter((s) => s.points.length > 0);
    if (shown.length === 0) return [];
    return [
      { title, series: shown, chart: lineChart({ label: title, series: shown, mark, xName: "epoch", ...options }) },
    ];
  };

  const names = [...new Set([...classes, ...history.flatMap((record) => Object.keys(record.dice ?? {}))])];
  const perClass = names.map((name, i) => ({ name, color: i, points: take((r) => r.dice?.[name]) }));
  const mean: Series = {
    name: "mean",
    color: "ink",
    points: take((r) => {
      const defined = Object.values(r.dice ?? {}).filter((value) => value !== null);
      return defined.length === 0 ? null : defined.reduce((sum, value) => sum + value, 0) / defined.length;
    }),
  };
  const rates = take((r) => r.learningRate);
  // Logarithmic where a linear axis would press most of the run onto the ground: step and exponential schedules.
  const ascending = rates.map(([, y]) => y).sort((a, b) => a - b);
  const log = ascending[0] > 0 && ascending[ascending.length >> 1] < ascending[ascending.length - 1] / 8;
  const losses = [
    { name: "training", color: "ink", points: take((r) => r.trainLoss) },
    { name: "validation", color: "ink", dashed: true, points: take((r) => r.validationLoss) },
  ] as const;
  const lossValues = losses.flatMap((s) => s.points.map(([, y]) => y));
  return [
    ...panel("Loss", losses, { include: lossValues.every((y) => y >= 0) ? [0] : [] }),
    ...panel(
      scores,
      withMean && perClass.filter((s) => s.points.length > 0).length > 1 ? [...perClass, mean] : perClass,
      { ceiling: 1 },
    ),
    ...panel("Learning rate", [{ name: "learning rate", color: "ink", points: rates }], {
      log,
      include: log ? [] : [0],
    }),
  ];
}

function describe({ name, points }: Series): string {
  const value = (at: number) => points[at][1].toPrecision(3);
  return `${name}: from ${value(0)} to ${value(points.length - 1)}.`;
}
