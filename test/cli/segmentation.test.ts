/** Training, scoring and predicting as a user types it: on a tiny made-up data set. */
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildIfStale } from "../../scripts/build.ts";
import { imageOf, labelOf, writeDecathlon } from "../../src/data/test/made-up.ts";
import { readSafetensors, readVolume, writeVolume } from "../../src/files/index.ts";
import { encoderShapes } from "../../src/nn/index.ts";
import { undeclaredKeys } from "./json-keys.ts";
import { type Ended, MAIN, medvox, medvoxProcess, workFolder } from "./medvox.ts";

const SIZE = [16, 24, 16] as const;
const work = workFolder("cli");
const config = join(work, "config.json");
/** Its name takes quotes where a shell reads it. */
const run = join(work, "a run");
let data = "";
let trained: Ended;

beforeAll(async () => {
  buildIfStale();
  data = await writeDecathlon(
    Array.from({ length: 6 }, (_, i) => ({ id: `case_${i}`, image: imageOf(SIZE, i), label: labelOf(SIZE, i) })),
  );
  const settings = { epochs: 2, threads: 2, patch: SIZE, batch: 2, decoderChannels: [8, 8, 8], learningRate: 0.01 };
  writeFileSync(config, JSON.stringify({ data, ...settings, heldOut: 1, validation: 1, validateEvery: 2 }));
  trained = medvoxProcess("--json", "train", "segmentation", "--config", config, "--out", run);
});
afterAll(() => rmSync(data, { recursive: true, force: true }));

/** Names and sizes of everything in a folder. */
const contents = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .sort()
    .map((name) => `${name} ${statSync(join(folder, name)).mtimeMs}`);

describe("train segmentation", () => {
  test("--json: one document; progress beside it in plain lines", async () => {
    expect(trained.status, trained.stderr).toBe(0);
    expect(JSON.parse(trained.stdout)).toEqual({
      task: "segmentation",
      run,
      model: `${run}/model.onnx`,
      train: 4,
      validation: 1,
      heldOut: 1,
      problems: { count: 0, rules: {}, list: [] },
    });
    expect(trained.stderr).toMatch(/^MadeUp {2}4 train · 1 watched · 1 held out$/m);
    expect(trained.stderr).toMatch(/^epoch 2\/2 {2}loss \d\.\d{3} {2}validation .* s, .* % waiting for data$/m);
    expect(trained.stderr).not.toContain("\u001b");
  });

  test("leaves a run with everything that the others read", async () => {
    for (const name of ["run.json", "plan.json", "log.jsonl", "model.onnx", "checkpoints/last.safetensors"])
      expect(existsSync(join(run, name)), name).toBe(true);
    const { config: resolved, splits, threads, command } = JSON.parse(readFileSync(join(run, "run.json"), "utf8"));
    expect(command).toBe(`medvox --json train segmentation --config ${config} --out '${run}'`);
    expect(resolved).toMatchObject({ depth: 10, optimizer: "adamW", epochs: 2, learningRate: 0.01 });
    expect([splits.train.length, splits.validation.length, splits.heldOut.length, threads]).toEqual([4, 1, 1, 2]);
    const { stdout } = await medvox("info", run);
    expect(stdout).toMatch(/^progress {2}epoch 2\/2, loss /m);
  });

  test("does not touch a folder that is there, unless forced", async () => {
    const before = contents(run);
    const { status, stdout, stderr } = await medvox("train", "segmentation", "--config", config, "--out", run);
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).toBe(`ConfigError: ${run}: is a folder with files in it; --force writes into it\n`);
    expect(contents(run)).toEqual(before);
  });

  test.each([
    [
      ["--patch", "48,64"],
      2,
      /^ConfigError: --patch 48,64: a 3D set needs three sizes, e\.g\. 48,64,48 \(MadeUpSet, median shape \d+×\d+×\d+\)$/m,
    ],
    [["--patch", "16,20,16"], 2, /^ConfigError: patch 16,20,16: 20 is not a multiple of 8, and the encoder divides/m],
    [
      ["--arch", "resnet11"],
      2,
      /^ConfigError: --arch resnet11: is no encoder; there are resnet10, resnet18, .*preresnet200\n$/,
    ],
    [["--epochs", "none"], 2, /^ConfigError: --epochs none: must be a whole number/],
    [["--decoder", "unet"], 2, /^ConfigError: decoder: /],
    [["--augmentation", "wild"], 2, /^ConfigError: .*wild/],
    [["--from", "none.safetensors"], 1, /^WeightsError: none\.safetensors: no such file$/m],
  ])("%j is told in one line", async (args, wanted, message) => {
    const named = join(work, "MadeUpSet");
    if (!existsSync(named)) cpSync(data, named, { recursive: true });
    const out = join(work, `wrong-${args[0]}-${args[1]}`);
    const asked = ["train", "segmentation", "--config", config, "--data", named, "--out", out, ...args];
    const { status, stdout, stderr } = await medvox(...asked);
    expect([status, stdout]).toEqual([wanted, ""]);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n {4}at |undefined/);
  });

  test.each([
    ["no such data", ["--data", "none"], /^ConfigError: none: /],
    ["no data named", [], /^ConfigError: --data: is missing; name a data set/],
    [
      "no such configuration",
      ["--config", "none.json"],
      /^ConfigError: --config none\.json: cannot be read \(ENOENT\)\n$/,
    ],
  ])("%s: exit 2, one line, and no folder is made", async (_, args, message) => {
    const { status, stdout, stderr } = await medvox("train", "segmentation", ...args, "--out", join(work, "never"));
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(existsSync(join(work, "never"))).toBe(false);
  });

  test.each([
    ["not JSON", "{", /: is not JSON \(/],
    ["no object", "null", /: must be an object of settings, e\.g\. \{ "epochs": 30 \}\n$/],
    ["an unknown key", '{ "data": "x", "epoch": 3 }', /^ConfigError: .*epoch/],
    ["a wrong value", '{ "data": "x", "epochs": -1 }', /^ConfigError: epochs: /],
  ])("a configuration that is %s", async (name, text, message) => {
    const path = join(work, `${name}.json`);
    writeFileSync(path, text);
    const { status, stderr } = await medvox("train", "segmentation", "--config", path, "--out", join(work, "never"));
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
  });

  test("a folder that cannot be written is one DataError, --json included", async () => {
    const file = join(work, "a file");
    writeFileSync(file, "");
    const out = join(file, "run");
    const { status, stdout, stderr } = await medvox(
      "train",
      "segmentation",
      "--config",
      config,
      "--out",
      out,
      "--json",
    );
    expect(status).toBe(1);
    const message = `${out}: cannot write: ${file} is not a folder (ENOTDIR)`;
    expect(JSON.parse(stdout)).toEqual({ error: { code: "E_DATA", message } });
    expect(stderr).toMatch(/^DataError: .*ENOTDIR\)$/m);
  });
});

