/** `report.html` of a classification: ROC, calibration, scores of cases, the surest hits and the worst mistakes, curves. */

import { writeFileAtomic } from "../../files/index.ts";
import {
  type CaseProbabilities,
  type ClassificationSummary,
  calledClass,
  meanOf,
  type Proportion,
} from "../../metrics/index.ts";
import { type Markup, markup, type Piece } from "../draw/markup.ts";
import { fixed } from "../draw/numbers.ts";
import { chartSvg, keySwatch, lineChart, type Series } from "../figures/chart.ts";
import { caseScoresFigure, reliabilityFigure, rocFigure } from "../figures/classification-charts.ts";
import { type ClassifiedVolumes, classifiedFigure } from "../figures/classification-figure.ts";
import { curveFigures } from "../figures/curves.ts";
import { headlineNumber, reportDocument, section } from "./document.ts";
import type { Convention, EpochRecord, ReportFrame } from "./input.ts";

export interface ClassificationReportInput extends ReportFrame {
  readonly summary: ClassificationSummary;
  readonly cases: readonly CaseProbabilities[];
  /** How ratings became classes, in words. */
  readonly rule?: string;
  /** Epochs of every network that was trained. */
  readonly histories?: readonly TrainedNetwork[];
  readonly convention?: Convention;
}

/** One of the networks that were trained. */
export interface TrainedNetwork {
  readonly name: string;
  readonly epochs: readonly EpochRecord[];
  /** The epoch whose weights were scored, where it is not the last. */
  readonly bestEpoch?: number;
}

/** Reads what a picture of a case needs. Called for at most {@link shownOfEach} hits and mistakes. */
export type ClassifiedLoader = (name: string) => Promise<ClassifiedVolumes>;

const shownOfEach = 6;

/** @param load left out, no pictures of cases */
export async function renderClassificationReport(
  input: ClassificationReportInput,
  load?: ClassifiedLoader,
): Promise<string> {
  const { summary, cases, rule, histories = [], convention = "radiological" } = input;
  const names = summary.classes.map(({ name }) => name);
  const trained = histories.filter(({ epochs }) => epochs.length > 0);
  const { hits, mistakes } = hitsAndMistakes(cases);
  const pictures = async (of: readonly CaseProbabilities[]): Promise<Markup[]> => {
    const made: Markup[] = [];
    if (load) for (const item of of) made.push(classifiedFigure(item, names, await load(item.case), convention));
    return made;
  };
  const [right, wrong] = [await pictures(hits), await pictures(mistakes)];
  const percent = `${Number((100 * summary.level).toFixed(2))} %`;
  const montage = (title: string, figures: readonly Markup[]): Piece =>
    figures.length > 0 && markup`<h3>${title}</h3><div class="montage">${figures}</div>`;
  const side = convention === "radiological" ? "left" : "right";
  return reportDocument(input, headline(summary, percent), [
    section(
      "Scores",
      [
        rule && `${capital(rule)}. `,
        summary.aucInterval &&
          `The interval of the area is DeLong’s; the band is the ${percent} bootstrap interval of sensitivity at each specificity. `,
        summary.youden &&
          "Youden’s threshold was chosen on these very cases, so its sensitivity and specificity flatter; 0.5 was chosen beforehand. ",
        "Calibration: ten bins of equal width, the mean prediction of each against what was true, with Wilson’s interval; bars count cases.",
      ],
      markup`<div class="charts">${[rocFigure(summary, cases), reliabilityFigure(summary), caseScoresFigure(summary, cases)]}</div>`,
    ),
    right.length + wrong.length > 0 &&
      section(
        "Surest and most mistaken",
        [
          "What the network saw of each case, and the probability it gave to the true class: one axial slice, where the mask is fullest or else in the middle. ",
          `Shown in ${convention} convention: the patient’s right is on the ${side}.`,
        ],
        [montage("Called rightly, surest first", right), montage("Called wrongly, worst first", wrong)],
      ),
    trained.length > 0 &&
      section(
        "Learning curves",
        trained.length === 1 &&
          trained[0].bestEpoch !== undefined &&
          `The dotted line marks epoch ${trained[0].bestEpoch}, whose weights were scored.`,
        curves(trained),
      ),
    section("By class", `With ${percent} intervals: DeLong’s for areas, Wilson’s for shares.`, classTable(summary)),
    section("Every case", "Highest score first.", caseTable(summary, cases)),
  ]);
}

/** Writes the page. @throws ConfigError where the file exists and `force` is not set */
export async function writeClassificationReport(
  path: string,
  input: ClassificationReportInput,
  load?: ClassifiedLoader,
  options: { readonly force?: boolean } = {},
): Promise<void> {
  await writeFileAtomic(path, await renderClassificationReport(input, load), { force: options.force });
}

/** The surest of the rightly called, and the surest of the wrongly called. */
export function hitsAndMistakes(cases: readonly CaseProbabilities[], count = shownOfEach) {
  const order = [...cases].sort(
    (a, b) => b.probabilities[b.truth] - a.probabilities[a.truth] || (a.case < b.case ? -1 : 1),
  );
  const isRight = ({ truth, probabilities }: CaseProbabilities): boolean => calledClass(probabilities) === truth;
  const wrong = order.filter((item) => !isRight(item)).reverse();
  return { hits: order.filter(isRight).slice(0, count), mistakes: wrong.slice(0, count) };
}

