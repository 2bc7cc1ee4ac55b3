import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildIfStale } from "../build.ts";
import { doorsOf } from "./doors.ts";
import { type ReachableType, reachableTypes } from "./reachable.ts";

/**
 * The types that a signature leads to and no public door exports, each with the reason. A program never has to name them.
 */
const NOT_EXPORTED: Readonly<Record<string, string>> = {
  "graph/operators/types.d.ts: None": "the attributes of an operator that has none",
  "train/run/task.d.ts: Predictor": "a task makes it, and the frame alone calls and closes it",
  "train/run/task.d.ts: Host": "the frame hands it to a task",
  "train/run/task.d.ts: Session": "a task makes it, and the frame alone calls and closes it",
  "train/run/task.d.ts: Beginning": "the frame hands it to a task",
  "train/run/record.d.ts: Readable": "two fields of a task, picked",
  "train/config/shared-config.d.ts: Keys": "a calculation with types: any record of schemas",
  "train/config/shared-config.d.ts: Required": "a calculation with types: which keys must be said",
  "rcnn/network/config.d.ts: Changes": "a calculation with types: DetectorChanges is its result",
  "rcnn/detect/load.d.ts: Plan": "fields of DetectionPlan, picked",
  "med3d/pretraining/config.d.ts: Taken": "a calculation with types: keys shared with segmentation",
};

describe("the package", () => {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  let types: readonly ReachableType[];
  beforeAll(() => {
    buildIfStale();
    const doors = doorsOf(JSON.parse(readFileSync(join(root, "package.json"), "utf8")));
    const open = [...doors].filter(([door]) => !door.endsWith("/internal"));
    types = reachableTypes(
      join(root, "dist"),
      new Map(open.map(([door, file]) => [door, file.replace(/\.ts$/, ".d.ts")])),
    );
  }, 300_000);

  it("exports the types behind its options and results", () => {
    const hidden = types.filter(({ exported }) => !exported).map(({ name, file }) => `${file}: ${name}`);
    expect(hidden.sort()).toEqual(Object.keys(NOT_EXPORTED).sort());
  });

  it("closes with await using whatever is to be closed", () => {
    const byHand = types.filter(({ exported, closesByHand }) => exported && closesByHand);
    expect(byHand.map(({ name, file }) => `${file}: ${name}`)).toEqual([]);
  });
});

describe("reachableTypes", () => {
  const folder = mkdtempSync(join(tmpdir(), "medvox-reachable-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("follows parameters, results, fields, bases and typeof, through several doors", () => {
    const files = {
      "parts.d.ts": `
        export interface Base { readonly a: Deep }
        export interface Deep { readonly n: number }
        export interface Options extends Base { readonly kind: typeof kind }
        export interface Kind { readonly word: string }
        export declare const kind: Kind;
        export interface Result { close(): Promise<void> }
        export interface Better extends AsyncDisposable { close(): Promise<void> }
        export interface Unused { readonly b: Base }
        export declare function open(options: Options): Promise<Result | Better>;`,
      "one.d.ts": `export { type Better, open, type Options } from "./parts.js";`,
      "two.d.ts": `export { type Base, kind } from "./parts.js";`,
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const doors = new Map([
      ["one", "one.d.ts"],
      ["two", "two.d.ts"],
    ]);
    const found = reachableTypes(folder, doors).map(({ name, doors: from, exported, closesByHand }) => [
      name,
      `${from.join(" ")}${exported ? " exported" : ""}${closesByHand ? " by hand" : ""}`,
    ]);
    expect(Object.fromEntries(found)).toEqual({
      Better: "one exported",
      Base: "one two exported",
      Deep: "one two",
      Kind: "one two",
      Options: "one exported",
      Result: "one by hand",
    });
  });
});
