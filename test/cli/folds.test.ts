/** `train segmentation --folds`, its networks one by one, and their mean, as a user types it on tiny made-up cases. */

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { preprocess, readImage } from "../../src/data/index.ts";
import { imageOf, labelOf, writeDecathlon } from "../../src/data/test/made-up.ts";
import { readVolume } from "../../src/files/index.ts";
import { segmentation } from "../../src/med3d/index.ts";
import { nameOf } from "../../src/text/index.ts";
import { folderStore, readRunOf } from "../../src/train/index.ts";
import { undeclaredKeys } from "./json-keys.ts";
import { medvox, workFolder } from "./medvox.ts";

/** As large as the patch, so that one window is all of an image. */
const SIZE = [16, 24, 16] as const;
const FOLDS = [1, 2, 3] as const;
const work = workFolder("cli-folds");
let data = "";

beforeAll(async () => {
  data = await writeDecathlon(
    Array.from({ length: 6 }, (_, i) => ({ id: `case_${i}`, image: imageOf(SIZE, i), label: labelOf(SIZE, i) })),
  );
  const settings = { epochs: 2, threads: 1, patch: SIZE, batch: 2, width: 8, learningRate: 0.02, validation: 0 };
  writeFileSync(join(work, "config.json"), JSON.stringify({ data, ...settings }));
});
afterAll(() => rmSync(data, { recursive: true, force: true }));

const train = (...more: string[]) =>
  medvox("train", "segmentation", "--config", "config.json", "--out", "run", "--json", ...more);
const member = (fold: number): string => `run/members/fold-${fold}`;
const bytes = (path: string): Buffer => readFileSync(join(work, path));

describe("--folds with --fold", { timeout: 300_000 }, () => {
  test("a folder that is no run is not begun in", async () => {
    mkdirSync(join(work, "taken/predictions"), { recursive: true });
    writeFileSync(join(work, "taken/predictions/mine.txt"), "precious");
    const { status, stderr } = await train("--folds", "3", "--fold", "1", "--out", "taken");
    expect([status, stderr]).toEqual([2, "ConfigError: taken: is a folder with files in it; --force writes into it\n"]);
    expect(bytes("taken/predictions/mine.txt").toString()).toBe("precious");
  });

  test("a fold alone: its network and no other, and no score before all of them", async () => {
    const { status, stdout, stderr } = await train("--folds", "3", "--fold", "2");
    expect(status, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ task: "segmentation", run: "run", folds: 3, train: 6, heldOut: 6 });
    expect(await undeclaredKeys("train segmentation", stdout)).toEqual([]);
    expect(FOLDS.map((fold) => existsSync(join(work, member(fold), "model.onnx")))).toEqual([false, true, false]);
    expect(stderr).not.toMatch(/fold-[13]/);
    const early = await medvox("evaluate", "run");
    expect([early.status, early.stderr]).toEqual([
      2,
      "ConfigError: run: fold-1 is not trained to its end; go on with medvox train --resume run\n",
    ]);
    expect((await medvox("predict", "run", "--in", data, "--out", "early")).status).toBe(2);
    expect(existsSync(join(work, "early"))).toBe(false);
  });

  test("the others join the run; a network that is trained stays as it is", async () => {
    const before = bytes(`${member(2)}/checkpoints/last.safetensors`);
    const { status, stderr } = await train("--folds", "3", "--fold", "all");
    expect(status, stderr).toBe(0);
    for (const fold of FOLDS) expect(existsSync(join(work, member(fold), "model.onnx")), `${fold}`).toBe(true);
    expect(bytes(`${member(2)}/checkpoints/last.safetensors`).equals(before)).toBe(true);
    expect((await medvox("info", "run")).stdout).toMatch(/^cases {5}6 in 3 folds$/m);
  });

  test.each([
    [["--fold", "1"], /^ConfigError: --fold 1: needs --folds, the number of networks, e\.g\. --folds 5$/m],
    [["--folds", "3", "--fold", "4"], /^ConfigError: --fold 4: there are 3$/m],
    [["--folds", "3", "--fold", "0"], /^ConfigError: --fold 0: must be/m],
    [["--folds", "3", "--fold", "1", "--epochs", "3"], /^ConfigError: epochs: 3; run was begun with 2; /m],
    [["--folds", "7", "--fold", "1", "--out", "many"], /^ConfigError: split: cannot make 7 folds of /m],
  ])("%j is told in one line, and nothing is trained", async (asked, message) => {
    const { status, stderr } = await train(...asked);
    expect([status, stderr]).toEqual([2, expect.stringMatching(message)]);
    expect(stderr).not.toMatch(/\n {4}at |undefined/);
  });
});

