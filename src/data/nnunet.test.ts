/** nnU-Net's `dataset.json`, key by key. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ConfigError } from "../errors.ts";
import { writeVolume } from "../files/index.ts";
import { affineFromSpacing } from "../volume/affine.ts";
import { openDataset } from "./lists/dataset.ts";
import { select } from "./lists/selection.ts";
import { fingerprintOf } from "./plan/fingerprint.ts";
import { makePlan } from "./plan/plan.ts";
import { prepareCase } from "./prepare/prepare.ts";
import { restoreClasses } from "./prepare/preprocess.ts";
import { readLabel } from "./prepare/read-case.ts";
import { imageOf, temporaryFolder } from "./test/made-up.ts";

function folderWith(description: object, ...files: string[]): string {
  const root = temporaryFolder();
  for (const name of files) {
    mkdirSync(join(root, name, ".."), { recursive: true });
    writeFileSync(join(root, name), "");
  }
  writeFileSync(join(root, "dataset.json"), JSON.stringify(description));
  return root;
}
const v2 = { channel_names: { 0: "a" }, labels: { background: 0, tumour: 1 }, file_ending: ".nii.gz" };

describe("the cases", () => {
  it("are those that `dataset` lists, wherever they lie", async () => {
    const dataset = {
      b: { images: ["raw/b_0000.nii.gz", "raw/b_0001.nii.gz"], label: "seg/b.nii.gz" },
      a: { images: ["raw/a_0000.nii.gz", "raw/a_0001.nii.gz"], label: "/elsewhere/a.nii.gz" },
    };
    const extra = ["imagesTr/c_0000.nii.gz", "labelsTr/c.nii.gz", "imagesTs/d_0000.nii.gz"];
    const root = folderWith({ ...v2, channel_names: { 0: "x", 1: "y" }, dataset }, ...extra);
    const { cases, test } = await openDataset(root);
    expect(cases).toEqual([
      {
        id: "b",
        image: join(root, "raw/b_0000.nii.gz"),
        moreChannels: [join(root, "raw/b_0001.nii.gz")],
        label: join(root, "seg/b.nii.gz"),
      },
      {
        id: "a",
        image: join(root, "raw/a_0000.nii.gz"),
        moreChannels: [join(root, "raw/a_0001.nii.gz")],
        label: "/elsewhere/a.nii.gz",
      },
    ]);
    expect(test.map(({ id }) => id)).toEqual(["d"]);
  });

  it("of version 1 are listed without their channel numbers", async () => {
    const description = {
      modality: { 0: "T1", 1: "T2" },
      labels: { 0: "background", 1: "tumour" },
      numTraining: 1,
      training: [{ image: "./imagesTr/c0.nii.gz", label: "./labelsTr/c0.nii.gz" }],
      test: ["./imagesTs/c1.nii.gz"],
    };
    const files = ["imagesTr/c0_0000.nii.gz", "imagesTr/c0_0001.nii.gz", "imagesTs/c1_0000.nii.gz"];
    const root = folderWith(description, ...files, "labelsTr/c0.nii.gz");
    const { cases, test, problems } = await openDataset(root);
    expect(cases).toEqual([
      {
        id: "c0",
        image: join(root, "imagesTr/c0_0000.nii.gz"),
        moreChannels: [join(root, "imagesTr/c0_0001.nii.gz")],
        label: join(root, "labelsTr/c0.nii.gz"),
      },
    ]);
    expect(test).toEqual([{ id: "c1", image: join(root, "imagesTs/c1_0000.nii.gz"), split: "test" }]);
    expect(problems).toEqual([]);
  });

  it("that are left out or missing are said", async () => {
    const files = ["imagesTr/a_0000.nii.gz", "imagesTr/b_0000.nii.gz", "imagesTr/c_0000.nrrd", "labelsTr/a.nii.gz"];
    const root = folderWith({ ...v2, numTraining: 3 }, ...files);
    const { cases, problems } = await openDataset(root);
    expect(cases.map(({ id }) => id)).toEqual(["a", "b"]);
    expect(problems.map(({ case: id, rule, message }) => [id, rule, message])).toEqual([
      ["c_0000", "unsupported", "c_0000.nrrd does not end in .nii.gz, the file_ending of dataset.json; left out"],
      [expect.any(String), "case-count", "numTraining is 3, 2 cases are there"],
      ["b", "missing-label", "has no label, and is not listed as a test case"],
    ]);
    const part = select(await openDataset(root), { exclude: ["b"] }, "part");
    expect(part.problems.map(({ rule }) => rule)).toEqual(["unsupported", "case-count"]);
  });
});

describe("regions", () => {
  const labelled = async (description: object, values: readonly number[]) => {
    const root = folderWith({ ...v2, ...description });
    for (const folder of ["imagesTr", "labelsTr"]) mkdirSync(join(root, folder));
    const grid = { size: [values.length, 2, 2] as const, affine: affineFromSpacing([1, 1, 1]), channels: 1 };
    await writeVolume(join(root, "imagesTr/a_0000.nii.gz"), imageOf(grid.size, 1));
    await writeVolume(join(root, "labelsTr/a.nii.gz"), {
      ...grid,
      data: Uint8Array.from({ length: 4 * values.length }, (_, i) => values[i % values.length]),
    });
    return openDataset(root);
  };

  it("that share no value are one class each, from the file to the mask", async () => {
    const labels = { background: 0, tumour: [1, 3], organ: 2, ignore: 4 };
    const dataset = await labelled({ labels }, [0, 1, 2, 3, 4, 7]);
    expect(dataset.labels).toEqual([
      { index: 0, name: "background" },
      { index: 1, name: "tumour" },
      { index: 2, name: "organ" },
    ]);
    const fingerprint = await fingerprintOf(dataset);
    expect(fingerprint.problems).toMatchObject([{ rule: "unknown-label", value: 7, voxels: 4 }]);
    const [item] = dataset.cases;
    expect([...(await readLabel(item)).data.subarray(0, 6)]).toEqual([0, 1, 2, 1, 3, 0]);
    const { preprocessing } = makePlan(dataset, fingerprint);
    const plain = { ...preprocessing, spacingMm: null };
    const { label, spatial } = await prepareCase(item, plain, true);
    expect([...label!.subarray(0, 6)]).toEqual([0, 1, 2, 1, -1, 0]);
    const [depth, height, width] = spatial;
    const grid = { size: [width, height, depth] as const, affine: affineFromSpacing([1, 1, 1]) };
    const classes = { ...grid, data: Int16Array.from(label!, (k) => Math.max(0, k)), channels: 1 };
    expect([...restoreClasses(classes, grid, plain).data.subarray(0, 6)]).toEqual([0, 1, 2, 1, 0, 0]);
  });

  it("are written as regions_class_order says", async () => {
    const labels = { background: 0, edema: [1], core: [2, 3] };
    const dataset = await labelled({ labels, regions_class_order: [4, 2] }, [0, 1, 2, 3]);
    expect(dataset.labels.map(({ index, name }) => [index, name])).toEqual([
      [0, "background"],
      [2, "core"],
      [4, "edema"],
    ]);
    expect([...(await readLabel(dataset.cases[0])).data.subarray(0, 4)]).toEqual([0, 4, 2, 2]);
  });
});

describe("channel_names", () => {
  const fingerprint = {
    orientation: "RAS",
    foreground: [],
    problems: [],
    cases: [{ id: "a", size: [9, 9, 9], spacingMm: [1, 1, 1], channels: 1, intensity: [], labelVoxels: {} }],
  } as const;
  const planFor = (name: string, choices = {}) =>
    makePlan({ name: "set", labels: [{ index: 0, name: "background" }], modality: [name] }, fingerprint, choices);

  it("noNorm leaves intensities as they are; normalisations that are not there are refused by name", () => {
    expect(planFor("noNorm").preprocessing.intensity).toEqual({ kind: "none" });
    expect(planFor("T1").preprocessing.intensity).toMatchObject({ kind: "zscore" });
    expect(() => planFor("rescale_to_0_1")).toThrow(ConfigError);
    expect(() => planFor("rgb_to_0_1")).toThrow('channel_names: "rgb_to_0_1" asks for a normalisation');
    expect(planFor("rgb_to_0_1", { intensity: { kind: "none" } }).preprocessing.intensity).toEqual({ kind: "none" });
  });
});
