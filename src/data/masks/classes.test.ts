import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ConfigError } from "../../errors.ts";
import { openDataset } from "../lists/dataset.ts";
import { readLabel } from "../prepare/read-case.ts";
import { labelOf, soundCases, writeDecathlon } from "../test/made-up.ts";
import { matchClasses } from "./classes.ts";

const classes = [
  { index: 0, name: "background" },
  { index: 1, name: "left" },
  { index: 2, name: "right" },
];
const setWith = async (labels: object) => openDataset(await writeDecathlon(soundCases(1), { labels }));

describe("a data set seen through a run's classes", () => {
  it("that has the same names at other values gets the run's values", async () => {
    const dataset = await setWith({ 0: "background", 1: "Right ", 2: "left" });
    const matched = matchClasses(dataset, classes, "runs/a");
    expect(matched.labels).toEqual(classes);
    const { data } = await readLabel(matched.cases[0]);
    const raw = labelOf([10, 12, 8], 0).data;
    expect([...data]).toEqual(Array.from(raw, (value) => [0, 2, 1][value]));
  });

  it("keeps what does not count, and values that the run leaves free", async () => {
    const dataset = await setWith({ background: 0, organ: 1, ignore: 2 });
    const run = [classes[0], { index: 3, name: "organ" }];
    const matched = matchClasses(dataset, run, "runs/a");
    expect(matched.cases[0]).toMatchObject({ labelPick: [[], [], [1], [2]], ignoreLabel: 4, labelKnown: [0, 1, 2] });
    const raw = labelOf([10, 12, 8], 0).data;
    expect([...(await readLabel(matched.cases[0])).data]).toEqual(Array.from(raw, (value) => [0, 3, 4][value]));
  });

  it("that has the same names at the same values is left alone", async () => {
    const dataset = await setWith({ 0: "background", 1: "left", 2: "right" });
    expect(matchClasses(dataset, classes, "runs/a").cases).toEqual(dataset.cases);
  });

  it("that has other names is refused, with a way out that works", async () => {
    const dataset = await setWith({ 0: "background", 1: "anterior", 2: "right" });
    const attempt = () => matchClasses(dataset, classes, "runs/a");
    expect(attempt).toThrow(ConfigError);
    expect(attempt).toThrow(
      'has the classes "anterior", "right", runs/a has "left", "right"; classes are compared by name',
    );
    const view = join(dataset.root, "view.json");
    writeFileSync(view, JSON.stringify({ data: ".", labels: { left: ["anterior"], right: ["right"] } }));
    expect(matchClasses(await openDataset(view), classes, "runs/a").labels).toEqual(classes);
    // A class more is one nobody can score.
    const more = await setWith({ 0: "background", 1: "left", 2: "right", 3: "middle" });
    expect(() => matchClasses(more, classes, "runs/a")).toThrow('"middle"');
  });

  it("without names on one side is compared by value", async () => {
    const dataset = await setWith({ 0: "background", 1: "anterior", 2: "posterior" });
    const values = classes.map(({ index }) => ({ index, name: index === 0 ? "background" : `label ${index}` }));
    expect(matchClasses(dataset, values, "runs/a")).toBe(dataset);
  });
});
