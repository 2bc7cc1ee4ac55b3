/** Scores with their intervals, one below another, in groups: which condition is better, and how sure that is. */

import { join, type Markup, markup } from "../draw/markup.ts";
import { fixed, short } from "../draw/numbers.ts";
import { linearScale } from "../draw/scale.ts";
import { fill, label, px, type Series, stroke } from "./chart.ts";

export interface ForestRow {
  readonly name: string;
  readonly color: Series["color"];
  readonly mean: number | null;
  readonly interval: readonly [low: number, high: number] | null;
  /** Faint dots behind: the repetitions one by one. */
  readonly single: readonly (number | null)[];
}

export interface ForestGroup {
  readonly name: string;
  readonly rows: readonly ForestRow[];
}

export const forestWidth = 520;
const frame = { left: 210, right: 440, top: 8 };
const rowHeight = 22;
const headHeight = 26;
const foot = 36;

export function forestHeight(groups: readonly ForestGroup[]): number {
  return frame.top + groups.reduce((sum, { rows }) => sum + headHeight + rows.length * rowHeight, 0) + foot;
}

/** The inside of the chart; `forestWidth` × {@link forestHeight}. */
export function forestChart(groups: readonly ForestGroup[], xName: string): Markup {
  const values = groups.flatMap(({ rows }) =>
    rows.flatMap(({ mean, interval, single }) => [mean, ...(interval ?? []), ...single].filter((v) => v !== null)),
  );
  if (values.length === 0) return label(forestWidth / 2, frame.top + 20, "middle", "nothing scored");
  const bottom = forestHeight(groups) - foot;
  const x = linearScale(Math.min(...values), Math.max(...values), [frame.left, frame.right]);
  const grid = x.ticks.map((tick) => [
    markup`<line class="grid" x1="${px(x.at(tick))}" x2="${px(x.at(tick))}" y1="${frame.top}" y2="${bottom}"/>`,
    label(x.at(tick), bottom + 15, "middle", short(tick)),
  ]);
  const base = markup`<line class="axis" x1="${frame.left}" x2="${frame.right}" y1="${bottom}" y2="${bottom}"/>`;
  let y = frame.top;
  const drawn = groups.map(({ name, rows }) => {
    y += headHeight;
    const head = markup`<text class="value" x="0" y="${y - 7}">${name}</text>`;
    const lines = rows.map((row) => {
      y += rowHeight;
      return drawRow(row, x.at, y - rowHeight / 2);
    });
    return [head, lines];
  });
  return join([grid, base, drawn, label((frame.left + frame.right) / 2, bottom + 30, "middle", xName)]);
}

function drawRow({ name, color, mean, interval, single }: ForestRow, at: (value: number) => number, y: number): Markup {
  const dots = single.map(
    (value) =>
      value !== null &&
      markup`<circle cx="${px(at(value))}" cy="${px(y)}" r="2.5" style="${fill(color)};fill-opacity:.4"/>`,
  );
  const line =
    interval &&
    markup`<line x1="${px(at(interval[0]))}" x2="${px(at(interval[1]))}" y1="${px(y)}" y2="${px(y)}" style="${stroke(color)};stroke-width:2"/>`;
  const said = `${name}: ${fixed(mean, 3)}${interval ? ` (${fixed(interval[0], 3)} to ${fixed(interval[1], 3)})` : ""}`;
  const diamond =
    mean !== null &&
    markup`<path d="M${px(at(mean))} ${px(y - 5)}l5 5l-5 5l-5 -5Z" style="${fill(color)};stroke:var(--paper);stroke-width:.75"><title>${said}</title></path>`;
  return markup`<text x="12" y="${px(y + 4)}">${name}</text>${dots}${line}${diamond}<text class="value" x="${frame.right + 16}" y="${px(y + 4)}">${fixed(mean, 3)}</text>`;
}
