import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DataError } from "../../errors.ts";
import { writeVolume } from "../../files/index.ts";
import { affineFromSpacing, shiftAffine } from "../../volume/affine.ts";
import { fingerprintOf } from "../plan/fingerprint.ts";
import { makePlan } from "../plan/plan.ts";
import { verifyDataset } from "../plan/verify.ts";
import { prepareCase } from "../prepare/prepare.ts";
import { preprocess } from "../prepare/preprocess.ts";
import { readImage, readLabel } from "../prepare/read-case.ts";
import { imageOf, soundCases, temporaryFolder, writeDecathlon } from "../test/made-up.ts";
import { openDataset } from "./dataset.ts";

const labels = { "0": "background", "1": "liver", "2": "cancer", "5": "spleen" };

/** One case of 3×2×1 voxels with the label map 0 1 2 / 5 5 1. */
async function tiny(more: object = {}): Promise<string> {
  const size = [3, 2, 1] as const;
  const image = imageOf(size, 1);
  const label = { ...image, data: Uint8Array.of(0, 1, 2, 5, 5, 1) };
  return writeDecathlon([{ id: "a", image, label }], { labels, ...more });
}

async function written(document: object): Promise<string> {
  const file = join(temporaryFolder(), "part.json");
  writeFileSync(file, JSON.stringify(document));
  return file;
}

describe("a part of a data set", () => {
  it("picks and merges labels by value or name, numbered from 1 as written", async () => {
    const part = await openDataset(await written({ data: await tiny(), labels: { spleen: 5, liver: ["liver", 2] } }));
    expect(part.name).toBe("part");
    expect(part.labels).toEqual([
      { index: 0, name: "background" },
      { index: 1, name: "spleen" },
      { index: 2, name: "liver" },
    ]);
    const { data } = await readLabel(part.cases[0]);
    expect([...data]).toEqual([0, 2, 2, 1, 1, 2]);
  });

  it("of a part picks from what that part has", async () => {
    const whole = await tiny();
    const inner = await written({ data: whole, labels: { spleen: [5], liver: [1, 2] } });
    const part = await openDataset(await written({ name: "livers", data: inner, labels: { organ: ["liver"] } }));
    expect(part.name).toBe("livers");
    expect([...(await readLabel(part.cases[0])).data]).toEqual([0, 1, 1, 0, 0, 1]);
    // The path to the whole counts from the file that names it.
    expect(part.cases[0].image).toBe(join(whole, "imagesTr/a.nii.gz"));
  });

  it("takes cases by id, or leaves some out", async () => {
    const data = await writeDecathlon(soundCases(4));
    const ids = async (more: object) => (await openDataset(await written({ data, ...more }))).cases.map(({ id }) => id);
    expect(await ids({ cases: ["case_03", "case_01"] })).toEqual(["case_01", "case_03"]);
    expect(await ids({ exclude: ["case_00", "case_02"] })).toEqual(["case_01", "case_03"]);
  });

  it("takes channels by number or name, for reading, planning and predicting alike", async () => {
    const size = [4, 3, 2] as const;
    const channels = [1, 2, 3].map((seed) => imageOf(size, seed).data);
    const image = { ...imageOf(size, 1), channels: 3, data: Float32Array.from(channels.flatMap((c) => [...c])) };
    const label = { ...imageOf(size, 1), data: new Uint8Array(24).fill(1, 0, 5) };
    const data = await writeDecathlon([{ id: "a", image, label }], { modality: { 0: "FLAIR", 1: "T1", 2: "T2" } });
    const part = await openDataset(await written({ data, channels: ["T2", 0] }));
    expect(part.modality).toEqual(["T2", "FLAIR"]);
    const read = await readImage(part.cases[0]);
    expect([read.channels, [...read.data]]).toEqual([2, [...channels[2], ...channels[0]]]);

    const single = await openDataset(await written({ data, channels: [1] }));
    expect([...(await readImage(single.cases[0])).data]).toEqual([...channels[1]]);
    const { preprocessing } = makePlan(single, await fingerprintOf(single));
    expect([preprocessing.channels, preprocessing.channelPick]).toEqual([1, [1]]);
    // An image to predict on comes with all its channels.
    const picked = preprocess(await readImage(single.cases[0]), preprocessing);
    expect(preprocess(image, preprocessing).volume.data).toEqual(picked.volume.data);
    const { findings } = await verifyDataset(single);
    expect(findings.filter(({ severity }) => severity === "error")).toEqual([]);
  });

  it("brings a label map on a larger grid of its own to its image", async () => {
    const root = temporaryFolder();
    const affine = affineFromSpacing([1, 1, 2]);
    const image = imageOf([4, 3, 2], 1, affine);
    // The map starts 2 voxels further left and 1 lower, and is 8×5×4.
    const map = { ...imageOf([8, 5, 4], 1, shiftAffine(affine, [-2, -1, -1])), data: new Uint8Array(160) };
    const at = (x: number, y: number, z: number): number => (z * 5 + y) * 8 + x;
    map.data[at(2, 1, 1)] = 1; // The image's first voxel.
    map.data[at(5, 3, 2)] = 1; // Its last.
    map.data[at(0, 0, 0)] = 1; // Outside of it.
    await writeVolume(join(root, "image.nii.gz"), image);
    await writeVolume(join(root, "label.nii.gz"), map);
    const list = { labels: { 0: "background", 1: "heart" }, cases: [{ image: "image.nii.gz", label: "label.nii.gz" }] };
    writeFileSync(join(root, "list.json"), JSON.stringify({ ...list, labelGrid: "own" }));
    writeFileSync(join(root, "strict.json"), JSON.stringify(list));
    const { cases } = await openDataset(join(root, "list.json"));
    const wanted = new Array(24).fill(0);
    wanted[0] = 1;
    wanted[23] = 1;
    const label = await readLabel(cases[0]);
    expect([label.size, Array.from(label.data, Number)]).toEqual([[4, 3, 2], wanted]);
    const spec = {
      orientation: "RAS",
      spacingMm: null,
      intensity: { kind: "none" },
      channels: 1,
      labels: [0, 1],
    } as const;
    expect([...(await prepareCase(cases[0], spec, true)).label!]).toEqual(wanted);
    const strict = await openDataset(join(root, "strict.json"));
    await expect(prepareCase(strict.cases[0], spec, true)).rejects.toThrow("image: label is 8×5×4, image is 4×3×2");
    const { findings } = await verifyDataset(await openDataset(join(root, "list.json")));
    expect(findings).toEqual([]);
  });

  it.each([
    [{ labels: { liver: [7] } }, "labels.liver: 7 is not known; MadeUp has the labels 0 background, 1 liver, 2 cancer"],
    [{ labels: { liver: "Liver" } }, 'labels.liver: "Liver" is not known; MadeUp has the labels 0 background'],
    [{ labels: { liver: [1], cancer: [1] } }, 'labels.cancer: the value 1 belongs to "liver" already'],
    [{ labels: { rest: ["background"] } }, "labels.rest: the background (0) cannot be picked"],
    [{ labels: { liver: [0] } }, "labels.liver[0]: a label value is a whole number from 1, found 0"],
    [{ labels: { background: [1] } }, "labels.background: whatever is not picked is background"],
    [{ channels: [1] }, "channels: 1 is not known; MadeUp has 0 MRI"],
    [{ channels: ["CT"] }, 'channels: "CT" is not known; MadeUp has 0 MRI'],
    [{ cases: ["b"] }, "cases: MadeUp has no case b"],
    [{ exclude: ["b"] }, "exclude: MadeUp has no case b"],
    [{ lables: { liver: [1] } }, "lables"],
  ])("says what is wrong with %j", async (selection, message) => {
    const file = await written({ data: await tiny(), ...selection });
    await expect(openDataset(file)).rejects.toThrow(DataError);
    await expect(openDataset(file)).rejects.toThrow(message);
    await expect(openDataset(file)).rejects.toThrow(file);
  });

  it("that names itself, or nothing", async () => {
    const file = join(temporaryFolder(), "circle.json");
    writeFileSync(file, JSON.stringify({ data: "./circle.json" }));
    await expect(openDataset(file)).rejects.toThrow("circle.json: data: ./circle.json leads back to the file itself");
    await expect(openDataset(await written({ data: "nowhere" }))).rejects.toThrow(
      "data: nowhere: no such file or folder",
    );
  });
});

