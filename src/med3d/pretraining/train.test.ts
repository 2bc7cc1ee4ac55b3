/** A pre-training of two made-up sets: whose step changes what, balancing, resuming, what is written, and what is refused. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeVolume } from "../../files/index.ts";
import { random } from "../../random.ts";
import { epochsOf, folderStore, readCheckpoint, readRunOf, readWeights } from "../../train/index.ts";
import {
  branchRun,
  evaluateBranch,
  findOverlap,
  type PretrainingRequest,
  type PretrainingRun,
  pretrain,
  pretraining,
  resumePretraining,
  setOf,
  trainSegmentation,
  usedCases,
} from "../index.ts";
import { balancingOf, resolvePretrainingConfig } from "./config.ts";
import { turnOrder } from "./turns.ts";

const work = mkdtempSync(join(tmpdir(), "medvox-pretrain-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

/** Cubes in noise; the label's value and the brightness are the set's own. */
async function madeUp(name: string, cases: number, labels: Record<string, number>, bright: number): Promise<string> {
  const root = join(work, name);
  for (const folder of ["imagesTr", "labelsTr"]) mkdirSync(join(root, folder), { recursive: true });
  for (let i = 0; i < cases; i++) {
    const stream = random(i, name);
    const size = [16, 16, 16] as const;
    const image = Float32Array.from({ length: 4096 }, () => stream.normal());
    const label = new Uint8Array(4096);
    for (const [k, value] of Object.values(labels).entries()) {
      for (let z = 3; z < 9; z++)
        for (let y = 3; y < 9; y++)
          for (let x = 2 + 6 * k; x < 7 + 6 * k; x++) {
            const at = (z * 16 + y) * 16 + x;
            image[at] += bright * (k + 1);
            label[at] = value;
          }
    }
    const grid = { size, channels: 1, affine };
    await writeVolume(join(root, "imagesTr", `${name}_${i}.nii.gz`), { ...grid, data: image } as never);
    await writeVolume(join(root, "labelsTr", `${name}_${i}.nii.gz`), { ...grid, data: label } as never);
  }
  writeFileSync(
    join(root, "dataset.json"),
    JSON.stringify({
      name,
      modality: { 0: "MRI" },
      labels: { 0: "background", ...Object.fromEntries(Object.entries(labels).map(([key, value]) => [value, key])) },
      training: Array.from({ length: cases }, (_, i) => ({
        image: `./imagesTr/${name}_${i}.nii.gz`,
        label: `./labelsTr/${name}_${i}.nii.gz`,
      })),
      test: [],
    }),
  );
  return root;
}

let request: PretrainingRequest;
beforeAll(async () => {
  const one = await madeUp("one", 5, { cube: 1 }, 4);
  const two = await madeUp("two", 3, { left: 1, right: 2 }, 3);
  request = {
    sets: [
      { name: "one", data: one },
      { name: "two", data: two, heldOut: 1 },
    ],
    patch: [16, 16, 16],
    batch: 2,
    epochs: 3,
    heldOut: 0,
    learningRate: 2e-3,
    checkpointSeconds: 0,
    width: 8,
    // Test files run beside each other, two at a time.
    threads: 1,
  };
});

test("the losses of both branches fall; log, report and record tell it by set; the smaller set is filled up", async () => {
  const out = join(work, "run");
  const { record, plan } = await pretrain(request, { out });
  expect(record.splits.train.map(({ set }) => set)).toEqual(["one", "one", "one", "one", "one", "two", "two"]);
  expect(record.splits.heldOut.map(({ set }) => set)).toEqual(["two"]);
  expect(Object.keys(plan.sets)).toEqual(["one", "two"]);
  const epochs = await epochsOf(folderStore(out));
  expect(epochs).toHaveLength(3);
  // Five cases in batches of two are three steps; the set of two gets as many.
  expect([setOf(epochs[0], "one")?.steps, setOf(epochs[0], "two")?.steps]).toEqual([3, 3]);
  for (const name of ["one", "two"]) {
    const told = epochs.map((epoch) => setOf(epoch, name)!);
    expect(told.at(-1)!.loss).toBeLessThan(told[0].loss);
    expect(told.every(({ meanDice }) => meanDice! >= 0 && meanDice! <= 1)).toBe(true);
  }
  expect(readFileSync(join(out, "report.html"), "utf8")).toContain("Pre-training on 2 sets");
  const weights = await readWeights(folderStore(out));
  expect([...weights.keys()].filter((name) => name.startsWith("branch.two.head"))).not.toEqual([]);
});

test("a branch alone is a segmentation run that can be scored; another set's name is refused", async () => {
  const out = join(work, "run");
  const { summary, report } = await evaluateBranch(out, "two");
  expect(summary.cases).toBe(1);
  expect(report).toBe(join(out, "evaluations", "two", "report.html"));
  const run: PretrainingRun = await readRunOf(folderStore(out), pretraining);
  const branch = await branchRun(run, "two");
  expect([branch.record.task, branch.plan]).toEqual(["segmentation", run.plan.sets.two]);
  const names = [...(await readWeights(branch.store)).keys()];
  expect(names.filter((name) => name.startsWith("branch."))).toEqual([]);
  expect(names.filter((name) => name.startsWith("head."))).not.toEqual([]);
  await expect(branchRun(run, "three")).rejects.toThrow(`--set three: ${out} has no such set; it has one, two`);
  await expect(branchRun(run, undefined)).rejects.toThrow("name one with --set: one, two");
});

