/** Label maps with voxels that do not count, values that no class has, and values that are nearly whole: in training and evaluation. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openDataset } from "../../data/index.ts";
import { imageOf, labelOf, writeDecathlon } from "../../data/test/made-up.ts";
import { readVolume, writeSafetensors } from "../../files/index.ts";
import { epochsOf, folderStore, readRunOf, readWeights } from "../../train/index.ts";
import {
  evaluateSegmentationRun,
  type SegmentationRequest,
  type SegmentationRun,
  segmentation,
  trainSegmentation,
} from "../index.ts";

const SIZE = [16, 16, 16] as const;
const folder = mkdtempSync(join(tmpdir(), "medvox-ignored-"));
const [run, uniform] = [join(folder, "run"), join(folder, "uniform")];
const folders: string[] = [folder];
let request: SegmentationRequest;
const readRun = (path: string): Promise<SegmentationRun> => readRunOf(folderStore(path), segmentation);

const description = { labels: { background: 0, tumour: 1, ignore: 2 } };
/** Class 1 on the left, voxels that do not count on the right and in the upper half. */
function partly(seed: number) {
  const label = labelOf(SIZE, seed);
  label.data.fill(2, label.data.length / 2);
  return label;
}
async function written(labels: readonly ReturnType<typeof labelOf>[]): Promise<string> {
  const cases = labels.map((label, i) => ({ id: `case_${i}`, image: imageOf(SIZE, i), label }));
  const root = await writeDecathlon(cases, description);
  folders.push(root);
  return root;
}

beforeAll(async () => {
  const data = await written([partly(0), partly(1), partly(2)]);
  request = {
    data,
    epochs: 1,
    patch: [16, 16, 16],
    batch: 1,
    width: 8,
    heldOut: 1,
    validation: 0,
    threads: 1,
    loss: "crossEntropy",
    augmentation: "none",
  };
  await trainSegmentation(request, { out: run });
});
afterAll(() => {
  for (const path of folders) rmSync(path, { recursive: true, force: true });
});

describe("a training", () => {
  test("knows ignored voxels by their value, and has no class for them", async () => {
    const { record, plan } = await readRun(run);
    expect(plan.labels.map(({ name }) => name)).toEqual(["background", "tumour"]);
    expect(record.splits.train.map(({ ignoreLabel }) => ignoreLabel)).toEqual([2, 2]);
    expect((await readWeights(folderStore(run))).get("decoder.classify.bias")!.data).toHaveLength(2);
  });

  test("has the loss of the voxels that count: ln 2 where the network says one half everywhere", async () => {
    const state = await readWeights(folderStore(run));
    const zero = [...state]
      .filter(([name]) => !name.startsWith("optimizer."))
      .map(([name, { shape, data }]) => {
        const values = name.startsWith("decoder.classify.") ? new Float32Array(data.length) : Float32Array.from(data);
        return [name, { dtype: "F32", shape: [...shape], data: values }] as const;
      });
    const from = join(folder, "zero.safetensors");
    await writeSafetensors(from, new Map(zero));
    await trainSegmentation({ ...request, from, learningRate: 1e-12, weightDecay: 0 }, { out: uniform });
    const [{ trainLoss }] = await epochsOf(folderStore(uniform));
    expect(trainLoss).toBeCloseTo(Math.LN2, 5);
  });
});

describe("an evaluation", () => {
  test("leaves ignored voxels out of every score", async () => {
    const { record } = await readRun(run);
    const [item] = record.splits.heldOut;
    const { scores, predictions, json, problems } = await evaluateSegmentationRun(run);
    const mask = Array.from((await readVolume(join(predictions, `${item.id}.nii.gz`))).data, Number);
    const truth = Array.from((await readVolume(item.label!)).data, Number);
    const counted = mask.map((_, i) => truth[i] !== 2);
    const both = mask.filter((value, i) => counted[i] && value === 1 && truth[i] === 1).length;
    const found = mask.filter((value, i) => counted[i] && value === 1).length;
    const real = truth.filter((value) => value === 1).length;
    const [tumour] = scores[0].classes;
    expect(tumour).toMatchObject({ truthVoxels: real, predictionVoxels: found, overlapVoxels: both });
    expect(tumour.dice).toBeCloseTo((2 * both) / (found + real), 12);
    expect(scores[0].ignoredVoxels).toBe(truth.filter((value) => value === 2).length);
    expect(json).toMatchObject({
      problems: { count: 0, list: [] },
      perCase: [{ ignoredVoxels: scores[0].ignoredVoxels }],
    });
    expect(problems).toEqual([]);
  });

  test("reads nearly whole labels as whole ones, and tells values that no class has", async () => {
    const plain = partly(0);
    const stranger = { ...plain, data: plain.data.slice() };
    stranger.data.fill(7, 0, 9);
    const nearly = { ...plain, data: Float32Array.from(plain.data, (value) => value * 1.0000153) };
    const cases = await Promise.all(
      [plain, nearly, stranger].map(async (label) => {
        const root = await writeDecathlon([{ id: "case_0", image: imageOf(SIZE, 0), label }], description);
        folders.push(root);
        return { ...(await openDataset(root)).cases[0], id: String(folders.length) };
      }),
    );
    const { scores, problems, json } = await evaluateSegmentationRun(run, { cases, out: join(folder, "others") });
    expect(scores[1].classes).toEqual(scores[0].classes);
    expect(problems).toMatchObject([{ case: cases[2].id, rule: "unknown-label", value: 7, voxels: 9 }]);
    expect(json).toMatchObject({ problems: { list: problems }, perCase: [{}, {}, { unlistedVoxels: 9 }] });
  });
});
