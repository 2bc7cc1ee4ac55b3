/** Classification by the library's own calls on tiny made-up lesions: training, folds, resuming, scoring, predicting. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openClassification } from "../../data/index.ts";
import { writeRated } from "../../data/test/made-up.ts";
import { ConfigError, DataError, WeightsError } from "../../errors.ts";
import { taskNamed } from "../../tasks.ts";
import {
  epochsOf,
  folderStore,
  lastCheckpoint,
  membersOf,
  openSource,
  readRun,
  readRunOf,
  readWeights,
} from "../../train/index.ts";
import {
  type ClassificationRequest,
  type ClassificationRun,
  classification,
  evaluateClassificationRun,
  evaluateSegmentationRun,
  openClassifier,
  resolveClassificationConfig,
  resumeClassification,
  segmentation,
  trainClassification,
} from "../index.ts";
import { foldsOf } from "./members.ts";

const folder = mkdtempSync(join(tmpdir(), "medvox-classification-"));
const single = join(folder, "single");
const folded = join(folder, "folded");
let data = "";
let request: ClassificationRequest;
let rated: ClassificationRequest;

beforeAll(async () => {
  data = await writeRated(12);
  request = {
    data,
    stages: 1,
    patch: [16, 16, 16],
    batch: 4,
    epochs: 2,
    heldOut: 4,
    warmupEpochs: 0,
    threads: 1,
    width: 8,
  };
  rated = { ...request, mask: true, target: "rating", epochs: 1, folds: 2, seeds: 2, groupColumn: "patient" };
  await trainClassification(request, { out: single });
  await trainClassification(rated, { out: folded });
});
afterAll(() => {
  for (const path of [folder, data]) rmSync(path, { recursive: true, force: true });
});

const ids = (cases: readonly { id: string }[]): string[] => cases.map(({ id }) => id).sort();
const runOf = (path: string): Promise<ClassificationRun> => readRunOf(folderStore(path), classification);
const bytes = (run: string): Buffer => readFileSync(lastCheckpoint(run));

describe("a single training", () => {
  test("says what was asked and what it learns from; both sides have both classes", async () => {
    const { task, run } = await readRun(folderStore(single), taskNamed);
    expect(task.name).toBe("classification");
    const { record, plan } = await runOf(single);
    expect(run.record).toEqual(record);
    expect(record.config).toEqual(resolveClassificationConfig(request));
    expect(plan).toMatchObject({ classes: ["benign", "malignant"], patch: [16, 16, 16], batch: 4 });
    const { train, heldOut } = (await runOf(single)).record.splits;
    expect([train.length, heldOut.length]).toEqual([6, 6]);
    for (const side of [train, heldOut]) expect(new Set(side.map((item) => item.class))).toEqual(new Set([0, 1]));
    expect((await openSource(join(single, "model.onnx"), taskNamed)).task.name).toBe("classification");
    await expect(readRunOf(folderStore(single), segmentation)).rejects.toThrow(
      new ConfigError(`${single}: is a classification run; a segmentation run is needed`),
    );
    await expect(evaluateSegmentationRun(single)).rejects.toThrow(ConfigError);
  });

  test("its scores are those of its predictions; the exported model gives the same", async () => {
    const { summary, scores, json, report } = await evaluateClassificationRun(single);
    expect(summary.cases).toBe(6);
    expect(json).toMatchObject({ task: "classification", cases: 6, rule: { positive: [4, 5] } });
    expect(JSON.parse(readFileSync(join(single, "evaluation.json"), "utf8"))).toEqual(JSON.parse(JSON.stringify(json)));
    expect(readFileSync(report, "utf8")).toContain("scored on 6 it never saw");
    const { heldOut } = (await runOf(single)).record.splits;
    const classifier = await openClassifier(join(single, "model.onnx"));
    for (const item of heldOut) {
      const [no, yes] = await classifier.classify(item);
      const scored = scores.find(({ case: name }) => name === item.id)!;
      expect(scored.truth).toBe(item.class);
      expect(no + yes).toBeCloseTo(1, 6);
      expect(scored.probabilities[1]).toBeCloseTo(yes, 5);
    }
    await classifier.close();
  });

  test("eight mirrored views: the same whichever way the image is mirrored", async () => {
    const { heldOut } = (await runOf(single)).record.splits;
    const classifiers = await Promise.all(
      [single, join(single, "model.onnx")].map((path) => openClassifier(path, { mirror: true })),
    );
    const plain = await openClassifier(single);
    const [a, b] = await Promise.all(classifiers.map((classifier) => classifier.classify(heldOut[0])));
    expect(a[1]).toBeCloseTo(b[1], 5);
    expect(Math.abs(a[1] - (await plain.classify(heldOut[0]))[1])).toBeGreaterThan(1e-7);
    for (const classifier of [...classifiers, plain]) await classifier.close();
  });

  test("stopped in the middle and gone on with, it ends with the same bits", async () => {
    const out = join(folder, "stopped");
    const stop = new AbortController();
    const onStep = ({ step }: { step: number }) => {
      if (step === 3) stop.abort();
    };
    const stopped = trainClassification(request, { out, signal: stop.signal, onStep });
    await expect(stopped).rejects.toMatchObject({ name: "AbortError" });
    await expect(evaluateClassificationRun(out)).rejects.toThrow(
      new ConfigError(`${out}: the run is not trained to its end; go on with medvox train --resume ${out}`),
    );
    await resumeClassification(out);
    expect(bytes(out).equals(bytes(single))).toBe(true);
    const losses = async (run: string) => (await epochsOf(folderStore(run))).map(({ trainLoss }) => trainLoss);
    expect(await losses(out)).toEqual(await losses(single));
    await resumeClassification(out);
    expect(bytes(out).equals(bytes(single))).toBe(true);
  });

  test("learns: the loss falls on what it sees", async () => {
    const out = join(folder, "learns");
    await trainClassification(
      { ...request, heldOut: 0, epochs: 12, augmentation: "none", validation: 2, learningRate: 3e-3 },
      { out },
    );
    const epochs = await epochsOf(folderStore(out));
    expect(epochs).toHaveLength(12);
    expect(epochs.at(-1)!.trainLoss).toBeLessThan(0.5 * epochs[0].trainLoss);
    expect(epochs[0].validation).toMatchObject({ details: { accuracy: expect.any(Number) } });
  });
});

describe("folds and seeds", () => {
  test("every case is held out once, patients stay together, every network is a run of its own", async () => {
    const whole = await runOf(folded);
    const { heldOut: all } = whole.record.splits;
    const members = await membersOf({ task: classification, run: whole });
    expect(members.map(({ title }) => title)).toEqual([
      ...["fold-1-seed-1", "fold-1-seed-2"],
      ...["fold-2-seed-1", "fold-2-seed-2"],
    ]);
    const heldOut: string[] = [];
    for (const member of members) {
      const { splits, config }: ClassificationRun["record"] = member.run.record;
      expect(ids([...splits.train, ...splits.heldOut])).toEqual(ids(all));
      const patients = new Set(splits.train.map(({ group }) => group));
      expect(splits.heldOut.every(({ group }) => !patients.has(group))).toBe(true);
      expect([config.folds, config.seeds]).toEqual([null, 1]);
      if (config.seed === 0) heldOut.push(...ids(splits.heldOut));
    }
    expect(heldOut.sort()).toEqual(ids(all));
    const [first, second] = members.map(({ run }) => bytes(run.store.place));
    expect(first.equals(second)).toBe(false);
  });

  test("a case's score is the mean of the networks that never saw it", async () => {
    const { scores, json } = await evaluateClassificationRun(folded);
    expect(json).toMatchObject({ cases: 12, folds: 2 });
    const [item] = (await runOf(join(folded, "members", "fold-1-seed-1"))).record.splits.heldOut;
    const sum = new Float64Array(5);
    for (const name of ["fold-1-seed-1", "fold-1-seed-2"]) {
      const classifier = await openClassifier(join(folded, "members", name));
      for (const [i, p] of (await classifier.classify(item)).entries()) sum[i] += p / 2;
      await classifier.close();
    }
    const scored = scores.find(({ case: name }) => name === item.id)!;
    for (const [i, p] of scored.outputs.entries()) expect(p).toBeCloseTo(sum[i], 6);
    expect(scored.probabilities[1]).toBeCloseTo(sum[3] + sum[4], 6);
  });

  test("another rule leaves cases out, weighs the ratings anew, and keeps the run's own scores", async () => {
    const before = readFileSync(join(folded, "evaluation.json"), "utf8");
    const { scores, summary, report } = await evaluateClassificationRun(folded, {
      positive: [4, 5],
      negative: [1, 2],
    });
    expect(report).toBe(join(folded, "evaluations", "4-5-against-1-2", "report.html"));
    const undecided = (await openClassification(data)).cases.filter(({ rating }) => rating === 3);
    const decided = scores.filter(({ truth }) => truth !== undefined);
    expect([summary.cases, decided.length]).toEqual([12 - undecided.length, 12 - undecided.length]);
    for (const { probabilities, outputs } of decided) {
      const [p1, p2, , p4, p5] = outputs;
      expect(probabilities[1]).toBeCloseTo((p4 + p5) / (p1 + p2 + p4 + p5), 9);
    }
    expect(readFileSync(join(folded, "evaluation.json"), "utf8")).toBe(before);
    await expect(evaluateClassificationRun(folded, { split: "train" })).rejects.toThrow(/--split train means nothing/);
  });

  test("stopped between and within networks, the rest is trained and nothing twice", async () => {
    const out = join(folder, "stopped-folds");
    const stop = new AbortController();
    let steps = 0;
    const onStep = () => {
      if (++steps === 4) stop.abort();
    };
    await expect(trainClassification(rated, { out, signal: stop.signal, onStep })).rejects.toMatchObject({
      name: "AbortError",
    });
    const started: string[] = [];
    await resumeClassification(out, { onStart: ({ child }) => void started.push(child) });
    expect(started[0]).toBe("fold-1-seed-2");
    for (const { title } of await membersOf({ task: classification, run: await runOf(folded) })) {
      const [a, b] = [folded, out].map((run) => bytes(join(run, "members", title)));
      expect(a.equals(b), title).toBe(true);
    }
  });

  test("all networks together predict other cases", async () => {
    const classifier = await openClassifier(folded);
    expect(classifier.members).toBe(4);
    const { cases } = await openClassification(data);
    const shares = await classifier.classify(cases[0]);
    expect(shares).toHaveLength(5);
    expect(shares.reduce((a, b) => a + b)).toBeCloseTo(1, 6);
    await expect(classifier.classify({ ...cases[0], label: undefined })).rejects.toThrow(
      new DataError(`${cases[0].id}: has no mask, which the network takes (image ${cases[0].image})`),
    );
    await classifier.close();
  });

  test("fold sizes and shares are as equal as can be", async () => {
    const { cases } = await openClassification(data);
    for (const { train, heldOut } of foldsOf(cases, 3, 1)) {
      expect([train.length, heldOut.length]).toEqual([8, 4]);
      expect(heldOut.filter((item) => item.class === 1).length).toBe(2);
    }
  });
});

describe("taught more than the label", () => {
  const out = join(folder, "taught");
  const taught = (): ClassificationRequest => ({
    ...request,
    auxiliary: ["mm", "third"],
    heldOut: 2,
    pooling: "mask",
    validation: 2,
    target: "rating",
  });
  const list = () => join(data, "taught.csv");

  beforeAll(async () => {
    const [head, ...rows] = readFileSync(join(data, "labels.csv"), "utf8").trim().split("\n");
    const told = rows.map((row, i) => `${row},${i === 3 ? "" : 3.5 + i},${i % 3}`);
    writeFileSync(list(), `${[`${head},mm,third`, ...told].join("\n")}\n`);
    await trainClassification({ ...taught(), data: list() }, { out });
  });

  test("a second head learns; its targets come from the training cases", async () => {
    const { record, plan } = await runOf(out);
    const { train } = record.splits;
    const mm = train.flatMap(({ auxiliary }) => auxiliary!.mm ?? []);
    expect(plan.auxiliary).toMatchObject([
      { name: "mm", kind: "number", mean: mm.reduce((a, b) => a + b) / mm.length },
      { name: "third", kind: "rating", scale: [0, 1, 2] },
    ]);
    const weights = await readWeights(folderStore(out));
    expect(weights.get("auxiliary.weight")!.shape.slice(0, 2)).toEqual([3, 16]);
    expect(weights.get("classify.weight")!.shape.slice(0, 2)).toEqual([4, 16]);
    expect(weights.get("conv1.weight")!.shape[1]).toBe(1);
  });

  test("a prediction needs the mask, not the columns; the exported model gives the same", async () => {
    const { scores } = await evaluateClassificationRun(out);
    const { heldOut } = (await runOf(out)).record.splits;
    const item = { ...heldOut[0], auxiliary: undefined };
    const scored = scores.find(({ case: name }) => name === item.id)!.probabilities[1];
    for (const path of [out, join(out, "model.onnx")]) {
      const classifier = await openClassifier(path);
      const shares = await classifier.classify(item);
      expect(shares[3] + shares[4]).toBeCloseTo(scored, 5);
      await expect(classifier.classify({ ...item, label: undefined })).rejects.toThrow(
        /has no mask, which the network/,
      );
      await classifier.close();
    }
  });

  test("stopped and gone on with, it ends with the same bits", async () => {
    const again = join(folder, "taught-again");
    const stop = new AbortController();
    const onStep = ({ step }: { step: number }) => {
      if (step === 1) stop.abort();
    };
    const stopped = trainClassification({ ...taught(), data: list() }, { out: again, signal: stop.signal, onStep });
    await expect(stopped).rejects.toMatchObject({ name: "AbortError" });
    await resumeClassification(again);
    expect(bytes(again).equals(bytes(out))).toBe(true);
  });

  test("the further columns change what is learnt, and count what they were told to count", async () => {
    const losses: number[] = [];
    for (const [i, more] of [{ auxiliary: [] }, { auxiliaryWeight: 1 }, { auxiliaryWeight: 3 }].entries()) {
      const run = join(folder, `weighed-${i}`);
      await trainClassification(
        { ...taught(), data: list(), epochs: 1, validation: 0, augmentation: "none", learningRate: 1e-12, ...more },
        { out: run },
      );
      losses.push((await epochsOf(folderStore(run)))[0].trainLoss);
    }
    const [alone, once, thrice] = losses;
    expect(once).toBeGreaterThan(alone);
    expect((thrice - alone) / (once - alone)).toBeCloseTo(3, 3);
  });
});

describe("starting weights", () => {
  test("a frozen encoder stays as it was, the new layer learns", async () => {
    const out = join(folder, "frozen");
    await trainClassification({ ...request, from: single, freeze: true, epochs: 1, newLayerRate: 10 }, { out });
    const [before, after] = await Promise.all([single, out].map((run) => readWeights(folderStore(run))));
    const same = (name: string): boolean =>
      Buffer.from(before.get(name)!.data.buffer).equals(Buffer.from(after.get(name)!.data.buffer));
    expect(same("conv1.weight")).toBe(true);
    expect(same("layer1.0.conv2.weight")).toBe(true);
    expect(same("classify.weight")).toBe(false);
  });

  test("of which nothing fits are refused", async () => {
    const wrong = trainClassification({ ...request, from: "none.safetensors" }, { out: join(folder, "wrong") });
    await expect(wrong).rejects.toThrow(WeightsError);
  });
});

describe("requests", () => {
  test.each([
    [{ epochs: 0 }, /^epochs: /],
    [{ target: "rating", loss: "crossEntropy" }, /^loss: crossEntropy; ratings are learnt with/],
    [{ target: "rating", classWeights: "balanced" }, /^classWeights: balanced; the steps of a rating/],
    [{ freeze: true }, /^freeze: needs weights to start from/],
    [{ use: "best" }, /^use: best needs cases to be watched by/],
    [{ window: [400, -1000] }, /^window: 400, -1000; the first value must be the lower one$/],
    [{ stages: 5 }, /^stages: /],
    [{ folds: 1 }, /^folds: /],
    [{ auxiliary: ["margin", "margin"] }, /^auxiliary: margin is named twice$/],
    [{ pooling: "max" }, /^pooling: /],
  ])("%j is refused by its key", (wrong, message) => {
    expect(() => resolveClassificationConfig({ data: "x", ...wrong } as never)).toThrow(message);
    expect(() => resolveClassificationConfig({ data: "x", ...wrong } as never)).toThrow(ConfigError);
  });

  test("what the data cannot give is refused before a folder is made", async () => {
    const out = join(folder, "never");
    const list = join(folder, "plain.csv");
    writeFileSync(
      list,
      ["image,label", ...[0, 1].map((i) => `${join(data, `images/lesion_0${i}.nii.gz`)},${"ab"[i]}`)].join("\n"),
    );
    const refused = (more: Partial<ClassificationRequest>) =>
      expect(trainClassification({ ...request, data: list, ...more }, { out })).rejects;
    await refused({ target: "rating" }).toThrow(
      new ConfigError("target: rating; plain has classes (a, b), no ratings"),
    );
    await refused({ mask: true }).toThrow(/^lesion_00: has no mask, which the network takes/);
    await refused({ pooling: "mask" }).toThrow(/^lesion_00: has no mask, which the network takes/);
    await refused({ data, auxiliary: ["edge"] }).toThrow(/^--auxiliary edge: .* has no such column; it has/);
    await refused({ data, positive: [9] }).toThrow(/^positive: 9; must name at least one of the ratings/);
    expect(existsSync(out)).toBe(false);
    await refused({ data, folds: 50 }).toThrow(/cannot make 50 folds/);
    await refused({ data, patch: [16, 20, 16] }).toThrow(/^patch 16,20,16: 20 is not a multiple of 8/);
  });
});
