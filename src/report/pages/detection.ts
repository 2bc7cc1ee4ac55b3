/** `report.html` of a detection: scores by class, precision and recall, free-response curve, the worst and the best images. */
import { writeFileAtomic } from "../../files/index.ts";
import { type DetectionImageScores, type DetectionSummary, type Froc, frocSizeText } from "../../metrics/index.ts";
import { type Markup, markup, type Piece, trusted } from "../draw/markup.ts";
import { fixed, short } from "../draw/numbers.ts";
import { pngDataUri } from "../draw/raster.ts";
import { curveFigures } from "../figures/curves.ts";
import { frocFigure, precisionRecallFigure } from "../figures/detection-charts.ts";
import { headlineNumber, reportDocument, section } from "./document.ts";
import type { EpochRecord, ReportFrame } from "./input.ts";

export interface DetectionReportInput extends ReportFrame {
  readonly summary: DetectionSummary;
  /** Left out or empty where nothing was trained. */
  readonly phases?: readonly TrainedPhase[];
  /** Score from which detections were counted in `summary.perImage` and drawn. Default 0.5. */
  readonly threshold?: number;
}

/** A part of a training with learning curves of its own. */
export interface TrainedPhase {
  /** Left out where there is only one. */
  readonly title?: string;
  readonly history: readonly EpochRecord[];
  readonly bestEpoch?: number;
  /** Whether what was scored are proposals, all classes taken as one. */
  readonly ofProposals?: boolean;
}

/** Draws an image with its boxes: `pictureBoxesPng` or `volumeBoxesPng`. Called for at most {@link shownOfEach} of both kinds. */
export type DetectionPainter = (image: string) => Promise<Uint8Array>;

const shownOfEach = 4;

/** @param paint left out, no pictures */
export async function renderDetectionReport(input: DetectionReportInput, paint?: DetectionPainter): Promise<string> {
  const { summary, threshold = 0.5 } = input;
  const phases = (input.phases ?? []).filter(({ history }) => history.length > 0);
  const bestEpoch = phases.find((phase) => phase.bestEpoch !== undefined)?.bestEpoch;
  const { axes, curves, froc } = summary;
  const { worst, best } = worstAndBest(summary.perImage);
  const pictures = async (of: readonly DetectionImageScores[]): Promise<Markup[]> => {
    const made: Markup[] = [];
    if (paint) for (const item of of) made.push(figure(item, await paint(item.image)));
    return made;
  };
  const [wrong, right] = [await pictures(worst), await pictures(best)];
  const shown = axes === 2 ? 0.5 : 0.1;
  const [from, to] = [curves.coco.iouThresholds[0], curves.coco.iouThresholds.at(-1) as number];
  const definitions = [
    `AP is the mean precision at 101 recalls, averaged over IoU ${short(from)} to ${short(to)} (COCO’s rule${axes === 3 ? ", with IoU of volumes" : ""}); `,
    "AR the recall that all detections reach, averaged likewise; VOC the area under the curve at IoU 0.5 by Pascal VOC’s rule.",
  ];
  const montage = (title: string, figures: readonly Markup[]): Piece =>
    figures.length > 0 &&
    markup`<h3>${title}</h3><div class="${axes === 2 ? "pictures" : "pictures wide"}">${figures}</div>`;
  const classNames = summary.classes.map(({ name }) => name);
  return reportDocument(input, headline(summary), [
    section("Scores by class", definitions, classTable(summary)),
    section(
      "Curves",
      froc &&
        `Free response by LUNA16’s rules: a mark within a finding’s radius hits. The band is the ${short(100 * froc.bootstrap.level)} % bootstrap interval over scans (${froc.bootstrap.resamples} resamples, seed ${froc.bootstrap.seed}).`,
      markup`<div class="charts">${[
        precisionRecallFigure(summary, shown),
        axes === 2 && precisionRecallFigure(summary, 0.75),
        froc && frocFigure(froc),
      ]}</div>`,
    ),
    wrong.length + right.length > 0 &&
      section(
        "Worst and best images",
        `Detections with a score of at least ${short(threshold)}, solid and named; truth dashed. Counted at IoU ${short(shown)}: what was missed plus what is not there.`,
        [montage("Most mistakes", wrong), montage("Fewest mistakes", right)],
      ),
    phases.length > 0 &&
      section(
        "Learning curves",
        bestEpoch !== undefined && `The dotted line marks epoch ${bestEpoch}, whose weights were scored.`,
        phases.map((phase) => [
          phase.title !== undefined && markup`<h3>${phase.title}</h3>`,
          markup`<div class="charts">${curveFigures(phase.history, {
            bestEpoch: phase.bestEpoch,
            classes: phase.ofProposals ? [] : classNames,
            scores: `Average precision of ${phase.ofProposals ? "proposals" : "detections"} on validation images`,
          })}</div>`,
        ]),
      ),
    froc && section("Sensitivity at false-positive rates", null, frocTable(froc)),
    froc &&
      froc.bySize.length > 0 &&
      section("Sensitivity by size", "Where one false positive a scan is allowed.", sizeTable(froc)),
    section("Every image", "Most mistakes first.", imageTable(summary.perImage)),
  ]);
}

