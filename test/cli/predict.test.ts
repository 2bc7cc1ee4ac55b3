/** `medvox predict`: going on with a stopped batch, probabilities as files, several networks averaged. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { readVolume } from "../../src/files/index.ts";
import { thresholdModel } from "../../src/med3d/test/threshold-model.ts";
import { medvox, workFolder } from "./medvox.ts";

const samples = fileURLToPath(new URL("../../samples/hippocampus/imagesTr/", import.meta.url));
const names = ["hippocampus_001", "hippocampus_014", "hippocampus_034"];
workFolder("predict");

beforeAll(() => {
  mkdirSync("images");
  for (const name of names) copyFileSync(join(samples, `${name}.nii.gz`), `images/${name}.nii.gz`);
  writeFileSync("low.onnx", thresholdModel([16, 24, 16], { threshold: 0.4 }));
  writeFileSync("high.onnx", thresholdModel([24, 16, 16], { threshold: 0.8, spacingMm: [1.3, 0.9, 1.1] }));
  writeFileSync("three.onnx", thresholdModel([16, 24, 16], { classes: 3 }));
});

const predict = (...args: string[]) => medvox("predict", ...args, "--threads", "1");

describe("--continue", () => {
  test("does what is missing and leaves what is there", async () => {
    const all = await predict("low.onnx", "--in", "images", "--out", "masks");
    expect(all.status, all.stderr).toBe(0);
    const masks = names.map((name) => `masks/${name}.nii.gz`);
    const bytes = masks.map((mask) => readFileSync(mask));
    const [first, second, third] = masks;
    rmSync(second);
    // Something else than a prediction would be: it is left as it is.
    writeFileSync(third, "there already");
    const { mtimeMs } = statSync(first);
    const again = await predict("low.onnx", "--in", "images", "--out", "masks", "--continue", "--json");
    expect(again.status, again.stderr).toBe(0);
    const { predictions, kept, failed } = JSON.parse(again.stdout);
    expect(predictions.map(({ case: id }: { case: string }) => id)).toEqual([names[1]]);
    expect([kept, failed]).toEqual([[names[0], names[2]], []]);
    expect(readFileSync(second).equals(bytes[1])).toBe(true);
    expect(statSync(first).mtimeMs).toBe(mtimeMs);
    expect(readFileSync(third, "utf8")).toBe("there already");
    const { stdout } = await predict("low.onnx", "--in", "images", "--out", "masks", "--continue");
    expect(stdout).toBe("kept      3 of 3 were there already\n");
  });

  test("with --probabilities an image is done when both its files are there", async () => {
    const args = ["low.onnx", "--in", "images", "--out", "both", "--continue", "--probabilities", "--json"];
    expect((await predict(...args.filter((word) => word !== "--continue"))).status).toBe(0);
    rmSync(`both/probabilities/${names[2]}.nii.gz`);
    const { predictions, kept } = JSON.parse((await predict(...args)).stdout);
    expect(predictions).toMatchObject([{ case: names[2], probabilities: `both/probabilities/${names[2]}.nii.gz` }]);
    expect(kept).toEqual(names.slice(0, 2));
  });

  test("is not for --force", async () => {
    const { status, stderr } = await predict("low.onnx", "--in", "images", "--out", "masks", "--continue", "--force");
    expect([status, stderr]).toEqual([
      2,
      "ConfigError: --continue: leaves what is there, --force replaces it; leave one of them out\n",
    ]);
  });
});

describe("several networks", () => {
  const probabilitiesIn = async (folder: string) => {
    const { data, channels, size } = await readVolume(`${folder}/probabilities/${names[0]}.nii.gz`);
    return { data: data as Float32Array, channels, size };
  };

  test("are averaged on the image's own grid, and the mask is what is most probable", async () => {
    const image = `images/${names[0]}.nii.gz`;
    for (const [folder, models] of [
      ["a", ["low.onnx"]],
      ["b", ["high.onnx"]],
      ["mean", ["low.onnx", "high.onnx"]],
    ] as const) {
      const { status, stderr } = await predict(...models, "--in", image, "--out", folder, "--probabilities");
      expect(status, stderr).toBe(0);
    }
    const [a, b, mean] = await Promise.all(["a", "b", "mean"].map(probabilitiesIn));
    const voxels = mean.data.length / 2;
    expect([a.channels, b.channels, mean.channels]).toEqual([2, 2, 2]);
    const largest = mean.data.reduce((most, p, i) => Math.max(most, Math.abs(p - (a.data[i] + b.data[i]) / 2)), 0);
    expect(largest).toBeLessThan(1e-6);
    let unsure = 0;
    for (let i = 0; i < voxels; i++) unsure = Math.max(unsure, Math.abs(mean.data[i] + mean.data[voxels + i] - 1));
    expect(unsure).toBeLessThan(1e-5);
    const mask = await readVolume(`mean/${names[0]}.nii.gz`);
    const wanted = Array.from({ length: voxels }, (_, i) => (mean.data[voxels + i] > mean.data[i] ? 7 : 0));
    expect(Array.from(mask.data as Uint8Array)).toEqual(wanted);
    // Where the plan has the image's own spacing, a network's mask is that of its probabilities as well.
    const alone = await readVolume(`a/${names[0]}.nii.gz`);
    expect(Array.from(alone.data as Uint8Array)).toEqual(
      Array.from({ length: voxels }, (_, i) => (a.data[voxels + i] > a.data[i] ? 7 : 0)),
    );
  });

  test("of other labels are refused by name", async () => {
    const { status, stderr } = await predict("low.onnx", "three.onnx", "--in", "images", "--out", "never");
    expect([status, stderr]).toEqual([
      2,
      "ConfigError: three.onnx: has the labels 0 background, 7 above 7, 14 above 14, low.onnx has 0 background, 7 above 7; only networks of the same labels are averaged\n",
    ]);
  });

  test("that keep different components need to be told which", async () => {
    writeFileSync("largest.onnx", thresholdModel([16, 24, 16], { keepLargest: { foreground: 1 } }));
    const args = ["low.onnx", "largest.onnx", "--in", `images/${names[0]}.nii.gz`, "--out", "kept"];
    const { status, stderr } = await predict(...args);
    expect([status, stderr.trimEnd().split("\n").at(-1)]).toEqual([
      2,
      "ConfigError: keepLargest: low.onnx keeps all parts, largest.onnx the largest part of the foreground; say which, e.g. --keep-largest none",
    ]);
    // Before any image is looked at: none of these is there.
    const early = await predict("low.onnx", "largest.onnx", "--in", "images", "--out", "never-kept");
    expect([early.status, early.stderr.trimEnd().split("\n").length]).toEqual([2, 1]);
    expect(existsSync("never-kept")).toBe(false);
    expect((await predict(...args, "--keep-largest", "foreground")).status).toBe(0);
  });
});
