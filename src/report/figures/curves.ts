/** Learning curves: loss, Dice on the validation cases, learning rate, each over epochs. */
import { DataError } from "../../errors.ts";
import type { Markup } from "../draw/markup.ts";
import type { EpochRecord } from "../pages/input.ts";
import { lineChart, type Series } from "./chart.ts";
import { type Panel, panelFigure, panelsSvg } from "./panels.ts";

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

/**
 * The three panels as one picture that stands alone: an SVG file for a README, light or dark as its reader's screen.
 * @param history what an epoch did not measure is skipped
 * @throws DataError where there is nothing at all to draw
 */
export function curvesSvg(history: readonly EpochRecord[], options: CurveOptions = {}): string {
  const panels = curvePanels(history, options);
  if (panels.length === 0)
    throw new DataError("learning curves: no epoch with a loss, a Dice or a learning rate to draw");
  return panelsSvg(panels, "Learning curves");
}

/** The panels for a page, each with its title and key. */
export function curveFigures(history: readonly EpochRecord[], options: CurveOptions = {}): Markup[] {
  return curvePanels(history, options).map(panelFigure);
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
    const chart = lineChart({ label: title, series: shown, mark, xName: "epoch", ...options });
    const said = `${title} over ${history.length} epochs. ${shown.map(describe).join(" ")}`;
    return [{ title, said, key: shown, chart }];
  };

  const names = [...new Set([...classes, ...history.flatMap((record) => Object.keys(record.scores ?? {}))])];
  const perClass = names.map((name, i) => ({ name, color: i, points: take((r) => r.scores?.[name]) }));
  const mean: Series = {
    name: "mean",
    color: "ink",
    points: take((r) => {
      const defined = Object.values(r.scores ?? {}).filter((value) => value !== null);
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