/** Writes the page. @throws ConfigError where the file exists and `force` is not set */
export async function writeDetectionReport(
  path: string,
  input: DetectionReportInput,
  paint?: DetectionPainter,
  options: { readonly force?: boolean } = {},
): Promise<void> {
  await writeFileAtomic(path, await renderDetectionReport(input, paint), { force: options.force });
}

/** By mistakes; of equals, first those with more objects. An image is shown once. */
export function worstAndBest(images: readonly DetectionImageScores[], count = shownOfEach) {
  const order = byMistakes(images);
  const worst = order.filter((item) => mistakes(item) > 0).slice(0, count);
  const left = order.filter((item) => !worst.includes(item) && item.truth > 0);
  const best = left.sort((a, b) => mistakes(a) - mistakes(b) || b.truth - a.truth).slice(0, count);
  return { worst, best };
}

function mistakes({ missed, falsePositives }: DetectionImageScores): number {
  return missed + falsePositives;
}

function byMistakes(images: readonly DetectionImageScores[]): DetectionImageScores[] {
  return [...images].sort(
    (a, b) => mistakes(b) - mistakes(a) || b.truth - a.truth || (a.image < b.image ? -1 : a.image > b.image ? 1 : 0),
  );
}

function headline({ axes, ap, ap50, ap10, ar, images, classes, froc, voc }: DetectionSummary): Markup {
  const boxes = classes.reduce((sum, { positives }) => sum + positives, 0);
  const several = classes.length > 1 ? `mean of ${classes.length} classes` : classes[0]?.name;
  return markup`<dl class="numbers">${[
    froc && headlineNumber("CPM", fixed(froc.cpm, 3), interval(froc.cpmInterval)),
    headlineNumber("AP50", fixed(ap50, 3), several),
    axes === 3 && headlineNumber("AP at IoU 0.1", fixed(ap10, 3), several),
    headlineNumber("AP", fixed(ap, 3), axes === 2 ? "IoU 0.5 to 0.95" : "IoU 0.1 to 0.5"),
    axes === 2 && headlineNumber("VOC AP50", fixed(voc.area, 3), `11-point ${fixed(voc.elevenPoint, 3)}`),
    headlineNumber("AR", fixed(ar, 3), null),
    headlineNumber(axes === 2 ? "Images" : "Volumes", String(images), `${boxes} objects`),
  ]}</dl>`;
}

function interval(of: readonly [number, number] | null): string | null {
  return of && `${fixed(of[0], 3)} to ${fixed(of[1], 3)}`;
}

