import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { commandLine } from "./command-line.ts";

describe("commandLine", () => {
  it.each([
    [["medvox", "train", "segmentation", "--data", "set", "--window=-1000,400"]],
    [["medvox", "detect", "train", "--data", "データ/Größe_1.yaml", "--lr", "5e-4"]],
  ])("leaves plain words as they are: %j", (words) => {
    expect(commandLine(words)).toBe(words.join(" "));
  });

  it.each([
    ["two words", "'My scans'"],
    ["nothing", "''", ""],
    ["a quote", `'Anna'\\''s set'`, "Anna's set"],
    ["a variable", "'$HOME/set'"],
    ["a pattern", "'*.nii.gz'"],
    ["a home folder that is none", "'~/set'"],
    ["a sign that zsh expands", "'=ls'"],
    ["an assignment's value", "a=b", "a=b"],
    ["a backslash", "'C:\\scans'"],
    ["a second line", "'a\nb'"],
  ])("quotes %s", (_, written, word = written.slice(1, -1)) => {
    expect(commandLine(["medvox", word])).toBe(`medvox ${written}`);
  });

  it.skipIf(process.platform === "win32")("is split by a shell into the same words", () => {
    const words = fc
      .array(fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.constantFrom("'", "\\", "$(x)", "a b", "!", "#")))
      .map((list) => list.map((word) => word.replaceAll("\0", "").toWellFormed()));
    fc.assert(
      fc.property(words, (list) => {
        const script = `for word in ${commandLine(list)}; do printf '%s\\0' "$word"; done`;
        const said = execFileSync("sh", ["-c", script], { encoding: "utf8" });
        expect(said.split("\0").slice(0, -1)).toEqual(list);
      }),
      { numRuns: 40 },
    );
  });
});
