/** Classification as a user types it, on tiny made-up lesions. */

import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildIfStale } from "../../scripts/build.ts";
import { writeRated } from "../../src/data/test/made-up.ts";
import { nameOf } from "../../src/text/index.ts";
import { undeclaredKeys } from "./json-keys.ts";
import { type Ended, MAIN, medvox, workFolder } from "./medvox.ts";

const work = workFolder("cli-classes");
const run = join(work, "run");
const small = ["--stages", "1", "--patch", "16,16,16", "--batch", "4", "--epochs", "2", "--threads", "1"];
let data = "";
let trained: Ended;

/** Of the run that the other tests look at, and of the one that is stopped. */
const taught = ["--auxiliary", "malignancy", "--auxiliary-weight", "0.5", "--pooling", "mask"];
beforeAll(async () => {
  buildIfStale();
  data = await writeRated(8);
  const asked = ["--data", data, "--mask", ...taught, "--folds", "2", "--out", run, "--json"];
  trained = await medvox("train", "classification", ...asked, ...small);
});
afterAll(() => rmSync(data, { recursive: true, force: true }));

describe("train classification", () => {
  test("--json: one document; a line for each network", async () => {
    expect(trained.status, trained.stderr).toBe(0);
    expect(JSON.parse(trained.stdout)).toEqual({
      task: "classification",
      run,
      classes: ["benign", "malignant"],
      train: 8,
      validation: 0,
      heldOut: 8,
      folds: 2,
      networks: 2,
      problems: { count: 0, rules: {}, list: [] },
    });
    expect(trained.stderr).toMatch(/^fold-1 \(1\/2\) {2}\S+ {2}4 train · 4 held out$/m);
    expect(trained.stderr).toMatch(
      /^resnet10 on image and mask, class \+ malignancy · patch 16×16×16 · batch 4 · adamW 0\.001/m,
    );
    for (const name of ["run.json", "plan.json", "members/fold-2/model.onnx", "members/fold-1/log.jsonl"])
      expect(existsSync(join(run, name)), name).toBe(true);
    expect((await medvox("info", run)).stdout).toMatch(/^progress {2}2 of 2 networks trained, 4 of 4 epochs$/m);
  });

  test.each([
    [["--label", "grade"], /^ConfigError: --label grade: .*labels\.csv has no such column; it has case, patient, mal/],
    [
      ["--auxiliary", "grade"],
      /^ConfigError: --auxiliary grade: .*labels\.csv has no such column; it has case, patient/,
    ],
    [["--auxiliary", "patient"], /^DataError: .*line 2: patient: expected a number as an auxiliary target, found "pat/],
    [["--pooling", "max"], /^ConfigError: pooling: /m],
    [["--positive", "4;5"], /^ConfigError: --positive 4;5: must be whole numbers separated by commas, e\.g\. 4,5/],
    [["--positive", "9"], /^ConfigError: positive: 9; must name at least one of the ratings 1, 2, 3, 4, 5$/m],
    [["--window", "400,-1000"], /^ConfigError: window: 400, -1000; the first value must be the lower one$/m],
    [["--patch", "12,16,16"], /^ConfigError: patch 12,16,16: 12 is not a multiple of 8/m],
    [["--arch", "resnet11"], /^ConfigError: --arch resnet11: /],
    [["--stages", "5"], /^ConfigError: --stages 5: must be between 1 and 4/],
    [["--freeze"], /^ConfigError: freeze: needs weights to start from/m],
    [["--folds", "20"], /^ConfigError: split: cannot make 20 folds of 4 groups of 8 cases/m],
    [["--from", "none.safetensors"], /^WeightsError: none\.safetensors: /m],
  ])("%j is told in one line", async (args, message) => {
    const out = join(work, `wrong${args.join("")}`);
    const { status, stdout, stderr } = await medvox(
      "train",
      "classification",
      ...["--data", data, "--out", out],
      ...small,
      ...args,
    );
    expect([status === 1 || status === 2, stdout]).toEqual([true, ""]);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n {4}at |undefined/);
  });

  test("without data, and into a folder that is taken", async () => {
    expect((await medvox("train", "classification")).stderr).toMatch(
      /^ConfigError: --data: is missing; name a list of cases/,
    );
    const { status, stderr } = await medvox("train", "classification", "--data", data, "--out", run);
    expect([status, stderr]).toEqual([
      2,
      `ConfigError: ${run}: is a folder with files in it; --force writes into it\n`,
    ]);
  });

  test("Ctrl-C says how to go on; gone on with, the networks are those of a run never stopped", async () => {
    const out = join(work, "stopped");
    const child = spawn(
      process.execPath,
      [MAIN, "train", "classification", "--data", data, "--mask", ...taught, "--folds", "2", "--out", out, ...small],
      { cwd: work },
    );
    let told = "";
    child.stderr.on("data", (text: Buffer) => {
      const before = told.includes("fold-1");
      told += text.toString();
      // Once: a second one stops at once, without saving.
      if (!before && told.includes("fold-1")) child.kill("SIGINT");
    });
    const code = await new Promise((resolve) => child.once("exit", resolve));
    expect([code, told]).toEqual([1, expect.stringContaining(`resume with: medvox train --resume ${out}`)]);
    expect((await medvox("train", "--resume", out)).status).toBe(0);
    for (const name of ["fold-1", "fold-2"]) {
      const path = `members/${name}/checkpoints/last.safetensors`;
      expect(readFileSync(join(out, path)).equals(readFileSync(join(run, path))), name).toBe(true);
    }
  });
});

