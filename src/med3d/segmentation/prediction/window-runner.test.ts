/** Mirrored prediction by hand: each mirror image once, turned back, averaged; mirrored images have mirrored predictions, bit for bit. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Axis } from "../../../augment/index.ts";
import { imageOf, labelOf, writeDecathlon } from "../../../data/test/made-up.ts";
import type { Program } from "../../../runtime/index.ts";
import type { Volume } from "../../../volume/index.ts";
import { openSegmenter, trainSegmentation } from "../../index.ts";
import { mirroredAxes } from "../config.ts";
import { type Mirror, mirrorAxes, mirrorBlocks, mirrorNote, windowRunner } from "./window-runner.ts";

const axes = ["x", "y", "z"] as const;
const PATCH = [2, 3, 4];
const VOXELS = 24;

test.each([
  ["x", [3, 2, 1, 0, 7, 6]],
  ["y", [8, 9, 10, 11, 4, 5]],
  ["z", [12, 13, 14, 15, 16, 17]],
] as const)("blocks mirrored along %s, by hand", (axis, first) => {
  // Two channels, so that the second block is turned by itself.
  const data = Float32Array.from({ length: 2 * VOXELS }, (_, i) => i);
  mirrorBlocks(data, PATCH, axis);
  expect([...data.subarray(0, 6)]).toEqual(first);
  expect([...data.subarray(VOXELS, VOXELS + 6)]).toEqual(first.map((value) => value + VOXELS));
  mirrorBlocks(data, PATCH, axis);
  expect([...data]).toEqual(Array.from({ length: 2 * VOXELS }, (_, i) => i));
});

/** Two classes of one channel, in a way that no mirroring leaves alone; counts how often it is asked. */
function lopsided(): { program: Program; asked: () => number } {
  let count = 0;
  const run: Program["run"] = async (feeds, options) => {
    count++;
    const input = feeds.input.data as Float32Array;
    const data = options!.into!.probability.data as Float32Array;
    for (let i = 0; i < VOXELS; i++) {
      data[i] = Math.fround(1 / (1 + Math.exp(input[i] * Math.sin(i * i + 1) - input[(i + 1) % VOXELS] / 3)));
      data[VOXELS + i] = 1 - data[i];
    }
    return { outputs: { probability: { data, shape: [1, 2, ...PATCH] } }, ms: 1 };
  };
  return { program: { run } as Program, asked: () => count };
}

const window = (): Float32Array => Float32Array.from({ length: VOXELS }, (_, i) => Math.sin(1.7 * i) + i / 50);
const turned = (data: Float32Array, along: readonly Axis[]): Float32Array => {
  const copy = data.slice();
  for (const axis of along) mirrorBlocks(copy, PATCH, axis);
  return copy;
};
const predict = (data: Float32Array, mirror: Mirror): Promise<Float32Array> =>
  windowRunner(lopsided().program, [1, 1, ...PATCH], 2, mirror).predict(data);

describe.each([
  [true, 8],
  [["x"], 2],
  [["z", "y"], 4],
  [false, 1],
] as const)("mirrored: %j", (mirror, times) => {
  test("is the mean of each mirror image's prediction, turned back", async () => {
    const { program, asked } = lopsided();
    const runner = windowRunner(program, [1, 1, ...PATCH], 2, mirror);
    const given = window();
    const found = (await runner.predict(given)).slice();
    expect([asked(), runner.ms()]).toEqual([times, times]);
    expect(given).toEqual(window());
    const sum = new Float64Array(2 * VOXELS);
    for (let set = 0; set < 8; set++) {
      const along = axes.filter((_, i) => set & (1 << i));
      if (along.some((axis) => !mirrorAxes(mirror).includes(axis))) continue;
      const back = turned(await predict(turned(window(), along), false), along);
      for (let i = 0; i < sum.length; i++) sum[i] += back[i] / times;
    }
    for (const [i, value] of sum.entries()) expect(found[i]).toBeCloseTo(value, 6);
    // Buffers are used again; a third window finds them clean.
    for (let i = 0; i < 3; i++) expect((await runner.predict(window())).slice()).toEqual(found);
  });

  test.each(axes)(
    "an image mirrored along %s has the mirrored prediction exactly where that axis is mirrored",
    async (axis) => {
      const [plain, other] = [await predict(window(), mirror), await predict(turned(window(), [axis]), mirror)];
      const same = turned(other, [axis]).every((value, i) => Object.is(value, plain[i]));
      expect(same).toBe(mirrorAxes(mirror).includes(axis));
    },
  );
});

