import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import {
  checkPlanFits,
  checkPreparationFits,
  degenerateCases,
  type Fingerprint,
  readPlanFile,
  readPreparationFile,
} from "../index.ts";

const work = mkdtempSync(join(tmpdir(), "medvox-plan-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const plan = {
  dataset: "spleen",
  labels: [
    { index: 0, name: "background" },
    { index: 1, name: "spleen" },
  ],
  modality: ["CT"],
  preprocessing: {
    orientation: "RAS",
    spacingMm: [1, 1, 2],
    intensity: { kind: "ctWindow", low: -100, high: 200 },
    channels: 1,
    labels: [0, 1],
  },
  patch: [48, 64, 64],
  batch: 2,
  medianSize: [200, 200, 60],
};
const write = (name: string, value: unknown): string => {
  const path = join(work, name);
  writeFileSync(path, typeof value === "string" ? value : JSON.stringify(value));
  return path;
};

test("what was written is read", async () => {
  expect(await readPlanFile(write("plan.json", plan))).toEqual(plan);
});

test.each<[string, unknown, RegExp]>([
  ["a patch of two", { ...plan, patch: [48, 64] }, /plan .*\.json: patch/],
  [
    "a negative spacing",
    { ...plan, preprocessing: { ...plan.preprocessing, spacingMm: [1, -1, 1] } },
    /preprocessing\.spacingMm\.1/,
  ],
  [
    "an unknown scheme",
    { ...plan, preprocessing: { ...plan.preprocessing, intensity: { kind: "x" } } },
    /intensity\.kind/,
  ],
  ["no JSON", "{", /is not JSON/],
])("%s is told by file and key", async (name, value, message) => {
  await expect(readPlanFile(write(`${name}.json`, value))).rejects.toThrow(message);
});

const fingerprint = (change: object = {}): Fingerprint => ({
  orientation: "RAS",
  foreground: [],
  problems: [],
  cases: [
    {
      id: "a",
      size: [8, 8, 8],
      spacingMm: [1, 1, 1],
      channels: 1,
      intensity: [{ low: 0, median: 1, high: 2, mean: 1, sd: 1 }],
      labelVoxels: { 0: 500, 1: 12 },
      ...change,
    },
  ],
});

test("a plan of other data is refused", async () => {
  const read = await readPlanFile(write("plan.json", plan));
  const dataset = { name: "spleen", labels: plan.labels };
  expect(() => checkPlanFits(read, dataset, fingerprint(), "plan.json")).not.toThrow();
  expect(() => checkPlanFits(read, { name: "liver", labels: [] }, fingerprint(), "plan.json")).toThrow(
    "labels: has 0 background, 1 spleen",
  );
  expect(() => checkPlanFits(read, dataset, fingerprint({ channels: 2 }), "plan.json")).toThrow(
    "preprocessing.channels: 1; a has 2",
  );
});

test.each<[object, RegExp]>([
  [{ intensity: [{ low: 5, median: 5, high: 5, mean: 5, sd: 0 }] }, /constant \(5\)/],
  [{ size: [8, 8, 1] }, /one slice along z/],
  [{ spacingMm: [1, 0, 1] }, /spacing of 0 mm/],
  [{ labelVoxels: { 0: 512 } }, /marks nothing/],
])("degenerate: %j", (change, message) => {
  expect(degenerateCases(fingerprint())).toEqual([]);
  const [found, ...more] = degenerateCases(fingerprint(change));
  expect(more).toEqual([]);
  expect(found).toMatchObject({ case: "a", problem: expect.stringMatching(message) });
});

test("a classification's plan, and a segmentation's read for a classification", async () => {
  const { labels, ...rest } = plan;
  const classes = ["benign", "malignant"];
  const own = await readPreparationFile(write("classes.json", { ...rest, classes, ratings: { scale: [1, 2] } }));
  expect(own).toEqual({ ...rest, classes });
  const other = await readPreparationFile(write("plan.json", plan));
  expect(other).toEqual(rest);
  const data = { name: "nodules", classes };
  for (const read of [own, other])
    expect(() => checkPreparationFits(read, data, fingerprint(), "classes.json")).not.toThrow();
  expect(() => checkPreparationFits(own, { name: "stages", classes: ["I", "II"] }, fingerprint(), "c.json")).toThrow(
    "plan c.json: classes: has benign, malignant; stages has I, II",
  );
  expect(() => checkPreparationFits(other, data, fingerprint({ channels: 2 }), "c.json")).toThrow("a has 2");
});
