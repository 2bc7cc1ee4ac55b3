/** Coarse to fine on made-up scans; frozen encoders; decoders. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openDataset, prepareCase, regionOf } from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import { readVolume, writeVolume } from "../../files/index.ts";
import { encoderPattern } from "../../nn/index.ts";
import { random } from "../../random.ts";
import { folderStore, lastCheckpoint, readRunOf, readWeights } from "../../train/index.ts";
import type { Volume } from "../../volume/index.ts";
import {
  evaluateSegmentationRun,
  openSegmenter,
  predictionPath,
  resumeSegmentation,
  type SegmentationRequest,
  type SegmentationRun,
  segmentation,
  trainSegmentation,
} from "../index.ts";

const work = mkdtempSync(join(tmpdir(), "medvox-cascade-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const size = [40, 32, 24] as const;
/** 2 mm voxels, not at the origin. */
const affine = [2, 0, 0, -10, 0, 2, 0, 5, 0, 0, 2, 30, 0, 0, 0, 1];

/** A bright box with a brighter core somewhere in noise. */
async function scan(path: string, seed: number): Promise<void> {
  const stream = random(seed, "scan");
  const [nx, ny, nz] = size;
  const image = Float32Array.from({ length: nx * ny * nz }, () => 0.5 * stream.normal());
  const label = new Uint8Array(image.length);
  const [x0, y0, z0] = [6 + stream.integer(12), 5 + stream.integer(8), 4 + stream.integer(6)];
  for (let z = z0; z < z0 + 9; z++)
    for (let y = y0; y < y0 + 12; y++)
      for (let x = x0; x < x0 + 14; x++) {
        const core = x > x0 + 3 && x < x0 + 10 && y > y0 + 3 && y < y0 + 9 && z > z0 + 2 && z < z0 + 7;
        const at = (z * ny + y) * nx + x;
        label[at] = core ? 2 : 1;
        image[at] += core ? 6 : 3;
      }
  const grid = { size, channels: 1, affine };
  await writeVolume(`${path}_image.nii.gz`, { ...grid, data: image } as never);
  await writeVolume(`${path}_label.nii.gz`, { ...grid, data: label } as never);
}

let request: SegmentationRequest;
beforeAll(async () => {
  const folder = join(work, "data");
  mkdirSync(folder);
  for (let i = 0; i < 5; i++) await scan(join(folder, `s${i}`), i);
  const list = {
    name: "boxes",
    labels: { organ: [1], core: [2] },
    modality: ["CT"],
    cases: Array.from({ length: 5 }, (_, i) => ({
      case: `s${i}`,
      image: `s${i}_image.nii.gz`,
      label: `s${i}_label.nii.gz`,
      split: i === 4 ? "test" : "train",
    })),
  };
  const path = join(folder, "list.json");
  writeFileSync(path, JSON.stringify(list));
  request = {
    data: path,
    decoder: "skip",
    window: [-2, 8],
    patch: [16, 16, 16],
    batch: 2,
    epochs: 3,
    stepsPerEpoch: 8,
    learningRate: 1e-2,
    validation: 0,
    augmentation: "none",
    marginMm: 6,
    jitterMm: 4,
    keepLargest: 1,
    width: 16,
    // Test files run beside each other, two at a time.
    threads: 1,
    coarse: { spacingMm: [4, 4, 4], patch: [16, 16, 24], decoder: "skip", batch: 2, epochs: 2 },
  };
});

describe("the region of a mask", () => {
  const mask = (voxels: readonly number[]): Volume => {
    const data = new Uint8Array(10 * 8 * 6);
    for (const at of voxels) data[at] = 1;
    return { size: [10, 8, 6], channels: 1, data, affine: [2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1] } as never;
  };

  test("grows by whole voxels of each axis, and ends at the border", () => {
    const at = (x: number, y: number, z: number): number => (z * 8 + y) * 10 + x;
    // 3 mm are 2 voxels of 2 mm, 3 of 1 mm, 1 of 3 mm.
    expect(regionOf(mask([at(4, 4, 2), at(5, 4, 3)]), 3)).toEqual({ start: [2, 1, 1], end: [8, 8, 5] });
    expect(regionOf(mask([at(0, 0, 0)]), 3)).toEqual({ start: [0, 0, 0], end: [3, 4, 2] });
  });

  test("is none where nothing is marked", () => {
    expect(regionOf(mask([]), 3)).toBeUndefined();
  });

  test("is what a case is prepared from", async () => {
    const { cases } = await openDataset(request.data);
    const spec = {
      orientation: "RAS",
      spacingMm: null,
      intensity: { kind: "none" },
      channels: 1,
      labels: [0, 1, 2],
      regionMarginMm: 6,
    } as const;
    const { spatial, label } = await prepareCase(cases[0], spec, true);
    // 9 × 12 × 14 voxels and three more on every side, as far as there are.
    expect(spatial[2]).toBe(20);
    expect(label).toHaveLength(spatial[0] * spatial[1] * spatial[2]);
    expect([...new Set(label)].sort()).toEqual([0, 1, 2]);
  });
});

