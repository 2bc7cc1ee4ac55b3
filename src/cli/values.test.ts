/** What options take, and what they answer to the rest. */
import { expect, test } from "vitest";
import { keptComponents } from "./values.ts";

test.each([
  ["none", null],
  ["foreground", { foreground: 1 }],
  ["foreground:2", { foreground: 2 }],
  ["3", 3],
  ["liver:1", { classes: { liver: 1 } }],
  ["liver:1, left kidney:2", { classes: { liver: 1, "left kidney": 2 } }],
])("--keep-largest %s", (text, wanted) => {
  expect(keptComponents(text)).toEqual(wanted);
});

test.each(["", "0", "-1", "all", "liver", "liver:0", "liver:1,spleen"])("--keep-largest %s is refused", (text) => {
  expect(() => keptComponents(text)).toThrow("must be foreground, foreground:2, a number of each class");
});
