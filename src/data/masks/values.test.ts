import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readVolume, writeVolume } from "../../files/index.ts";
import { affineFromSpacing } from "../../volume/affine.ts";
import type { Volume, VoxelArray } from "../../volume/types.ts";
import { openDataset } from "../lists/dataset.ts";
import { fingerprintOf } from "../plan/fingerprint.ts";
import { verifyDataset } from "../plan/verify.ts";
import { prepareCase } from "../prepare/prepare.ts";
import { type Preprocessing, preprocessLabel, restoreClasses } from "../prepare/preprocess.ts";
import { readLabel } from "../prepare/read-case.ts";
import { imageOf, labelOf, temporaryFolder, writeDecathlon } from "../test/made-up.ts";
import { eachRun, labelValue, wholeLabels } from "./values.ts";

const row = (data: VoxelArray): Volume => ({
  data,
  size: [data.length, 1, 1],
  affine: affineFromSpacing([1, 1, 1]),
  channels: 1,
});
const plain: Preprocessing = {
  orientation: "RAS",
  spacingMm: null,
  intensity: { kind: "none" },
  channels: 1,
  labels: [0, 1, 2],
};

describe("a voxel of a label map", () => {
  it.each([
    [1, 1],
    [1.0000153, 1],
    [0.99991, 1],
    [-0.00005, 0],
    [7n, 7],
    [40_000, 40_000],
    [1.0002, undefined],
    [0.5, undefined],
    [Number.NaN, undefined],
    [Number.POSITIVE_INFINITY, undefined],
  ])("%d stands for %s", (value, label) => {
    expect(labelValue(value)).toBe(label);
  });

  it("is gone through by runs", () => {
    const runs: unknown[] = [];
    eachRun(Float32Array.of(0, 0, 1, 0.5), (run) => runs.push(run));
    expect(runs).toEqual([
      { label: 0, value: 0, start: 0, end: 2 },
      { label: 1, value: 1, start: 2, end: 3 },
      { label: undefined, value: 0.5, start: 3, end: 4 },
    ]);
  });

  it("becomes whole; a map of whole numbers stays what it is", () => {
    const nearly = row(Float32Array.of(0.00001, 1.0000153, 1.99999));
    expect([...wholeLabels(nearly, "a").data]).toEqual([0, 1, 2]);
    const whole = row(Float32Array.of(0, 1, 2));
    expect(wholeLabels(whole, "a")).toBe(whole);
    expect([...wholeLabels(row(BigInt64Array.of(0n, 3n)), "a").data]).toEqual([0, 3]);
    expect(() => wholeLabels(row(Float32Array.of(0, 0.3)), "a")).toThrow("a: label has the value 0.3");
  });
});

describe("label maps that nibabel wrote as scaled integers", () => {
  it("are the same to verify, fingerprint, preparation and evaluation as the rounded ones", async () => {
    const size = [8, 8, 8] as const;
    const label = labelOf(size, 0);
    const scaled = { ...label, data: Float32Array.from(label.data, (v) => v * 1.0000153) };
    const root = await writeDecathlon([
      { id: "rounded", image: imageOf(size, 1), label },
      { id: "scaled", image: imageOf(size, 2), label: scaled },
    ]);
    const dataset = await openDataset(root);
    const { findings, cases } = await verifyDataset(dataset);
    expect(findings.filter(({ rule }) => rule !== "duplicate")).toEqual([]);
    expect(cases[1].labelVoxels).toEqual(cases[0].labelVoxels);
    const fingerprint = await fingerprintOf(dataset);
    expect(fingerprint.cases[1].labelVoxels).toEqual(fingerprint.cases[0].labelVoxels);
    expect(fingerprint.problems).toEqual([]);
    const [one, other] = await Promise.all(dataset.cases.map((item) => prepareCase(item, plain, true)));
    expect(other.label).toEqual(one.label);
    expect([...(await readLabel(dataset.cases[1])).data]).toEqual([...label.data]);
    // Undeclared, they are the same classes.
    const found = await openDataset(join(root, "dataset.json"), { labels: { 0: "b", 1: "one", 2: "two" } });
    expect(found.labels.map(({ index }) => index)).toEqual([0, 1, 2]);
  });
});

