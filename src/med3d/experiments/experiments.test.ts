/** The three experiments on made-up cubes, as small as they can be: what they train, compare, refuse and write. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeVolume } from "../../files/index.ts";
import { random } from "../../random.ts";
import { folderStore, readRunOf } from "../../train/index.ts";
import { type ExperimentRequest, runExperiment, segmentation } from "../index.ts";

const work = mkdtempSync(join(tmpdir(), "medvox-experiment-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** A list of cubes in noise. */
async function cubes(name: string, cases: number, bright: number): Promise<string> {
  const folder = join(work, name);
  mkdirSync(folder);
  const grid = { size: [16, 16, 16], channels: 1, affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] };
  for (let i = 0; i < cases; i++) {
    const stream = random(i, name);
    const image = Float32Array.from({ length: 4096 }, () => stream.normal());
    const label = new Uint8Array(4096);
    for (let z = 4; z < 11; z++)
      for (let y = 4; y < 11; y++)
        for (let x = 4; x < 11; x++) {
          label[(z * 16 + y) * 16 + x] = 1;
          image[(z * 16 + y) * 16 + x] += bright;
        }
    await writeVolume(join(folder, `${i}_image.nii`), { ...grid, data: image } as never);
    await writeVolume(join(folder, `${i}_label.nii`), { ...grid, data: label } as never);
  }
  const list = {
    name,
    labels: { cube: [1] },
    cases: Array.from({ length: cases }, (_, i) => ({
      case: `${i}`,
      image: `${i}_image.nii`,
      label: `${i}_label.nii`,
    })),
  };
  writeFileSync(join(folder, "list.json"), JSON.stringify(list));
  return join(folder, "list.json");
}

let one: string;
let two: string;
beforeAll(async () => {
  one = await cubes("one", 6, 4);
  two = await cubes("two", 4, -4);
});

const small = {
  patch: [16, 16, 16],
  batch: 2,
  decoder: "upsampling",
  heldOut: 2,
  learningRate: 2e-3,
  width: 8,
  // Test files run beside each other, two at a time.
  threads: 1,
};

describe("magnitude", () => {
  const out = (): string => join(work, "magnitude");
  const request = (): ExperimentRequest<"magnitude"> => ({
    shares: [0.5, 1],
    seeds: 2,
    steps: 4,
    segmentation: { ...small, data: one },
  });

  test("every share and seed, the same steps, the same held-out cases; charts, table and report", async () => {
    const scored: string[] = [];
    const { trials, findings } = await runExperiment("magnitude", request(), {
      out: out(),
      onScored: ({ condition, seed }) => scored.push(`${condition} ${seed}`),
    });
    expect(scored).toEqual(["50-percent 0", "100-percent 0", "50-percent 1", "100-percent 1"]);
    expect(trials.map(({ trainedCases, steps }) => [trainedCases, steps])).toEqual([
      [2, 4],
      [2, 4],
      [4, 4],
      [4, 4],
    ]);
    const scoredOn = trials.map(({ cases }) => cases.map((item) => item.case).join());
    expect(new Set(scoredOn).size).toBe(1);
    expect(findings.table.rows.map(([name]) => name)).toEqual(["50 % (2)", "100 % (4)"]);
    expect(readFileSync(join(out(), "report.html"), "utf8")).toContain("How much data is enough");
    expect(readFileSync(join(out(), "charts.svg"), "utf8")).toMatch(/^<svg /);
    expect(readFileSync(join(out(), "table.csv"), "utf8").split("\r\n")).toHaveLength(4);
    // Weights are not kept unless asked for.
    const [trial] = readdirSync(join(out(), "trials"));
    expect(existsSync(join(out(), "trials", trial, "checkpoints"))).toBe(false);
  });

  test("the same command runs nothing that was scored, and another request is refused", async () => {
    const scored: string[] = [];
    const again = await runExperiment("magnitude", request(), {
      out: out(),
      onScored: ({ target }) => scored.push(target),
    });
    expect(scored).toEqual([]);
    expect(again.trials).toHaveLength(4);
    const other = { ...request(), steps: 6 };
    await expect(runExperiment("magnitude", other, { out: out() })).rejects.toThrow("holds another experiment");
  });

  test("stopped in a training, it goes on there and ends with the same scores", async () => {
    const stop = new AbortController();
    const folder = join(work, "stopped");
    const asked = { ...request(), seeds: 1 };
    const first = runExperiment("magnitude", asked, {
      out: folder,
      signal: stop.signal,
      onEpoch: ({ epoch }) => epoch === 2 && stop.abort(),
    });
    await expect(first).rejects.toSatisfy((error) => error === stop.signal.reason);
    const { trials } = await runExperiment("magnitude", asked, { out: folder });
    const whole = await runExperiment("magnitude", request(), { out: out() });
    expect(trials.map(({ cases }) => cases)).toEqual(
      whole.trials.filter(({ seed }) => seed === 0).map(({ cases }) => cases),
    );
  });

  test.each<[string, object, RegExp]>([
    ["an unknown key", { sharez: [1] }, /sharez/],
    [
      "a key the experiment sets",
      { segmentation: { ...small, data: "x", epochs: 3 } },
      /segmentation\.epochs: is set by the experiment/,
    ],
    ["a wrong key of the training", { segmentation: { ...small, data: "x", lr: 3 } }, /lr/],
  ])("%s is refused before anything is trained", async (_what, change, message) => {
    const folder = join(work, "wrong");
    await expect(runExperiment("magnitude", { ...request(), ...change }, { out: folder })).rejects.toThrow(message);
    expect(existsSync(join(folder, "trials"))).toBe(false);
  });
});

