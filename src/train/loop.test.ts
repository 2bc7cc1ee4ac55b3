/**
 * The loop with a model that is three numbers, so that every rate, order and file can be checked by hand. Exactness with
 * real networks and real kills is in `model.test.ts` and `test/cli/kill-resume.test.ts`.
 */
import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { DataError, MedvoxError, WeightsError } from "../errors.ts";
import { temporaryName } from "../files/disk/atomic.ts";
import { thisProcess } from "../files/disk/owner.ts";
import { writeSafetensors } from "../files/index.ts";
import {
  type BatchSource,
  BEST_CHECKPOINT,
  type EpochReport,
  epochsOf,
  folderStore,
  type LoopOptions,
  lastCheckpoint,
  logFile,
  type Model,
  readCheckpoint,
  readLog,
  readWeights,
  runTraining,
  type StateMap,
  writeCheckpoint,
} from "./index.ts";

const root = mkdtempSync(join(tmpdir(), "medvox-loop-"));
afterAll(() => rmSync(root, { recursive: true }));
let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(root, "run-"));
});

interface Recorded {
  /** `epoch.batch` of every batch that a step was given, in order; one list a step. */
  readonly steps: string[][];
  readonly rates: number[];
}

/** A model of one array: w[0] counts its steps, w[1] mixes what it saw in an order-dependent way. */
function countingModel(
  lossOf: (step: number) => number = (step) => 1 / step,
  size = 3,
): { model: Model; recorded: Recorded } {
  const recorded: Recorded = { steps: [], rates: [] };
  let w = new Float32Array(size);
  const state = (): StateMap => new Map([["w", { data: w.slice(), shape: [size] }]]);
  const model: Model = {
    step: async (batches, step, lr) => {
      const seen = batches.map(({ input }) => Number(input.data[0]));
      recorded.steps.push(seen.map((value) => value.toFixed(1)));
      recorded.rates.push(lr);
      w = w.slice();
      w[0] += 1;
      for (const value of seen) w[1] = Math.fround(w[1] * 0.75 + value * lr);
      return { loss: lossOf(step), ms: 0, feeds: batches.map(({ input }) => ({ input: input.data })) };
    },
    evaluate: () => Promise.reject(new Error("not evaluated here")),
    weights: async () => state(),
    state: async () => state(),
    load: async (values) => {
      w = values.get("w")!.data.slice();
    },
    parameters: new Map([["w", { shape: [size], trainable: true }]]),
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
  return { model, recorded };
}

/** Batch b of epoch e holds the number e + b/10. */
function numbered(stepsPerEpoch: number): LoopOptions["data"] {
  return {
    stepsPerEpoch,
    batches: async function* (epoch, fromStep) {
      for (let b = fromStep; b < stepsPerEpoch; b++) {
        const data = Float32Array.of(epoch + b / 10);
        yield { feeds: { input: { data, shape: [1] } }, waitedMs: 0, cases: [`case_${b}`] };
      }
    },
  };
}

test("the buffers of all batches of a step come back", async () => {
  const { model } = countingModel();
  const back: number[] = [];
  const data: BatchSource = {
    ...numbered(4),
    recycle: ({ input }) => void back.push(Number(Number(input[0]).toFixed(1))),
  };
  await runTraining({ model, data, epochs: 1, learningRate: 1, accumulate: 2 });
  expect(back).toEqual([0, 0.1, 0.2, 0.3]);
});

describe("order and rates", () => {
  test("every batch of every epoch once, in order", async () => {
    const { model, recorded } = countingModel();
    const { position } = await runTraining({ model, data: numbered(3), epochs: 2, learningRate: 1 });
    expect(recorded.steps.flat()).toEqual(["0.0", "0.1", "0.2", "1.0", "1.1", "1.2"]);
    expect(position).toMatchObject({ epoch: 2, stepInEpoch: 0, step: 6 });
  });

  test.each([
    ["constant", { kind: "constant" }, [2, 2, 2, 2]],
    ["step", { kind: "step", milestones: [1], gamma: 0.5 }, [2, 2, 1, 1]],
    ["polynomial", { kind: "polynomial", power: 1 }, [2, 1.5, 1, 0.5]],
    ["cosine", { kind: "cosine" }, [2, 1 + Math.SQRT1_2, 1, 1 - Math.SQRT1_2]],
  ] as const)("%s: the rate moves with every update", async (_, schedule, rates) => {
    const { model, recorded } = countingModel();
    await runTraining({ model, data: numbered(2), epochs: 2, learningRate: 2, schedule });
    for (const [i, rate] of rates.entries()) expect(recorded.rates[i]).toBeCloseTo(rate, 12);
  });

  test("a warm-up rises to the schedule's rate", async () => {
    const { model, recorded } = countingModel();
    const schedule = { kind: "constant" } as const;
    await runTraining({ model, data: numbered(4), epochs: 1, learningRate: 1, schedule, warmup: { epochs: 0.5 } });
    expect(recorded.rates).toEqual([0, 0.5, 1, 1]);
  });

  test("accumulation: as many batches an update, what is left of an epoch falls away", async () => {
    const { model, recorded } = countingModel();
    await runTraining({ model, data: numbered(5), epochs: 2, learningRate: 1, accumulate: 2 });
    expect(recorded.steps).toEqual([
      ["0.0", "0.1"],
      ["0.2", "0.3"],
      ["1.0", "1.1"],
      ["1.2", "1.3"],
    ]);
  });

  test("accumulation over more batches than an epoch has is refused", async () => {
    const { model } = countingModel();
    const run = runTraining({ model, data: numbered(2), epochs: 1, learningRate: 1, accumulate: 3 });
    await expect(run).rejects.toThrow("accumulate 3: an epoch has only 2 batches");
  });

  test("the epoch's loss is the mean of its steps, and steps are told as they go", async () => {
    const { model } = countingModel((step) => step);
    const reports: EpochReport[] = [];
    const told: string[] = [];
    await runTraining({
      model,
      data: numbered(2),
      epochs: 2,
      learningRate: 1,
      onStep: ({ epoch, stepInEpoch, stepsPerEpoch, step }) =>
        told.push(`${epoch}: ${stepInEpoch}/${stepsPerEpoch}, ${step}`),
      onEpoch: (report) => reports.push(report),
    });
    expect(told).toEqual(["1: 1/2, 1", "1: 2/2, 2", "2: 1/2, 3", "2: 2/2, 4"]);
    expect(reports.map(({ epoch, epochs, trainLoss }) => [epoch, epochs, trainLoss])).toEqual([
      [1, 2, 1.5],
      [2, 2, 3.5],
    ]);
  });
});

describe("validation", () => {
  const scored = (scores: readonly number[], options: Partial<LoopOptions> = {}) => {
    let at = 0;
    const reports: EpochReport[] = [];
    const counting = countingModel();
    return {
      reports,
      ...counting,
      run: () =>
        runTraining({
          model: counting.model,
          data: numbered(1),
          epochs: 6,
          learningRate: 1,
          store: folderStore(folder),
          validate: async () => ({ loss: 0, score: scores[at++] }),
          onEpoch: (report) => reports.push(report),
          ...options,
        }),
    };
  };

  test("every second epoch, and after the last in any case", async () => {
    const { run, reports } = scored([0.1, 0.2, 0.3], { epochs: 5, validateEvery: 2 });
    await run();
    expect(reports.map(({ validation }) => validation?.score)).toEqual([undefined, 0.1, undefined, 0.2, 0.3]);
  });

  test("the best weights are those of the highest score, the first of equals", async () => {
    const { run, reports } = scored([0.1, 0.5, 0.2, 0.5, 0.4, 0.3]);
    const { position } = await run();
    expect(reports.map(({ best }) => best)).toEqual([true, true, false, false, false, false]);
    expect(position.best).toEqual({ score: 0.5, epoch: 2 });
    expect((await readWeights(folderStore(folder), BEST_CHECKPOINT)).get("w")!.data[0]).toBe(2);
    expect((await readWeights(folderStore(folder))).get("w")!.data[0]).toBe(6);
  });

  test("patience: stops after so many validations without a better score, also when resumed", async () => {
    const { run, recorded } = scored([0.3, 0.4, 0.4, 0.1, 0.9], { patience: 2 });
    expect((await run()).stoppedEarly).toBe(true);
    expect(recorded.steps).toHaveLength(4);
    expect((await readCheckpoint(folderStore(folder))).position).toMatchObject({ epoch: 4, sinceBest: 2 });
    const again = scored([0.9], { patience: 2, resume: true });
    expect((await again.run()).stoppedEarly).toBe(true);
    expect(again.recorded.steps).toEqual([]);
  });
});

describe("resuming", () => {
  const EPOCHS = 3;
  const settings = { data: numbered(5), epochs: EPOCHS, learningRate: 1, accumulate: 2 } as const;
  /** A score that falls, rises and depends on the weights alone. */
  const validateOf = (model: Model) => async () => {
    const [, w] = (await model.weights()).get("w")!.data;
    return { loss: w, score: Math.sin(7 * w) };
  };
  const all = async (run: string): Promise<unknown> => ({
    last: [...(await readCheckpoint(folderStore(run))).state.get("w")!.data],
    best: [...(await readWeights(folderStore(run), BEST_CHECKPOINT)).get("w")!.data],
    position: (await readCheckpoint(folderStore(run))).position,
    log: (await epochsOf(folderStore(run))).map(({ epoch, trainLoss, validation, best }) => ({
      epoch,
      trainLoss,
      validation,
      best,
    })),
  });

  test.each([1, 2, 3, 4, 5, 6])("stopped after update %d and resumed: nothing differs", async (stopAt) => {
    const whole = countingModel();
    const untouched = mkdtempSync(join(root, "run-"));
    await runTraining({
      model: whole.model,
      ...settings,
      store: folderStore(untouched),
      validate: validateOf(whole.model),
    });

    const stop = new AbortController();
    const first = countingModel();
    const options = { ...settings, store: folderStore(folder), signal: stop.signal };
    const interrupted = runTraining({
      ...options,
      model: first.model,
      validate: validateOf(first.model),
      onStep: ({ step }) => step === stopAt && stop.abort(),
    });
    await expect(interrupted).rejects.toSatisfy((error) => error === stop.signal.reason);
    expect((await readLog(folderStore(folder))).at(-1)).toMatchObject({ event: "stopped", saved: stopAt });

    const second = countingModel();
    await runTraining({
      ...settings,
      store: folderStore(folder),
      model: second.model,
      validate: validateOf(second.model),
      resume: true,
    });
    expect(await all(folder)).toEqual(await all(untouched));
    expect([...first.recorded.steps, ...second.recorded.steps]).toEqual(whole.recorded.steps);
    expect([...first.recorded.rates, ...second.recorded.rates]).toEqual(whole.recorded.rates);
  });

  test.each([1, 2, 3])("stopped while epoch %d is watched: it is watched again, and nothing differs", async (epoch) => {
    const whole = countingModel();
    const untouched = mkdtempSync(join(root, "run-"));
    await runTraining({
      model: whole.model,
      ...settings,
      store: folderStore(untouched),
      validate: validateOf(whole.model),
    });

    const stop = new AbortController();
    const first = countingModel();
    const validate = validateOf(first.model);
    let watched = 0;
    const interrupted = runTraining({
      ...settings,
      store: folderStore(folder),
      signal: stop.signal,
      model: first.model,
      validate: async () => {
        if (++watched === epoch) stop.abort();
        stop.signal.throwIfAborted();
        return validate();
      },
    });
    await expect(interrupted).rejects.toSatisfy((error) => error === stop.signal.reason);
    expect((await readLog(folderStore(folder))).at(-1)).toMatchObject({ event: "stopped", saved: 2 * epoch });
    expect(watched).toBe(epoch);

    const second = countingModel();
    await runTraining({
      ...settings,
      store: folderStore(folder),
      model: second.model,
      validate: validateOf(second.model),
      resume: true,
    });
    expect(await all(folder)).toEqual(await all(untouched));
    expect([...first.recorded.steps, ...second.recorded.steps]).toEqual(whole.recorded.steps);
  });

  test("a training that had ended stays as it is", async () => {
    const { model } = countingModel();
    await runTraining({ model, ...settings, store: folderStore(folder) });
    const before = readFileSync(logFile(folder), "utf8");
    const again = countingModel();
    await runTraining({ model: again.model, ...settings, store: folderStore(folder), resume: true });
    expect(again.recorded.steps).toEqual([]);
    expect(readFileSync(logFile(folder), "utf8")).toBe(before);
  });

  test("lines of epochs that no checkpoint knows are dropped, and a torn last line", async () => {
    const { model } = countingModel();
    await runTraining({ model, ...settings, epochs: 1, store: folderStore(folder) });
    appendFileSync(logFile(folder), `{"event":"epoch","epoch":2,"trainLoss":9}\n{"event":"epo`);
    const again = countingModel();
    await runTraining({ model: again.model, ...settings, store: folderStore(folder), resume: true });
    const lines = readFileSync(logFile(folder), "utf8").trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line).epoch)).toEqual([1, 2, 3]);
    expect(JSON.parse(lines[1]).trainLoss).not.toBe(9);
  });

  test("killed before the first checkpoint: it begins anew, and so does its log", async () => {
    writeFileSync(logFile(folder), `{"event":"epoch","epoch":1,"trainLoss":9}\n{"ev`);
    const { model, recorded } = countingModel();
    await runTraining({ model, ...settings, store: folderStore(folder), resume: true });
    expect(recorded.steps).toHaveLength(EPOCHS * 2);
    expect((await readLog(folderStore(folder))).map(({ epoch, trainLoss }) => [epoch, trainLoss === 9])).toEqual([
      [1, false],
      [2, false],
      [3, false],
    ]);
  });

  test("a checkpoint that is gone or older than the log says is an error, never a fresh start", async () => {
    const store = folderStore(folder);
    const stop = new AbortController();
    const reason = new MedvoxError("E_INTERRUPTED", "stopped");
    const stopped = {
      ...settings,
      store,
      signal: stop.signal,
      onStep: ({ step }: { step: number }) => step === 3 && stop.abort(reason),
    };
    // The command line's own reason is told how far the training came; what a program gives comes out as it is.
    await expect(runTraining({ model: countingModel().model, ...stopped })).rejects.toMatchObject({
      ...{ code: "E_INTERRUPTED", message: "stopped after step 3", cause: reason },
    });
    const [saved, log] = [readFileSync(lastCheckpoint(folder)), readFileSync(logFile(folder), "utf8")];
    rmSync(lastCheckpoint(folder));
    const resumed = (): Promise<unknown> =>
      runTraining({ model: countingModel().model, ...settings, store, resume: true });
    await expect(resumed()).rejects.toThrow(
      new DataError(
        `${lastCheckpoint(folder)}: is missing, but log.jsonl says that step 3 was saved; put the checkpoint back, or begin anew with --force`,
      ),
    );
    const older = { epoch: 1, stepInEpoch: 0, step: 2, lossSum: 0, sinceBest: 0 };
    await writeCheckpoint(store, "checkpoints/last.safetensors", new Map(), older);
    await expect(resumed()).rejects.toThrow("holds step 2, but log.jsonl says that step 3 was saved");
    expect(readFileSync(logFile(folder), "utf8")).toBe(log);
    writeFileSync(lastCheckpoint(folder), saved);
    await resumed();
    expect((await epochsOf(store)).map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
  });

  test("files a killed process left half written are cleared away, those of a living one are not", async () => {
    const { model } = countingModel();
    await runTraining({ model, ...settings, epochs: 1, store: folderStore(folder) });
    const dead = execFileSync(process.execPath, ["-p", "process.pid"], { encoding: "utf8" }).trim();
    const [gone, mine] = [Number(dead), process.pid].map((pid) => temporaryName({ ...thisProcess, pid }, 99));
    for (const name of [gone, mine]) writeFileSync(join(folder, "checkpoints", name), "half");
    await runTraining({ model: countingModel().model, ...settings, store: folderStore(folder), resume: true });
    const left = readdirSync(join(folder, "checkpoints")).filter((name) => name.endsWith(".tmp"));
    expect(left).toEqual([mine]);
  });

  test("weights without a position cannot be resumed", async () => {
    const path = join(folder, "plain.safetensors");
    const one = { dtype: "F32", shape: [1], data: Float32Array.of(1) } as const;
    await writeSafetensors(path, new Map([["w", one]]));
    await expect(readCheckpoint(folderStore(folder), "plain.safetensors")).rejects.toThrow(
      `${path}: holds weights, but not where a training stood; it cannot be resumed`,
    );
    expect((await readWeights(folderStore(folder), "plain.safetensors")).get("w")!.data).toEqual(Float32Array.of(1));
    await writeSafetensors(
      path,
      new Map([["w", { dtype: "I32", shape: [1], data: Int32Array.of(1) }]]),
      {},
      { force: true },
    );
    await expect(readWeights(folderStore(folder), "plain.safetensors")).rejects.toThrow(
      new WeightsError(`${path}: w is not of a float type`),
    );
  });
});

