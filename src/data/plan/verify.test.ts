import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { writeVolume } from "../../files/index.ts";
import { affineFromSpacing } from "../../volume/affine.ts";
import { openDataset } from "../lists/dataset.ts";
import type { Problem } from "../problem.ts";
import { imageOf, labelOf, type MadeUpCase, soundCases, writeDecathlon } from "../test/made-up.ts";
import { formatFinding, verifyDataset } from "./verify.ts";

async function verifyCases(cases: readonly MadeUpCase[], more: object = {}, spoil: (root: string) => void = () => {}) {
  const root = await writeDecathlon(cases, more);
  spoil(root);
  return verifyDataset(await openDataset(root));
}

const lines = (findings: readonly Problem[]) => findings.map(formatFinding);

describe("verifyDataset", () => {
  it("finds nothing in a sound data set and says what it saw", async () => {
    const { findings, cases, summary } = await verifyCases(soundCases(4));
    expect(findings).toEqual([]);
    expect(cases[0]).toEqual({
      id: "case_00",
      errors: 0,
      warnings: 0,
      size: [10, 12, 8],
      spacingMm: [1, 1, 1],
      channels: 1,
      range: [expect.any(Number), expect.any(Number)],
      labelVoxels: { 0: 840, 1: 72, 2: 48 },
    });
    expect(summary).toMatchObject({ cases: 4, errors: 0, warnings: 0, broken: 0, medianSize: [10, 12, 8] });
    expect(summary.labels[1]).toMatchObject({ index: 1, name: "left", cases: 4 });
  });

  it("names a missing image, a missing label and a damaged file, and goes on", async () => {
    const [a, b, c, d] = soundCases(4);
    const { findings, summary } = await verifyCases(
      [{ id: a.id, label: a.label }, { id: b.id, image: b.image }, c, d],
      {},
      (root) => {
        const path = join(root, "imagesTr/case_02.nii.gz");
        writeFileSync(path, readFileSync(path).subarray(0, 200));
        writeFileSync(join(root, "labelsTr/case_03.nii.gz"), "this is no volume");
      },
    );
    expect(findings.map((f) => [f.severity, f.case, f.rule])).toEqual([
      ["error", "case_00", "missing-file"],
      ["error", "case_01", "missing-file"],
      ["error", "case_02", "unreadable"],
      ["error", "case_03", "unreadable"],
    ]);
    expect(lines(findings)[0]).toBe("error    case_00: image imagesTr/case_00.nii.gz is missing");
    expect(lines(findings)[1]).toBe("error    case_01: label labelsTr/case_01.nii.gz is missing");
    expect(findings[2].message).toContain("image cannot be used: imagesTr/case_02.nii.gz");
    expect(summary).toMatchObject({ errors: 4, broken: 4, cases: 4 });
  });

  it("says both sizes where label and image differ, as in feel.md", async () => {
    const { findings } = await verifyCases([
      { id: "spleen_29", image: imageOf([10, 11, 9], 1), label: labelOf([10, 11, 8], 1) },
    ]);
    expect(lines(findings)).toEqual(["error    spleen_29: label is 10×11×8, image is 10×11×9"]);
  });

  it("tells a label that lies elsewhere (error) from one that is a hair off (warning) and rounding (nothing)", async () => {
    const size = [10, 10, 10] as const;
    const at = (x: number) => affineFromSpacing([1, 1, 2], [x, 0, 0]);
    const { findings } = await verifyCases([
      { id: "far", image: imageOf(size, 1, at(0)), label: labelOf(size, 0, at(3)) },
      { id: "near", image: imageOf(size, 2, at(0)), label: labelOf(size, 1, at(0.1)) },
      { id: "rounded", image: imageOf(size, 3, at(0)), label: labelOf(size, 2, at(0.0005)) },
    ]);
    expect(lines(findings)).toEqual([
      "error    far: label lies elsewhere than image: affines differ by up to 3 mm; more than half a voxel (0.5 mm)",
      "warning  near: label lies elsewhere than image: affines differ by up to 0.1 mm; above 0.01 mm, below half a voxel",
    ]);
  });

  it("names a wrong spacing", async () => {
    const size = [10, 10, 10] as const;
    const { findings } = await verifyCases([
      { id: "a", image: imageOf(size, 1), label: labelOf(size, 0, affineFromSpacing([1, 1, 3])) },
    ]);
    expect(findings[0]).toMatchObject({ severity: "error", rule: "affine-mismatch" });
    expect(findings[0].message).toContain("spacing 1×1×1 mm against 1×1×3 mm");
  });

  it("counts unknown labels, as in feel.md", async () => {
    const label = labelOf([10, 10, 10], 0);
    label.data.fill(5, 0, 3);
    const { findings } = await verifyCases([{ id: "spleen_12", image: imageOf([10, 10, 10], 0), label }]);
    expect(lines(findings)).toEqual(["warning  spleen_12: 3 voxels with label 5, dataset.json knows 0–2"]);
  });

  it("finds NaN, infinities, constant images, fractional, negative, empty and multi-channel labels", async () => {
    const size = [8, 8, 8] as const;
    const bad = imageOf(size, 1);
    bad.data[5] = Number.NaN;
    bad.data[6] = Number.POSITIVE_INFINITY;
    const flat = { ...imageOf(size, 2), data: new Float32Array(512).fill(7) };
    const nothing = { ...imageOf(size, 2), data: new Float32Array(512).fill(Number.NaN) };
    const fractional = { ...labelOf(size, 0), data: Float32Array.from(labelOf(size, 0).data) };
    fractional.data[0] = 1.5;
    const negative = { ...labelOf(size, 0), data: Int16Array.from(labelOf(size, 0).data) };
    negative.data[0] = -1;
    const empty = { ...labelOf(size, 0), data: new Uint8Array(512) };
    const double = {
      ...labelOf(size, 1),
      data: new Uint8Array([...labelOf(size, 1).data, ...labelOf(size, 2).data]),
      channels: 2,
    };
    const { findings } = await verifyCases([
      { id: "bad", image: bad, label: labelOf(size, 1) },
      { id: "flat", image: flat, label: labelOf(size, 2) },
      { id: "nothing", image: nothing, label: labelOf(size, 0) },
      { id: "fractional", image: imageOf(size, 3), label: fractional },
      { id: "negative", image: imageOf(size, 4), label: negative },
      { id: "empty", image: imageOf(size, 5), label: empty },
      { id: "double", image: imageOf(size, 6), label: double },
    ]);
    expect(lines(findings)).toEqual([
      "error    bad: image has 2 voxels with NaN or infinity",
      "error    flat: image has the value 7 everywhere: there is nothing to see in it",
      "error    nothing: image has 512 voxels with NaN or infinity",
      "error    nothing: image has no finite value: there is nothing to see in it",
      "error    fractional: label has 1 voxel without a whole number, such as 1.5",
      "warning  negative: 1 voxel with label -1, dataset.json knows 0–2",
      "warning  empty: label has no foreground: every voxel is 0",
      "error    double: label has 2 channels, must have one",
    ]);
  });

  it("finds the same voxels under another name and compression, and a test case that is trained on", async () => {
    const [a, b, c] = soundCases(3);
    const root = await writeDecathlon([a, { ...b, image: a.image, label: undefined }, c], { test: ["./leak.nii"] });
    await writeVolume(join(root, "labelsTr/case_01.nii.gz"), labelOf([10, 12, 8], 1));
    await writeVolume(join(root, "leak.nii"), c.image as NonNullable<typeof c.image>);
    const { findings } = await verifyDataset(await openDataset(root));
    expect(lines(findings)).toEqual([
      "warning  case_01: image has the same voxels as case_00: keep one of them, or both on one side of a split",
      "error    leak: image has the same voxels as case_02: a test case must not be trained on",
    ]);
  });

  it("finds a case that is listed twice", async () => {
    const [a] = soundCases(1);
    const entry = { image: "./imagesTr/case_00.nii.gz", label: "./labelsTr/case_00.nii.gz" };
    const root = await writeDecathlon([a], { training: [entry, entry] });
    const { findings } = await verifyDataset(await openDataset(root, { lenient: true }));
    expect(lines(findings)).toEqual(["error    case_00#2: image imagesTr/case_00.nii.gz is listed before, as case_00"]);
  });

  it("finds two cases with one label map", async () => {
    const size = [8, 8, 8] as const;
    const { findings } = await verifyCases([
      { id: "a", image: imageOf(size, 1), label: labelOf(size, 0) },
      { id: "b", image: imageOf(size, 2), label: labelOf(size, 0) },
    ]);
    expect(lines(findings)).toEqual(["warning  b: label has the same voxels as that of a"]);
  });

  it("finds one slice, a wrong number of channels, and labels that nobody has", async () => {
    const two = { ...imageOf([8, 8, 8], 1), channels: 2, data: new Float32Array(1024).map((_, i) => i) };
    const { findings } = await verifyCases(
      [
        { id: "slice", image: imageOf([8, 8, 1], 1), label: labelOf([8, 8, 1], 0) },
        { id: "two", image: two, label: labelOf([8, 8, 8], 0) },
      ],
      { labels: { 0: "background", 1: "left", 2: "right", 3: "middle" } },
    );
    expect(lines(findings)).toEqual([
      "warning  slice: image is 8×8×1: an axis of one voxel has nothing to learn in 3D",
      "error    two: image has 2 channels, dataset.json says 1",
      "warning  MadeUp: label 3 (middle) is declared but occurs in no case",
    ]);
  });

  it("finds a singular affine", async () => {
    const root = await writeDecathlon([{ id: "a", label: labelOf([10, 12, 8], 0) }]);
    const plain = join(root, "a.nii");
    await writeVolume(plain, imageOf([10, 12, 8], 0));
    // The first column of the sform, zeroed.
    const bytes = readFileSync(plain);
    for (let i = 280; i < 328; i += 16) bytes.writeFloatLE(0, i);
    writeFileSync(join(root, "imagesTr/a.nii.gz"), bytes);
    const verified = await verifyDataset(await openDataset(root));
    expect(verified.findings).toHaveLength(1);
    expect(verified.findings[0]).toMatchObject({ severity: "error", rule: "geometry", case: "a" });
    expect(verified.findings[0].message).toContain("singular");
  });

  it("wants labels of cases to train on, and none of test cases", async () => {
    const root = await writeDecathlon(soundCases(2));
    writeFileSync(
      join(root, "list.csv"),
      "image,label,split\nimagesTr/case_00.nii.gz,,train\nimagesTr/case_01.nii.gz,,test\n",
    );
    const { findings } = await verifyDataset(await openDataset(join(root, "list.csv"), { lenient: true }));
    expect(lines(findings)).toEqual(["error    case_00: has no label, and is not listed as a test case"]);
  });

  it("reports progress and findings as they come, and stops when told to", async () => {
    const root = await writeDecathlon(soundCases(5));
    rmSync(join(root, "imagesTr/case_01.nii.gz"));
    const dataset = await openDataset(root);
    const heard: string[] = [];
    await verifyDataset(dataset, {
      onProgress: (done, total, id) => heard.push(`${done}/${total} ${id}`),
      onFinding: (finding) => heard.push(finding.rule),
    });
    expect(heard.slice(0, 3)).toEqual(["1/5 case_00", "missing-file", "2/5 case_01"]);
    const controller = new AbortController();
    const stopped = verifyDataset(dataset, { signal: controller.signal, onProgress: () => controller.abort() });
    await expect(stopped).rejects.toThrow(/abort/i);
  });
});