test("variety: each set alone, and all jointly with as many steps of each and in all", async () => {
  const pretraining = {
    ...small,
    sets: [
      { name: "one", data: one },
      { name: "two", data: two },
    ],
  };
  const { trials, findings } = await runExperiment(
    "variety",
    { seeds: 1, steps: 4, pretraining },
    { out: join(work, "variety") },
  );
  expect(trials.map(({ target, condition, steps }) => [target, condition, steps])).toEqual([
    ["one", "alone", 4],
    ["two", "alone", 4],
    ["all", "perSet", 8],
    // Two sets share four epochs of one step: at least one of each.
    ["all", "total", 8],
  ]);
  expect(trials[2].cases.map((item) => item.case.split("/")[0])).toEqual(["one", "one", "two", "two"]);
  expect(findings.table.rows.map(([name]) => name)).toEqual([
    "one, alone",
    "one, jointly, as many steps of each set",
    "one, difference to alone",
    "one, jointly, as many steps in all",
    "one, difference to alone",
    "two, alone",
    "two, jointly, as many steps of each set",
    "two, difference to alone",
    "two, jointly, as many steps in all",
    "two, difference to alone",
  ]);
});

describe("transfer", () => {
  const pretraining = (data: string) => ({
    ...small,
    heldOut: 0,
    epochs: 1,
    updatesPerSet: 2,
    sets: [{ name: "set", data }],
  });
  const request = (data: string): ExperimentRequest<"transfer"> => ({
    from: { pretraining: pretraining(data) },
    seeds: 1,
    targets: [{ name: "cubes", segmentation: { ...small, data: one, epochs: 2, validation: 1 } }],
    pretrained: { learningRate: 1e-3 },
  });

  test("from scratch against pre-trained, with convergence curves and the difference", async () => {
    const out = join(work, "transfer");
    const { trials, findings } = await runExperiment("transfer", request(two), { out });
    expect(trials.map(({ condition, steps }) => [condition, steps])).toEqual([
      ["scratch", 4],
      ["pretrained", 4],
    ]);
    expect(trials[0].curve).toHaveLength(2);
    expect(findings.charts.map(({ kind }) => kind)).toEqual(["curve", "forest"]);
    expect(findings.table.rows.map(([name]) => name)).toEqual([
      "cubes, from scratch",
      "cubes, pre-trained",
      "cubes, difference",
    ]);
    const { record } = await readRunOf(folderStore(join(out, "trials", "cubes-pretrained-seed-0")), segmentation);
    expect(record.config).toMatchObject({ from: join(out, "pretraining"), learningRate: 1e-3 });
  });

  test("an encoder that has learned from the test cases is refused before its first step", async () => {
    const out = join(work, "overlap");
    await expect(runExperiment("transfer", request(one), { out })).rejects.toThrow(
      /^cubes: its test cases \d, \d were among those that .*pretraining was trained on/,
    );
    expect(existsSync(join(out, "pretraining", "checkpoints"))).toBe(false);
    expect(existsSync(join(out, "trials"))).toBe(false);
  });
});
