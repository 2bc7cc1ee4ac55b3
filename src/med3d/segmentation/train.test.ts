/** Training, starting weights, resuming and scoring by the library's own calls, on a tiny made-up data set. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { imageOf, labelOf, writeDecathlon } from "../../data/test/made-up.ts";
import { ConfigError, WeightsError } from "../../errors.ts";
import { readVolume, writeSafetensors } from "../../files/index.ts";
import { encoderShapes } from "../../nn/index.ts";
import {
  bestCheckpoint,
  type EvaluateOptions,
  folderStore,
  lastCheckpoint,
  logFile,
  readCheckpoint,
  readLog,
  readRunOf,
  readWeights,
} from "../../train/index.ts";
import {
  evaluateSegmentationRun,
  resolveSegmentationConfig,
  resumeSegmentation,
  type SegmentationRequest,
  type SegmentationRun,
  segmentation,
  trainSegmentation,
} from "../index.ts";

const SIZE = [16, 24, 16] as const;
const folder = mkdtempSync(join(tmpdir(), "medvox-segmentation-"));
const run = join(folder, "run");
const weights = join(folder, "weights.safetensors");
let data = "";
let request: SegmentationRequest;
const readRun = (path: string): Promise<SegmentationRun> => readRunOf(folderStore(path), segmentation);
/** A stem that no initializer would make. */
const STEM = Float32Array.from({ length: 8 * 7 ** 3 }, (_, i) => (i % 11) / 100);

beforeAll(async () => {
  data = await writeDecathlon(
    [0, 1, 2].map((i) => ({ id: `case_${i}`, image: imageOf(SIZE, i), label: labelOf(SIZE, i) })),
  );
  request = {
    data,
    epochs: 1,
    patch: [16, 24, 16],
    batch: 1,
    width: 8,
    heldOut: 1,
    validation: 0,
    threads: 2,
  };
  const float = (values: Float32Array, shape: number[]) => ({ dtype: "F32", shape, data: values }) as const;
  const encoder = [...encoderShapes({ depth: 10, preActivation: false }, { width: 8 })].map(([name, shape]) => {
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.5);
    return [`module.${name}`, float(name === "conv1.weight" ? STEM : values, [...shape])] as const;
  });
  await writeSafetensors(
    weights,
    new Map([
      ...encoder,
      // Of another shape in the head, and of no place at all.
      ["module.decoder.classify.bias", float(new Float32Array(7), [7])],
      ["module.fc.weight", float(new Float32Array(6), [2, 3])],
    ]),
  );
  // A rate this small leaves the weights where they begin, within the last bits.
  await trainSegmentation({ ...request, from: weights, learningRate: 1e-9, weightDecay: 0 }, { out: run });
});
afterAll(() => {
  for (const path of [folder, data]) rmSync(path, { recursive: true, force: true });
});

describe("starting weights", () => {
  test("the encoder is taken, a head of another shape begins as ever", async () => {
    const state = await readWeights(folderStore(run));
    const stem = state.get("conv1.weight")!.data;
    expect(Math.max(...stem.map((value, i) => Math.abs(value - STEM[i])))).toBeLessThan(1e-6);
    expect(state.get("layer1.0.bn1.weight")!.data[0]).toBeCloseTo(0.5, 6);
    expect(state.get("decoder.classify.bias")!.data).toHaveLength(3);
    expect(state.has("fc.weight")).toBe(false);
  });

  test("killed before the first checkpoint, a resumed run begins from them again", async () => {
    const [last, log] = [readFileSync(lastCheckpoint(run)), await readLog(folderStore(run))];
    for (const name of ["checkpoints", "model.onnx"]) rmSync(join(run, name), { recursive: true });
    writeFileSync(logFile(run), `${JSON.stringify(log[0])}\n`);
    const told: string[] = [];
    await resumeSegmentation(run, { onEpoch: ({ epoch }) => told.push(`epoch ${epoch}`) });
    expect(told).toEqual(["epoch 1"]);
    expect(readFileSync(lastCheckpoint(run)).equals(last)).toBe(true);
    const again = await readLog(folderStore(run));
    expect(log.map(({ event }) => event)).toEqual(["epoch", "finished"]);
    expect(again.map(({ event, epoch, trainLoss }) => [event, epoch, trainLoss])).toEqual(
      log.map(({ event, epoch, trainLoss }) => [event, epoch, trainLoss]),
    );
  });

  test("of which nothing fits are refused; the list's own split stands in the record by then", async () => {
    const path = join(folder, "foreign.safetensors");
    await writeSafetensors(path, new Map([["fc.bias", { dtype: "F32", shape: [1], data: Float32Array.of(1) }]]));
    const list = join(folder, "list.csv");
    const rows = ["train", "test", "validation"].map((split, i) =>
      [join(data, `imagesTr/case_${i}.nii.gz`), join(data, `labelsTr/case_${i}.nii.gz`), split].join(),
    );
    writeFileSync(list, ["image,label,split", ...rows, ""].join("\n"));
    const out = join(folder, "foreign");
    await expect(trainSegmentation({ ...request, data: list, from: path }, { out })).rejects.toThrow(
      new WeightsError(
        `${path}: none of its 1 tensors fits the network by name and shape (its first is fc.bias, the network's conv1.weight)`,
      ),
    );
    const { splits } = (await readRun(out)).record;
    const ids = [splits.train, splits.validation, splits.heldOut].map((cases) => cases.map(({ id }) => id));
    expect(Object.keys(splits)).toEqual(["train", "validation", "heldOut"]);
    expect(ids).toEqual([["case_0"], ["case_2"], ["case_1"]]);
  });
});

