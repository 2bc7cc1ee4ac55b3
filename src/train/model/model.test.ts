/** Models with real graphs: forms, groups, clipping, accumulation, exact continuation. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WeightsError } from "../../errors.ts";
import { globalAveragePool, relu, scope, type Tensor } from "../../graph/index.ts";
import {
  adam,
  adamW,
  batchNormLayer,
  convLayer,
  crossEntropy,
  linearLayer,
  type Optimizer,
  sgd,
} from "../../nn/index.ts";
import { random } from "../../random.ts";
import { createEngine, type Engine, type Feeds } from "../../runtime/index.ts";
import {
  createModel,
  folderStore,
  type Model,
  type ModelOptions,
  readCheckpoint,
  type StateMap,
  writeCheckpoint,
} from "../index.ts";

let engine: Engine;
const folder = mkdtempSync(join(tmpdir(), "medvox-model-"));
const store = folderStore(folder);
beforeAll(async () => {
  engine = await createEngine({ threads: 2 });
});
afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true });
});

const SHAPE = [2, 2, 8, 8, 8];
const TYPES = { x: { shape: SHAPE, dtype: "float32" }, target: { shape: [2], dtype: "int32" } } as const;
const CLASSES = 3;

/** Wide enough in the middle that convolutions are lowered to products of rows, and so are their stored weights. */
const network = ({ x }: Readonly<Record<string, Tensor>>): Record<string, Tensor> => {
  const open = { kernel: 3, padding: 1, bias: false } as const;
  let y = relu(batchNormLayer(convLayer(x, 32, scope("conv1"), open), scope("bn1")));
  y = relu(batchNormLayer(convLayer(y, 32, scope("conv2"), open), scope("bn2")));
  y = relu(convLayer(y, 8, scope("conv3"), { kernel: 3, stride: 2, padding: 1 }));
  return { scores: linearLayer(globalAveragePool(y), CLASSES, scope("head")) };
};

/** A linear model, whose gradients are those of a mean over its batch. */
const plain = ({ x }: Readonly<Record<string, Tensor>>): Record<string, Tensor> => ({
  scores: linearLayer(globalAveragePool(x), CLASSES, scope("head")),
});

function modelOf(options: Partial<ModelOptions> = {}, types = TYPES as Parameters<typeof createModel>[1]) {
  return createModel(
    {
      engine,
      network,
      loss: ({ scores }, { target }) => crossEntropy(scores, target),
      optimizer: sgd({ lr: 0.1 }),
      ...options,
    },
    types,
  );
}

/** Batch number `i`: always the same numbers. */
function batch(i: number, shape: readonly number[] = SHAPE): Feeds {
  const numbers = random(i, "batch");
  const size = shape.reduce((a, b) => a * b);
  return {
    x: { data: Float32Array.from({ length: size }, () => numbers.normal()), shape },
    target: { data: Int32Array.from({ length: shape[0] }, () => numbers.integer(CLASSES)), shape: [shape[0]] },
  };
}

async function trained(model: Model, from: number, to: number, lr = 0.05): Promise<number[]> {
  const losses: number[] = [];
  for (let step = from; step <= to; step++) losses.push((await model.step([batch(step)], step, lr)).loss);
  return losses;
}

const bitsOf = (state: StateMap): Record<string, number[]> =>
  Object.fromEntries([...state].map(([name, { data }]) => [name, [...new Uint32Array(data.slice().buffer)]]));

const distance = (a: StateMap, b: StateMap, name: string): number => {
  const [p, q] = [a.get(name)!.data, b.get(name)!.data];
  return Math.sqrt(p.reduce((sum, value, i) => sum + (value - q[i]) ** 2, 0));
};