describe("--splits", { timeout: 300_000 }, () => {
  const folds = [["case_5", "case_0"], ["case_1"], ["case_2", "case_3", "case_4"]];
  const ids = Array.from({ length: 6 }, (_, i) => `case_${i}`);
  const file = (lists: readonly (readonly string[])[]): void =>
    writeFileSync(
      join(work, "splits_final.json"),
      JSON.stringify(lists.map((val) => ({ train: ids.filter((id) => !val.includes(id)), val }))),
    );
  const asked = (...more: string[]) =>
    train("--splits", "splits_final.json", "--epochs", "1", "--out", "split", "--fold", "2", ...more);

  test.each([
    [[["case_5", "case_O"], ["case_1"], ["case_2", "case_3", "case_4"]], /: \[0\]\.val: the data set has no labelled /],
    [
      [
        ["case_5", "case_0"],
        ["case_0", "case_1"],
        ["case_2", "case_3", "case_4"],
      ],
      /: \[1\]\.val: case_0 is in \[0\]/,
    ],
    [[["case_5", "case_0"], ["case_1"], ["case_2", "case_3"]], /: case_4 is in no fold's val; /],
  ])("%j is refused by file and rule", async (lists, message) => {
    file(lists);
    const { status, stderr } = await asked();
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^DataError: splits_final\.json: /)]);
    expect(stderr).toMatch(message);
    expect(existsSync(join(work, "split"))).toBe(false);
  });

  test("another number of folds is refused", async () => {
    file(folds);
    expect((await asked("--folds", "5")).stderr).toMatch(/^ConfigError: folds: 5; splits_final\.json has 3 folds; /);
  });

  test("the folds are those of the file, and the run remembers them", async () => {
    file(folds);
    const { status, stderr } = await asked();
    expect(status, stderr).toBe(0);
    const idsOf = (list: readonly { id: string }[]): string[] => list.map(({ id }) => id).sort();
    const run = JSON.parse(bytes("split/run.json").toString());
    expect(run.config).toMatchObject({ folds: 3, splits: "splits_final.json" });
    expect(run.splits.heldOut.map(({ id, fold }: { id: string; fold: number }) => [id, fold])).toEqual(
      ids.map((id) => [id, folds.findIndex((list) => list.includes(id))]),
    );
    // The file may go: the others are trained by what the run remembers.
    rmSync(join(work, "splits_final.json"));
    const resumed = await medvox("train", "--resume", "split");
    expect(resumed.status, resumed.stderr).toBe(0);
    for (const [i, val] of folds.entries()) {
      const { config, splits } = JSON.parse(bytes(`split/members/fold-${i + 1}/run.json`).toString());
      expect(config).toMatchObject({ folds: null, splits: null });
      expect(idsOf(splits.heldOut)).toEqual([...val].sort());
      expect(idsOf(splits.train)).toEqual(ids.filter((id) => !val.includes(id)));
    }
    const { stdout } = await medvox("evaluate", "split", "--threads", "1");
    expect(stdout).toMatch(/^out of fold {2}.* · median [\d.]+ .* 6 cases$/m);
    expect(stdout).toMatch(/^ {13}every case is scored by the fold that has not seen it$/m);
  });
});

test("a transfer takes --fold as well, and a cascade has no folds", async () => {
  const asked = (kind: string, ...more: string[]) =>
    medvox("transfer", kind, "--data", data, "--from", "none", "--out", "no", "--fold", "2", ...more);
  for (const kind of ["segmentation", "lung", "liver"])
    expect((await asked(kind)).stderr, kind).toMatch(/^ConfigError: --fold 2: needs --folds/);
  expect((await asked("liver", "--folds", "3")).stderr).toMatch(/^ConfigError: folds: are not for a cascade/m);
});