function headline(summary: ClassificationSummary, percent: string): Markup {
  const { auc, aucInterval, accuracy, atHalf, averagePrecision, balancedAccuracy, cases, classes } = summary;
  const between = (interval: readonly [number, number] | null | undefined): string | null =>
    interval ? `${percent} CI ${fixed(interval[0], 3)}–${fixed(interval[1], 3)}` : null;
  const number = (name: string, value: number | null, below: string | null): Markup =>
    headlineNumber(name, fixed(value, 3), below);
  const share = (name: string, { value, interval }: Proportion): Markup => number(name, value, between(interval));
  return markup`<dl class="numbers">${[
    number(classes.length === 2 ? "AUC" : "Mean AUC", auc, between(aucInterval)),
    share(atHalf ? "Accuracy at 0.5" : "Accuracy", accuracy),
    atHalf ? share("Sensitivity at 0.5", atHalf.sensitivity) : number("Balanced accuracy", balancedAccuracy, null),
    atHalf && share("Specificity at 0.5", atHalf.specificity),
    number("Average precision", averagePrecision, null),
    markup`<div><dt>Cases scored</dt><dd><strong>${cases}</strong><span>${classes.map((c) => `${c.cases} ${c.name}`).join(" · ")}</span></dd></div>`,
  ]}</dl>`;
}

/** One training: its own panels. Several: the loss of each, and their mean. */
function curves(trained: readonly TrainedNetwork[]): Markup {
  if (trained.length === 1) {
    const { bestEpoch } = trained[0];
    const options = { scores: "Scores of watched cases", mean: false, bestEpoch };
    return markup`<div class="charts">${curveFigures(trained[0].epochs, options)}</div>`;
  }
  const points = (pick: (record: EpochRecord) => number | null | undefined, epochs: readonly EpochRecord[]) =>
    epochs.flatMap((record) => {
      const value = pick(record);
      return value === null || value === undefined ? [] : [[record.epoch, value] as const];
    });
  const each = trained.map(
    ({ name, epochs }): Series => ({ name, color: "soft", faint: true, points: points((r) => r.trainLoss, epochs) }),
  );
  const last = Math.max(...trained.map(({ epochs }) => epochs.length));
  const mean: Series = {
    name: "mean",
    color: "ink",
    points: Array.from({ length: last }, (_, i) => [
      i + 1,
      meanOf(trained.map(({ epochs }) => epochs[i]?.trainLoss ?? null)) ?? Number.NaN,
    ]),
  };
  const rates: Series = {
    name: "learning rate",
    color: "ink",
    points: points((r) => r.learningRate, trained[0].epochs),
  };
  const panel = (title: string, keys: readonly Piece[], series: readonly Series[]): Markup => {
    const inside = lineChart({ label: title, series, include: [0], xName: "epoch" });
    return markup`<div><h3>${title}</h3><ul class="key">${keys}</ul>${chartSvg(`${title} of ${trained.length} trainings`, inside)}</div>`;
  };
  return markup`<div class="charts">${[
    panel(
      "Training loss",
      [markup`<li>${keySwatch("soft")}each of ${trained.length}</li>`, markup`<li>${keySwatch("ink")}mean</li>`],
      [...each, mean],
    ),
    panel("Learning rate", [markup`<li>${keySwatch("ink")}of each</li>`], [rates]),
  ]}</div>`;
}

function classTable({ classes, confusion }: ClassificationSummary): Markup {
  const cell = (value: number | null, interval: readonly [number, number] | null): Markup =>
    value === null
      ? markup`<td class="none">–</td>`
      : markup`<td>${fixed(value, 3)}${interval && markup` <small>${fixed(interval[0], 3)} to ${fixed(interval[1], 3)}</small>`}</td>`;
  const rows = classes.map(
    (c, k) =>
      markup`<tr><th scope="row">${c.name}</th><td>${c.cases}</td>${cell(c.auc, c.aucInterval)}${cell(
        c.averagePrecision,
        null,
      )}${cell(c.recall.value, c.recall.interval)}${cell(c.precision.value, c.precision.interval)}${confusion[k].map(
        (n) => markup`<td>${n}</td>`,
      )}</tr>`,
  );
  const heads = ["Cases", "AUC", "Average precision", "Recall", "Precision", ...classes.map((c) => `called ${c.name}`)];
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="Scores by class"><table class="summary">
<thead><tr><th scope="col">Class</th>${heads.map((head) => markup`<th scope="col">${head}</th>`)}</tr></thead>
<tbody>${rows}</tbody>
</table></div>`;
}

function caseTable({ classes }: ClassificationSummary, cases: readonly CaseProbabilities[]): Markup {
  const binary = classes.length === 2;
  const score = ({ truth, probabilities }: CaseProbabilities): number => probabilities[binary ? 1 : truth];
  const order = [...cases].sort((a, b) => score(b) - score(a) || (a.case < b.case ? -1 : 1));
  const shown = binary ? [1] : classes.map((_, k) => k);
  const rows = order.map((item) => {
    const called = calledClass(item.probabilities);
    const cells = shown.map((k) => markup`<td>${fixed(item.probabilities[k], 3)}</td>`);
    const verdict = called === item.truth ? "right" : "wrong";
    return markup`<tr><th scope="row">${item.case}</th><td>${classes[item.truth].name}</td><td>${classes[called].name}</td><td>${verdict}</td>${cells}</tr>`;
  });
  const heads = ["Truth", "Called", "", ...shown.map((k) => `p(${classes[k].name})`)];
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="Scores of every case"><table>
<thead><tr><th scope="col">Case</th>${heads.map((head) => markup`<th scope="col">${head}</th>`)}</tr></thead>
<tbody>${rows}</tbody>
</table></div>`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