describe("plan", () => {
  const file = join(work, "lesions.json");
  const planOf = (path: string) => JSON.parse(readFileSync(path, "utf8"));
  const quick = ["--stages", "1", "--epochs", "1", "--threads", "1"];

  test("of a list of classes is what its trainings do, over their own habits, in every fold", {
    timeout: 600_000,
  }, async () => {
    const planned = await medvox(
      "plan",
      data,
      "--window=-200,600",
      "--patch",
      "16,16,8",
      "--batch",
      "2",
      "--out",
      file,
    );
    expect(planned.status, planned.stderr).toBe(0);
    expect(planned.stdout).toMatch(/^classes {2}benign, malignant$/m);
    const plan = planOf(file);
    expect(plan).toMatchObject({
      classes: ["benign", "malignant"],
      patch: [16, 16, 8],
      batch: 2,
      preprocessing: { spacingMm: [1, 1, 1], intensity: { kind: "ctWindow", low: -200, high: 600 } },
    });
    const out = join(work, "planned");
    const trained = await medvox(
      "train",
      "classification",
      "--data",
      data,
      "--plan",
      file,
      "--folds",
      "2",
      "--out",
      out,
      ...quick,
    );
    expect(trained.status, trained.stderr).toBe(0);
    for (const folder of ["", "members/fold-1", "members/fold-2"])
      expect(planOf(join(out, folder, "plan.json")), folder).toEqual(plan);
    // A nodule's patch is 32³ in a lung window, unless a plan says otherwise.
    const nodules = join(work, "nodules");
    const transferred = await medvox(
      ...[
        "transfer",
        "nodule",
        "--data",
        data,
        "--from",
        "none",
        "--held-out",
        "2",
        "--plan",
        file,
        "--out",
        nodules,
        ...quick,
      ],
    );
    expect(transferred.status, transferred.stderr).toBe(0);
    expect(planOf(join(nodules, "plan.json"))).toEqual(plan);
  });

  test("of other classes, and of what is no classification, is told by file and key", async () => {
    const train = (path: string) =>
      medvox("train", "classification", "--data", data, "--plan", path, "--out", join(work, "no"));
    writeFileSync(join(work, "other.json"), JSON.stringify({ ...planOf(file), classes: ["a", "b"] }));
    const { status, stderr } = await train("other.json");
    expect(status).toBe(2);
    expect(stderr).toMatch(/^ConfigError: plan other\.json: classes: has a, b; .* has benign, malignant$/m);
    expect((await train("nowhere.json")).stderr).toMatch(
      /^ConfigError: plan nowhere\.json: cannot be read \(ENOENT\)$/m,
    );
    expect((await medvox("plan", data, "--task", "detection")).stderr).toMatch(
      /^ConfigError: --task detection: must be seg/,
    );
    expect((await medvox("plan", data, "--task", "segmentation", "--mask")).stderr).toMatch(
      /^ConfigError: --mask: is for/m,
    );
  });
});