describe("voxels of no class", () => {
  it("are counted by value and case, in verify, fingerprint and preparation alike", async () => {
    const size = [8, 8, 8] as const;
    const label = labelOf(size, 0);
    label.data.fill(255, 0, 5);
    label.data[5] = 4;
    const root = await writeDecathlon([{ id: "a", image: imageOf(size, 1), label }]);
    const dataset = await openDataset(root);
    const message = (source: string) => [
      { case: "a", rule: "unknown-label", value: 4, voxels: 1, message: `1 voxel with label 4, ${source} knows 0–2` },
      {
        case: "a",
        rule: "unknown-label",
        value: 255,
        voxels: 5,
        message: `5 voxels with label 255, ${source} knows 0–2`,
      },
    ];
    expect((await verifyDataset(dataset)).findings).toMatchObject(message("dataset.json"));
    expect((await fingerprintOf(dataset)).problems).toMatchObject(message("dataset.json"));
    expect((await prepareCase(dataset.cases[0], plain, true)).problems).toMatchObject(message("plan.json"));
  });

  it("are counted where values are picked, unless they are known and left out", async () => {
    const label = { ...labelOf([8, 8, 8], 0) };
    label.data[0] = 9;
    const root = await writeDecathlon([{ id: "a", image: imageOf([8, 8, 8], 1), label }]);
    writeFileSync(join(root, "part.json"), JSON.stringify({ data: ".", labels: { right: ["right"] } }));
    const part = await openDataset(join(root, "part.json"));
    expect((await fingerprintOf(part)).problems).toMatchObject([
      { rule: "unknown-label", value: 9, voxels: 1, message: "1 voxel with label 9, part.json knows 0–2" },
    ]);
  });
});

describe("label values above 32,767", () => {
  it("keep their value from the file to the mask and back", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "label.nii.gz");
    const label = row(Uint16Array.of(0, 40_000, 1, 65_535));
    await writeVolume(path, label);
    const labels = [0, 1, 40_000, 65_535];
    const { volume, unknown } = preprocessLabel(await readVolume(path), label, { ...plain, labels });
    expect([...volume.data]).toEqual([0, 2, 1, 3]);
    expect(unknown.size).toBe(0);
    const restored = restoreClasses(volume, label, { ...plain, labels });
    expect([...restored.data]).toEqual([...label.data]);
    await writeVolume(join(folder, "mask.nii.gz"), restored);
    expect([...(await readVolume(join(folder, "mask.nii.gz"))).data]).toEqual([...label.data]);
    const large = restoreClasses(volume, label, { ...plain, labels: [0, 1, 100_000, 2_000_000] });
    expect([...large.data]).toEqual([0, 100_000, 1, 2_000_000]);
  });
});

describe("a label called ignore", () => {
  const description = {
    channel_names: { 0: "MRI" },
    labels: { background: 0, tumour: 1, ignore: 2 },
    file_ending: ".nii.gz",
    training: undefined,
    modality: undefined,
  };
  const withIgnored = async () => {
    const size = [8, 8, 8] as const;
    return writeDecathlon([{ id: "a", image: imageOf(size, 1), label: labelOf(size, 0) }], {
      ...description,
      dataset: { a: { images: ["imagesTr/a.nii.gz"], label: "labelsTr/a.nii.gz" } },
    });
  };

  it("is no class; its voxels get the class −1 and count in no foreground", async () => {
    const dataset = await openDataset(await withIgnored());
    expect(dataset.labels.map(({ name }) => name)).toEqual(["background", "tumour"]);
    expect(dataset.cases[0].ignoreLabel).toBe(2);
    const { findings, summary } = await verifyDataset(dataset);
    expect(findings).toEqual([]);
    expect(summary.labels[2]).toMatchObject({ index: 2, name: "ignore", cases: 1 });
    const { label, foreground, problems } = await prepareCase(dataset.cases[0], { ...plain, labels: [0, 1] }, true);
    const raw = labelOf([8, 8, 8], 0).data;
    expect([...label!]).toEqual(Array.from(raw, (value) => (value === 2 ? -1 : value)));
    expect(foreground.classes).toEqual([1]);
    expect(problems).toEqual([]);
  });

  it("stays ignored in a part of the data set", async () => {
    const root = await withIgnored();
    writeFileSync(join(root, "part.json"), JSON.stringify({ data: ".", labels: { lesion: ["tumour"] } }));
    const part = await openDataset(join(root, "part.json"));
    expect(part.labels.map(({ name }) => name)).toEqual(["background", "lesion"]);
    expect(part.cases[0]).toMatchObject({ labelPick: [[1], [2]], ignoreLabel: 2, labelKnown: [0, 1, 2] });
    const raw = labelOf([8, 8, 8], 0).data;
    expect([...(await readLabel(part.cases[0])).data]).toEqual([...raw]);
  });

  it("may be picked from values in a list", async () => {
    const root = temporaryFolder();
    mkdirSync(join(root, "x"));
    await writeVolume(join(root, "x/a.nii.gz"), imageOf([4, 4, 4], 1));
    await writeVolume(join(root, "x/l.nii.gz"), labelOf([4, 4, 4], 0));
    const list = { labels: { ignore: [1], tumour: [2] }, cases: [{ image: "x/a.nii.gz", label: "x/l.nii.gz" }] };
    writeFileSync(join(root, "list.json"), JSON.stringify(list));
    const { labels, cases } = await openDataset(join(root, "list.json"));
    expect(labels.map(({ name }) => name)).toEqual(["background", "tumour"]);
    expect(cases[0]).toMatchObject({ labelPick: [[2], [1]], ignoreLabel: 2 });
  });
});
