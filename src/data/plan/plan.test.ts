import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { DataError } from "../../errors.ts";
import { affineFromSpacing } from "../../volume/affine.ts";
import type { Vec3 } from "../../volume/types.ts";
import { openDataset } from "../lists/dataset.ts";
import { degenerateCases } from "../prepare/degenerate.ts";
import { imageOf, labelOf, soundCases, writeDecathlon } from "../test/made-up.ts";
import type { Dataset } from "../types.ts";
import { type Fingerprint, fingerprintOf } from "./fingerprint.ts";
import { makePlan, patchFor } from "./plan.ts";

describe("patchFor", () => {
  it.each([
    [
      [36, 50, 35],
      [48, 64, 48],
    ],
    [
      [32, 48, 64],
      [64, 48, 32],
    ],
    [
      [20, 1, 30],
      [32, 1, 32],
    ],
    [
      [512, 512, 90],
      [96, 96, 96],
    ],
    [
      [400, 400, 20],
      [32, 160, 160],
    ],
  ] as const)("median %j (x, y, z) gives %j (D, H, W)", (median, patch) => {
    const got = patchFor(median, 96 ** 3);
    expect(got).toEqual(patch);
    expect(got[0] * got[1] * got[2]).toBeLessThanOrEqual(96 ** 3);
  });
});

describe("fingerprintOf", () => {
  it("measures size and spacing along the axes of the body, whatever order the file has", async () => {
    // Voxel axes run S, R, A.
    const affine = [0, 2, 0, 0, 0, 0, 3, 0, 4, 0, 0, 0, 0, 0, 0, 1];
    const root = await writeDecathlon([
      { id: "a", image: imageOf([5, 6, 7], 1, affine), label: labelOf([5, 6, 7], 0, affine) },
    ]);
    const { cases } = await fingerprintOf(await openDataset(root));
    expect(cases[0].size).toEqual([6, 7, 5]);
    expect(cases[0].spacingMm).toEqual([2, 3, 4]);
  });

  it("measures intensities of the image and of the foreground", async () => {
    const image = imageOf([4, 4, 4], 1);
    image.data.fill(0);
    image.data.fill(100, 0, 8);
    const label = labelOf([4, 4, 4], 0);
    label.data.fill(0);
    label.data.fill(1, 0, 8);
    const root = await writeDecathlon([{ id: "a", image, label }]);
    const { cases, foreground } = await fingerprintOf(await openDataset(root));
    expect(cases[0].intensity[0]).toMatchObject({ low: 0, median: 0, high: 100, mean: 12.5 });
    expect(cases[0].labelVoxels).toEqual({ 0: 56, 1: 8 });
    expect(foreground[0]).toEqual({ low: 100, median: 100, high: 100, mean: 100, sd: 0 });
  });

  it("stops when told to, and reports progress", async () => {
    const dataset = await openDataset(await writeDecathlon(soundCases(3)));
    const controller = new AbortController();
    const seen: string[] = [];
    const stopped = fingerprintOf(dataset, {
      signal: controller.signal,
      onProgress: (done, total, id) => {
        seen.push(`${done}/${total} ${id}`);
        controller.abort();
      },
    });
    await expect(stopped).rejects.toThrow(/abort/i);
    expect(seen).toEqual(["1/3 case_00"]);
  });
});

