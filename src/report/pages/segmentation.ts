/** `report.html` of a segmentation: pictures of cases, Dice by case, learning curves, scores by class and by case. */
import type { CaseScores, LabelNames } from "../../metrics/index.ts";
import { meanOf, rankCases } from "../../metrics/index.ts";
import { type Markup, markup } from "../draw/markup.ts";
import { duration } from "../draw/numbers.ts";
import { classColors } from "../draw/theme.ts";
import { curveFigures } from "../figures/curves.ts";
import { caseFigure, outlineKey } from "../figures/figure.ts";
import { reportDocument, section } from "./document.ts";
import type { CaseLoader, ReportInput } from "./input.ts";
import { absenceNote, caseTable, classTable, headlineNumbers, scoreCharts } from "./scores.ts";

/**
 * The report as one HTML text.
 * @param load called for the best, the median and the worst case, one after another; left out, no pictures
 */
export async function renderReport(input: ReportInput, load?: CaseLoader): Promise<string> {
  const { summary, cases, history = [], bestEpoch, convention = "radiological" } = input;
  const labels: LabelNames = Object.fromEntries(summary.classes.map((c) => [c.label, c.name]));
  const figures: Markup[] = [];
  if (load) {
    for (const { role, scores } of shownCases(cases)) {
      figures.push(caseFigure(role, scores, await load(scores.case), labels, convention));
    }
  }
  const classes = summary.classes.map((c) => c.name);
  const { resamples, seed } = summary.bootstrap;
  const level = `${Number((100 * summary.bootstrap.level).toFixed(2))} %`;
  const epochSeconds = history.flatMap((record) => record.seconds ?? []);
  const side = convention === "radiological" ? "left" : "right";
  const definitions =
    "Dice, IoU, precision and recall count voxels. Distances are in mm between surface voxels (face neighbours): HD95 " +
    "is the larger of the two directed 95th percentiles, surface distance the symmetric average (ASSD), " +
    `NSD (surface Dice) the share of both surfaces within ${summary.nsdToleranceMm} mm of the other. A class that one mask lacks has no ` +
    "distance, and counts 0 in Dice and NSD. Volume difference is prediction minus truth.";

  return reportDocument(input, headlineNumbers(summary), [
    figures.length > 0 &&
      section(
        ["The case", "Best and worst case", "Best, median and worst case"][figures.length - 1],
        [
          figures.length > 1 && "By mean Dice. ",
          "Each plane is cut where the true foreground is largest. ",
          `Shown in ${convention} convention: the patient’s right is on the ${side} of axial and coronal slices.`,
          summary.classes.length > classColors.length &&
            ` Colours repeat after ${classColors.length} classes; resting on an outline names it.`,
        ],
        [outlineKey(labels), figures],
      ),
    cases.length > 1 &&
      section(
        "Dice by case",
        [
          `One dot per case; the line is the mean and the band its ${level} interval `,
          `(bootstrap over ${summary.cases} cases, ${resamples.toLocaleString("en-GB")} resamples, seed ${seed}).`,
        ],
        scoreCharts(summary, cases),
      ),
    history.length > 0 &&
      section(
        "Learning curves",
        [
          bestEpoch !== undefined && `The dotted line marks epoch ${bestEpoch}, whose weights were scored. `,
          epochSeconds.length > 0 && `An epoch took ${duration(meanOf(epochSeconds) ?? 0)} on average.`,
        ],
        markup`<div class="charts">${curveFigures(history, { bestEpoch, classes })}</div>`,
      ),
    section(
      "Scores by class",
      [`Mean, its ${level} interval, median, standard deviation and number of cases. `, definitions],
      [classTable(summary), absenceNote(summary) && markup`<p class="note">${absenceNote(summary)}</p>`],
    ),
    section("Every case", "Best first, by mean Dice.", caseTable(summary, cases)),
  ]);
}

/** The best, the median and the worst case by mean Dice; fewer where there are fewer cases. */
export function shownCases(cases: readonly CaseScores[]): { readonly role: string; readonly scores: CaseScores }[] {
  const ranked = rankCases(cases);
  const last = ranked.length - 1;
  if (last < 0) return [];
  if (last === 0) return [{ role: "Case", scores: ranked[0] }];
  const median = last > 1 ? [{ role: "Median", scores: ranked[Math.floor(ranked.length / 2)] }] : [];
  return [{ role: "Best", scores: ranked[0] }, ...median, { role: "Worst", scores: ranked[last] }];
}
