/** Square charts whose axes both run from 0 to 1: rates against rates, shares against probabilities. */

import { join, type Markup, markup, type Piece } from "../draw/markup.ts";
import { short } from "../draw/numbers.ts";
import { fill, label, lineClass, px, type Series, stroke } from "./chart.ts";

export const unitWidth = 330;
export const unitHeight = 320;
const frame = { left: 52, right: 322, top: 10, bottom: 280 };
const ticks = [0, 0.2, 0.4, 0.6, 0.8, 1];

export interface UnitAxes {
  readonly xName: string;
  readonly yName: string;
  /** What is drawn by {@link unitX} and {@link unitY}, above grid and diagonal. */
  readonly inside: Piece;
  /** Whether the diagonal is dotted, where chance or agreement lies; default true. */
  readonly diagonal?: boolean;
}

export function unitX(value: number): number {
  return px(frame.left + value * (frame.right - frame.left));
}

export function unitY(value: number): number {
  return px(frame.bottom - value * (frame.bottom - frame.top));
}

/** The `<svg>` of one such chart. */
export function unitChart(said: string, { xName, yName, inside, diagonal: dotted = true }: UnitAxes): Markup {
  const rows = ticks.map((tick) => {
    const at = unitY(tick);
    const line = markup`<line class="${tick === 0 ? "axis" : "grid"}" x1="${frame.left}" x2="${frame.right}" y1="${at}" y2="${at}"/>`;
    return [line, label(frame.left - 7, at + 4, "end", short(tick))];
  });
  const columns = ticks.map((tick) => label(unitX(tick), frame.bottom + 16, "middle", short(tick)));
  const diagonal =
    dotted && markup`<line class="mark" x1="${unitX(0)}" y1="${unitY(0)}" x2="${unitX(1)}" y2="${unitY(1)}"/>`;
  const middle = (frame.top + frame.bottom) / 2;
  const upward = markup`<text transform="translate(13 ${middle}) rotate(-90)" text-anchor="middle">${yName}</text>`;
  const below = label((frame.left + frame.right) / 2, frame.bottom + 33, "middle", xName);
  const box = `0 0 ${unitWidth} ${unitHeight}`;
  return markup`<svg class="chart" viewBox="${box}" role="img" aria-label="${said}">${join([rows, columns, diagonal, upward, below])}${inside}</svg>`;
}

/** A line through points of the unit square. */
export function unitLine(
  points: readonly (readonly [x: number, y: number])[],
  color: Series["color"],
  dashed = false,
): Markup {
  const path = points.map(([x, y]) => `${unitX(x)} ${unitY(y)}`).join("L");
  return markup`<path class="${lineClass(dashed)}" d="M${path}" style="${stroke(color)}"/>`;
}

/** The area between two curves over the same x. */
export function unitBand(
  xs: readonly number[],
  low: readonly number[],
  high: readonly number[],
  color: Series["color"],
): Markup {
  const there = xs.map((x, i) => `${unitX(x)} ${unitY(high[i])}`);
  const back = xs.map((x, i) => `${unitX(x)} ${unitY(low[i])}`).reverse();
  return markup`<path d="M${[...there, ...back].join("L")}Z" style="${fill(color)};fill-opacity:.16"/>`;
}

/** A dot; hollow ones have the paper inside. */
export function unitDot(
  [x, y]: readonly [number, number],
  color: Series["color"],
  title: string,
  { radius = 4, hollow = false } = {},
): Markup {
  const look = hollow
    ? markup`fill:var(--paper);${stroke(color)};stroke-width:1.75`
    : markup`${fill(color)};stroke:var(--paper);stroke-width:.75`;
  return markup`<circle cx="${unitX(x)}" cy="${unitY(y)}" r="${px(radius)}" style="${look}"><title>${title}</title></circle>`;
}
