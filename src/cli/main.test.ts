/** The command as a user starts it: the built `dist/cli/main.js` in a process of its own, and what it answers in this one. */
import { spawn, spawnSync } from "node:child_process";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildIfStale } from "../../scripts/build.ts";
import { MAIN, medvox, medvoxProcess } from "../../test/cli/medvox.ts";
import { encodeNifti, identityAffine, type Vec3, type Volume } from "../volume/index.ts";

const path = (below: string): string => fileURLToPath(new URL(`../../${below}`, import.meta.url));
const stoppable = path("test/cli/stoppable.mjs");
const weights = path("test/golden/weights/all-dtypes.safetensors");
const hippocampus = path("../shared/data/Task04_Hippocampus/labelsTr/hippocampus_001.nii.gz");

beforeAll(() => buildIfStale());

describe("the built command", () => {
  it("is executable and names its interpreter", () => {
    accessSync(MAIN, constants.X_OK);
    expect(readFileSync(MAIN, "utf8").startsWith("#!/usr/bin/env node\n")).toBe(true);
  });

  it("prints its version and its help", () => {
    const { version } = JSON.parse(readFileSync(path("package.json"), "utf8"));
    expect(medvoxProcess("--version")).toEqual({ status: 0, stdout: `${version}\n`, stderr: "" });
    const help = medvoxProcess("--help");
    expect([help.status, help.stderr]).toEqual([0, ""]);
    expect(help.stdout).toContain("doctor");
  });

  it("loads no engine and no volume code for its help", () => {
    const listModules = `process.on("exit", () => console.error(process.moduleLoadList.join()));`;
    const hook = `data:text/javascript,${encodeURIComponent(listModules)}`;
    const loaded = (...args: string[]): string =>
      spawnSync(process.execPath, ["--import", hook, MAIN, ...args], { encoding: "utf8" }).stderr;
    // Volumes are inflated with zlib, so it tells whether their code was loaded.
    expect(loaded("info", "--help")).toContain("NativeModule zlib");
    expect(loaded("--help")).not.toContain("NativeModule zlib");
  });

  it("answers a wrong command with exit 2 and a suggestion", async () => {
    expect(await medvox("docter")).toEqual({
      status: 2,
      stdout: "",
      stderr: "ConfigError: unknown command 'docter'. Did you mean doctor?\n",
    });
  });

  it("keeps standard output to one JSON document, also for errors", async () => {
    const good = medvoxProcess("info", weights, "--json");
    expect(good.status).toBe(0);
    expect(JSON.parse(good.stdout)).toMatchObject({ kind: "weights", values: 79, metadata: { format: "pt" } });
    const missing = await medvox("info", "none.nii", "--json");
    expect(missing.status).toBe(1);
    expect(JSON.parse(missing.stdout)).toEqual({
      error: { code: "E_DATA", message: "none.nii: cannot read: no such file" },
    });
    const wrong = medvoxProcess("info", "a.nii", "--jsno", "--json");
    expect(wrong.status).toBe(2);
    expect(JSON.parse(wrong.stdout).error.code).toBe("E_CONFIG");
  });

  it("shows no stack trace unless asked", async () => {
    const { status, stderr } = medvoxProcess("info", "none.safetensors");
    expect([status, stderr]).toEqual([1, "WeightsError: none.safetensors: no such file\n"]);
    expect((await medvox("info", "none.safetensors", "--debug")).stderr).toMatch(/\n {4}at /);
  });

  it("writes control characters of a file's names as text", async () => {
    const { stdout } = await medvox("info", weights);
    expect(stdout).toContain(`größe "x"\\x0a `);
    expect(stdout).toContain("layer1.0.conv1.weight  F32   [1, 1, 1, 2, 3]\n");
  });

  it("says what works here", () => {
    const { status, stdout } = medvoxProcess("doctor", "--json");
    expect(status).toBe(0);
    const { ok, devices, versions } = JSON.parse(stdout);
    expect(ok).toBe(true);
    expect(versions.node).toBe(process.versions.node);
    expect(devices.map(({ name }: { name: string }) => name)).toEqual(["cpu", "webgpu", "cuda"]);
    for (const { works, why } of devices) expect(works || why.length > 0).toBe(true);
    const { stdout: text } = medvoxProcess("doctor");
    expect(text).toMatch(/^ {2}cpu {5}yes$/m);
    expect(text).not.toContain("\u001b");
  });

  it.skipIf(!existsSync(hippocampus))("describes a real label map (needs ../shared)", async () => {
    const { stdout } = await medvox("info", hippocampus, "--json");
    expect(JSON.parse(stdout)).toMatchObject({
      kind: "volume",
      format: "nifti1",
      voxelType: "uint8",
      size: [35, 51, 35],
      spacingMm: [1, 1, 1],
      orientation: "RAS",
      labels: { "0": 59527, "1": 1324, "2": 1624 },
    });
  });
});

