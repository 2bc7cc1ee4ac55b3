/** `report.html` of what is told by charts and one table: an experiment, a pre-training. */
import { writeFileAtomic } from "../../files/index.ts";
import { type Markup, markup } from "../draw/markup.ts";
import { fixed } from "../draw/numbers.ts";
import { chartHeight, chartWidth, lineChart, type Series } from "../figures/chart.ts";
import { type ForestGroup, forestChart, forestHeight, forestWidth } from "../figures/forest.ts";
import { type Panel, panelFigure, panelsSvg } from "../figures/panels.ts";
import { reportDocument, section } from "./document.ts";
import type { ReportFrame } from "./input.ts";

/** Scores over something that was varied, or over the course of a training. */
export interface CurveChart {
  readonly kind: "curve";
  readonly title: string;
  readonly xName: string;
  readonly series: readonly Series[];
}

export interface ForestPlot {
  readonly kind: "forest";
  readonly title: string;
  readonly xName: string;
  readonly groups: readonly ForestGroup[];
}

export type ReportChart = CurveChart | ForestPlot;

export interface ReportTable {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface ChartsReportInput extends ReportFrame {
  readonly charts: readonly ReportChart[];
  readonly table: ReportTable;
  /** How it was measured, in sentences. */
  readonly notes: readonly string[];
}

/** A page of charts, a table and notes, as self-contained HTML. */
export function renderChartsReport(input: ChartsReportInput): string {
  const { charts, table, notes } = input;
  const [head, ...rest] = table.columns;
  const body = table.rows.map(
    ([name, ...cells]) => markup`<tr><th scope="row">${name}</th>${cells.map((cell) => markup`<td>${cell}</td>`)}</tr>`,
  );
  const grid = markup`<div class="scroll" tabindex="0"><table><thead><tr><th scope="col">${head}</th>${rest.map(
    (column) => markup`<th scope="col">${column}</th>`,
  )}</tr></thead><tbody>${body}</tbody></table></div>`;
  const figures = markup`<div class="charts wide">${charts.map((chart) => panelFigure(panelOf(chart)))}</div>`;
  return reportDocument(input, markup``, [
    section("Results", null, [figures, grid]),
    section(
      "How it was measured",
      null,
      notes.map((note) => markup`<p class="note">${note}</p>`),
    ),
  ]);
}

/** Writes `report.html`. @throws ConfigError where the file exists and `force` is not set */
export async function writeChartsReport(
  path: string,
  input: ChartsReportInput,
  options: { readonly force?: boolean } = {},
): Promise<void> {
  await writeFileAtomic(path, renderChartsReport(input), options);
}

/** The charts as one picture that stands alone. */
export function chartsSvg(charts: readonly ReportChart[], label: string): string {
  return panelsSvg(charts.map(panelOf), label);
}

function panelOf(chart: ReportChart): Panel {
  const { title, xName } = chart;
  if (chart.kind === "forest") {
    const said = chart.groups.flatMap(({ name, rows }) =>
      rows.map((row) => `${name}, ${row.name}: ${fixed(row.mean, 3)}.`),
    );
    return {
      title,
      said: `${title}. ${said.join(" ")}`,
      key: [],
      chart: forestChart(chart.groups, xName),
      width: forestWidth,
      height: forestHeight(chart.groups),
    };
  }
  const ends = chart.series.map(({ name, points }) => `${name}: ${fixed(points.at(-1)?.[1], 3)} at the end.`);
  const inside: Markup = lineChart({ label: title, series: chart.series, xName });
  return {
    title,
    said: `${title}. ${ends.join(" ")}`,
    key: chart.series,
    chart: inside,
    width: chartWidth,
    height: chartHeight,
  };
}
