/**
 * `npm run tables`: writes the tables of README.md and docs/*.md from `results/*.json`, between the marks
 * `<!-- table:NAME -->` and `<!-- /table -->`, and README.md's short one between `<!-- summary -->` and `<!-- /summary -->`. A test fails where a document and the results differ, so no number in
 * a table is typed by hand.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Cell, type Column, type Result, readResult } from "../bench/results.ts";
import { fillSummary } from "./results-summary.ts";

const MARKED = /(<!-- table:([\w-]+) -->)[\s\S]*?(<!-- \/table -->)/g;

/** Replaces every marked block. `load` gives the result of a name, or undefined where it was never measured. */
export function fillTables(markdown: string, load: (name: string) => Result | undefined): string {
  return markdown.replace(MARKED, (_, open: string, name: string, close: string) => {
    const result = load(name);
    const body = result ? renderTable(result) : `Not measured yet: there is no results/${name}.json.`;
    return `${open}\n\n${body}\n\n${close}`;
  });
}

/** A Markdown table with the machine, the versions, the date and the command under it. */
export function renderTable(result: Result): string {
  const columns: readonly Column[] = result.columns ?? Object.keys(result.rows[0] ?? {}).map((key) => ({ key }));
  const isNumber = columns.map(({ key }) => result.rows.some((row) => typeof row[key] === "number"));
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const { machine, versions } = result;
  const others = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const features = machine.features.length > 0 ? ` (${machine.features.join(", ")})` : "";
  return [
    line(columns.map(({ key, title }) => title ?? key)),
    line(isNumber.map((number) => (number ? "---:" : "---"))),
    ...result.rows.map((row) => line(columns.map((column) => cell(row[column.key], column.digits)))),
    "",
    ...(result.notes ?? []).flatMap((note) => [note, ""]),
    `\`${result.command}\` on ${machine.cpu}${features}, ${machine.cores} ${machine.cores === 1 ? "core" : "cores"}, ${machine.memoryGb} GB, ` +
      `${machine.os}; ${others.join(", ")}; ${result.date.slice(0, 10)}.`,
  ].join("\n");
}

function cell(value: Cell | undefined, digits: number | undefined): string {
  if (value === undefined || value === null) return "–";
  if (typeof value === "number") return digits === undefined ? String(value) : value.toFixed(digits);
  return String(value).replaceAll("|", "\\|").replaceAll("\n", " ");
}

/** The documents with tables, as they stand and as they should, by path below `root`. */
export function documents(root: string): { path: string; now: string; wanted: string }[] {
  const load = (name: string): Result | undefined => {
    const path = join(root, "results", `${name}.json`);
    return existsSync(path) ? readResult(path) : undefined;
  };
  const docs = existsSync(join(root, "docs"))
    ? readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    : [];
  return ["README.md", ...docs.filter((path) => path.endsWith(".md")).map((path) => join("docs", path))].map((path) => {
    const now = readFileSync(join(root, path), "utf8");
    return { path, now, wanted: fillSummary(fillTables(now, load), load) };
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = fileURLToPath(new URL("..", import.meta.url));
  for (const { path, now, wanted } of documents(root)) {
    if (now === wanted) continue;
    writeFileSync(join(root, path), wanted);
    console.log(`${path}: tables written`);
  }
}
