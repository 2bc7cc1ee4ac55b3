/** The formula against hand-made sums, against the memory a process really takes, and as a limit that is obeyed. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeVolume } from "../../../files/index.ts";
import { affineFromSpacing, orderAxes } from "../../../volume/index.ts";
import { thresholdModel } from "../../test/threshold-model.ts";
import { fitMemory, loadingBytes, networkBytes, type PredictionRequest, predictionMemory } from "./memory.ts";

const network = { weightBytes: 60e6, foldedBytes: 220e6, liveBytes: 120e6, largestBytes: 60e6 };
const labels = Array.from({ length: 10 }, (_, i) => i);
const request: PredictionRequest = {
  image: { size: [512, 500, 400], affine: affineFromSpacing([1, 1, 1]), channels: 1, bytesPerVoxel: 2, name: "ct" },
  plan: {
    patch: [96, 80, 64],
    preprocessing: { orientation: "RAS", spacingMm: null, intensity: { kind: "none" }, channels: 1, labels },
  },
  network,
};

describe("the formula", () => {
  test("part by part, by hand", () => {
    const { parts, bytes, band } = predictionMemory(request);
    expect(band).toBeUndefined();
    expect(parts.image).toBe(2 * 512 * 500 * 400);
    expect(parts.slab).toBe(4 * 96 * 500 * 512);
    // 304 slices are left after the first window, in 7 steps of 43 or 44: at most 53 slices are carried over on all
    // lines, and the other 43 are there on the 80 lines of a window.
    expect(parts.scores).toBe(4 * 10 * 512 * (53 * 500 + 43 * 80));
    expect(parts.windows).toBe(4 * 96 * 80 * 64 * (3 + 20));
    expect([parts.classes, parts.mask]).toEqual([512 * 500 * 400, 512 * 500 * 400]);
    expect(parts.network).toBe(networkBytes(network));
    expect(bytes).toBe(Object.values(parts).reduce((a, b) => a + b));
  });

  test("counts the image at the plan's spacing and in its order of axes, and wide label values", () => {
    const { preprocessing } = request.plan;
    const asLeft = {
      ...request.image,
      size: [400, 512, 500] as const,
      affine: [0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1],
    };
    const coarse = { ...preprocessing, spacingMm: [2, 2, 2] as const, labels: [0, 300] };
    const { parts } = predictionMemory({ ...request, image: asLeft, plan: { ...request.plan, preprocessing: coarse } });
    expect(parts.classes).toBe((512 * 500 * 400) / 8);
    expect(parts.slab).toBe(4 * 96 * 250 * 256);
    expect(parts.mask).toBe(2 * 512 * 500 * 400);
  });

  test("loading a network may be the worst moment", () => {
    const large = { ...network, foldedBytes: 2e9 };
    const image = { ...request.image, size: [64, 64, 64] as const };
    expect(predictionMemory({ ...request, image, network: large }).bytes).toBe(loadingBytes(large));
  });

  test("what does not fit whole is done in as few bands as fit", () => {
    const whole = predictionMemory(request).bytes;
    expect(fitMemory(request, whole).band).toBeUndefined();
    const { bytes, band } = fitMemory(request, whole - 1);
    expect(band).toBe(250);
    expect(bytes).toBeLessThan(whole);
    expect(fitMemory(request, undefined).bytes).toBe(whole);
  });

  test("what fits in no way is told with what would", () => {
    const message = (() => {
      try {
        fitMemory(request, 1e9);
      } catch (error) {
        return (error as Error).message;
      }
    })();
    expect(message).toMatch(
      /^ct: 512×500×400 voxels need at least (\d\.\d\d) GB \(.* for the network, .* for image and mask\), --max-memory is 1\.00 GB; /,
    );
    const least = Number(/least (\d\.\d\d) GB/.exec(message!)![1]) * 1e9;
    expect(fitMemory(request, least).bytes).toBeLessThanOrEqual(least);
  });
});

const folder = mkdtempSync(join(tmpdir(), "medvox-memory-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("a process", () => {
  const size = [256, 256, 96] as const;
  const model = join(folder, "model.onnx");
  const image = join(folder, "ct.nii.gz");
  const child = fileURLToPath(new URL("../../../../bench/rows/predict-child.ts", import.meta.url));
  /** Predicts in a process of its own; what it took and what the formula said, in bytes. */
  const measure = async (
    maxMemory?: number,
  ): Promise<{ peak: number; formula: number; band?: number; hash: string }> => {
    const asked = ["--import", "tsx", child, model, image, ...(maxMemory === undefined ? [] : [String(maxMemory)])];
    const { stdout } = await promisify(execFile)(process.execPath, asked);
    return JSON.parse(stdout);
  };

  beforeAll(async () => {
    writeFileSync(model, thresholdModel([64, 64, 64], { classes: 12 }));
    const data = new Int16Array(size[0] * size[1] * size[2]);
    for (let i = 0; i < data.length; i++) data[i] = 300 * Math.sin(i / 1000) + 200 * Math.cos(i / 70000);
    const volume = { data, size, channels: 1, affine: affineFromSpacing([1, 1, 2]) };
    const turned = orderAxes(volume, { from: [1, 0, 2], flip: [true, true, false] });
    await writeVolume(image, turned, { gzipLevel: 1 });
  });

  test.skipIf(process.platform !== "linux")(
    "takes what the formula says at most, and half of it at least; less when less is allowed, for the same classes",
    { timeout: 600_000 },
    async () => {
      const whole = await measure();
      expect(whole.peak).toBeLessThan(whole.formula);
      expect(whole.peak).toBeGreaterThan(whole.formula / 2);
      const bounded = await measure(whole.formula - 40e6);
      expect(bounded.band).toBeLessThan(256);
      expect(bounded.peak).toBeLessThan(bounded.formula);
      expect(bounded.formula).toBeLessThanOrEqual(whole.formula - 40e6);
      expect(bounded.hash).toBe(whole.hash);
    },
  );
});
