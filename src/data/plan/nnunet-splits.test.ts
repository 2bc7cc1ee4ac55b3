import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { DataError } from "../../errors.ts";
import { readSplitsFile, scoredIn } from "./nnunet-splits.ts";

const folder = mkdtempSync(join(tmpdir(), "medvox-splits-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function written(text: string): string {
  const path = join(folder, "splits_final.json");
  writeFileSync(path, text);
  return path;
}

const ids = ["a", "b", "c", "d"];
const good = [
  { train: ["b", "c", "d"], val: ["a"] },
  { train: ["a", "c"], val: ["d", "b"] },
  { train: ["a", "b", "d"], val: ["c"] },
];

describe("splits_final.json", () => {
  it("says in which fold every case is scored", () => {
    const folds = readSplitsFile(written(JSON.stringify(good)));
    expect(folds).toEqual(good);
    expect(Object.fromEntries(scoredIn(folds, ids, "s"))).toEqual({ a: 0, b: 1, c: 2, d: 1 });
  });

  it.each([
    ["[", /splits_final\.json: not valid JSON/],
    ["{}", /splits_final\.json: expected array, found \{\}/],
    [JSON.stringify(good.slice(0, 1)), /splits_final\.json: expected at least two folds/],
    ['[{"train":["a"],"val":["b"]},{"train":["b"]}]', /splits_final\.json: \[1\]\.val: expected array, it is missing/],
  ])("%s is refused by the file's name", (text, message) => {
    expect(() => readSplitsFile(written(text))).toThrow(message);
  });

  it("a file that is not there is told", () => {
    expect(() => readSplitsFile("no/splits_final.json")).toThrow("no/splits_final.json: no such file or folder");
  });

  it.each([
    [
      [{ train: ["b", "c", "d", "x"], val: ["a"] }, good[1], good[2]],
      "s: [0].train: the data set has no labelled case x; a fold names cases of the data set: a, b, c, …",
    ],
    [[good[0], { train: ["a", "c"], val: ["d", "b", "a"] }, good[2]], /^s: \[1\]\.val: a is in \[1\]\.train already/],
    [[good[0], { train: ["c"], val: ["d", "b", "a"] }, good[2]], /^s: \[1\]\.val: a is in \[0\]\.val already; /],
    [[good[0], { train: ["c", "c", "a"], val: ["d", "b"] }, good[2]], /^s: \[1\]\.train: c is in \[1\]\.train already/],
    [[good[0], { train: ["a"], val: ["d", "b"] }, good[2]], "s: [1]: c is missing; a fold names every labelled case"],
    [good.slice(0, 2), "s: c is in no fold's val; every labelled case is scored in one fold"],
    [[good[0], { train: ids, val: [] }, good[2]], "s: [1].val: names no case; expected at least one"],
  ])("refuses %j", (folds, message) => {
    expect(() => scoredIn(folds, ids, "s")).toThrow(message);
    expect(() => scoredIn(folds, ids, "s")).toThrow(DataError);
  });
});