describe("evaluate", { timeout: 300_000 }, () => {
  test("scores every case by the one network that never saw it", async () => {
    const { status, stdout, stderr } = await medvox("evaluate", "run", "--threads", "1", "--json");
    expect(status, stderr).toBe(0);
    expect(await undeclaredKeys("evaluate", stdout)).toEqual([]);
    const whole = JSON.parse(stdout);
    expect(whole).toMatchObject({ cases: 6, folds: 3, report: "run/report.html" });
    const scores = new Map<string, object>(whole.perCase.map((row: { case: string }) => [row.case, row]));
    const seen: string[] = [];
    for (const fold of FOLDS) {
      const { splits } = JSON.parse(bytes(`${member(fold)}/run.json`).toString());
      const [held, learnt]: string[][] = [splits.heldOut, splits.train].map((list: { id: string }[]) =>
        list.map(({ id }) => id),
      );
      expect(held.filter((id) => learnt.includes(id))).toEqual([]);
      const alone = JSON.parse((await medvox("evaluate", member(fold), "--threads", "1", "--json")).stdout);
      expect(alone.perCase.map((row: { case: string }) => row.case)).toEqual(held);
      for (const row of alone.perCase) expect(scores.get(row.case)).toEqual({ ...row, fold: `fold-${fold}` });
      seen.push(...held);
    }
    expect(seen.sort()).toEqual([...scores.keys()].sort());
    // One table of all cases, with the fold of each; the mean is over all of them.
    const [head, ...rows] = bytes("run/scores.csv").toString().trim().split("\r\n");
    expect(head).toMatch(/,fold$/);
    expect(rows.map((row) => row.split(",").at(-1))).toEqual(
      whole.perCase.flatMap(({ fold }: { fold: string }) => [fold, fold]),
    );
    const of = (name: string) => whole.perCase.map(({ dice }: { dice: Record<string, number> }) => dice[name]);
    for (const [name, mean] of Object.entries<number>(whole.dice.classes))
      expect(of(name).reduce((sum: number, value: number) => sum + value, 0) / 6).toBeCloseTo(mean, 12);
    const page = bytes("run/report.html").toString();
    expect(page).toContain("3 folds: each of the 6 cases is scored by networks that never saw it.");
    const other = await medvox("evaluate", "run", "--split", "train");
    expect([other.status, other.stderr]).toEqual([2, expect.stringMatching(/--split train means nothing$/m)]);
  });

  test("another data set is scored by the mean of all, and its report says of whom", async () => {
    const { status, stdout, stderr } = await medvox("evaluate", "run", "--data", data, "--threads", "1", "--json");
    expect(status, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      cases: 6,
      report: join("run", "evaluations", nameOf(data), "report.html"),
    });
    expect(bytes(`run/evaluations/${nameOf(data)}/report.html`).toString()).toContain(
      "3 folds, scored on 6 of another data set.",
    );
  });
});

describe("predict", { timeout: 300_000 }, () => {
  /** Classes where a run's own `model.onnx` is asked without medvox: the mean of these networks' probabilities, at its largest. */
  async function classesOf(folders: readonly string[], image: string, axes: readonly number[][]): Promise<number[]> {
    const { plan } = await readRunOf(folderStore(join(work, "run")), segmentation);
    const { data: input } = preprocess(await readImage({ id: "x", image }), plan.preprocessing).volume;
    const voxels = input.length;
    const mean = new Float64Array(3 * voxels);
    const shape = [1, 1, SIZE[2], SIZE[1], SIZE[0]];
    for (const folder of folders) {
      const session = await InferenceSession.create(join(work, folder, "model.onnx"), { intraOpNumThreads: 1 });
      for (const along of axes) {
        const { probability } = await session.run({ input: new Tensor("float32", turned(input, along), shape) });
        for (let k = 0; k < 3; k++) {
          const map = turned((probability.data as Float32Array).subarray(k * voxels, (k + 1) * voxels), along);
          for (let i = 0; i < voxels; i++) mean[k * voxels + i] += map[i] / (folders.length * axes.length);
        }
      }
      await session.release();
    }
    return Array.from({ length: voxels }, (_, i) => {
      const [a, b, c] = [0, 1, 2].map((k) => mean[k * voxels + i]);
      return a >= b && a >= c ? 0 : b >= c ? 1 : 2;
    });
  }

  /** With the ends of these axes exchanged. */
  function turned(map: Float32Array, along: readonly number[]): Float32Array {
    const [nx, ny, nz] = SIZE;
    const at = (axis: number, i: number): number => (along.includes(axis) ? SIZE[axis] - 1 - i : i);
    const out = new Float32Array(map.length);
    let i = 0;
    for (let z = 0; z < nz; z++)
      for (let y = 0; y < ny; y++)
        for (let x = 0; x < nx; x++) out[i++] = map[(at(2, z) * ny + at(1, y)) * nx + at(0, x)];
    return out;
  }

  const all = [[], [0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]];
  test.each([
    ["the mean of the folds' probabilities", [], [[]]],
    ["and of their mirror images", ["--mirror"], all],
    ["or of those along one axis", ["--mirror-axes", "x"], [[], [0]]],
  ])("writes %s", async (name, more, axes) => {
    const image = join(data, "imagesTr/case_4.nii.gz");
    const out = name.replaceAll(/\W+/g, "-");
    const asked = ["--in", image, "--out", out, "--threads", "1", ...more];
    const { status, stderr } = await medvox("predict", "run", ...asked);
    expect(status, stderr).toBe(0);
    const mask = Array.from((await readVolume(join(work, out, "case_4.nii.gz"))).data, Number);
    const apart = (other: readonly number[]): number => mask.filter((value, i) => value !== other[i]).length;
    // The run is computed in fast forms: other last bits may tip a voxel in which two classes are equal.
    const few = mask.length / 1000;
    expect(apart(await classesOf(FOLDS.map(member), image, axes))).toBeLessThanOrEqual(few);
    // No member alone would give it.
    for (const fold of FOLDS)
      expect(apart(await classesOf([member(fold)], image, axes)), `${fold}`).toBeGreaterThan(few);
    if (axes.length > 1) expect(apart(await classesOf(FOLDS.map(member), image, [[]]))).toBeGreaterThan(few);
  });
});