describe("train --resume", () => {
  test("leaves a run that had ended as it is", async () => {
    const checkpoint = readFileSync(join(run, "checkpoints/last.safetensors"));
    const log = readFileSync(join(run, "log.jsonl"));
    expect((await medvox("train", "--resume", run)).status).toBe(0);
    expect(readFileSync(join(run, "checkpoints/last.safetensors")).equals(checkpoint)).toBe(true);
    expect(readFileSync(join(run, "log.jsonl")).equals(log)).toBe(true);
  });

  test("Ctrl-C: exit 1, how to resume, and resumed it ends with the bits of one never stopped", async () => {
    const stopped = join(work, "stopped");
    const child = spawn(process.execPath, [MAIN, "train", "segmentation", "--config", config, "--out", stopped]);
    let stderr = "";
    let sent = false;
    child.stderr.on("data", (text) => {
      stderr += text;
      if (!sent && stderr.includes("epoch 1/2")) sent = child.kill("SIGINT");
    });
    const status = await new Promise((resolve) => child.on("close", resolve));
    expect(status, stderr).toBe(1);
    expect(stderr).toMatch(/\nstopping after this step; once more to stop at once\n/);
    const [line] = stderr.trimEnd().split("\n").slice(-1);
    expect(line).toMatch(/^stopped after step [1-3]; resume with: medvox train --resume /);
    const [, ...resume] = line.split("resume with: ")[1].split(" ");
    expect((await medvox(...resume)).status).toBe(0);
    for (const name of ["checkpoints/last.safetensors", "model.onnx"])
      expect(readFileSync(join(stopped, name)).equals(readFileSync(join(run, name))), name).toBe(true);
    rmSync(stopped, { recursive: true });
  });

  test("of what is no run says so", async () => {
    expect(await medvox("train", "--resume", data)).toEqual({
      status: 2,
      stdout: "",
      stderr: `ConfigError: ${data}: is no run of medvox (${join(data, "run.json")} is missing)\n`,
    });
    expect((await medvox("train")).stderr).toMatch(/^ConfigError: train: say what: /);
  });
});