describe("parameters", () => {
  test("bear PyTorch's names and shapes, buffers among them", async () => {
    const model = await modelOf();
    expect([...model.parameters].map(([name, { shape, trainable }]) => [name, shape.join(), trainable])).toEqual([
      ["conv1.weight", "32,2,3,3,3", true],
      ["bn1.weight", "32", true],
      ["bn1.bias", "32", true],
      ["bn1.running_mean", "32", false],
      ["bn1.running_var", "32", false],
      ["conv2.weight", "32,32,3,3,3", true],
      ["bn2.weight", "32", true],
      ["bn2.bias", "32", true],
      ["bn2.running_mean", "32", false],
      ["bn2.running_var", "32", false],
      ["conv3.weight", "8,32,3,3,3", true],
      ["conv3.bias", "8", true],
      ["head.weight", "3,8", true],
      ["head.bias", "3", true],
    ]);
    await model.close();
  });

  test("begin as the seed says, whatever the form they are stored in", async () => {
    const [a, b, plainly, other] = await Promise.all([
      modelOf({ seed: 5 }),
      modelOf({ seed: 5 }),
      modelOf({ seed: 5, lowering: false }),
      modelOf({ seed: 6 }),
    ]);
    const first = bitsOf(await a.state());
    expect(bitsOf(await b.state())).toEqual(first);
    expect(bitsOf(await plainly.state())).toEqual(first);
    expect(bitsOf(await other.state())["conv2.weight"]).not.toEqual(first["conv2.weight"]);
    for (const model of [a, b, plainly, other]) await model.close();
  });

  test("can be replaced by name, and only by name and shape", async () => {
    const model = await modelOf();
    const data = Float32Array.from({ length: 32 * 32 * 27 }, (_, i) => i);
    await model.load(new Map([["conv2.weight", { data, shape: [32, 32, 3, 3, 3] }]]));
    expect((await model.weights()).get("conv2.weight")!.data).toEqual(data);
    await expect(model.load(new Map([["conv9.weight", { data, shape: [1] }]]))).rejects.toThrow(
      new WeightsError("conv9.weight: the network has no parameter of this name"),
    );
    await expect(model.load(new Map([["head.bias", { data, shape: [4] }]]))).rejects.toThrow(
      new WeightsError("head.bias: shape [4], the network's is [3]"),
    );
    await model.close();
  });
});

describe("lowering", () => {
  test("changes the last bits at most: losses, weights and scores of five steps", async () => {
    const [fast, written] = await Promise.all([modelOf({ lowering: true }), modelOf({ lowering: false })]);
    const [a, b] = [await trained(fast, 1, 5), await trained(written, 1, 5)];
    for (const [i, loss] of a.entries()) expect(Math.abs(loss - b[i])).toBeLessThan(1e-5);
    const [u, v] = [await fast.weights(), await written.weights()];
    for (const [name, { data }] of u) {
      const norm = Math.sqrt(data.reduce((sum, value) => sum + value * value, 0));
      expect(distance(u, v, name), name).toBeLessThan(1e-4 * Math.max(norm, 1e-2));
    }
    const scores = async (model: Model) =>
      (await model.evaluate({ x: batch(9).x })).outputs.scores.data as Float32Array;
    const [s, t] = [await scores(fast), await scores(written)];
    for (const [i, score] of s.entries()) expect(Math.abs(score - t[i])).toBeLessThan(1e-4);
    for (const model of [fast, written]) await model.close();
  });
});

describe("groups", () => {
  test.each([
    ["sgd", (groups: object[]) => sgd({ lr: 1, momentum: 0.9, weightDecay: 0.1, groups: groups as never })],
    ["adam", (groups: object[]) => adam({ lr: 1, weightDecay: 0.1, groups: groups as never })],
    ["adamW", (groups: object[]) => adamW({ lr: 1, weightDecay: 0.1, groups: groups as never })],
  ] as const)("%s: frozen weights stay bit for bit, the others move", async (_, optimizerOf) => {
    const optimizer: Optimizer = optimizerOf([{ match: /^conv[12]\./, frozen: true }]);
    const model = await modelOf({ optimizer });
    const before = await model.weights();
    await trained(model, 1, 3);
    const after = await model.weights();
    const [a, b] = [bitsOf(before), bitsOf(after)];
    const still = Object.keys(a).filter((name) => JSON.stringify(a[name]) === JSON.stringify(b[name]));
    expect(still).toEqual(["conv1.weight", "conv2.weight"]);
    // Nothing is kept for what never moves.
    expect([...(await model.state()).keys()].filter((name) => /^optimizer\..*conv[12]\./.test(name))).toEqual([]);
    await model.close();
  });

  test("a factor on the rate scales the first step of plain descent", async () => {
    const optimizer = (lrFactor: number) => sgd({ lr: 1, groups: [{ match: /^head\./, lrFactor }] });
    const moves: number[] = [];
    for (const factor of [1, 10]) {
      const model = await modelOf({ optimizer: optimizer(factor) });
      const before = await model.weights();
      await model.step([batch(1)], 1, 0.01);
      moves.push(distance(before, await model.weights(), "head.weight"));
      await model.close();
    }
    expect(moves[1] / moves[0]).toBeCloseTo(10, 3);
  });
});

describe("clipping", () => {
  test("the norm is told before, the move has at most the asked norm", async () => {
    const [free, clipped] = [await modelOf({ network: plain }), await modelOf({ network: plain, clipNorm: 0.01 })];
    const before = await clipped.weights();
    const unclipped = await free.weights();
    await free.step([batch(1)], 1, 1);
    const { gradientNorm } = await clipped.step([batch(1)], 1, 1);
    const moved = (from: StateMap, to: StateMap): number =>
      Math.hypot(...[...from.keys()].map((name) => distance(from, to, name)));
    const freely = moved(unclipped, await free.weights());
    expect(gradientNorm).toBeGreaterThan(0.01);
    expect(gradientNorm).toBeCloseTo(freely, 5);
    expect(moved(before, await clipped.weights())).toBeCloseTo(0.01, 5);
    for (const model of [free, clipped]) await model.close();
  });
});

