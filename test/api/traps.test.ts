/** Programs that once went wrong without a word: each must do what it says, or refuse in words that name the thing. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { globalAveragePool, mean, scope, square, sub, type Tensor } from "../../src/graph/index.ts";
import {
  convLayer,
  crossEntropy,
  diceLoss as dice,
  diceCrossEntropy,
  focal,
  linearLayer,
  oneHot,
  resnet3d,
  sgd,
} from "../../src/nn/index.ts";
import { createEngine, type Engine } from "../../src/runtime/index.ts";
import { createModel, type TrainOptions, train } from "../../src/train/index.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 1 });
});
afterAll(() => engine.close());

const n = 4;
const shape = [1, 1, n, n, n];
const waves = (): Float32Array => Float32Array.from({ length: n ** 3 }, (_, i) => Math.sin(i));
const batch = (label: (i: number) => number = (i) => i % 2) => ({
  input: { data: waves(), shape },
  target: { data: Int32Array.from({ length: n ** 3 }, (_, i) => label(i)), shape: [1, n, n, n] },
});
const twoClasses = (x: Tensor): Tensor => convLayer(x, 2, scope("a"));
const settings = { network: twoClasses, loss: crossEntropy, optimizer: sgd({ lr: 0.1 }) };
const made = () =>
  createModel(
    {
      engine,
      network: ({ input }) => ({ y: twoClasses(input) }),
      loss: ({ y }, { target }) => crossEntropy(y, target),
      optimizer: sgd({ lr: 0 }),
    },
    { input: { shape, dtype: "float32" }, target: { shape: [1, n, n, n], dtype: "int32" } },
  );

describe("arrays of the caller", () => {
  test("are the caller's after a step, and are taken only where that is asked for", async () => {
    await using model = await made();
    const own = batch();
    const { loss, feeds } = await model.step([own], 1, 0);
    expect(own.input.data).toEqual(waves());
    expect(feeds).toEqual([]);
    expect((await model.step([own], 2, 0)).loss).toBe(loss);
    const taken = await model.step([own], 3, 0, undefined, { takeArrays: true });
    expect(own.input.data).toHaveLength(0);
    expect(taken.feeds[0].input).toEqual(waves());
    await expect(model.step([own], 4, 0)).rejects.toThrow(
      "batch: input: 0 numbers for the shape [1, 1, 4, 4, 4]; expected 64; its memory was handed over",
    );
  });

  test("that were given away are refused wherever they are sent", async () => {
    const gone = new Float32Array(4);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    await using bank = engine.bank();
    await expect(bank.write({ w: { data: gone, shape: [4] } })).rejects.toThrow("writing parameters: w: 0 numbers");
    const model = new Uint8Array(4);
    structuredClone(model.buffer, { transfer: [model.buffer] });
    await expect(engine.load(model)).rejects.toThrow("the request could not be sent");
  });
});

describe("what train holds", () => {
  test("is taken as it is needed, and the time that it takes is counted", async () => {
    let count = 0;
    let atFirst: number | undefined;
    const first = await train({
      ...settings,
      engine,
      network: (x) => {
        atFirst ??= count;
        return twoClasses(x);
      },
      data: function* () {
        for (; count < 20; count++) yield batch();
      },
    });
    await first.close();
    expect(atFirst).toBeLessThanOrEqual(2);
    const reports: { seconds: number; waitingShare: number }[] = [];
    const second = await train({
      ...settings,
      engine,
      data: async function* () {
        for (let i = 0; i < 3; i++) {
          await new Promise((resolve) => setTimeout(resolve, 300));
          yield batch();
        }
      },
      onEpoch: (report) => reports.push(report),
    });
    await second.close();
    // Timers may be early by a millisecond each.
    expect(reports[0].seconds).toBeGreaterThan(0.88);
    expect(reports[0].waitingShare).toBeGreaterThan(0.3);
    expect(reports[0].waitingShare).toBeLessThanOrEqual(1);
  });

  test("may be changed and recycled by its owner at once", async () => {
    const losses = async (recycles: boolean): Promise<number[]> => {
      const said: number[] = [];
      const model = await train({
        ...settings,
        engine,
        epochs: 2,
        data: function* (epoch) {
          for (let i = 0; i < 4; i++) {
            const one = batch((at) => (at + epoch + i) % 2);
            yield one;
            // A loader that got it back hands its memory to a worker.
            if (recycles) structuredClone(one.input.data.buffer, { transfer: [one.input.data.buffer] });
            if (recycles) one.target.data.fill(99);
          }
        },
        onEpoch: ({ loss }) => said.push(loss),
      });
      await model.close();
      return said;
    };
    expect(await losses(true)).toEqual(await losses(false));
  });
});

describe("labels outside 0 … K−1", () => {
  const losses: Record<string, TrainOptions["loss"]> = {
    crossEntropy,
    dice,
    diceCrossEntropy,
    focal,
    "of one's own": (scores, target) => crossEntropy(scores, target),
  };
  for (const [name, loss] of Object.entries(losses)) {
    test.each([
      [(i: number) => 1 + (i % 2), 2],
      [() => 255, 255],
      [() => -1, -1],
    ])(`are refused by ${name}: %s`, async (label, said) => {
      const running = train({ ...settings, loss, engine, data: [batch(label)] });
      await expect(running).rejects.toThrow(
        new RegExp(`^step 1: target: label ${said} at \\[0, 0, 0, \\d\\]; labels of 2 classes are 0 to 1`),
      );
    });
  }

  test("are left out where they are declared, and the mean is over the others", async () => {
    const lossOf = async (ignoreIndex: number | undefined, label: (i: number) => number) => {
      let said = Number.NaN;
      const model = await train({
        ...settings,
        engine,
        optimizer: sgd({ lr: 0 }),
        loss: (scores, target) => crossEntropy(scores, target, { ignoreIndex }),
        data: [{ ...batch(label), input: { data: new Float32Array(n ** 3).fill(1), shape } }],
        onEpoch: ({ loss }) => {
          said = loss;
        },
      });
      await model.close();
      return said;
    };
    const whole = await lossOf(undefined, () => 1);
    expect(await lossOf(-1, (i) => (i < 8 ? 1 : -1))).toBeCloseTo(whole, 5);
    await expect(lossOf(-1, () => 2)).rejects.toThrow(/label 2 .*labels of 2 classes are 0 to 1, or -1 where nothing/);
  });

  test("are refused in evaluations with a loss, and by masks", async () => {
    await using model = await made();
    await expect(
      model.evaluate(
        batch(() => 7),
        { withLoss: true },
      ),
    ).rejects.toThrow("evaluation: target: label 7");
    await expect(
      train({
        ...settings,
        engine,
        loss: (scores, target) => mean(square(sub(scores, oneHot(target, 2)))),
        data: [batch(() => 3)],
      }),
    ).rejects.toThrow("step 1: target: label 3");
  });
});

describe("groups of parameters", () => {
  const size = 16;
  const network = (x: Tensor): Tensor =>
    linearLayer(globalAveragePool(resnet3d(x, { depth: 10, stages: 1 }).out), 2, scope("head"));
  const data = () => [
    {
      input: { data: Float32Array.from({ length: 2 * size ** 3 }, (_, i) => Math.sin(i)), shape: [2, 1, 16, 16, 16] },
      target: { data: Int32Array.of(0, 1), shape: [2] },
    },
  ];
  const trained = async (options: Partial<TrainOptions>) => {
    await using model = await train({ ...settings, network, engine, data: data(), ...options });
    return model.weights();
  };

  test("that match nothing are refused", async () => {
    for (const options of [{ freeze: /^encoder\./ }, { optimizer: sgd({ lr: 1, groups: [{ match: /^encoder\./ }] }) }])
      await expect(trained(options)).rejects.toThrow(
        /^sgd: groups: \/\^encoder\\\.\/ matches no parameter; there are conv1\.weight, bn1\.weight, .*head\.bias$/,
      );
  });

  test("that are frozen keep their running statistics, unless it is said otherwise", async () => {
    const start = await trained({ optimizer: sgd({ lr: 0 }), freeze: /./g });
    const frozen = await trained({ freeze: /^(?!head\.)/ });
    const means = (weights: typeof start) => [...weights.get("bn1.running_mean")!.data];
    expect(means(frozen)).toEqual(means(start));
    expect(means(frozen).every((mean) => mean === 0)).toBe(true);
    const groups = [{ match: /^(?!head\.)/, frozen: true, movingStatistics: true }];
    const moving = await trained({ optimizer: sgd({ lr: 0.1, groups }) });
    expect(means(moving)).not.toEqual(means(start));
    expect(moving.get("conv1.weight")).toEqual(start.get("conv1.weight"));
  });
});

describe("feeds that cannot be", () => {
  const feed = (input: unknown, target: unknown = batch().target) =>
    train({ ...settings, engine, data: [{ input, target }] as never });
  const data = waves();

  test.each([
    [
      "too few numbers",
      { data: new Float32Array(5), shape },
      "input: 5 numbers for the shape [1, 1, 4, 4, 4]; expected 64",
    ],
    [
      "an array of numbers",
      { data: [...data], shape },
      "input: its data are an array of numbers; expected a Float32Array",
    ],
    [
      "doubles",
      { data: Float64Array.from(data), shape },
      "input: its data are a Float64Array; expected a Float32Array",
    ],
    ["no shape", { data }, "input: its shape is missing; expected a list of whole numbers"],
    ["NaN", { data: data.map(() => Number.NaN), shape }, "step 1: input: number 0 is NaN, so the loss is NaN"],
  ])("%s", async (_, input, message) => {
    await expect(feed(input)).rejects.toThrow(message);
  });

  test("a target of bytes, or none", async () => {
    const bytes = { data: new Uint8Array(n ** 3), shape: [1, n, n, n] };
    await expect(feed(batch().input, bytes)).rejects.toThrow(
      "target: its data are a Uint8Array; expected a Float32Array",
    );
    await expect(feed(batch().input, null)).rejects.toThrow("target: its data are missing");
  });
});

describe("a signal", () => {
  test("ends a training that waits for data, with its reason", async () => {
    const stop = new AbortController();
    const running = train({
      ...settings,
      engine,
      signal: stop.signal,
      data: async function* () {
        yield batch();
        setTimeout(() => stop.abort(new Error("enough")), 50);
        await new Promise((resolve) => setTimeout(resolve, 600_000).unref());
        yield batch();
      },
    });
    await expect(running).rejects.toThrow("enough");
    await expect(train({ ...settings, engine, signal: stop.signal, data: [batch()] })).rejects.toThrow("enough");
  });
});