describe("export", () => {
  test("in every format as typed", async () => {
    const onnx = await medvox("export", run, "--format", "onnx", "--out", "net.onnx");
    expect([onnx.status, onnx.stderr]).toEqual([0, ""]);
    expect(readFileSync(join(work, "net.onnx")).equals(readFileSync(join(run, "model.onnx")))).toBe(true);

    const plain = await medvox("export", run, "--format", "safetensors", "--out", "net.safetensors");
    expect([plain.status, plain.stderr]).toEqual([0, ""]);
    const { tensors } = await readSafetensors(join(work, "net.safetensors"));
    const checkpoint = await readSafetensors(join(run, "checkpoints/last.safetensors"));
    const bits = ({ data }: { data: ArrayBufferView }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    for (const [name, tensor] of tensors)
      expect(bits(tensor).equals(bits(checkpoint.tensors.get(name)!)), name).toBe(true);
    expect(tensors.has("decoder.classify.weight")).toBe(true);

    const all = await medvox("export", run, "--format", "pth-names", "--encoder", "--out", "encoder.safetensors");
    expect([all.status, all.stderr]).toEqual([0, ""]);
    const { tensors: entries } = await readSafetensors(join(work, "encoder.safetensors"));
    const wanted = [...encoderShapes({ depth: 10, preActivation: false })].flatMap(([name, shape]) =>
      name.endsWith("running_var")
        ? [
            [name, shape],
            [name.replace("running_var", "num_batches_tracked"), []],
          ]
        : [[name, shape]],
    );
    // As many as the original's state_dict has.
    expect(wanted).toHaveLength(72);
    expect(Object.fromEntries([...entries].map(([name, { shape }]) => [name, [...shape]]))).toEqual(
      Object.fromEntries(wanted),
    );
    expect((await medvox("info", "encoder.safetensors")).status).toBe(0);

    const again = await medvox("export", run, "--format", "onnx", "--out", "net.onnx");
    expect([again.status, again.stderr]).toEqual([2, expect.stringContaining("--force")]);
    expect((await medvox("export", run, "--format", "pth", "--out", "x")).stderr).toMatch(
      /^ConfigError: --format pth: must be/,
    );
  });
});

describe("evaluate", () => {
  test("--json: the stable keys; masks, tables and the report are there", async () => {
    const { status, stdout, stderr } = await medvox("evaluate", run, "--json");
    expect(status, stderr).toBe(0);
    const document = JSON.parse(stdout);
    expect(document).toMatchObject({ task: "segmentation", cases: 1, run, report: join(run, "report.html") });
    expect(Object.keys(document.dice.classes)).toEqual(["left", "right"]);
    expect(document.dice.mean).toBeGreaterThanOrEqual(0);
    expect(document).toHaveProperty("hd95Mm");
    const [{ case: name, dice }] = document.perCase;
    expect(Object.keys(dice)).toEqual(["left", "right"]);
    for (const file of ["evaluation.json", "scores.csv", "summary.csv", "report.html", `predictions/${name}.nii.gz`])
      expect(existsSync(join(run, file)), file).toBe(true);
    const page = readFileSync(join(run, "report.html"), "utf8");
    expect(page).not.toMatch(/(src|href)="https?:/);
    expect(page).toContain(`--out &#39;${run}&#39;</code>`);
    expect(page).toContain("Trained on 4 cases, scored on 1 it never saw.");
  });

  test("another data set: every labelled case of it, those for testing too", async () => {
    const list = join(work, "others.csv");
    const rows = [
      ["imagesTr/case_0.nii.gz", "labelsTr/case_0.nii.gz", "train"],
      ["imagesTr/case_1.nii.gz", "labelsTr/case_1.nii.gz", "test"],
      ["imagesTr/case_2.nii.gz", "", "train"],
    ].map(([image, label, split]) => [join(data, image), label && join(data, label), split].join());
    writeFileSync(list, ["image,label,split", ...rows, ""].join("\n"));
    const { status, stdout, stderr } = await medvox("evaluate", run, "--data", list, "--json");
    expect(status, stderr).toBe(0);
    const { perCase } = JSON.parse(stdout);
    expect(perCase.map((row: { case: string }) => row.case)).toEqual(["case_0", "case_1"]);
  });

  test("another split, and what is no run", async () => {
    const { stdout } = await medvox("evaluate", run, "--split", "train", "--json");
    const { cases, report } = JSON.parse(stdout);
    expect([cases, report]).toEqual([4, join(run, "evaluations/train/report.html")]);
    const page = readFileSync(report, "utf8");
    expect(page).toContain("Trained on 4 cases, scored on 4 it was trained on.");
    expect(page).not.toContain("never saw");
    const { status, stderr } = await medvox("evaluate", join(work, "nothing"));
    expect([status, stderr]).toEqual([
      2,
      `ConfigError: ${join(work, "nothing")}: is no run of medvox (${join(work, "nothing", "run.json")} is missing)\n`,
    ]);
  });
});

describe("evaluate --use", () => {
  test("marks the epoch whose weights were scored, and no other", async () => {
    const page = async (...more: string[]): Promise<string> => {
      const { status, stdout, stderr } = await medvox("evaluate", run, "--split", "validation", "--json", ...more);
      expect(status, stderr).toBe(0);
      return readFileSync(JSON.parse(stdout).report, "utf8");
    };
    expect(await page()).not.toContain("whose weights were scored");
    // Watched every second epoch, so the second is the best.
    expect(await page("--use", "best", "--force")).toContain(
      "The dotted line marks epoch 2, whose weights were scored.",
    );
  });

  test.each([
    [["--use", "first"], "--use first: must be one of last, best"],
    [["--split", "test"], "--split test: must be one of heldOut, validation, train"],
    [["--device", "gpu"], "--device gpu: must be one of cpu, webgpu, cuda"],
    [["--max", "3"], `--max: is not for a segmentation run, which ${run} is; leave it out`],
    [["--positive", "4"], `--positive: is not for a segmentation run, which ${run} is; leave it out`],
  ])("%j is told in one line", async (more, message) => {
    const { status, stdout, stderr } = await medvox("evaluate", run, ...more);
    expect([status, stdout, stderr]).toEqual([2, "", `ConfigError: ${message}\n`]);
  });
});

describe("predict", () => {
  const image = (): string => join(data, "imagesTr/case_3.nii.gz");

  test("--json: one document; the exported model gives what the run gives", async () => {
    const documents = [];
    for (const [i, model] of [run, join(run, "model.onnx")].entries()) {
      const { status, stdout, stderr } = await medvox(
        "predict",
        model,
        "--in",
        image(),
        "--out",
        `masks-${i}`,
        "--json",
      );
      expect(status, stderr).toBe(0);
      documents.push(JSON.parse(stdout));
    }
    expect(documents[0]).toMatchObject({
      task: "segmentation",
      run,
      predictions: [{ case: "case_3", image: image(), prediction: join("masks-0", "case_3.nii.gz") }],
    });
    const [a, b] = await Promise.all([0, 1].map((i) => readVolume(join(work, `masks-${i}`, "case_3.nii.gz"))));
    expect([a.size, a.affine]).toEqual([b.size, b.affine]);
    const [classes, others] = [Array.from(a.data, Number), Array.from(b.data, Number)];
    const apart = classes.filter((value, i) => value !== others[i]).length;
    // The run is computed in fast forms: other last bits may tip a voxel in which two classes are equal.
    expect(apart).toBeLessThanOrEqual(classes.length / 1000);
    expect(new Set(classes).size).toBeGreaterThan(1);
    const voxels = Object.values(documents[0].predictions[0].voxels as Record<string, number>);
    expect(voxels.reduce((sum, n) => sum + n)).toBe(classes.filter((value) => value !== 0).length);
  });

  test("does not overwrite, unless forced", async () => {
    mkdirSync(join(work, "kept"));
    const mask = join(work, "kept", "case_3.nii.gz");
    writeFileSync(mask, "precious");
    const asked = ["predict", run, "--in", join(data, "imagesTr"), "--out", join(work, "kept")];
    const { status, stdout, stderr } = await medvox(...asked);
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).toBe(`ConfigError: ${mask}: exists already (1 of 6); --force replaces it\n`);
    expect(readdirSync(join(work, "kept"))).toEqual(["case_3.nii.gz"]);
    expect(readFileSync(mask, "utf8")).toBe("precious");
    expect((await medvox(...asked, "--force")).status).toBe(0);
    expect(readdirSync(join(work, "kept"))).toHaveLength(6);
  });

  test("two images that would have one mask are refused before any work", async () => {
    const folder = join(work, "twins");
    mkdirSync(folder);
    for (const name of ["a.nii", "a.nii.gz"]) await writeVolume(join(folder, name), imageOf(SIZE, 1));
    const { status, stderr } = await medvox("predict", run, "--in", folder, "--out", join(work, "twin masks"));
    expect(status).toBe(2);
    expect(stderr).toMatch(
      /^ConfigError: .*a\.nii\.gz: would be written to .*, as .*a\.nii would; give them names that differ\n$/,
    );
  });

  test.each([
    [
      "an image that is not there",
      (): string[] => [run, "--in", "none.nii"],
      1,
      /^DataError: none\.nii: does not exist/,
    ],
    [
      "a model of someone else",
      (): string[] => [config, "--in", image()],
      1,
      /^DataError: .*config\.json: is no ONNX model/,
    ],
    ["no run", (): string[] => [data, "--in", image()], 2, /: is no run of medvox /],
  ])("%s", async (_, args, wanted, message) => {
    const { status, stdout, stderr } = await medvox("predict", ...args(), "--out", join(work, "masks of nothing"));
    expect([status, stdout]).toEqual([wanted, ""]);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n {4}at /);
  });
});