describe("evaluate", () => {
  test("--json: out-of-fold scores of every case under the stable keys, and the report", async () => {
    const { status, stdout, stderr } = await medvox("evaluate", run, "--json");
    expect(status, stderr).toBe(0);
    const document = JSON.parse(stdout);
    expect(document).toMatchObject({ task: "classification", cases: 8, run, report: join(run, "report.html") });
    expect(await undeclaredKeys("evaluate", stdout)).toEqual([]);
    for (const key of ["auc", "accuracy", "sensitivity", "specificity"])
      expect(document[key], key).toEqual(expect.any(Number));
    expect(document.perCase).toHaveLength(8);
    expect(document.perCase[0]).toMatchObject({ truth: expect.any(Number), score: expect.any(Number) });
    for (const file of ["evaluation.json", "scores.csv", "report.html"]) expect(existsSync(join(run, file))).toBe(true);
    expect(readFileSync(join(run, "report.html"), "utf8")).not.toMatch(/(src|href)="https?:/);
  });

  test("in words, by another rule, of another data set", async () => {
    const { stdout } = await medvox("evaluate", run, "--positive", "5", "--negative", "1,2");
    expect(stdout).toMatch(/^out of fold {2}AUC .* 5 cases: 3 benign, 2 malignant$/m);
    expect(stdout).toMatch(/^at Youden’s .*chosen on these cases\)$/m);
    const other = await medvox("evaluate", run, "--data", data, "--json");
    expect(JSON.parse(other.stdout)).toMatchObject({
      cases: 8,
      report: join(run, "evaluations", nameOf(data), "report.html"),
    });
  });
});

describe("predict", () => {
  test("a table of all networks' mean; images alone are refused where masks are needed", async () => {
    const { status, stdout, stderr } = await medvox("predict", run, "--in", data, "--out", "out", "--json");
    expect(status, stderr).toBe(0);
    const document = JSON.parse(stdout);
    expect(document).toMatchObject({ task: "classification", networks: 2, table: join("out", "predictions.csv") });
    expect(await undeclaredKeys("predict", stdout)).toEqual([]);
    const [head, first] = readFileSync(join(work, "out/predictions.csv"), "utf8").split("\r\n");
    expect(head).toBe("case,called,p(benign),p(malignant)");
    expect(first.split(",")[0]).toBe(document.predictions[0].case);
    const again = await medvox("predict", run, "--in", data, "--out", "out");
    expect([again.status, again.stderr]).toEqual([
      2,
      `ConfigError: ${join("out", "predictions.csv")}: exists already; --force replaces it\n`,
    ]);
    const bare = await medvox("predict", run, "--in", join(data, "images"), "--out", "bare");
    expect([bare.status, bare.stdout]).toEqual([
      1,
      expect.stringMatching(/^failed {4}lesion_00: has no mask, which the network takes/m),
    ]);
  });
});

describe("transfer", () => {
  test("nodule: the paper's rule and rates, from a network trained before", async () => {
    const from = join(run, "members/fold-1/checkpoints/last.safetensors");
    const out = join(work, "transferred");
    const asked = ["--data", data, "--from", from, "--mask", "--held-out", "4", "--out", out, "--json"];
    const { status, stdout, stderr } = await medvox("transfer", "nodule", ...asked, ...small);
    expect(status, stderr).toBe(0);
    expect(await undeclaredKeys("transfer nodule", stdout)).toEqual([]);
    const { config } = JSON.parse(readFileSync(join(out, "run.json"), "utf8"));
    expect(config).toMatchObject({ learningRate: 1e-4, newLayerRate: 10, window: [-1000, 400], from });
    expect((await medvox("transfer", "--help")).stdout).toContain("transfer nodule");
  });

  test("classification from none trains at the usual rate", async () => {
    const out = join(work, "plain");
    const asked = ["--data", data, "--from", "none", "--held-out", "0", "--out", out];
    const { status, stdout, stderr } = await medvox("transfer", "classification", ...asked, ...small);
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(/^next {3}medvox predict /m);
    const { config } = JSON.parse(readFileSync(join(out, "run.json"), "utf8"));
    expect([config.learningRate, config.newLayerRate, config.from]).toEqual([0.001, 1, null]);
  });
});