describe("makePlan", () => {
  const dataset = (modality: string[]): Dataset => ({
    name: "D",
    root: "/",
    source: "/dataset.json",
    labels: [
      { index: 0, name: "background" },
      { index: 4, name: "spleen" },
    ],
    labelsFrom: "declared",
    modality,
    cases: [],
    test: [],
    problems: [],
  });
  const intensity = [{ low: -900, median: 0, high: 300, mean: 10, sd: 100 }];
  const of = (spacing: [number, number, number][], channels = 1): Fingerprint => ({
    orientation: "RAS",
    cases: spacing.map((spacingMm, i) => ({
      id: `c${i}`,
      size: [100, 100, 40],
      spacingMm,
      channels,
      intensity,
      labelVoxels: {},
    })),
    foreground: [{ low: -50.5, median: 90, high: 180.25, mean: 88.125, sd: 30.5 }],
    problems: [],
  });

  it("takes the median spacing per axis and the median size at it", () => {
    const plan = makePlan(
      dataset(["MRI"]),
      of([
        [1, 1, 5],
        [0.5, 1, 2],
        [2, 1, 2],
      ]),
    );
    expect(plan.preprocessing.spacingMm).toEqual([1, 1, 2]);
    expect(plan.medianSize).toEqual([100, 100, 40]);
    expect(plan.preprocessing.labels).toEqual([0, 4]);
    expect(plan.patch).toEqual([48, 112, 112]);
    expect(plan.batch).toBe(2);
  });

  it("takes the mean spacing where asked, as Med3D does for the liver", () => {
    const spread = of([
      [1, 1, 5],
      [0.5, 1, 2],
      [2.25, 1, 2],
    ]);
    expect(makePlan(dataset(["CT"]), spread, { spacingRule: "mean" }).preprocessing.spacingMm).toEqual([1.25, 1, 3]);
  });

  it("normalises MRI per image and CT by the foreground of the set", () => {
    expect(makePlan(dataset(["MRI"]), of([[1, 1, 1]])).preprocessing.intensity).toEqual({
      kind: "zscore",
      clipPercentile: [0.5, 99.5],
    });
    expect(makePlan(dataset(["CT"]), of([[1, 1, 1]])).preprocessing.intensity).toEqual({
      kind: "ctWindow",
      low: -50.5,
      high: 180.25,
      mean: 88.125,
      sd: 30.5,
    });
    expect(makePlan(dataset([]), of([[1, 1, 1]])).preprocessing.intensity.kind).toBe("zscore");
  });

  it("lets a person decide", () => {
    const choices = {
      spacingMm: null,
      patch: [32, 32, 32],
      batch: 6,
      orientation: "LPS",
      intensity: { kind: "medicalnet" },
    } as const;
    const plan = makePlan(dataset(["CT"]), of([[1, 1, 1]]), choices);
    expect(plan.preprocessing).toMatchObject({
      spacingMm: null,
      orientation: "LPS",
      intensity: { kind: "medicalnet" },
    });
    expect([plan.patch, plan.batch]).toEqual([[32, 32, 32], 6]);
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
  });

  it("refuses a set without cases, or of mixed channels", () => {
    expect(() => makePlan(dataset([]), of([]))).toThrow(DataError);
    const mixed = { ...of([[1, 1, 1]]), cases: [...of([[1, 1, 1]]).cases, ...of([[1, 1, 1]], 2).cases] };
    expect(() => makePlan(dataset([]), mixed)).toThrow("image has 2 channels, c0 has 1; all must agree");
  });
});

const hippocampus = new URL("../../../../shared/data/Task04_Hippocampus", import.meta.url).pathname;
describe.skipIf(!existsSync(hippocampus))("Task04_Hippocampus (skipped where ../shared is absent)", () => {
  it("is planned as 1 mm, patches of 48×64×48, four at a time, z-scored", async () => {
    const dataset = await openDataset(hippocampus);
    const plan = makePlan(dataset, await fingerprintOf(dataset));
    expect(plan.patch).toEqual([48, 64, 48]);
    expect(plan.batch).toBe(4);
    expect(plan.preprocessing).toEqual({
      orientation: "RAS",
      spacingMm: [1, 1, 1],
      intensity: { kind: "zscore", clipPercentile: [0.5, 99.5] },
      channels: 1,
      labels: [0, 1, 2],
    });
  });
});

describe("degenerate cases on disk", () => {
  it("are told by name: constant, NaN, one slice, no spacing, nothing marked", async () => {
    const made = (id: string, change: (image: ReturnType<typeof imageOf>) => void, size: Vec3 = [8, 8, 8]) => {
      const image = imageOf(size, 1);
      change(image);
      return { id, image, label: labelOf(size, 1) };
    };
    const bare = made("bare", () => {});
    bare.label.data.fill(0);
    const root = await writeDecathlon([
      made("sound", () => {}),
      made("flat", ({ data }) => data.fill(7)),
      made("holes", ({ data }) => data.fill(Number.NaN, 3, 5)),
      made("thin", () => {}, [8, 8, 1]),
      bare,
      made("unscaled", () => {}),
    ]);
    // A header that says nothing of the size of a voxel: neither transform, and 0 for every spacing.
    for (const folder of ["imagesTr", "labelsTr"]) {
      const path = join(root, folder, "unscaled.nii.gz");
      const bytes = gunzipSync(readFileSync(path));
      bytes.writeInt16LE(0, 252);
      bytes.writeInt16LE(0, 254);
      for (const axis of [1, 2, 3]) bytes.writeFloatLE(0, 76 + 4 * axis);
      writeFileSync(path, gzipSync(bytes));
    }
    const dataset = await openDataset(root);
    const found = degenerateCases(await fingerprintOf(dataset));
    expect(found.map((one) => `${one.case}: ${one.problem}`)).toEqual([
      "flat: the image is constant (7) but for outliers",
      "holes: 2 voxels with NaN or infinity; training refuses it",
      "thin: has one slice along z; a 3D network sees no third dimension in it",
      "bare: its label map marks nothing",
      "unscaled: its header gives no spacing; 1 mm is taken",
    ]);
  });
});

describe("spacing of made-up cases", () => {
  it("survives the file", async () => {
    const affine = affineFromSpacing([0.8, 0.8, 3]);
    const root = await writeDecathlon([
      { id: "a", image: imageOf([5, 6, 7], 1, affine), label: labelOf([5, 6, 7], 0, affine) },
    ]);
    const dataset = await openDataset(root);
    const plan = makePlan(dataset, await fingerprintOf(dataset));
    expect(plan.preprocessing.spacingMm).toEqual([0.8, 0.8, 3]);
  });
});
