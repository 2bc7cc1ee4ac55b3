import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { Result } from "../bench/results.ts";
import { documents, fillTables, renderTable } from "./readme-tables.ts";
import { fillSummary } from "./results-summary.ts";

const result: Result = {
  name: "speed",
  command: "npm run bench",
  date: "2026-01-02T03:04:05.000Z",
  machine: { cpu: "Abacus 1", cores: 2, memoryGb: 8.6, features: ["AVX2"], os: "Linux 6.1 x64" },
  versions: { medvox: "0.1.0", node: "20.19.0", onnxruntime: "1.30.0", pytorch: "2.9.0" },
  columns: [{ key: "what" }, { key: "ms", title: "time (ms)", digits: 1 }],
  rows: [
    { what: "a|b", ms: 12.345 },
    { what: "c", ms: null },
  ],
};

describe("renderTable", () => {
  it("shows the asked columns, rounded, with where they come from", () => {
    expect(renderTable(result)).toBe(
      [
        "| what | time (ms) |",
        "| --- | ---: |",
        "| a\\|b | 12.3 |",
        "| c | – |",
        "",
        "`npm run bench` on Abacus 1 (AVX2), 2 cores, 8.6 GB, Linux 6.1 x64; " +
          "medvox 0.1.0, node 20.19.0, onnxruntime 1.30.0, pytorch 2.9.0; 2026-01-02.",
      ].join("\n"),
    );
  });

  it("shows every key where no columns are named, and the notes", () => {
    const { columns: _, ...plain } = { ...result, rows: [{ a: 1, b: "x" }], notes: ["A note."] };
    expect(renderTable(plain).split("\n").slice(0, 5)).toEqual([
      "| a | b |",
      "| ---: | --- |",
      "| 1 | x |",
      "",
      "A note.",
    ]);
  });
});

describe("fillTables", () => {
  const page =
    "before\n<!-- table:speed -->\nold\n<!-- /table -->\nbetween\n<!-- table:other -->\n<!-- /table -->\nafter\n";
  const load = (name: string): Result | undefined => (name === "speed" ? result : undefined);

  it("replaces what is between the marks and nothing else", () => {
    const filled = fillTables(page, load);
    expect(filled).toContain(`<!-- table:speed -->\n\n${renderTable(result)}\n\n<!-- /table -->\nbetween\n`);
    expect(filled).toContain("Not measured yet: there is no results/other.json.");
    expect(filled).not.toContain("old");
    expect(fillTables(filled, load)).toBe(filled);
  });
});

describe("fillSummary", () => {
  const page = "before\n<!-- summary -->\nold\n<!-- /summary -->\nafter\n";

  it("says which result or row is missing", () => {
    expect(() => fillSummary(page, () => ({ ...result, rows: [] }))).toThrow(
      /^results\/accuracy-hippocampus\.json: has no row with figure "mean Dice, held-out cases" and a value/,
    );
    expect(() => fillSummary(page, () => undefined)).toThrow("results/accuracy-hippocampus.json");
    expect(fillSummary("no mark", () => undefined)).toBe("no mark");
  });
});

describe("the documents of this repository", () => {
  it.each(documents(fileURLToPath(new URL("..", import.meta.url))))(
    "$path shows what results/ says (npm run tables)",
    ({ now, wanted }) => {
      expect(now).toBe(wanted);
    },
  );
});
