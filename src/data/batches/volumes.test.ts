import { createHash } from "node:crypto";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { ConfigError, DataError } from "../../errors.ts";
import { writeVolume } from "../../files/index.ts";
import type { Dataset } from "../dataset.ts";
import { openDataset } from "../dataset.ts";
import type { Preprocessing } from "../preprocess.ts";
import { imageOf, labelOf, soundCases, writeDecathlon } from "../test/made-up.ts";
import { type Batch, createLoader, type Loader, type LoaderOptions } from "./volumes.ts";

/** The worker threads that the loader under test started, so that tests can kill one. */
const started: { worker: Worker; working: Int32Array }[] = [];
vi.mock("../../threads.ts", async (original) => {
  const threads = await original<typeof import("../../threads.ts")>();
  return {
    spawnWorker: (...given: Parameters<typeof threads.spawnWorker>) => {
      const worker = threads.spawnWorker(...given);
      started.push({ worker, working: (given[2] as { working: Int32Array }).working });
      return worker;
    },
  };
});

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

const open: Loader[] = [];
function loaderOf(more: Partial<LoaderOptions> = {}): Loader {
  started.length = 0;
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

async function digests(loader: Loader, epoch: number, fromStep = 0, recycle = true): Promise<string[]> {
  const seen: string[] = [];
  for await (const batch of loader.batches(epoch, fromStep)) {
    seen.push(`${batch.cases.join()} ${digest(batch)}`);
    if (recycle) loader.recycle(batch);
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
    for await (const batch of loader.batches(0)) {
      expect(batch.cases).toEqual(["a", "b"]);
      expect([...batch.input]).toEqual([...imageOf(size, 1).data, ...imageOf(size, 2).data]);
      expect(batch.target).toBeInstanceOf(Float32Array);
      expect([...batch.target]).toEqual([...label.data, ...label.data]);
    }
  });

  it("are the same bytes with 1, 2 and 3 workers, whatever is cached, recycled or prefetched", async () => {
    const one = loaderOf({ workers: 1 });
    const expected = [await digests(one, 0), await digests(one, 1)];
    expect(expected[0]).not.toEqual(expected[1]);
    for (const more of [{ workers: 2 }, { workers: 3, prefetch: 9 }, { workers: 2, cacheBytes: 0 }]) {
      const loader = loaderOf(more);
      expect([await digests(loader, 0), await digests(loader, 1)]).toEqual(expected);
    }
    const keeping = loaderOf({ workers: 2 });
    expect(await digests(keeping, 1, 0, false)).toEqual(expected[1]);
    expect(await digests(keeping, 0, 0, false)).toEqual(expected[0]);
  });

  it("do not depend on the order of the list, and do on the seed", async () => {
    const expected = await digests(loaderOf(), 0);
    expect(await digests(loaderOf({ cases: [...dataset.cases].reverse() }), 0)).toEqual(expected);
    expect(await digests(loaderOf({ seed: 6 }), 0)).not.toEqual(expected);
  });

  it("go on from any epoch and step", async () => {
    const whole = await digests(loaderOf(), 2);
    for (const step of [1, 3]) expect(await digests(loaderOf({ workers: 2 }), 2, step)).toEqual(whole.slice(step));
    expect(await digests(loaderOf(), 2, 4)).toEqual([]);
  });

  it("may be left in the middle, and read again from elsewhere", async () => {
    const loader = loaderOf({ workers: 2 });
    const expected = await digests(loaderOf(), 1);
    for await (const _ of loader.batches(0)) break;
    expect(await digests(loader, 1)).toEqual(expected);
    expect(await digests(loader, 1, 2)).toEqual(expected.slice(2));
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

  it("may be recycled, twice by mistake, and even transferred away afterwards", async () => {
    const loader = loaderOf({ stepsPerEpoch: 20, batch: 1 });
    let filled = 0;
    for await (const batch of loader.batches(0)) {
      loader.recycle(batch);
      loader.recycle(batch);
      filled++;
      // Transferred away, as the engine does: nothing to recycle.
      structuredClone(batch.target, { transfer: [batch.target.buffer as ArrayBuffer] });
      expect(() => loader.recycle(batch)).not.toThrow();
    }
    expect(filled).toBe(20);
  });

  it("have no target for images without labels", async () => {
    const cases = dataset.cases.map(({ id, image }) => ({ id, image }));
    const loader = loaderOf({ cases, targetType: "none" });
    for await (const batch of loader.batches(0)) expect(batch.target).toHaveLength(0);
  });

  it("keep no more in memory than allowed", async () => {
    const one = 10 * 12 * 8 * (4 + 2);
    const loader = loaderOf({ cacheBytes: 3 * one });
    await digests(loader, 0);
    const { bytes, cases } = loader.cached();
    expect(bytes).toBeLessThanOrEqual(3 * one);
    expect(cases).toBeGreaterThan(0);
    expect(cases).toBeLessThan(4);
  });

  it("are ready when asked for, once prepared ahead", async () => {
    const loader = loaderOf({ workers: 1, prefetch: 3, stepsPerEpoch: 6 });
    const iterator = loader.batches(0);
    await iterator.next();
    // The worker is idle again only when the queue is full; then the next batch needs nothing but a promise.
    while (loader.ready() < 3) await new Promise((resolve) => setTimeout(resolve, 1));
    let yielded = false;
    const next = iterator.next().then(() => {
      yielded = true;
    });
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    expect(yielded).toBe(true);
    await next;
  });
});

describe("what goes wrong is said, and nothing hangs", () => {
  it("a case that cannot be read: DataError naming it, at its own step", async () => {
    const root = await writeDecathlon(soundCases(4));
    writeFileSync(join(root, "imagesTr/case_02.nii.gz"), "damaged");
    const { cases } = await openDataset(root);
    const loader = loaderOf({ cases, batch: 1, shuffle: false, workers: 2 });
    const seen: string[] = [];
    const reading = (async () => {
      for await (const batch of loader.batches(0)) seen.push(...batch.cases);
    })();
    await expect(reading).rejects.toThrow(DataError);
    await expect(reading).rejects.toThrow(/case_02/);
    expect(seen).toEqual(["case_00", "case_01"]);
  });

  it("a missing label file, a label of another size", async () => {
    const sound = soundCases(2);
    const root = await writeDecathlon([sound[0], { ...sound[1], label: labelOf([5, 5, 5], 0) }]);
    const { cases } = await openDataset(root);
    await expect(digests(loaderOf({ cases }), 0)).rejects.toThrow("case_01: label is 5×5×5, image is 11×12×9");
    rmSync(join(root, "labelsTr/case_00.nii.gz"));
    await expect(digests(loaderOf({ cases: cases.slice(0, 1) }), 0)).rejects.toThrow(/case_00.*no such file/);
  });

  it("a killed worker: DataError naming the case it worked on, for the waiting and for all later readers", async () => {
    // Large enough to be still at it when the thread is killed.
    const size = [160, 160, 160] as const;
    const root = await writeDecathlon([{ id: "huge_case" }]);
    await writeVolume(join(root, "imagesTr/huge_case.nii.gz"), imageOf(size, 1), { gzipLevel: 1 });
    await writeVolume(join(root, "labelsTr/huge_case.nii.gz"), labelOf(size, 1), { gzipLevel: 1 });
    const { cases } = await openDataset(root);
    const loader = loaderOf({ cases, batch: 1, workers: 2, prefetch: 1 });
    const reading = digests(loader, 0);
    const outcome = expect(reading).rejects.toThrow(
      /^huge_case: the data worker died while preparing it: it ended with exit code 1/,
    );
    while (Atomics.load(started[0].working, 0) < 0) await new Promise((resolve) => setTimeout(resolve, 1));
    await started[0].worker.terminate();
    await outcome;
    await expect(digests(loader, 0)).rejects.toThrow(DataError);
  });

  it("a worker that dies idle, between batches", async () => {
    const loader = loaderOf({ workers: 1, prefetch: 1 });
    const iterator = loader.batches(0);
    await iterator.next();
    await started[0].worker.terminate();
    const rest = (async () => {
      while (!(await iterator.next()).done);
    })();
    await expect(rest).rejects.toThrow(/the data worker died/);
  });

  it("an exception nobody caught in a worker", async () => {
    const loader = loaderOf({ workers: 1 });
    const iterator = loader.batches(0);
    await iterator.next();
    started[0].worker.postMessage(null);
    const rest = (async () => {
      for (;;) if ((await iterator.next()).done) return;
    })();
    await expect(rest).rejects.toThrow(/the data worker died/);
  });

  it("abort: the reason, at once, also for batches already ahead", async () => {
    const controller = new AbortController();
    const loader = loaderOf({ signal: controller.signal });
    const iterator = loader.batches(0);
    await iterator.next();
    controller.abort(new Error("the user pressed Ctrl-C"));
    await expect(iterator.next()).rejects.toThrow("the user pressed Ctrl-C");
    await expect(loader.batches(1).next()).rejects.toThrow("the user pressed Ctrl-C");
    expect(() => loaderOf({ signal: controller.signal })).toThrow("the user pressed Ctrl-C");
  });

  it("close: waiting readers end with an error, closing again does nothing", async () => {
    const loader = loaderOf();
    const waiting = loader.batches(0).next();
    const outcome = expect(waiting).rejects.toThrow("loader: closed");
    await loader.close();
    await outcome;
    await loader.close();
    await expect(loader.batches(0).next()).rejects.toThrow("loader: closed");
  });

  it("two readers at once: the earlier one is told", async () => {
    const loader = loaderOf({ stepsPerEpoch: 30 });
    const first = loader.batches(0);
    await first.next();
    const waiting = first.next();
    const second = loader.batches(4);
    await waiting;
    await second.next();
    await expect(first.next()).rejects.toThrow("another epoch was asked for");
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
    expect(await digests(loaderOf({ ...more, workers: 2 }), 0)).toEqual(await digests(loaderOf(more), 0));
    for await (const batch of loaderOf({ ...more, augmentation: "none" }).batches(0)) {
      expect(new Set(batch.target)).toEqual(new Set([0, 1, 2]));
      expect(batch.input.every(Number.isFinite)).toBe(true);
    }
  });
});