const hippocampus = new URL("../../../../shared/data/Task04_Hippocampus", import.meta.url).pathname;
describe.skipIf(!existsSync(hippocampus))("Task04_Hippocampus (skipped where ../shared is absent)", () => {
  it("is sound: 200 cases, no finding", async () => {
    const { findings, summary } = await verifyDataset(await openDataset(hippocampus));
    expect(findings).toEqual([]);
    expect(summary).toMatchObject({ cases: 200, errors: 0, warnings: 0, broken: 0 });
  });
});

const organs = new URL("../../../../shared/data/organs-ct", import.meta.url).pathname;
describe.skipIf(!existsSync(organs))("organs-ct (skipped where ../shared is absent)", () => {
  it("names the empty vein mask and the heart on a larger grid, and passes the aorta", async () => {
    const root = await writeDecathlon([]);
    const rows = [
      ["aorta_report/ct_cropped.nii.gz", "aorta_report/aorta.nii.gz"],
      ["example_ct_sm.nii.gz", "lung_vessels/lung_veins.nii.gz"],
      ["pulmonary_report/ct_cropped.nii.gz", "pulmonary_report/heart.nii.gz"],
    ];
    writeFileSync(
      join(root, "list.csv"),
      ["image,label", ...rows.map((r) => r.map((file) => join(organs, file)).join(","))].join("\n"),
    );
    const { findings } = await verifyDataset(
      await openDataset(join(root, "list.csv"), { labels: { 0: "background", 1: "organ" } }),
    );
    expect(findings.map((f) => [f.severity, f.rule, f.message])).toEqual([
      ["warning", "empty-label", "label has no foreground: every voxel is 0"],
      ["error", "size-mismatch", "label is 233×167×191, image is 122×102×112"],
    ]);
  });
});
