/** `medvox import` and `export`, typed as a user types them. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { readSafetensors, readVolume, readWeightsFile, writeVolume } from "../../src/files/index.ts";
import { graph } from "../../src/graph/index.ts";
import { encodePortable } from "../../src/med3d/encoder/inference.ts";
import { resnet3d } from "../../src/nn/index.ts";
import { createEngine } from "../../src/runtime/index.ts";
import { formula } from "../golden-values.ts";
import { undeclaredKeys } from "./json-keys.ts";
import { medvox, workFolder } from "./medvox.ts";

const golden = fileURLToPath(new URL("../../../shared/golden/", import.meta.url));
const released = `${golden}resnet_10_legacy.pth.gz`;
const cifar = fileURLToPath(new URL("../../../shared/data/weights-legacy-torch/resnet20-12fca82f.th", import.meta.url));
const fixtures = fileURLToPath(new URL("../fixtures/weights/", import.meta.url));
const present = existsSync(released);
if (!present) console.warn("skipped: ../shared/golden is not here, so no released checkpoint is imported");
const work = workFolder("weights");

describe.skipIf(!present)("a checkpoint as MedicalNet released them", () => {
  test("import: what found its place, and a file that medvox reads", async () => {
    const { status, stdout, stderr } = await medvox(
      "import",
      released,
      "--arch",
      "resnet10",
      "--out",
      "resnet10.safetensors",
    );
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toBe(
      "72 matched · 0 missing · 0 unexpected   (shortcut B, as released)\nweights  resnet10.safetensors\n",
    );
    const { tensors, metadata } = await readSafetensors(join(work, "resnet10.safetensors"));
    expect(metadata).toMatchObject({ arch: "resnet10", shortcut: "B" });
    const info = await medvox("info", "resnet10.safetensors", "--json");
    expect(JSON.parse(info.stdout)).toMatchObject({ tensors: expect.anything() });
    expect(await undeclaredKeys("info", info.stdout)).toEqual([]);
    const before = JSON.parse((await medvox("info", released, "--json")).stdout);
    expect([before.kind, before.tensors.length]).toEqual(["weights", 72]);
    const checked = await medvox("import", released, "--arch", "resnet10", "--json");
    expect(await undeclaredKeys("import", checked.stdout)).toEqual([]);
    const again = await medvox("import", released, "--arch", "resnet10", "--out", "resnet10.safetensors");
    expect([again.status, again.stderr]).toEqual([2, expect.stringContaining("--force replaces it")]);
    // What layer4 gives with them is what the original gives.
    const reference = JSON.parse(readFileSync(`${golden}resnet_10_legacy.json`, "utf8"));
    const shape = [1, 1, 16, 24, 32];
    const g = graph();
    const { out } = resnet3d(g.input("input", shape), { depth: 10 });
    const weights = new Map(
      [...tensors].map(([name, { data, shape: size }]) => [name, { data: data as Float32Array, shape: [...size] }]),
    );
    const engine = await createEngine({ threads: 2 });
    try {
      const model = await engine.load(encodePortable(g, out, weights, { name: "layer4", metadata: {} }));
      const { outputs } = await model.run({ input: { data: formula(7 + 3, 16 * 24 * 32), shape } });
      const found = Object.values(outputs)[0].data as Float32Array;
      const { first16, last16, std } = reference.layer4 as { first16: number[]; last16: number[]; std: number };
      const ends = [...found.subarray(0, 16), ...found.subarray(-16)];
      const apart = [...first16, ...last16].map((value, i) => Math.abs(ends[i] - value) / std);
      expect(Math.max(...apart)).toBeLessThanOrEqual(1e-4);
    } finally {
      await engine.close();
    }
  });

  test("features --raw: layer4 is what the original gives, and lies where the image does", async () => {
    const { layer4 } = JSON.parse(readFileSync(`${golden}resnet_10_legacy.json`, "utf8"));
    const affine = [2, 0, 0, -5, 0, 2, 0, 7, 0, 0, 3, 11, 0, 0, 0, 1];
    const image = { size: [32, 24, 16], channels: 1, affine, data: formula(7 + 3, 16 * 24 * 32) };
    await writeVolume(join(work, "formula.nii.gz"), image as never);
    const asked = ["features", released, "--arch", "resnet10", "--in", "formula.nii.gz", "--raw"];
    const { status, stdout, stderr } = await medvox(...asked, "--out", "layer4.npy", "--json");
    expect(status, stderr).toBe(0);
    const bytes = readFileSync(join(work, "layer4.npy"));
    const found = new Float32Array(bytes.buffer.slice(bytes.byteOffset + 128, bytes.byteOffset + bytes.length));
    expect(JSON.parse(stdout).features[0].shape).toEqual([512, 2, 3, 4]);
    expect(await undeclaredKeys("features", stdout)).toEqual([]);
    const ends = [...found.subarray(0, 16), ...found.subarray(-16)];
    const apart = [...layer4.first16, ...layer4.last16].map((v: number, i) => Math.abs(ends[i] - v) / layer4.std);
    expect(Math.max(...apart)).toBeLessThanOrEqual(1e-4);
    // Eight times the voxel size, the same first voxel.
    expect(JSON.parse(stdout).features[0].affine).toEqual([16, 0, 0, -5, 0, 16, 0, 7, 0, 0, 24, 11, 0, 0, 0, 1]);
    expect((await medvox(...asked, "--out", "layer4.nii.gz")).status).toBe(0);
    const map = await readVolume(join(work, "layer4.nii.gz"));
    expect([map.size, map.channels]).toEqual([[4, 3, 2], 512]);
    const pooled = await medvox(...asked, "--pool", "--out", "pooled.npy", "--json");
    expect(JSON.parse(pooled.stdout).features[0].shape).toEqual([512]);
    const first = found.subarray(0, 24).reduce((sum, v) => sum + v, 0) / 24;
    const table = readFileSync(join(work, "pooled.npy"));
    expect(table.readFloatLE(128)).toBeCloseTo(first, 4);
    expect(await medvox(...asked, "--layer", "layer9", "--out", "x.npy")).toMatchObject({ status: 2 });
    expect((await medvox("features", released, "--in", "formula.nii.gz", "--out", "x.npy")).stderr).toContain(
      "say which network with --arch",
    );
  });

  test("another depth is refused as what it is", async () => {
    const { status, stderr } = await medvox("import", released, "--arch", "resnet18");
    expect([status, stderr]).toEqual([
      1,
      `WeightsError: ${released}: holds resnet10 with shortcut B; the network is resnet18 with shortcut B (40 missing tensors, the first layer1.1.conv1.weight)\n`,
    ]);
    const a = await medvox("import", released, "--arch", "resnet10", "--shortcut", "A");
    expect(a.stderr).toContain("holds resnet10 with shortcut B; the network is resnet10 with shortcut A");
  });

  test("a legacy checkpoint of another network: read whole, and refused by name", async () => {
    const tensors = await readWeightsFile(cifar);
    expect(tensors.get("module.conv1.weight")?.shape).toEqual([16, 3, 3, 3]);
    const { status, stderr } = await medvox("import", cifar, "--arch", "resnet18", "--json");
    expect(status).toBe(1);
    expect(stderr).toMatch(/^WeightsError: .*resnet20-12fca82f\.th: /);
  });
});

describe("what PyTorch 2 saves", () => {
  // oracle/torch_checkpoints.py: half, float, double and bfloat16; turned, thinned and shared storages.
  test.each(["resnet10-bare-zip.pth", "resnet10-wrapped-legacy.pth"])("%s", async (name) => {
    writeFileSync(join(work, name), gunzipSync(readFileSync(join(fixtures, `${name}.gz`))));
    const { status, stdout, stderr } = await medvox(
      "import",
      name,
      "--arch",
      "resnet10",
      "--out",
      `${name}.safetensors`,
    );
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^72 matched · 0 missing · 0 unexpected/);
    const { tensors } = await readSafetensors(join(work, `${name}.safetensors`));
    const first = (tensor: string) => [...(tensors.get(tensor)!.data as Float32Array).subarray(0, 3)];
    expect(tensors.get("conv1.weight")?.shape).toEqual([64, 1, 7, 7, 7]);
    // Each filter is every 64th of the numbers 0, 1, … / 2¹⁵, in half precision exact up to 2¹¹.
    expect(first("conv1.weight")).toEqual([0, 64 / 2 ** 15, 128 / 2 ** 15]);
    expect(first("bn1.weight")[1]).toBeCloseTo(0.5 + 1 / 127, 6);
    expect(first("bn1.bias")[0]).toBeCloseTo(0.5 + 64 / 127, 6);
    expect(first("bn1.running_mean")[1]).toBeCloseTo(-1 + 2 / 63, 6);
    // Every second one; bfloat16 has 8 bits.
    expect(first("bn1.running_var")[2]).toBeCloseTo(1 + 4 / 127, 2);
    // One number for all; the seventh entry of the state_dict.
    expect(first("layer1.0.conv1.weight")).toEqual([7, 7, 7]);
  });
});

describe("what is no checkpoint", () => {
  test.each([
    [
      "module-legacy.pth",
      1,
      /refused to build 'torch\.nn\.modules\.linear\.Linear' while unpickling; save its state_dict/,
    ],
    ["no-tensors.pth", 1, /holds no tensors by name/],
    ["missing.pth", 1, /missing\.pth: no such file/],
    ["expected.json", 1, /^WeightsError: .*expected\.json: /],
  ])("%s", async (name, wanted, message) => {
    const { status, stdout, stderr } = await medvox("import", join(fixtures, name), "--arch", "resnet10");
    expect([status, stdout]).toEqual([wanted, ""]);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  });

  test("an architecture that nobody knows", async () => {
    const { status, stderr } = await medvox("import", join(fixtures, "bare-zip.pth"), "--arch", "resnet20");
    expect([status, stderr]).toEqual([
      2,
      expect.stringMatching(/^ConfigError: --arch resnet20: is no encoder; there are/),
    ]);
  });
});
