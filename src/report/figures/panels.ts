/** Charts with a title and a key: side by side in one SVG file that stands alone, or one after another in a page. */

import { type Markup, markup, type Piece, trusted } from "../draw/markup.ts";
import { chartStyle, themeVariables } from "../draw/theme.ts";
import { chartHeight, chartWidth, keySwatch, lineClass, type Series, stroke } from "./chart.ts";

export interface Panel {
  readonly title: string;
  /** What a screen reader says. */
  readonly said: string;
  readonly key: readonly Pick<Series, "name" | "color" | "dashed">[];
  /** The inside of its `<svg>`. */
  readonly chart: Markup;
  /** Default {@link chartWidth} and {@link chartHeight}. */
  readonly width?: number;
  readonly height?: number;
}

const gap = 28;
const head = 44;

/** One picture, light or dark as its reader's screen. */
export function panelsSvg(panels: readonly Panel[], label: string): string {
  const lefts = panels.map((_, i) => panels.slice(0, i).reduce((sum, panel) => sum + widthOf(panel) + gap, 0));
  const width = lefts[panels.length - 1] + widthOf(panels[panels.length - 1]);
  const height = head + Math.max(...panels.map((panel) => panel.height ?? chartHeight));
  const drawn = panels.map(({ title, key, chart }, i) => {
    let at = 0;
    const items = key.map((entry) => {
      const line = markup`<path class="${lineClass(entry.dashed)}" d="M0 -4h20" style="${stroke(entry.color)}"/>`;
      const item = shifted(at, 0, [line, markup`<text x="26">${entry.name}</text>`]);
      // An SVG alone cannot measure text: 6.2 units a letter is a little wider than the fonts of the theme at 11.
      at += 26 + 6.2 * entry.name.length + 14;
      return item;
    });
    const name = markup`<text class="name" x="0" y="14">${title}</text>`;
    return shifted(lefts[i], 0, [name, shifted(0, 34, items), shifted(0, head, chart)]);
  });
  const style = trusted(themeVariables("svg") + chartStyle);
  const size = markup`viewBox="-4 0 ${width + 8} ${height}" width="${width + 8}" height="${height}"`;
  const root = markup`<svg xmlns="http://www.w3.org/2000/svg" class="chart" ${size} role="img" aria-label="${label}">`;
  return markup`${root}<style>${style}</style>${drawn}</svg>\n`.text;
}

/** One of them in a page. */
export function panelFigure({ title, said, key, chart, width = chartWidth, height = chartHeight }: Panel): Markup {
  const items = key.map((entry) => markup`<li>${keySwatch(entry.color, entry.dashed)}${entry.name}</li>`);
  const svg = markup`<svg class="chart" viewBox="0 0 ${width} ${height}" role="img" aria-label="${said}">${chart}</svg>`;
  return markup`<div><h3>${title}</h3><ul class="key">${items}</ul>${svg}</div>`;
}

function widthOf({ width = chartWidth }: Panel): number {
  return width;
}

function shifted(x: number, y: number, inside: Piece): Markup {
  return markup`<g transform="translate(${x} ${y})">${inside}</g>`;
}