test("a branch with statistics of its own predicts with those of its set; the weights are the same either way", async () => {
  const short = { ...request, epochs: 1, updatesPerSet: 2 };
  const [shared, own] = [join(work, "shared-statistics"), join(work, "own-statistics")];
  await pretrain(short, { out: shared });
  const run = await pretrain({ ...short, branchStatistics: true }, { out: own });
  const [without, all] = [await readWeights(folderStore(shared)), await readWeights(run.store)];
  const plain = [...all].filter(([name]) => !/^branch\.\w+\.norms\./.test(name));
  expect(new Map(plain)).toEqual(without);
  const means = ["one", "two"].map((name) => all.get(`branch.${name}.norms.bn1.running_mean`)!.data);
  expect(means[0]).not.toEqual(means[1]);
  for (const [i, name] of ["one", "two"].entries()) {
    const branch = await readWeights((await branchRun(run, name)).store);
    expect(branch.get("bn1.running_mean")!.data).toEqual(means[i]);
    expect([...branch.keys()].filter((key) => key.startsWith("norms."))).toEqual([]);
  }
});

test("what was learned from is known, by file and by voxels, through runs that started from it", async () => {
  const out = join(work, "run");
  const used = await usedCases(out);
  expect(used).toHaveLength(7);
  const { record }: PretrainingRun = await readRunOf(folderStore(out), pretraining);
  const [first] = record.splits.train;
  const copy = join(work, "renamed.nii.gz");
  cpSync(first.image, copy);
  const found = await findOverlap([{ ...first, id: "copy", image: copy }, record.splits.heldOut[0]], used);
  expect(found.map((item) => item.case.id)).toEqual(["copy"]);
  const next = join(work, "next");
  const from = {
    data: request.sets[1].data,
    patch: [16, 16, 16] as [number, number, number],
    batch: 2,
    epochs: 1,
    width: 8,
  };
  const reports: string[] = [];
  await trainSegmentation(
    { ...from, from: out, decoder: "upsampling", heldOut: 1, validation: 0 },
    { out: next, onWeights: (report) => reports.push(report) },
  );
  expect(reports).toEqual([
    expect.stringMatching(/^from .*run: 60 matched · 2 new \(head\.[a-z]+, .*\) · 0 missing · 4 unexpected/),
  ]);
  expect(await usedCases(next)).toHaveLength(2 + 7);
});

test("stopped anywhere and resumed, it ends with the bits of one never stopped", async () => {
  const whole = join(work, "run");
  const out = join(work, "stopped");
  for (const steps of [2, 5, 100]) {
    const stop = new AbortController();
    let left = steps;
    const options = { signal: stop.signal, onStep: () => void (--left === 0 && stop.abort()) };
    const run = existsSync(out) ? resumePretraining(out, options) : pretrain(request, { ...options, out });
    if (steps < 100) await expect(run).rejects.toSatisfy((error) => error === stop.signal.reason);
    else await run;
  }
  const [a, b] = await Promise.all([whole, out].map((folder) => readCheckpoint(folderStore(folder))));
  expect(b.position).toEqual(a.position);
  const differing = [...a.state].filter(([name, { data }]) =>
    Buffer.compare(bytes(data), bytes(b.state.get(name)!.data)),
  );
  expect(differing.map(([name]) => name)).toEqual([]);
});

function bytes({ buffer, byteOffset, byteLength }: Float32Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

describe("turns", () => {
  test("every set has its updates, spread over the epoch; another epoch has another order", () => {
    const order = turnOrder([8, 2], 3, 0);
    expect(order).toHaveLength(10);
    expect(order.filter((set) => set === 1)).toHaveLength(2);
    expect(order.slice(0, 6)).toContain(1);
    expect(order.slice(4)).toContain(1);
    expect(turnOrder([8, 2], 3, 0)).toEqual(order);
    expect(Array.from({ length: 8 }, (_, epoch) => turnOrder([8, 2], 3, epoch).join())).not.toEqual(
      new Array(8).fill(order.join()),
    );
  });
});

describe("what is refused", () => {
  test.each<[string, (given: PretrainingRequest) => object, RegExp]>([
    ["no set", (given) => ({ ...given, sets: [] }), /sets: name at least one data set/],
    ["two of one name", (given) => ({ ...given, sets: [given.sets[0], given.sets[0]] }), /two of them are called one/],
    ["an unknown key", (given) => ({ ...given, lr: 1 }), /lr/],
    [
      "a label that the set has not",
      (given) => ({ ...given, sets: [{ ...given.sets[0], labels: { heart: ["heart"] } }] }),
      /sets\[0\] \(one\): labels\.heart: "heart" is not known/,
    ],
    ["a folder that is none", (given) => ({ ...given, sets: [{ name: "x", data: "nowhere" }] }), /nowhere/],
    ["a patch the encoder cannot halve", (given) => ({ ...given, patch: [12, 16, 16] }), /12 is not a multiple of 8/],
  ])("%s", async (_what, change, message) => {
    const out = join(work, "refused");
    await expect(pretrain(change(request) as PretrainingRequest, { out })).rejects.toThrow(message);
    expect(existsSync(out)).toBe(false);
  });

  test("balancing may be left out", () => {
    expect(balancingOf(resolvePretrainingConfig(request))).toMatchObject({ rotate: {}, scale: {}, translate: {} });
    expect(balancingOf(resolvePretrainingConfig({ ...request, balance: "none" }))).toBeUndefined();
  });
});
