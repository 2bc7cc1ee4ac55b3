/**
 * `report.html`: one file with everything in it. No script, no request, nothing that changes from one writing to the
 * next: the same input gives the same bytes. A policy in its head forbids the browser to load anything, whatever ended
 * up in a case's name.
 */
import type { CaseScores, LabelNames } from "../metrics/index.ts";
import { meanOf, rankCases } from "../metrics/index.ts";
import { curveFigures } from "./curves.ts";
import { caseFigure, outlineKey } from "./figure.ts";
import type { CaseLoader, DataCredit, Json, MachineInfo, ReportInput } from "./input.ts";
import { type Markup, markup, type Piece, trusted } from "./markup.ts";
import { duration } from "./numbers.ts";
import { absenceNote, caseTable, classTable, headlineNumbers, scoreCharts } from "./scores.ts";
import { chartStyle, classColors, pageStyle, themeVariables } from "./theme.ts";

/**
 * The report as one HTML text.
 * @param load called for the best, the median and the worst case, one after another; left out, no pictures
 */
export async function renderReport(input: ReportInput, load?: CaseLoader): Promise<string> {
  const { summary, cases, history = [], machine, bestEpoch, convention = "radiological" } = input;
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
    "is the larger of the two directed 95th percentiles, surface distance the symmetric average (ASSD). Volume " +
    "difference is prediction minus truth.";

  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${trusted(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="medvox ${machine.versions.medvox ?? ""}">
<title>${input.title}</title>
<link rel="icon" href="data:,">
<style>${trusted(themeVariables(":root") + chartStyle + pageStyle)}</style>
</head>
<body>
<main>
<header>
<h1>${input.title}</h1>
${input.lead && markup`<p class="lead">${input.lead}</p>`}
${headlineNumbers(summary)}
</header>
${
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
  )
}
${
  cases.length > 1 &&
  section(
    "Dice by case",
    [
      `One dot per case; the line is the mean and the band its ${level} interval `,
      `(bootstrap over ${summary.cases} cases, ${resamples.toLocaleString("en-GB")} resamples, seed ${seed}).`,
    ],
    scoreCharts(summary, cases),
  )
}
${
  history.length > 0 &&
  section(
    "Learning curves",
    [
      bestEpoch !== undefined && `The dotted line marks epoch ${bestEpoch}, whose weights were scored. `,
      epochSeconds.length > 0 && `An epoch took ${duration(meanOf(epochSeconds) ?? 0)} on average.`,
    ],
    markup`<div class="charts">${curveFigures(history, { bestEpoch, classes })}</div>`,
  )
}
${section(
  "Scores by class",
  [`Mean, its ${level} interval, median, standard deviation and number of cases. `, definitions],
  [classTable(summary), absenceNote(summary) && markup`<p class="note">${absenceNote(summary)}</p>`],
)}
${section("Every case", "Best first, by mean Dice.", caseTable(summary, cases))}
<section class="facts">
<div><h2>What was asked</h2>${pairs(flatten(input.asked))}</div>
<div><h2>Which machine did it</h2>${pairs(machinePairs(machine))}</div>
</section>
${section("Make it again", null, markup`<pre><code>${input.command}</code></pre>`)}
${input.data.length > 0 && section("Data", null, markup`<ul class="credits">${input.data.map(credit)}</ul>`)}
<footer><p>Written by medvox ${machine.versions.medvox}. For research; not a medical device.</p></footer>
</main>
</body>
</html>
`.text;
}

/** Nothing may be loaded, run or sent; pictures and styles are in the file. */
const policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/** The best, the median and the worst case by mean Dice; fewer where there are fewer cases. */
export function shownCases(cases: readonly CaseScores[]): { readonly role: string; readonly scores: CaseScores }[] {
  const ranked = rankCases(cases);
  const last = ranked.length - 1;
  if (last < 0) return [];
  if (last === 0) return [{ role: "Case", scores: ranked[0] }];
  const median = last > 1 ? [{ role: "Median", scores: ranked[Math.floor(ranked.length / 2)] }] : [];
  return [{ role: "Best", scores: ranked[0] }, ...median, { role: "Worst", scores: ranked[last] }];
}

function section(title: string, note: Piece, body: Piece): Markup {
  return markup`<section><h2>${title}</h2>${note && markup`<p class="note">${note}</p>`}${body}</section>`;
}

function pairs(entries: readonly (readonly [name: string, value: Piece])[]): Markup {
  return markup`<dl class="pairs">${entries.map(([name, value]) => markup`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}

/** Nested settings as dotted names, in the order they came. */
function flatten(value: Json, path = ""): [string, string][] {
  if (value !== null && typeof value === "object") {
    const plain = Array.isArray(value) && value.every((item) => item === null || typeof item !== "object");
    if (plain) return [[path, value.length === 0 ? "none" : value.join(", ")]];
    const entries = Object.entries(value);
    if (entries.length === 0) return [[path, "none"]];
    return entries.flatMap(([key, item]) => flatten(item, path === "" ? key : `${path}.${key}`));
  }
  return [[path, value === null ? "none" : value === true ? "yes" : value === false ? "no" : String(value)]];
}

function machinePairs(machine: MachineInfo): [string, Piece][] {
  const { cpu, cores, memoryGiB, device, system, versions, date, seconds } = machine;
  return [
    ["processor", cpu],
    ["cores", cores],
    ...(memoryGiB === undefined ? [] : ([["memory", `${Number(memoryGiB.toFixed(1))} GiB`]] as [string, Piece][])),
    ...(device === undefined ? [] : ([["device", device]] as [string, Piece][])),
    ...(system === undefined ? [] : ([["system", system]] as [string, Piece][])),
    ...Object.entries(versions),
    [
      "finished",
      /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(date)
        ? `${date.slice(0, 10)}, ${date.slice(11, 16)}${date.endsWith("Z") ? " UTC" : ""}`
        : date,
    ],
    ["took", duration(seconds)],
  ];
}

/** Only an https address becomes a link; anything else is text. */
function credit({ name, licence, source, url, split }: DataCredit): Markup {
  const title = url !== undefined && /^https:\/\/[^\s]+$/i.test(url) ? markup`<a href="${url}">${name}</a>` : name;
  const rest = [split, source, licence].filter((part) => part !== undefined);
  return markup`<li>${title}${rest.length > 0 && markup` <span>· ${rest.join(" · ")}</span>`}</li>`;
}