describe("a list", () => {
  it("may pick values as it names them", async () => {
    const root = await tiny();
    const file = join(root, "list.json");
    const cases = [{ image: "imagesTr/a.nii.gz", label: "labelsTr/a.nii.gz" }];
    writeFileSync(file, JSON.stringify({ labels: { liver: [1, 2] }, cases }));
    const { labels: found, cases: listed, labelsFrom } = await openDataset(file);
    expect([found.map(({ name }) => name), labelsFrom]).toEqual([["background", "liver"], "declared"]);
    expect([...(await readLabel(listed[0])).data]).toEqual([0, 1, 1, 0, 0, 1]);
    const { cases: verified } = await verifyDataset(await openDataset(file));
    expect(verified[0].labelVoxels).toEqual({ 0: 3, 1: 3 });
  });

  it("whose label map holds fractions is reported, and refused", async () => {
    const root = await tiny();
    const file = join(root, "list.json");
    await writeVolume(join(root, "half.nii.gz"), {
      ...imageOf([3, 2, 1], 1),
      data: Float32Array.of(0, 1, 0.5, 1, 1, 1),
    });
    const cases = [{ case: "a", image: "imagesTr/a.nii.gz", label: "half.nii.gz" }];
    writeFileSync(file, JSON.stringify({ labels: { liver: [1] }, cases }));
    const dataset = await openDataset(file);
    await expect(readLabel(dataset.cases[0])).rejects.toThrow("a: label has the value 0.5; labels are whole numbers");
    const { findings } = await verifyDataset(dataset);
    expect(findings.map(({ rule, message }) => [rule, message])).toContainEqual([
      "fractional-label",
      "label has 1 voxel without a whole number, such as 0.5",
    ]);
  });
});