describe("accumulation", () => {
  test("two batches in one update are one batch of twice the size", async () => {
    const double = [4, ...SHAPE.slice(1)];
    const types = { x: { shape: double, dtype: "float32" }, target: { shape: [4], dtype: "int32" } } as const;
    const whole = await modelOf({ network: plain, optimizer: adam({ lr: 1 }) }, types);
    const parts = await modelOf({ network: plain, optimizer: adam({ lr: 1 }), accumulate: 2 });
    const joined = (step: number): Feeds => {
      const [a, b] = [batch(2 * step), batch(2 * step + 1)];
      const x = new Float32Array(2 * a.x.data.length);
      x.set(a.x.data as Float32Array);
      x.set(b.x.data as Float32Array, a.x.data.length);
      const target = Int32Array.of(...(a.target.data as Int32Array), ...(b.target.data as Int32Array));
      return { x: { data: x, shape: double }, target: { data: target, shape: [4] } };
    };
    for (let step = 1; step <= 3; step++) {
      const once = await whole.step([joined(step)], step, 0.01);
      const twice = await parts.step([batch(2 * step), batch(2 * step + 1)], step, 0.01);
      expect(twice.loss).toBeCloseTo(once.loss, 5);
    }
    const [a, b] = [await whole.weights(), await parts.weights()];
    for (const name of a.keys()) expect(distance(a, b, name), name).toBeLessThan(1e-5);
    for (const model of [whole, parts]) await model.close();
  });
});

describe("exact continuation", () => {
  test.each([
    ["sgd with momentum", sgd({ lr: 1, momentum: 0.9, nesterov: true }), 1],
    ["adamW", adamW({ lr: 1 }), 1],
    ["adamW, two batches an update", adamW({ lr: 1 }), 2],
  ] as const)("%s: three steps, a checkpoint, another model, three steps: the bits of six", async (_, optimizer, n) => {
    const options = { optimizer, accumulate: n, clipNorm: 1 };
    const steps = async (model: Model, from: number, to: number): Promise<number[]> => {
      const losses: number[] = [];
      for (let step = from; step <= to; step++) {
        const batches = Array.from({ length: n }, (_, i) => batch(n * step + i));
        losses.push((await model.step(batches, step, 0.01)).loss);
      }
      return losses;
    };
    const whole = await modelOf(options);
    const wanted = await steps(whole, 1, 6);

    const name = `${optimizer.name}-${n}.safetensors`;
    const first = await modelOf(options);
    const losses = await steps(first, 1, 3);
    await writeCheckpoint(store, name, await first.state(), {
      ...{ epoch: 0, stepInEpoch: 3, step: 3, lossSum: 0, sinceBest: 0 },
    });
    await first.close();
    // Another seed: everything must come from the file.
    const second = await modelOf({ ...options, seed: 99 });
    const { state, position } = await readCheckpoint(store, name);
    expect(position.step).toBe(3);
    await second.load(state);
    losses.push(...(await steps(second, 4, 6)));

    expect(losses).toEqual(wanted);
    expect(bitsOf(await second.state())).toEqual(bitsOf(await whole.state()));
    for (const model of [whole, second]) await model.close();
  });
});

describe("shapes and failures", () => {
  test("batches of another shape get a program of their own", async () => {
    const model = await modelOf();
    const small = [1, 2, 4, 6, 8];
    expect((await model.step([batch(1, small)], 1, 0.01)).loss).toBeGreaterThan(0);
    expect((await model.step([batch(2)], 2, 0.01)).loss).toBeGreaterThan(0);
    const { outputs } = await model.evaluate(batch(3, small), { withLoss: true });
    expect(outputs.scores.shape).toEqual([1, CLASSES]);
    expect(outputs.loss.data[0]).toBeGreaterThan(0);
    await model.close();
  });

  test("a device that does not work: the first step says so, and closing does not fail", async () => {
    const broken = await createEngine({ device: "none" as "cpu", threads: 1 });
    const unhandled: unknown[] = [];
    const listen = (error: unknown): void => void unhandled.push(error);
    process.on("unhandledRejection", listen);
    const model = await modelOf({ engine: broken });
    // Time enough for a rejection that nobody awaits to be noticed.
    await broken.memory();
    await new Promise((resolve) => setImmediate(resolve));
    await expect(model.step([batch(1)], 1, 0.1)).rejects.toThrow(/^engine: loading training step on none: /);
    await model.close();
    await broken.close();
    process.off("unhandledRejection", listen);
    expect(unhandled).toEqual([]);
  });
});
