/** What holds of the one loader whatever the task: the same tests for every mapper. */
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import { encode } from "fast-png";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { DataError } from "../../errors.ts";
import { writeVolume } from "../../files/index.ts";
import type { DetectionItem } from "../boxes/detection.ts";
import { imageOf } from "../test/made-up.ts";
import type { DataCase } from "../types.ts";
import { createDetectionLoader } from "./boxes.ts";
import type { Loader, QueueOptions } from "./loader.ts";
import * as made from "./test/items.ts";
import { createLoader } from "./volumes.ts";

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

type AnyBatch = { readonly input: Float32Array; readonly epoch: number; readonly step: number };
type Item = DataCase | DetectionItem;

interface Kind {
  readonly name: string;
  readonly write: (root: string) => Promise<Item[]>;
  readonly open: (items: readonly Item[], more?: QueueOptions & { batch?: number }) => Loader<AnyBatch>;
  /** A file that takes a second to prepare. */
  readonly writeSlow: (path: string) => Promise<void>;
  /** Digests of the batches of the first two epochs. */
  readonly golden: readonly string[];
}

const slowVolume = (path: string): Promise<void> => writeVolume(path, imageOf([160, 160, 160], 1), { gzipLevel: 1 });
const slowPicture = async (path: string): Promise<void> => {
  const data = Uint8Array.from({ length: 3 * 2500 * 2500 }, (_, k) => (k * k) % 251);
  await writeFile(path, encode({ width: 2500, height: 2500, data, channels: 3, depth: 8 }));
};

/** Before the two loaders of old became one, theirs were the same. */
const kinds: readonly Kind[] = [
  {
    name: "patches of labelled volumes",
    write: made.writeCases,
    open: (cases, more) => createLoader({ ...made.patches, cases, ...more }),
    writeSlow: slowVolume,
    golden: ["8578774bbde8", "528d8bd6283e", "840dd6743617", "184681047786", "549d419d1ecc", "5fcbb84650cb"],
  },
  {
    name: "patches without labels",
    write: made.writeCases,
    open: (cases, more) => createLoader({ ...made.patches, targetType: "none", crop: "centre", cases, ...more }),
    writeSlow: slowVolume,
    golden: ["9f3782043d9d", "4ec68a3c3ac4", "ceaf1044a55f", "61a5bd6343c3", "c9483ecbecee", "6a475b46c173"],
  },
  {
    name: "pictures with boxes",
    write: made.writePictures,
    open: (items, more) => createDetectionLoader({ ...made.pictures, items: items as DetectionItem[], ...more }),
    writeSlow: slowPicture,
    golden: ["5f9957cf14c6", "ed386b21c940", "a31909fb5fde", "b3dae0fcc22e", "e6076325899f", "dc3bbc19e5d9"],
  },
  {
    name: "windows of volumes with boxes",
    write: made.writeBlocks,
    open: (items, more) => createDetectionLoader({ ...made.windows, items: items as DetectionItem[], ...more }),
    writeSlow: slowVolume,
    golden: [
      ["3549493a516a", "457350c29df2", "cf97f26c7dfb", "d067332a969f"],
      ["4da4b9088ed0", "a6320f560058", "f51497fa8177", "99bd74ea1fb4"],
    ].flat(),
  },
];

const open: Loader<AnyBatch>[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((loader) => loader.close()));
});

async function digests(loader: Loader<AnyBatch>, epoch: number, fromStep = 0, recycle = true): Promise<string[]> {
  const seen: string[] = [];
  for await (const batch of loader.batches(epoch, fromStep)) {
    expect(batch).toMatchObject({ epoch, step: fromStep + seen.length });
    seen.push(made.digestOf(batch));
    if (recycle) loader.recycle(batch);
  }
  return seen;
}

