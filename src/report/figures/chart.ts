/**
 * Small line and dot charts as SVG, coloured by custom properties, so that one picture serves light, dark and print.
 *
 * Drawn by hand rather than by a chart library: three kinds of mark are all a report needs, a library would fix its
 * colours into the picture (twice the size for two themes) and weigh more than the rest of medvox.
 */
import { join, type Markup, markup, trusted } from "../draw/markup.ts";
import { fixed, short } from "../draw/numbers.ts";
import { linearScale, logScale, type Scale, wholeScale } from "../draw/scale.ts";
import { classColors } from "../draw/theme.ts";

export const chartWidth = 360;
export const chartHeight = 220;
const frame = { left: 48, right: 352, top: 10, bottom: 186 };

export interface Series {
  readonly name: string;
  /** The class whose colour it has; `ink` for what belongs to no class. */
  readonly color: number | "ink" | "soft";
  readonly dashed?: boolean;
  /** One of many, drawn so that their mean stands out. */
  readonly faint?: boolean;
  /** A dot at every point. */
  readonly dots?: boolean;
  /** An interval about each point, drawn as a band. */
  readonly band?: readonly (readonly [x: number, low: number, high: number])[];
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface LineChart {
  /** What a screen reader says. */
  readonly label: string;
  readonly series: readonly Series[];
  readonly log?: boolean;
  /** Range that the y axis shows at least. */
  readonly include?: readonly number[];
  /** Largest y there can be, such as 1 for Dice: the axis does not go beyond. */
  readonly ceiling?: number;
  /** An epoch to mark by a vertical line. */
  readonly mark?: number;
  readonly xName: string;
}

/** The inside of a line chart, without the `<svg>` around it; `chartWidth × chartHeight`. */
export function lineChart({ series, log, include = [], ceiling, mark, xName }: LineChart): Markup {
  const xs = series.flatMap((s) => s.points.map(([x]) => x));
  const ys = [
    ...series.flatMap((s) => s.points.map(([, y]) => y)),
    ...series.flatMap((s) => (s.band ?? []).flatMap(([, low, high]) => [low, high])),
    ...include,
  ];
  if (xs.length === 0) return label(chartWidth / 2, chartHeight / 2, "middle", "not recorded");
  const x = wholeScale(extreme(xs, Math.min), extreme(xs, Math.max), [frame.left + 6, frame.right - 4]);
  const [low, high] = [extreme(ys, Math.min), extreme(ys, Math.max)];
  const vertical = [frame.bottom, frame.top] as const;
  const y = log ? logScale(low, high, vertical) : linearScale(low, ceiling ?? high, vertical);
  const bands = series.map((s) => drawBand(s, x, y));
  const drawn = series.map((s) => drawSeries(s, x, y));
  const marked = mark === undefined ? null : verticalMark(x.at(mark));
  return join([axes(x, y, xName), bands, marked, drawn]);
}

export interface DotChart {
  readonly color: number | "ink" | "soft";
  /** One dot per case from left to right; `null` leaves a gap. The text shows on hover. */
  readonly dots: readonly (readonly [value: number | null, text: string])[];
  readonly mean: number | null;
  readonly interval: readonly [number, number] | null;
  /** Lowest value the axis must hold; the top is 1. */
  readonly floor: number;
  readonly xName: string;
}

/** The inside of a chart of one score per case, with its mean as a line and the interval of the mean as a band. */
export function dotChart({ color, dots, mean, interval, floor, xName }: DotChart): Markup {
  const y = linearScale(floor, 1, [frame.bottom, frame.top]);
  const room = frame.right - frame.left;
  const at = (i: number) => frame.left + (room * (i + 0.5)) / dots.length;
  const radius = Math.max(1.4, Math.min(4, (0.36 * room) / dots.length));
  const x: Scale = { ticks: [], at };
  const band = interval && bandBetween(y.at(interval[1]), y.at(interval[0]), color);
  const line = mean === null ? null : level("series", y.at(mean), markup` style="${stroke(color)};stroke-width:1.25"`);
  const look = markup`${fill(color)};stroke:var(--paper);stroke-width:.75`;
  const marks = dots.map(([value, text], i) => {
    if (value === null) return null;
    const place = markup`cx="${px(at(i))}" cy="${px(y.at(value))}" r="${px(radius)}"`;
    return markup`<circle ${place} style="${look}"><title>${text}</title></circle>`;
  });
  return join([axes(x, y, xName), band, line, marks]);
}

/** The `<svg>` of one chart in a page. */
export function chartSvg(label: string, inside: Markup): Markup {
  const box = `0 0 ${chartWidth} ${chartHeight}`;
  return markup`<svg class="chart" viewBox="${box}" role="img" aria-label="${label}">${inside}</svg>`;
}

/** A short stroke for a key: the line's colour and whether it is dashed. */
export function keySwatch(color: Series["color"], dashed = false): Markup {
  const line = markup`<path class="${lineClass(dashed)}" d="M0 4h22" style="${stroke(color)}"/>`;
  return markup`<svg class="chart" viewBox="0 0 22 8" aria-hidden="true">${line}</svg>`;
}

export function lineClass(dashed = false): string {
  return dashed ? "series dashed" : "series";
}

export function stroke(color: Series["color"]): Markup {
  return trusted(`stroke:${variable(color)}`);
}

export function fill(color: Series["color"]): Markup {
  return trusted(`fill:${variable(color)}`);
}

function variable(color: Series["color"]): string {
  return `var(--${typeof color === "number" ? `class${color % classColors.length}` : color})`;
}

function axes(x: Scale, y: Scale, xName: string): Markup {
  const rows = y.ticks.map((tick) => [
    level("grid", y.at(tick)),
    label(frame.left - 7, y.at(tick) + 4, "end", short(tick)),
  ]);
  // Thousands at the right end would be cut off.
  const within = (tick: number): number => Math.min(x.at(tick), chartWidth - 3.4 * short(tick).length);
  const columns = x.ticks.map((tick) => label(within(tick), frame.bottom + 16, "middle", short(tick)));
  const name = label((frame.left + frame.right) / 2, frame.bottom + 31, "middle", xName);
  return join([rows, level("axis", frame.bottom), columns, name]);
}

/** A line across the frame. */
function level(kind: string, y: number, style: Markup | null = null): Markup {
  return markup`<line class="${kind}" x1="${frame.left}" x2="${frame.right}" y1="${px(y)}" y2="${px(y)}"${style}/>`;
}

function bandBetween(top: number, bottom: number, color: Series["color"]): Markup {
  const place = markup`x="${frame.left}" y="${px(top)}" width="${frame.right - frame.left}" height="${px(bottom - top)}"`;
  return markup`<rect ${place} style="${fill(color)};fill-opacity:.16"/>`;
}

export function label(x: number, y: number, anchor: "end" | "middle", text: string): Markup {
  return markup`<text x="${px(x)}" y="${px(y)}" text-anchor="${anchor}">${text}</text>`;
}

function verticalMark(at: number): Markup {
  return markup`<line class="mark" x1="${px(at)}" x2="${px(at)}" y1="${frame.top}" y2="${frame.bottom}"/>`;
}

function drawBand({ band = [], color }: Series, x: Scale, y: Scale): Markup | null {
  if (band.length < 2) return null;
  const above = band.map(([at, , high]) => `${px(x.at(at))} ${px(y.at(high))}`);
  const below = band.map(([at, low]) => `${px(x.at(at))} ${px(y.at(low))}`).reverse();
  return markup`<path d="M${[...above, ...below].join("L")}Z" style="${fill(color)};fill-opacity:.16"/>`;
}

function drawSeries({ points, color, dashed, faint, dots, name }: Series, x: Scale, y: Scale): Markup {
  if (points.length === 0) return markup``;
  const last = points[points.length - 1];
  const title = markup`<title>${name}: ${fixed(last[1], 3)} at the end</title>`;
  if (points.length === 1) {
    const place = markup`cx="${px(x.at(last[0]))}" cy="${px(y.at(last[1]))}" r="3"`;
    return markup`<circle ${place} style="${fill(color)}">${title}</circle>`;
  }
  const path = points.map(([a, b]) => `${px(x.at(a))} ${px(y.at(b))}`).join("L");
  const look = [stroke(color), faint && trusted(";stroke-width:1;stroke-opacity:.5")];
  const marks = points.map(
    ([a, b]) =>
      dots &&
      markup`<circle cx="${px(x.at(a))}" cy="${px(y.at(b))}" r="3" style="${fill(color)};stroke:var(--paper);stroke-width:.75"><title>${name}: ${fixed(b, 3)} at ${short(a)}</title></circle>`,
  );
  return markup`<path class="${lineClass(dashed)}" d="M${path}" style="${look}">${title}</path>${marks}`;
}

/** Two decimals are a hundredth of a pixel, more than any screen shows. */
export function px(value: number): number {
  return Math.round(value * 100) / 100;
}

/** Without spreading, so that a log of any length fits the stack. */
function extreme(values: readonly number[], pick: (a: number, b: number) => number): number {
  return values.reduce((a, b) => pick(a, b));
}
