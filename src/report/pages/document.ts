/**
 * The frame of every `report.html`: one file with everything in it. No script, no request, nothing that changes from one
 * writing to the next: the same input gives the same bytes. A policy in its head forbids the browser to load anything,
 * whatever ended up in a case's name.
 */
import { counted } from "../../data/counted.ts";
import { type Markup, markup, type Piece, trusted } from "../draw/markup.ts";
import { duration } from "../draw/numbers.ts";
import { chartStyle, pageStyle, themeVariables } from "../draw/theme.ts";
import type { Json, MachineInfo, ReportCredit, ReportFrame } from "./input.ts";
import { problemCounts, problemTable } from "./problems.ts";

/** The whole page around a task's own headline numbers and sections. */
export function reportDocument(frame: ReportFrame, headline: Markup, sections: readonly Piece[]): string {
  const { title, lead, machine, asked, command, data, problems = [], evaluations = [] } = frame;
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${trusted(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="medvox ${machine.versions.medvox ?? ""}">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${trusted(themeVariables(":root") + chartStyle + pageStyle)}</style>
</head>
<body>
<main>
<header>
<h1>${title}</h1>
${lead && markup`<p class="lead">${lead}</p>`}
${headline}
</header>
${sections.map((part) => markup`${part}\n`)}${
  problems.length > 0 &&
  markup`${section("Problems with the data", `${counted(problems.length, "problem")}: ${problemCounts(problems)}.`, problemTable(problems))}
`
}${
  evaluations.length > 0 &&
  markup`${section("Evaluations of this run", "Each stands in a folder of its own; the one marked is told on this page.", evaluationList(evaluations))}
`
}<section class="facts">
<div><h2>What was asked</h2>${pairs(flatten(asked))}</div>
<div><h2>Which machine did it</h2>${pairs(machinePairs(machine))}</div>
</section>
${section("Make it again", null, markup`<pre><code>${command}</code></pre>`)}
${data.length > 0 && section("Data", null, markup`<ul class="credits">${data.map(credit)}</ul>`)}
<footer><p>Written by medvox ${machine.versions.medvox}. For research; not a medical device.</p></footer>
</main>
</body>
</html>
`.text;
}

/** Nothing may be loaded, run or sent; pictures and styles are in the file. */
const policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

export function section(title: string, note: Piece, body: Piece): Markup {
  return markup`<section><h2>${title}</h2>${note && markup`<p class="note">${note}</p>`}${body}</section>`;
}

/** One of the large numbers below the title; they stand in a `<dl class="numbers">`. */
export function headlineNumber(name: string, value: Piece, below: Piece): Markup {
  return markup`<div><dt>${name}</dt><dd>
<strong>${value}</strong>
${below && markup`<span>${below}</span>`}
</dd></div>`;
}

function evaluationList(evaluations: NonNullable<ReportFrame["evaluations"]>): Markup {
  return pairs(
    evaluations.map(({ name, how, line, isThis }) => [
      isThis ? `${name} (this one)` : name,
      [how, line].filter((part) => part !== "").join(": "),
    ]),
  );
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
  const { cpu, cores, memoryGb, device, system, versions, date, seconds } = machine;
  return [
    ["processor", cpu],
    ["cores", cores],
    ...(memoryGb === undefined ? [] : ([["memory", `${Number(memoryGb.toFixed(1))} GB`]] as [string, Piece][])),
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
function credit({ name, licence, source, url, split }: ReportCredit): Markup {
  const title = url !== undefined && /^https:\/\/[^\s]+$/i.test(url) ? markup`<a href="${url}">${name}</a>` : name;
  const rest = [split, source, licence].filter((part) => part !== undefined);
  return markup`<li>${title}${rest.length > 0 && markup` <span>· ${rest.join(" · ")}</span>`}</li>`;
}
