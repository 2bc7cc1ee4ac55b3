import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { ConfigError, DataError } from "../../errors.ts";
import { openDataset } from "../lists/dataset.ts";
import type { Preprocessing } from "../prepare/preprocess.ts";
import { imageOf, labelOf, soundCases, writeDecathlon } from "../test/made-up.ts";
import type { Dataset } from "../types.ts";
import { type Batch, createLoader, type LoaderOptions, type VolumeLoader } from "./volumes.ts";

const prepare: Preprocessing = {
  orientation: "RAS",
  spacingMm: [1, 1, 1],
  intensity: { kind: "zscore" },
  channels: 1,
  labels: [0, 1, 2],
};
const patch = [8, 8, 8] as const;

let dataset: Dataset;
beforeAll(async () => {
  dataset = await openDataset(await writeDecathlon(soundCases(7)));
});

const open: VolumeLoader[] = [];
function loaderOf(more: Partial<LoaderOptions> = {}): VolumeLoader {
  const options = { cases: dataset.cases, prepare, patch, batch: 2, seed: 5, augmentation: "default" } as const;
  const loader = createLoader({ ...options, ...more });
  open.push(loader);
  return loader;
}
afterEach(async () => {
  await Promise.all(open.splice(0).map((loader) => loader.close()));
});