function classTable({ classes, axes, ap, ap50, ap10, ar, voc, coco }: DetectionSummary): Markup {
  const between = axes === 2 ? "AP75" : "AP10";
  const rows = classes.map(
    (c) => [c.name, c.positives, c.detections, c.ap, c.ap50, c.ap75 ?? c.ap10, c.ar, c.voc] as const,
  );
  const sum = (at: 1 | 2): number => rows.reduce((total, row) => total + row[at], 0);
  const all = ["All", sum(1), sum(2), ap, ap50, axes === 2 ? (coco?.ap75 ?? null) : ap10, ar, voc.area] as const;
  const heads = ["Objects", "Detections", "AP", "AP50", between, "AR", "VOC"];
  const body = [...rows, ...(rows.length > 1 ? [all] : [])].map(
    ([name, positives, detections, ...scores]) =>
      markup`<tr><th scope="row">${name}</th><td>${positives}</td><td>${detections}</td>${scores.map((v) => cell(v))}</tr>`,
  );
  const sizes =
    coco &&
    markup`<p class="note">By area in pixels (small below 32², large above 96²): AP ${fixed(coco.apSmall, 3)}, ${fixed(coco.apMedium, 3)}, ${fixed(coco.apLarge, 3)}; AR ${fixed(coco.arSmall, 3)}, ${fixed(coco.arMedium, 3)}, ${fixed(coco.arLarge, 3)}. AR with 1, 10 and 100 detections an image: ${fixed(coco.ar1, 3)}, ${fixed(coco.ar10, 3)}, ${fixed(coco.ar100, 3)}.</p>`;
  return markup`${table("Scores by class", "Class", heads, body)}${sizes}`;
}

function frocTable({ sensitivityAt }: Froc): Markup {
  const rows = sensitivityAt.map(
    ({ falsePositives, sensitivity, interval: own }) =>
      markup`<tr><th scope="row">${short(falsePositives)}</th>${cell(sensitivity)}<td>${interval(own) ?? "–"}</td></tr>`,
  );
  return table("Sensitivity at false-positive rates", "False positives per scan", ["Sensitivity", "Interval"], rows);
}

function sizeTable({ bySize }: Froc): Markup {
  const rows = bySize.map(
    (size) =>
      markup`<tr><th scope="row">${frocSizeText(size)}</th><td>${size.findings}</td><td>${size.found}</td>${cell(size.found / size.findings)}</tr>`,
  );
  return table("Sensitivity by size", "Diameter", ["Findings", "Found", "Sensitivity"], rows);
}

function imageTable(images: readonly DetectionImageScores[]): Markup {
  const rows = byMistakes(images).map(
    ({ image, truth, found, missed, falsePositives }) =>
      markup`<tr><th scope="row">${image}</th><td>${truth}</td><td>${found}</td><td>${missed}</td><td>${falsePositives}</td></tr>`,
  );
  return table("Every image", "Image", ["Objects", "Found", "Missed", "Not there"], rows);
}

function table(name: string, first: string, heads: readonly string[], rows: readonly Markup[]): Markup {
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="${name}"><table class="summary">
<thead><tr><th scope="col">${first}</th>${heads.map((head) => markup`<th scope="col">${head}</th>`)}</tr></thead>
<tbody>${rows}</tbody>
</table></div>`;
}

function cell(value: number | null | undefined): Markup {
  return value === null || value === undefined ? markup`<td class="none">–</td>` : markup`<td>${fixed(value, 3)}</td>`;
}

function figure({ image, truth, found, falsePositives }: DetectionImageScores, png: Uint8Array): Markup {
  const said = `${image}: ${found} of ${truth} found, ${falsePositives} not there`;
  return markup`<figure><img src="${trusted(pngDataUri(png))}" alt="${said}"><figcaption><b>${image}</b> ${found} of ${truth} found, ${falsePositives} not there</figcaption></figure>`;
}
