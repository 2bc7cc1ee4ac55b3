/** A plan made from a list of cases is the plan made from the folder that the cases lie in. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { writeVolume } from "../../files/index.ts";
import { fingerprintOf } from "../plan/fingerprint.ts";
import { makePlan, type Plan } from "../plan/plan.ts";
import { imageOf, labelOf, temporaryFolder, writeDecathlon } from "../test/made-up.ts";
import type { Dataset } from "../types.ts";
import { openDataset } from "./dataset.ts";

const SIZE = [16, 12, 8] as const;
const roots: string[] = [];
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});

async function decathlon(): Promise<string> {
  const cases = [0, 1, 2].map((i) => ({ id: `ct_${i}`, image: imageOf(SIZE, i), label: labelOf(SIZE, i) }));
  return writeDecathlon(cases, { modality: { 0: "CT" }, labels: { 0: "background", 1: "liver", 2: "cancer" } });
}

/** Two channels, and two values that are one class. */
async function nnunet(description: object): Promise<string> {
  const root = temporaryFolder();
  for (const name of ["imagesTr", "labelsTr"]) mkdirSync(join(root, name));
  for (const i of [0, 1, 2]) {
    for (const channel of [0, 1])
      await writeVolume(join(root, `imagesTr/c_${i}_000${channel}.nii.gz`), imageOf(SIZE, 10 * i + channel));
    await writeVolume(join(root, `labelsTr/c_${i}.nii.gz`), labelOf(SIZE, i));
  }
  writeFileSync(join(root, "dataset.json"), JSON.stringify({ file_ending: ".nii.gz", ...description }));
  return root;
}

async function planOf(dataset: Dataset): Promise<Plan> {
  return makePlan(dataset, await fingerprintOf(dataset));
}

/** The labelled cases as a CSV in the folder itself, with a split that leaves all of them to be planned by. */
function csvOf({ cases }: Dataset, file: string): string {
  const rows = cases.map(({ image, label }, i) => `${image},${label},${i === 0 ? "validation" : "train"}`);
  writeFileSync(file, ["image,label,split", ...rows].join("\n"));
  return file;
}

const described = { labels: { background: 0, organ: 1, tumour: 2 }, channel_names: { 0: "T1", 1: "T2" } };
describe.each([
  ["a Decathlon folder", decathlon],
  ["nnU-Net's, two channels", () => nnunet(described)],
  ["nnU-Net's with a region", () => nnunet({ ...described, labels: { background: 0, whole: [1, 2] } })],
  ["nnU-Net's with voxels not to count", () => nnunet({ ...described, labels: { background: 0, a: 1, ignore: 2 } })],
])("%s", (_name, make) => {
  it("as a list leads to the same plan, classes and cases", async () => {
    const root = await make();
    roots.push(root);
    const whole = await openDataset(root);
    const list = await openDataset(csvOf(whole, join(root, "cases.csv")));
    expect(list.labels).toEqual(whole.labels);
    expect(list.cases.map(({ split: _, ...item }) => item)).toEqual(whole.cases);
    expect(list.cases.map(({ split }) => split)).toEqual(["validation", "train", "train"]);
    expect(await planOf(list)).toEqual(await planOf(whole));
    // A list that lies elsewhere as well, and a JSON list of the same rows.
    const elsewhere = temporaryFolder();
    roots.push(elsewhere);
    expect(await planOf(await openDataset(csvOf(whole, join(elsewhere, "cases.csv"))))).toEqual(await planOf(whole));
    const json = join(elsewhere, "cases.json");
    writeFileSync(json, JSON.stringify(whole.cases.map(({ image, label }) => ({ image, label }))));
    expect(await planOf(await openDataset(json))).toEqual(await planOf(whole));
  });
});

describe("what a list says itself comes first", () => {
  it("its name, its channels, its classes and its ids", async () => {
    const root = await decathlon();
    roots.push(root);
    const { cases } = await openDataset(root);
    const rows = cases.map(({ image, label }, i) => ({ image, label, case: `mine_${i}` }));
    const path = join(root, "cases.json");
    const own = { name: "mine", modality: ["MR"], labels: { 0: "nothing", 1: "a", 2: "b" } };
    writeFileSync(path, JSON.stringify({ ...own, cases: rows }));
    const list = await openDataset(path);
    expect(list).toMatchObject({ name: "mine", modality: ["MR"] });
    expect(list.labels.map(({ name }) => name)).toEqual(["nothing", "a", "b"]);
    expect(list.cases.map(({ id }) => id)).toEqual(["mine_0", "mine_1", "mine_2"]);
  });

  it("other label maps keep their own values, other images have nothing to do with the folder", async () => {
    const root = await decathlon();
    roots.push(root);
    const { cases } = await openDataset(root);
    mkdirSync(join(root, "second"));
    for (const { id } of cases) await writeVolume(join(root, `second/${id}.nii.gz`), labelOf(SIZE, 7));
    const path = join(root, "second.csv");
    writeFileSync(path, ["image,label", ...cases.map(({ id, image }) => `${image},second/${id}.nii.gz`)].join("\n"));
    const second = await openDataset(path);
    expect([second.modality, second.labelsFrom]).toEqual([["CT"], "discovered"]);
    await writeVolume(join(root, "imagesTr/new.nii.gz"), imageOf(SIZE, 9));
    writeFileSync(
      path,
      [
        "image,label",
        ...[...cases.map(({ image }) => image), "imagesTr/new.nii.gz"].map((image) => `${image},${cases[0].label}`),
      ].join("\n"),
    );
    const more = await openDataset(path);
    expect([more.modality, more.name]).toEqual([[], basename(path, ".csv")]);
  });
});