function digest({ input, target }: Batch): string {
  const bytes = (array: Float32Array | Int32Array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  return createHash("sha1").update(bytes(input)).update(bytes(target)).digest("hex");
}

async function digests(loader: VolumeLoader, epoch: number): Promise<string[]> {
  const seen: string[] = [];
  for await (const batch of loader.batches(epoch)) {
    seen.push(`${batch.cases.join()} ${digest(batch)}`);
    loader.recycle(batch);
  }
  return seen;
}

describe("batches", () => {
  it("have the shape asked for and every case of the epoch", async () => {
    const loader = loaderOf();
    expect(loader.stepsPerEpoch).toBe(4);
    const seen: string[] = [];
    let step = 0;
    for await (const batch of loader.batches(3)) {
      expect(batch.input).toHaveLength(2 * 1 * 512);
      expect(batch.target).toBeInstanceOf(Int32Array);
      expect(batch.target).toHaveLength(2 * 512);
      expect(batch).toMatchObject({ epoch: 3, step: step++ });
      expect(batch.waitedMs).toBeGreaterThanOrEqual(0);
      seen.push(...batch.cases);
    }
    expect(step).toBe(4);
    expect(new Set(seen).size).toBe(7);
    expect(seen).toHaveLength(8);
    expect(loader.cached().cases).toBe(7);
  });

  it("without augmentation and shuffling are the cases in order, centred", async () => {
    const size = [8, 8, 8] as const;
    const label = labelOf(size, 1);
    const root = await writeDecathlon([
      { id: "b", image: imageOf(size, 2), label },
      { id: "a", image: imageOf(size, 1), label },
    ]);
    const { cases } = await openDataset(root);
    const raw = { ...prepare, intensity: { kind: "none" } } as const;
    const loader = loaderOf({
      cases,
      prepare: raw,
      augmentation: "none",
      shuffle: false,
      crop: "centre",
      targetType: "float32",
    });
    let count = 0;
    for await (const batch of loader.batches(0)) {
      count++;
      expect(batch.cases).toEqual(["a", "b"]);
      expect([...batch.input]).toEqual([...imageOf(size, 1).data, ...imageOf(size, 2).data]);
      expect(batch.target).toBeInstanceOf(Float32Array);
      expect([...batch.target]).toEqual([...label.data, ...label.data]);
    }
    expect(count).toBe(1);
  });

  it("stepsPerEpoch may be more or less than one pass; every pass is a permutation", async () => {
    const loader = loaderOf({ stepsPerEpoch: 7 });
    const seen: string[] = [];
    for await (const batch of loader.batches(0)) seen.push(...batch.cases);
    expect(seen).toHaveLength(14);
    expect(new Set(seen.slice(0, 7)).size).toBe(7);
    expect(new Set(seen.slice(7)).size).toBe(7);
    expect(seen.slice(0, 7)).not.toEqual(seen.slice(7));
  });

  it("have no target for images without labels", async () => {
    const cases = dataset.cases.map(({ id, image }) => ({ id, image }));
    const loader = loaderOf({ cases, targetType: "none" });
    const seen: string[] = [];
    for await (const batch of loader.batches(0)) {
      expect(batch.target).toHaveLength(0);
      seen.push(...batch.cases);
    }
    expect(seen).toHaveLength(8);
  });

  it("keep no more in memory than allowed", async () => {
    const one = 10 * 12 * 8 * (4 + 2);
    const loader = loaderOf({ cacheBytes: 3 * one });
    expect(await digests(loader, 0)).toHaveLength(4);
    const { bytes, cases } = loader.cached();
    expect(bytes).toBeLessThanOrEqual(3 * one);
    expect(cases).toBeGreaterThan(0);
    expect(cases).toBeLessThan(4);
  });
});

describe("what goes wrong is said, and nothing hangs", () => {
  it("a missing label file, a label of another size", async () => {
    const sound = soundCases(2);
    const root = await writeDecathlon([sound[0], { ...sound[1], label: labelOf([5, 5, 5], 0) }]);
    const { cases } = await openDataset(root);
    await expect(digests(loaderOf({ cases }), 0)).rejects.toThrow("case_01: label is 5×5×5, image is 11×12×9");
    rmSync(join(root, "labelsTr/case_00.nii.gz"));
    await expect(digests(loaderOf({ cases: cases.slice(0, 1) }), 0)).rejects.toThrow(/case_00.*no such file/);
  });

  it.each([
    [{ batch: 0 }, "loader: batch: expected 1 or more, got 0"],
    [{ workers: 1.5 }, "loader: workers"],
    [
      { patch: [48, 64] as unknown as [number, number, number] },
      "expected three sizes D,H,W, e.g. 48,64,48; got 48,64",
    ],
    [{ cases: [] }, "loader: cases: expected at least one"],
    [{ augmentation: "strong" as "none" }, '"strong" is no preset'],
  ])("refuses %j", (more, message) => {
    expect(() => loaderOf(more)).toThrow(ConfigError);
    expect(() => loaderOf(more)).toThrow(message);
  });

  it("refuses cases without labels", () => {
    const [bare] = dataset.cases.map(({ id, image }) => ({ id, image }));
    expect(() => loaderOf({ cases: [bare] })).toThrow(DataError);
    expect(() => loaderOf({ cases: [bare] })).toThrow("case_00: has no label");
  });
});

const hippocampus = new URL("../../../../shared/data/Task04_Hippocampus", import.meta.url).pathname;
describe.skipIf(!existsSync(hippocampus))("Task04_Hippocampus (skipped where ../shared is absent)", () => {
  it("gives the same epoch with 1 and 2 workers, normalised, with both classes in it", async () => {
    const { cases } = await openDataset(hippocampus);
    const more = { cases: cases.slice(0, 8), patch: [48, 64, 48], batch: 4 } as const;
    const one = await digests(loaderOf(more), 0);
    expect(one).toHaveLength(2);
    expect(await digests(loaderOf({ ...more, workers: 2 }), 0)).toEqual(one);
    let count = 0;
    for await (const batch of loaderOf({ ...more, augmentation: "none" }).batches(0)) {
      count++;
      expect(new Set(batch.target)).toEqual(new Set([0, 1, 2]));
      expect(batch.input.every(Number.isFinite)).toBe(true);
    }
    expect(count).toBe(2);
  });
});

it("calls an augmentation of one's own for each patch, with a stream of its own", async () => {
  const module = join(mkdtempSync(join(tmpdir(), "own-")), "own.mjs");
  writeFileSync(module, "export default ({ image, shape }, random) => { image.fill(random.uniform() + shape[1]); };");
  const sums = async (workers: number): Promise<number[]> => {
    const seen: number[] = [];
    for await (const { input } of loaderOf({ augment: module, workers }).batches(0)) seen.push(input[0], input[512]);
    return seen;
  };
  const one = await sums(1);
  expect(await sums(2)).toEqual(one);
  expect(new Set(one).size).toBe(one.length);
  expect(one.every((value) => value >= 8 && value < 9)).toBe(true);
  expect(() => loaderOf({ augment: "./no-such-module.js" })).toThrow(
    /^loader: augment: .*no-such-module.js is not there/,
  );
});