test("two networks in one run; predicted on the whole grid with the very same affine; resumed to the same bits", {
  timeout: 600_000,
}, async () => {
  const out = join(work, "cascade");
  const { record } = await trainSegmentation(request, { out });
  expect(record.config.coarse).not.toBeNull();
  const coarse: SegmentationRun = await readRunOf(folderStore(join(out, "coarse")), segmentation);
  expect(coarse.plan.labels.map(({ name }) => name)).toEqual(["background", "region"]);
  expect(coarse.record.splits.heldOut.map(({ id }) => id)).toEqual(["s4"]);
  const { summary, predictions, scores } = await evaluateSegmentationRun(out);
  expect(summary.classes.map(({ name }) => name)).toEqual(["organ", "core"]);
  expect(scores[0].meanDice).toBeGreaterThan(0.3);
  const predicted = await readVolume(predictionPath(predictions, { id: "s4" }));
  const truth = await readVolume(record.splits.heldOut[0].label!);
  expect(predicted.size).toEqual(truth.size);
  expect([...predicted.affine]).toEqual([...truth.affine]);

  // Stopped in the first network, then in the second.
  const stopped = join(work, "stopped");
  for (const [round, steps] of [10, 16, 1000].entries()) {
    const stop = new AbortController();
    let left = steps;
    const options = { signal: stop.signal, onStep: () => void (--left === 0 && stop.abort()) };
    const run =
      round === 0 ? trainSegmentation(request, { ...options, out: stopped }) : resumeSegmentation(stopped, options);
    if (round < 2) await expect(run).rejects.toSatisfy((error) => error === stop.signal.reason);
    else await run;
  }
  for (const part of [".", "coarse"]) {
    const bits = (folder: string) => readFileSync(lastCheckpoint(join(folder, part)));
    expect(bits(stopped).equals(bits(out)), part).toBe(true);
  }
});

test("where the first network finds nothing, nothing is there", async () => {
  const segmenter = await openSegmenter(join(work, "cascade"));
  try {
    const empty = { size, channels: 1, affine, data: new Float32Array(40 * 32 * 24).fill(-2), name: "empty" };
    const { volume } = await segmenter.predict(empty as never);
    expect(new Set(volume.data as Uint8Array)).toEqual(new Set([0]));
  } finally {
    await segmenter.close();
  }
});

test("its exported model is refused by name, since it is the second network alone", async () => {
  const run = join(work, "cascade");
  const inside = join(run, "model.onnx");
  const moved = join(work, "moved.onnx");
  writeFileSync(moved, readFileSync(inside));
  for (const [path, folder] of [
    [inside, `: ${run}`],
    [moved, ""],
  ])
    await expect(openSegmenter(path)).rejects.toThrow(
      new ConfigError(
        `${path}: is the second network of a cascade, which needs the region that the first one finds; name the run's folder${folder}`,
      ),
    );
});

test("a frozen encoder keeps every bit, running statistics included, and the rest learns", async () => {
  const from = join(work, "cascade");
  const out = join(work, "frozen");
  const { coarse: _, ...plain } = request;
  await trainSegmentation(
    { ...plain, from, freeze: true, epochs: 1, decoder: "transposed", newLayerRate: 10 },
    { out },
  );
  const before = await readWeights(folderStore(from));
  const after = await readWeights(folderStore(out));
  const encoder = [...after.keys()].filter((name) => encoderPattern.test(name));
  expect(encoder).toHaveLength(60);
  const changed = encoder.filter((name) =>
    after.get(name)!.data.some((value, i) => value !== before.get(name)!.data[i]),
  );
  expect(changed).toEqual([]);
  const norm = after.get("decoder.group1.bn1.running_mean")!.data;
  expect(norm.some((value) => value !== 0)).toBe(true);
});