describe("a run", () => {
  test("tells what was asked, resolved", async () => {
    const { record, plan } = await readRun(run);
    expect(record.config).toEqual(
      resolveSegmentationConfig({ ...request, from: weights, learningRate: 1e-9, weightDecay: 0 }),
    );
    expect([plan.dataset, plan.patch, plan.batch, record.threads]).toEqual(["MadeUp", [16, 24, 16], 1, 2]);
    expect([record.splits.train.length, record.splits.heldOut.length]).toEqual([2, 1]);
    expect((await readCheckpoint(folderStore(run))).position).toMatchObject({ epoch: 1, step: 2 });
  });

  test("is scored by what lies in its files", async () => {
    const { record } = await readRun(run);
    const [item] = record.splits.heldOut;
    const told: number[] = [];
    const { summary, scores, predictions, json } = await evaluateSegmentationRun(run, {
      onCase: (done, of) => told.push(done, of),
    });
    expect([told, summary.cases]).toEqual([[1, 1], 1]);
    const mask = Array.from((await readVolume(join(predictions, `${item.id}.nii.gz`))).data, Number);
    const truth = Array.from((await readVolume(item.label!)).data, Number);
    const wanted = [1, 2].map((k) => {
      const both = mask.filter((value, i) => value === k && truth[i] === k).length;
      return (2 * both) / (mask.filter((value) => value === k).length + truth.filter((value) => value === k).length);
    });
    expect(scores[0].case).toBe(item.id);
    expect(json).toMatchObject({
      perCase: [{ dice: { left: expect.closeTo(wanted[0], 12), right: expect.closeTo(wanted[1], 12) } }],
    });
  });

  test("its report tells which cases were scored, and marks the epoch whose weights they were scored with", async () => {
    const page = async (options: EvaluateOptions): Promise<string> => {
      const { report } = await evaluateSegmentationRun(run, {
        split: "train",
        out: join(folder, "scored"),
        ...options,
      });
      return readFileSync(report, "utf8");
    };
    const mark = "The dotted line marks epoch 1, whose weights were scored.";
    // As if the one epoch had been watched: its weights are the best, too, but the run uses the last unless told otherwise.
    const log = readFileSync(logFile(run), "utf8");
    copyFileSync(lastCheckpoint(run), bestCheckpoint(run));
    writeFileSync(logFile(run), log.replace('"best":false', '"best":true'));
    try {
      const plain = await page({});
      expect(plain).toContain("Trained on 2 cases, scored on 2 it was trained on.");
      expect(plain).not.toContain("never saw");
      expect(plain).not.toContain(mark);
      expect(await page({ use: "best", force: true })).toContain(mark);
    } finally {
      writeFileSync(logFile(run), log);
      rmSync(bestCheckpoint(run));
    }
  });

  test("without held-out cases says how to score it", async () => {
    await expect(evaluateSegmentationRun(run, { split: "validation" })).rejects.toThrow(
      new ConfigError(`${run}: the run held no case out to be scored on; name labelled cases with --data`),
    );
  });
});

describe("requests", () => {
  test.each([
    [{ epochs: 0 }, /^epochs: /],
    [{ learningRate: -1 }, /^learningRate: /],
    [{ patch: [16, 16] }, /^patch: /],
    [{ optimizer: "lion" }, /^optimizer: /],
    [{ schedule: { kind: "step", gamma: 0.1 } }, /^schedule\.milestones: /],
    [{ schedul: "cosine" }, /schedul/],
    [{ augmentation: "wild" }, /wild/],
  ])("%j is refused by its key", (wrong, message) => {
    expect(() => resolveSegmentationConfig({ data: "x", ...wrong } as never)).toThrow(message);
    expect(() => resolveSegmentationConfig({ data: "x", ...wrong } as never)).toThrow(ConfigError);
  });

  test("a patch the encoder cannot halve three times", async () => {
    await expect(trainSegmentation({ ...request, patch: [16, 20, 16] }, { out: join(folder, "odd") })).rejects.toThrow(
      new ConfigError("patch 16,20,16: 20 is not a multiple of 8, and the encoder divides sizes by 8"),
    );
  });

  test("a data set without labels", async () => {
    const list = join(folder, "unlabelled.csv");
    writeFileSync(list, `image\n${join(data, "imagesTr/case_0.nii.gz")}\n`);
    await expect(trainSegmentation({ ...request, data: list }, { out: join(folder, "blind") })).rejects.toThrow(
      new ConfigError(`data: ${list} has no labelled case; a training needs labels`),
    );
  });
});