describe("medvox verify", () => {
  const folder = mkdtempSync(join(tmpdir(), "medvox-verify-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** A data set of two cases of 4×4×4 voxels, the second label with `depth` slices. */
  function writeDataset(name: string, depth: number): string {
    const root = join(folder, name);
    const training = ["case_1", "case_2"].map((id, i) => {
      const labelSize = [4, 4, i === 1 ? depth : 4] as const;
      const image = Float32Array.from({ length: 64 }, (_, k) => k * (i + 1));
      const label = new Uint8Array(16 * labelSize[2]).fill(1, i + 1, i + 9);
      const parts = { imagesTr: volume([4, 4, 4], image), labelsTr: volume(labelSize, label) };
      for (const [part, content] of Object.entries(parts)) {
        mkdirSync(join(root, part), { recursive: true });
        writeFileSync(join(root, part, `${id}.nii.gz`), encodeNifti(content, { gzip: true }));
      }
      return { image: `./imagesTr/${id}.nii.gz`, label: `./labelsTr/${id}.nii.gz` };
    });
    const labels = { "0": "background", "1": "organ" };
    writeFileSync(
      join(root, "dataset.json"),
      JSON.stringify({ name, modality: { "0": "MRI" }, labels, training, test: [] }),
    );
    return root;
  }

  const volume = (size: Vec3, data: Volume["data"]): Volume => ({ size, data, channels: 1, affine: identityAffine });

  it("finds nothing wrong with a sound data set", async () => {
    const { status, stdout } = await medvox("verify", writeDataset("sound", 4));
    expect(status).toBe(0);
    expect(stdout).toMatch(/^sound: 2 cases, 0 broken; 0 errors, 0 warnings\n/);
    expect(stdout).toContain("label    1 organ, in 2 cases\n");
  });

  it("names a broken case and ends with 1", async () => {
    const root = writeDataset("broken", 3);
    const { status, stdout } = await medvox("verify", root);
    expect([status, stdout.split("\n")[0]]).toEqual([1, "error    case_2: label is 4×4×3, image is 4×4×4"]);
    const json = await medvox("verify", root, "--json");
    expect(json.status).toBe(1);
    const { ok, findings, summary } = JSON.parse(json.stdout);
    expect(ok).toBe(false);
    expect(findings).toEqual([expect.objectContaining({ severity: "error", case: "case_2", rule: "size-mismatch" })]);
    expect(summary).toMatchObject({ cases: 2, errors: 1, warnings: 0, broken: 1 });
  });

  it("tells a wrong path from a broken data set", async () => {
    expect(await medvox("verify", join(folder, "none"))).toMatchObject({ status: 2, stdout: "" });
    writeFileSync(join(folder, "dataset.json"), "{");
    expect((await medvox("verify", folder)).status).toBe(1);
  });
});

/** Starts a command, sends it signals as soon as it has begun, and waits for its end. */
async function stopped(command: string, signals: readonly NodeJS.Signals[], ...args: string[]) {
  const child = spawn(process.execPath, [stoppable, command, ...args]);
  const output = { stdout: "", stderr: "" };
  const pending = [...signals];
  child.stdout.on("data", (data) => {
    output.stdout += data;
  });
  child.stderr.on("data", (data) => {
    output.stderr += data;
    // The first signal when it works, the second when the first was answered.
    const answered = (output.stderr.match(/once more/g) ?? []).length;
    if (output.stderr.includes("step 1\n") && pending.length === signals.length - answered) {
      const signal = pending.shift();
      if (signal) child.kill(signal);
    }
  });
  const [status, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
    child.on("close", (code, by) => resolve([code, by])),
  );
  return { status, signal, ...output };
}

describe("Ctrl-C", () => {
  it.each(["SIGINT", "SIGTERM"] as const)(
    "%s once: the step is finished and the command says how to resume",
    async (signal) => {
      const { status, stdout, stderr } = await stopped("work", [signal]);
      expect([status, stdout]).toEqual([1, ""]);
      expect(stderr).toMatch(/\nstopping after this step; once more to stop at once\n/);
      expect(stderr).toMatch(/\nstopped after step \d+; resume with: medvox train --resume runs\/a\n$/);
    },
  );

  it("with --json: the document says it was interrupted", async () => {
    const { status, stdout } = await stopped("work", ["SIGINT"], "--json");
    expect(status).toBe(1);
    expect(JSON.parse(stdout).error).toMatchObject({
      code: "E_INTERRUPTED",
      message: expect.stringMatching(/^stopped after step/),
    });
  });

  it.each(["SIGINT", "SIGTERM"] as const)(
    "%s twice: it ends at once, even where the command does not listen",
    async (signal) => {
      const ended = await stopped("deaf", [signal, signal]);
      expect(ended).toMatchObject({ status: null, signal });
      expect(ended.stderr.trimEnd().split("\n").at(-1)).toBe("stopping after this step; once more to stop at once");
    },
  );
});

it("tells an error that nobody awaited like every other", () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [stoppable, "crash", "--json"], { encoding: "utf8" });
  expect(status).toBe(1);
  expect(JSON.parse(stdout)).toEqual({ error: { code: "E_INTERNAL", message: "RangeError: out of the blue" } });
  expect(stderr).not.toMatch(/\n {4}at /);
});

describe("a pipe", () => {
  it("gets a long document whole", () => {
    const { stdout } = spawnSync(process.execPath, [stoppable, "long", "--json"], { encoding: "utf8", maxBuffer: 1e8 });
    expect(JSON.parse(stdout).text).toHaveLength(5_000_000);
  });

  it("that is closed early is no error", async () => {
    const child = spawn(process.execPath, [stoppable, "long"]);
    let stderr = "";
    child.stderr.on("data", (data) => {
      stderr += data;
    });
    child.stdout.once("data", () => child.stdout.destroy());
    const status = await new Promise<number | null>((resolve) => child.on("close", resolve));
    expect([status, stderr]).toEqual([0, ""]);
  });
});