describe.each(kinds)("$name", ({ write, open: openKind, writeSlow, golden }) => {
  let root: string;
  let items: readonly Item[];
  const steps = golden.length / 2;
  const epochs = [golden.slice(0, steps), golden.slice(steps)];
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "medvox-loader-"));
    items = await write(root);
  });
  afterAll(() => rm(root, { recursive: true }));

  function loaderOf(more: Parameters<Kind["open"]>[1] = {}, of = items): Loader<AnyBatch> {
    started.length = 0;
    const loader = openKind(of, more);
    open.push(loader);
    return loader;
  }

  it.each([{ workers: 1 }, { workers: 3, prefetch: 9 }, { workers: 2, cacheBytes: 0 }])(
    "the same bytes as ever with %j, recycled or not",
    async (more) => {
      const loader = loaderOf(more);
      expect(loader.stepsPerEpoch).toBe(steps);
      expect([await digests(loader, 0), await digests(loader, 1, 0, false)]).toEqual(epochs);
      expect(await digests(loader, 0)).toEqual(epochs[0]);
      expect(loader.cached().cases).toBe(more.cacheBytes === 0 ? 0 : items.length);
    },
  );

  it("a list in another order is the same; another seed is not", async () => {
    expect(await digests(loaderOf({}, [...items].reverse()), 0)).toEqual(epochs[0]);
    const other = await digests(loaderOf({ seed: 99 }), 0);
    expect(other).toHaveLength(steps);
    expect(other).not.toEqual(epochs[0]);
  });

  it("goes on from any step, may be left in the middle, and read again from elsewhere", async () => {
    const loader = loaderOf({ workers: 2 });
    let seen = 0;
    for await (const _ of loader.batches(0)) if (++seen === 2) break;
    expect(seen).toBe(2);
    expect(await digests(loader, 1, 1)).toEqual(epochs[1].slice(1));
    expect(await digests(loader, 1, 2)).toEqual(epochs[1].slice(2));
    expect(await digests(loader, 0, 1)).toEqual(epochs[0].slice(1));
    expect(await digests(loader, 1, steps)).toEqual([]);
  });

  it("memory that comes back is filled again, also twice by mistake and transferred away", async () => {
    const loader = loaderOf({ stepsPerEpoch: 12 });
    const buffers: ArrayBufferLike[] = [];
    let gone: Float32Array | undefined;
    for await (const batch of loader.batches(0)) {
      buffers.push(batch.input.buffer);
      loader.recycle(batch);
      loader.recycle(batch);
      if (batch.step !== 5) continue;
      gone = batch.input;
      structuredClone(gone, { transfer: [gone.buffer as ArrayBuffer] });
      loader.recycle(batch);
    }
    expect(buffers).toHaveLength(12);
    expect(gone).toHaveLength(0);
    // A buffer that went to a worker is left empty here: those were filled again, or are on their way.
    expect(buffers.filter(({ byteLength }) => byteLength === 0).length).toBeGreaterThan(6);
  });

  it("many waits leave no listeners behind", async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on("warning", onWarning);
    const loader = loaderOf({ workers: 2, prefetch: 1 });
    const listeners = () => {
      const events = ["message", "error", "exit"];
      return started.map(({ worker }) => events.map((event) => worker.listenerCount(event)));
    };
    const before = listeners();
    expect(before).toHaveLength(2);
    // Every jump finds the workers busy with what is not wanted any more.
    for (let i = 0; i < 40; i++) {
      const iterator = loader.batches(i % 2, i % steps);
      expect((await iterator.next()).done).toBe(false);
    }
    expect(listeners()).toEqual(before);
    process.off("warning", onWarning);
    expect(warnings).toEqual([]);
  });

  it("an item that cannot be read: DataError naming it, at its own step", async () => {
    const broken = [...items];
    const image = join(root, `broken${items[1].image.slice(items[1].image.indexOf("."))}`);
    await writeFile(image, "damaged");
    broken[1] = { ...items[1], image };
    const loader = loaderOf({ batch: 1, shuffle: false, workers: 2, stepsPerEpoch: items.length }, broken);
    const iterator = loader.batches(0);
    expect((await iterator.next()).done).toBe(false);
    const failing = iterator.next();
    await expect(failing).rejects.toThrow(DataError);
    await expect(failing).rejects.toThrow(items[1].id);
    await expect(failing).rejects.toThrow("broken");
    // The others are as good as before.
    expect((await loader.batches(0, 2).next()).done).toBe(false);
  });

  it("a killed worker: DataError naming what it worked on, for the waiting and for all later readers", async () => {
    const image = join(root, `slow${items[0].image.slice(items[0].image.indexOf("."))}`);
    await writeSlow(image);
    const slow = { ...items[0], id: "slow", image, size: undefined };
    const label = "label" in slow ? join(root, "slow-label.nii.gz") : undefined;
    if (label !== undefined) await copyFile(image, label);
    const more = { canvas: [32, 32] } as object;
    const loader = loaderOf({ batch: 1, workers: 2, prefetch: 1, ...("boxes" in slow && steps === 3 ? more : {}) }, [
      { ...slow, ...(label && { label }) } as Item,
    ]);
    const reading = loader.batches(0).next();
    const outcome = expect(reading).rejects.toThrow(
      /^slow: the data worker died while preparing it: it ended with exit code 1/,
    );
    while (Atomics.load(started[0].working, 0) < 0) await new Promise((resolve) => setTimeout(resolve, 1));
    await started[0].worker.terminate();
    await outcome;
    await expect(loader.batches(0).next()).rejects.toThrow(DataError);
  });

  it("a worker that dies idle, and an exception nobody caught in one", async () => {
    for (const kill of [(worker: Worker) => worker.terminate(), (worker: Worker) => worker.postMessage(null)]) {
      const loader = loaderOf({ workers: 1, prefetch: 1 });
      const iterator = loader.batches(0);
      expect((await iterator.next()).done).toBe(false);
      kill(started[0].worker);
      const rest = async (): Promise<void> => {
        for (let epoch = 0; ; epoch++) for await (const _ of loader.batches(epoch));
      };
      await expect(rest()).rejects.toThrow(/the data worker died/);
    }
  });

  it("abort: the reason, at once, also for batches already ahead", async () => {
    const controller = new AbortController();
    const loader = loaderOf({ signal: controller.signal });
    const iterator = loader.batches(0);
    await iterator.next();
    const waiting = iterator.next();
    const outcome = expect(waiting).rejects.toThrow("the user pressed Ctrl-C");
    controller.abort(new Error("the user pressed Ctrl-C"));
    await outcome;
    await expect(loader.batches(1).next()).rejects.toThrow("the user pressed Ctrl-C");
    await loader.close();
    expect(() => loaderOf({ signal: controller.signal })).toThrow("the user pressed Ctrl-C");
  });

  it("close: waiting readers end with an error, threads end, closing again does nothing", async () => {
    const loader = loaderOf({ workers: 2 });
    let ended = 0;
    for (const { worker } of started) worker.on("exit", () => ended++);
    const outcome = expect(loader.batches(0).next()).rejects.toThrow("loader: closed");
    await Promise.all([loader.close(), loader.close()]);
    expect(ended).toBe(2);
    await outcome;
    await loader.close();
    await expect(loader.batches(0).next()).rejects.toThrow("loader: closed");
    expect(loader.cached()).toEqual({ bytes: 0, cases: 0 });
  });

  it("two readers at once: the earlier one is told, also while it waits", async () => {
    const loader = loaderOf({ stepsPerEpoch: 30 });
    const first = loader.batches(0);
    await first.next();
    const second = loader.batches(4);
    const early = first.next();
    const outcome = expect(early).rejects.toThrow("another epoch was asked for");
    expect((await second.next()).done).toBe(false);
    await outcome;
    expect((await second.next()).value).toMatchObject({ epoch: 4, step: 1 });
  });

  it("what is ready is there without a wait", async () => {
    const loader = loaderOf({ workers: 1, prefetch: 3, stepsPerEpoch: 6 });
    const iterator = loader.batches(0);
    await iterator.next();
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