test("axes that training did not mirror are named, with what to do", () => {
  expect(mirrorNote(true, ["x"])).toBe(
    "mirroring along y, z: training did not, so these views are unlike what the network knows; train with --mirror, or mirror along x alone (--mirror-axes)",
  );
  expect(mirrorNote(["x"], ["x"])).toBeUndefined();
  expect(mirrorNote(true, undefined)).toBeUndefined();
  expect(mirrorNote(false, [])).toBeUndefined();
});

test("training mirrors along all axes when told to, whatever the augmentation says", () => {
  expect(mirroredAxes({ augmentation: "default" })).toEqual(["x"]);
  expect(mirroredAxes({ augmentation: "none" })).toEqual([]);
  for (const augmentation of ["default", "none", { flip: { probability: 0, axes: ["x"] } }])
    expect(mirroredAxes({ augmentation, mirror: true })).toEqual(["x", "y", "z"]);
});

describe("a run and its exported model", () => {
  const folder = mkdtempSync(join(tmpdir(), "medvox-mirror-"));
  const run = join(folder, "run");
  let data = "";
  beforeAll(async () => {
    const size = [16, 16, 16] as const;
    data = await writeDecathlon(
      [0, 1].map((i) => ({ id: `case_${i}`, image: imageOf(size, i), label: labelOf(size, i) })),
    );
    const request = { epochs: 2, batch: 1, heldOut: 0, validation: 0, threads: 1, width: 4, mirror: true };
    await trainSegmentation({ data, ...request, patch: [16, 16, 16], learningRate: 0.01 }, { out: run });
  });
  afterAll(() => {
    for (const path of [folder, data]) rmSync(path, { recursive: true, force: true });
  });

  test.each([
    // The room around the image is even, so that it lies in the middle of its window.
    ["one window", [14, 16, 10], 1],
    // Windows begin at 0 and 8, which is the same from both ends.
    ["several windows", [24, 24, 24], 8],
  ] as const)("%s: the mirrored image has the mirrored labels", async (_name, size, windows) => {
    const image: Volume = { ...imageOf(size, 5), name: "image" };
    const noisy = Float32Array.from(image.data as Float32Array, (value, i) => value + 60 * Math.sin(i * i));
    const [x, y, z] = size;
    for (const path of [run, join(run, "model.onnx")]) {
      const segmenter = await openSegmenter(path, { threads: 1 });
      expect(segmenter.mirrored).toEqual(["x", "y", "z"]);
      const labels = async (values: Float32Array, mirror: Mirror): Promise<Float32Array> => {
        let asked = 0;
        const onProgress = () => asked++;
        const { volume: found } = await segmenter.predict({ ...image, data: values }, { mirror, onProgress });
        expect(asked).toBe(windows);
        return Float32Array.from(found.data as Uint8Array);
      };
      const plain = await labels(noisy, true);
      expect(new Set(plain).size).toBeGreaterThan(1);
      let alone = true;
      for (const axis of axes) {
        const other = noisy.slice();
        mirrorBlocks(other, [z, y, x], axis);
        const found = await labels(other, true);
        mirrorBlocks(found, [z, y, x], axis);
        expect(found).toEqual(plain);
        const direct = await labels(other, false);
        mirrorBlocks(direct, [z, y, x], axis);
        alone &&= direct.join() === (await labels(noisy, false)).join();
      }
      // Without mirroring it does not hold.
      expect(alone).toBe(false);
      await segmenter.close();
    }
  });
});
