import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { docOf, parse } from "./comments.ts";
import { configuration } from "./configuration.ts";
import { settingsFiles } from "./reference.ts";
import { settingsFile } from "./settings.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

describe("the types of configurations", () => {
  it.each([...settingsFiles(root)])("%s says what the schema says (npm run reference)", (path, text) => {
    expect(readFileSync(join(root, path), "utf8")).toBe(text);
  });

  it.each([...settingsFiles(root)])("%s explains every key", (path, text) => {
    const bare: string[] = [];
    const visit = (node: ts.Node): void => {
      if (ts.isPropertySignature(node) && docOf(node) === "") bare.push(node.name.getText());
      ts.forEachChild(node, visit);
    };
    visit(parse(path, text));
    // The forms of a schedule are documented as a whole.
    expect([...new Set(bare)].sort()).toEqual(path.includes("request") ? ["kind", "milestones"] : []);
  });

  it("has defaults, ranges and lists that cannot be changed", () => {
    const schema = {
      type: "object",
      required: ["sides"],
      properties: {
        sides: { type: "array", items: { type: "array", items: { type: "number" } }, description: "Of anchors." },
        share: { type: "number", minimum: 0, maximum: 1, default: 0.7, description: "Of positives." },
      },
    };
    const file = settingsFile("A test.", [], [{ name: "Some", about: "Settings.", schema, use: "input" }]);
    expect(file.split("\n").slice(2)).toEqual([
      "/** Settings. */",
      "export interface Some {",
      "  /** Of anchors. */",
      "  readonly sides: readonly (readonly number[])[];",
      "  /**",
      "   * Of positives. At least 0, at most 1.",
      "   * @default 0.7",
      "   */",
      "  readonly share?: number;",
      "}",
      "",
    ]);
  });
});

it("the reference lists every setting of a detector with type, range, default and meaning", () => {
  const { page } = configuration(root);
  const section = page.slice(page.indexOf("## Detector\n"), page.indexOf("## Pre-training\n"));
  const rows = new Map(
    section
      .split("\n")
      .filter((line) => line.startsWith("| `"))
      .map((line) => line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, "")))
      .map(([key, ...cells]) => [key, cells]),
  );
  expect(rows.get("`rpn.positiveOverlap`")).toEqual([
    "number ≥ 0, ≤ 1",
    "`0.7`",
    "An anchor with at least this IoU with an object is positive.",
  ]);
  expect(rows.get("`regions.head`")?.[0]).toBe('`"fc"`, `"layer4"`, `"custom"`');
  expect(rows.get("`anchors.sizes`")?.[1]).toBe("required");
  expect([...rows].filter(([, cells]) => cells[2] === "")).toEqual([]);
  expect(rows.size).toBeGreaterThan(70);
});