describe("when something is wrong", () => {
  const settings = { data: numbered(2), epochs: 5, learningRate: 1, checkpointSeconds: 0 } as const;

  test("a loss that is no number names step and cases, and the last good checkpoint stays", async () => {
    const { model } = countingModel((step) => (step === 4 ? Number.NaN : 1));
    await expect(runTraining({ model, ...settings, store: folderStore(folder) })).rejects.toThrow(
      new DataError(
        "step 4: the loss is NaN (cases case_1); lower the learning rate, or look at these cases with medvox verify",
      ),
    );
    const { state, position } = await readCheckpoint(folderStore(folder));
    expect([position.step, state.get("w")!.data[0]]).toEqual([3, 3]);
  });

  test("a folder that cannot be made is one DataError", async () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    const { model, recorded } = countingModel();
    await expect(runTraining({ model, ...settings, store: folderStore(join(file, "run")) })).rejects.toThrow(
      new DataError(
        `${join(file, "run", "checkpoints")}: cannot write: ${join(file, "run")} is not a folder (ENOTDIR)`,
      ),
    );
    expect(recorded.steps).toEqual([]);
  });

  test("a full disk is one DataError, and the last good checkpoint survives", async ({ skip }) => {
    const small = smallDisk(folder, 200);
    if (small === undefined) return skip("a small disk can only be mounted by root on Linux");
    try {
      // 40 kB a checkpoint: two fit, the old one and the one being written; a third with the filler does not.
      const { model } = countingModel(undefined, 10_000);
      const stuffed = runTraining({
        model,
        ...settings,
        store: folderStore(small.path),
        onStep: ({ step }) => {
          if (step === 3) writeFileSync(join(small.path, "filler"), new Uint8Array(130_000));
        },
      });
      const last = lastCheckpoint(small.path);
      await expect(stuffed).rejects.toThrow(new DataError(`${last}: cannot write: the disk is full (ENOSPC)`));
      expect(readdirSync(join(small.path, "checkpoints"))).toEqual(["last.safetensors"]);
      const { state, position } = await readCheckpoint(folderStore(small.path));
      expect([position.step, state.get("w")!.data[0]]).toEqual([2, 2]);

      rmSync(join(small.path, "filler"));
      const again = countingModel(undefined, 10_000);
      await runTraining({ model: again.model, ...settings, store: folderStore(small.path), resume: true });
      expect(again.recorded.steps).toHaveLength(8);
    } finally {
      small.unmount();
    }
  });

  test("nothing is written without a folder", async () => {
    const { model } = countingModel();
    await runTraining({ model, ...settings });
    expect(existsSync(lastCheckpoint(folder))).toBe(false);
    expect(readdirSync(folder)).toEqual([]);
  });
});

test("a checkpoint holds any name, shape and bit pattern", async () => {
  const data = new Float32Array(Uint32Array.of(0, 0x80000000, 1, 0x7f800000, 0xff800000, 0x7fc00001).buffer);
  const store = folderStore(folder);
  await writeCheckpoint(store, "a.safetensors", new Map([["größe 1", { data, shape: [2, 3] }]]), {
    ...{ epoch: 1, stepInEpoch: 0, step: 1, lossSum: 0, sinceBest: 0 },
  });
  const { state } = await readCheckpoint(store, "a.safetensors");
  expect(state.get("größe 1")!.shape).toEqual([2, 3]);
  expect(new Uint32Array(state.get("größe 1")!.data.buffer)).toEqual(new Uint32Array(data.buffer));
});

/** A disk of so many kB, or undefined where none can be mounted. */
function smallDisk(where: string, kilobytes: number): { path: string; unmount: () => void } | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return undefined;
  const path = mkdtempSync(join(where, "disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${kilobytes}k`, "tmpfs", path], { stdio: "ignore" });
  } catch {
    return undefined;
  }
  return { path, unmount: () => execFileSync("umount", [path], { stdio: "ignore" }) };
}