describe("predicting a large image", () => {
  const large = join(work, "large.nii.gz");
  beforeAll(() => writeVolume(large, imageOf([96, 96, 80], 3)));

  test.each([[["SIGINT"]], [["SIGINT", "SIGINT"]], [["SIGTERM"]]] as const)(
    "%j in the middle: no mask, whole or half, and no temporary file",
    async (signals) => {
      const out = join(work, `stopped by ${signals.join()}`);
      const child = spawn(process.execPath, [MAIN, "predict", run, "--in", large, "--out", out], { cwd: work });
      let [stdout, stderr] = ["", ""];
      let sent = 0;
      child.stdout.on("data", (text) => {
        stdout += text;
      });
      child.stderr.on("data", (text) => {
        stderr += text;
        const answered = (stderr.match(/once more/g) ?? []).length;
        if (/window \d+\/\d+/.test(stderr) && sent === answered && sent < signals.length) child.kill(signals[sent++]);
      });
      const [status, signal] = await new Promise<[number | null, string | null]>((done) =>
        child.on("close", (code, by) => done([code, by])),
      );
      expect(stdout).toBe("");
      if (signals.length === 1) {
        expect(status).toBe(1);
        expect(stderr).toMatch(/\nstopped\n$/);
      } else expect(signal ?? status).not.toBe(0);
      expect(readdirSync(out)).toEqual([]);
    },
  );

  test("--max-memory that does not suffice is told before anything is made, with what would", async () => {
    const out = join(work, "too little");
    const { status, stdout, stderr } = await medvox(
      "predict",
      run,
      "--in",
      large,
      "--out",
      out,
      "--max-memory",
      "100MB",
    );
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^ConfigError: .* (at least|takes) \d.*, --max-memory is 100 MB; allow more, or .*\n$/);
    expect(existsSync(out)).toBe(false);
  });

  test.each(["3", "none", "0GB", "-1GB"])("--max-memory %s is no size", async (text) => {
    const { status, stderr } = await medvox("predict", run, "--in", large, "--out", "never", `--max-memory=${text}`);
    expect(status).toBe(2);
    expect(stderr).toBe(`ConfigError: --max-memory ${text}: must be a size such as 2.5GB or 800MB\n`);
  });
});

describe("--json", () => {
  const image = (): string => join(data, "imagesTr/case_3.nii.gz");
  test.each([
    ["train segmentation", async () => trained],
    ["evaluate", () => medvox("evaluate", run, "--json")],
    ["predict", () => medvox("predict", run, "--in", image(), "--out", "keys", "--json")],
    ["plan", () => medvox("plan", data, "--json")],
    ["verify", () => medvox("verify", data, "--json")],
    ["info", () => medvox("info", run, "--json")],
    ["info", () => medvox("info", join(run, "model.onnx"), "--json")],
    ["info", () => medvox("info", image(), "--json")],
    ["export", () => medvox("export", run, "--format", "safetensors", "--out", "keys.safetensors", "--json")],
  ])("of %s prints the keys that the reference lists", async (name, ask) => {
    const { status, stdout, stderr } = await ask();
    expect(status, stderr).toBe(0);
    expect(await undeclaredKeys(name, stdout)).toEqual([]);
  });
});
