/** Models whose networks share parameters: whose step changes what, by which count, and that a resumed one is the same. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConfigError } from "../../errors.ts";
import { argMax, cast, globalAveragePool, relu, scope, sum, type Tensor } from "../../graph/index.ts";
import { adamW, batchNormLayer, convLayer, crossEntropy, linearLayer, oneHot, sgd } from "../../nn/index.ts";
import { random } from "../../random.ts";
import { createEngine, type Engine, type Feeds } from "../../runtime/index.ts";
import { type Branch, createBranchedModel, createModel, type Model, type StateMap } from "../index.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 2 });
});
afterAll(() => engine.close());

type Tensors = Readonly<Record<string, Tensor>>;

/** Wide enough that its convolutions are stored in the layout of their fast form. */
function encoder(x: Tensor): Tensor {
  const open = { kernel: 3, padding: 1, bias: false } as const;
  const y = relu(batchNormLayer(convLayer(x, 32, scope("conv1"), open), scope("bn1")));
  return relu(batchNormLayer(convLayer(y, 32, scope("conv2"), open), scope("bn2")));
}

function branch(name: string, classes: number, size = 8): Branch {
  return {
    network: ({ x }: Tensors) => {
      const own = scope("branch").child(name);
      const y = relu(convLayer(encoder(x), 32, own.child("mix"), { kernel: 3, padding: 1, bias: false }));
      return { scores: linearLayer(globalAveragePool(y), classes, own.child("head")) };
    },
    loss: ({ scores }, { target }) => crossEntropy(scores, target),
    monitor: ({ scores }, { target }) => ({
      chosen: sum(oneHot(cast(argMax(scores, 1), "int32"), classes), { axes: [0] }),
      true: sum(oneHot(target, classes), { axes: [0] }),
    }),
    example: {
      x: { shape: [2, 1, size, 8, 8], dtype: "float32" },
      target: { shape: [2], dtype: "int32" },
    },
  };
}

const branches = { left: branch("left", 2), right: branch("right", 4), flat: branch("flat", 3, 16) };
const modelOf = (optimizer = adamW({ lr: 0.01 }), wanted: Record<string, Branch> = branches): Promise<Model> =>
  createBranchedModel({ engine, optimizer, branches: wanted, seed: 3 });

/** Batch number `i` of a branch: always the same numbers. */
function batch(name: keyof typeof branches, i: number): Feeds {
  const { x, target } = branches[name].example;
  const classes = { left: 2, right: 4, flat: 3 }[name];
  const stream = random(i, `batch of ${name}`);
  const size = x.shape.reduce((a, b) => a * b);
  return {
    x: { data: Float32Array.from({ length: size }, () => stream.normal()), shape: x.shape },
    target: { data: Int32Array.from({ length: 2 }, () => stream.integer(classes)), shape: target.shape },
  };
}

const bitsOf = (state: StateMap): Map<string, string> =>
  new Map([...state].map(([name, { data }]) => [name, new Uint32Array(data.slice().buffer).join()]));

/** Names of what differs. */
function changed(before: StateMap, after: StateMap): string[] {
  const [a, b] = [bitsOf(before), bitsOf(after)];
  expect([...a.keys()]).toEqual([...b.keys()]);
  return [...a.keys()].filter((name) => a.get(name) !== b.get(name));
}

describe("a branched model", () => {
  test("has the encoder once, and each branch's own parameters", async () => {
    const model = await modelOf();
    const names = [...model.parameters.keys()];
    expect(names.filter((name) => name.startsWith("conv1."))).toEqual(["conv1.weight"]);
    expect(names.filter((name) => name.startsWith("branch."))).toEqual(
      Object.keys(branches).flatMap((name) =>
        ["mix.weight", "head.weight", "head.bias"].map((part) => `branch.${name}.${part}`),
      ),
    );
    await model.close();
  });

  test("a step changes the encoder, its statistics and its branch, with their optimizer state; nothing else", async () => {
    const model = await modelOf();
    const before = await model.state();
    await model.step([batch("right", 1)], 1, 0.01, { branch: "right", update: 1 });
    const names = changed(before, await model.state());
    expect(names.filter((name) => /left|flat/.test(name))).toEqual([]);
    for (const part of ["conv1.weight", "bn1.running_mean", "bn2.bias", "branch.right.mix.weight"])
      expect(names).toContain(part);
    expect(names).toContain("optimizer.mean.branch.right.head.bias");
    expect(names).toContain("optimizer.square.conv2.weight");
    await model.close();
  });

  test("one branch's steps are, bit for bit, those of a model that has no other", async () => {
    const { example, ...alone } = branches.left;
    const single = await createModel({ engine, optimizer: adamW({ lr: 0.01 }), seed: 3, ...alone }, example);
    const model = await modelOf();
    for (let step = 1; step <= 3; step++) {
      const one = await single.step([batch("left", step)], step, 0.01);
      const other = await model.step([batch("left", step)], step, 0.01, { branch: "left", update: step });
      expect(other.loss).toBe(one.loss);
      expect(other.monitored).toEqual(one.monitored);
    }
    const shared = await model.state();
    for (const [name, bits] of bitsOf(await single.state()))
      expect([name, bitsOf(shared).get(name)]).toEqual([name, bits]);
    await single.close();
    await model.close();
  });

  test("the monitor counts what the step saw", async () => {
    const model = await modelOf();
    const feeds = batch("right", 5);
    const truth = [0, 1, 2, 3].map((k) => [...(feeds.target.data as Int32Array)].filter((value) => value === k).length);
    const { monitored } = await model.step([feeds], 1, 0.01, { branch: "right", update: 1 });
    expect([...monitored!.true]).toEqual(truth);
    expect([...monitored!.chosen].reduce((a, b) => a + b)).toBe(2);
    await model.close();
  });

  test("a branch's first update is Adam's first, however many steps the others had", async () => {
    const model = await modelOf(adamW({ lr: 0.01, weightDecay: 0 }));
    for (let step = 1; step <= 4; step++)
      await model.step([batch("left", step)], step, 0.01, { branch: "left", update: step });
    const before = await model.state();
    await model.step([batch("right", 1)], 5, 0.01, { branch: "right", update: 1 });
    const after = await model.state();
    // m̂/√v̂ is the gradient's sign at first, so every entry moves by the learning rate.
    const bias = "branch.right.head.bias";
    const moves = after.get(bias)!.data.map((value, i) => Math.abs(value - before.get(bias)!.data[i]));
    for (const move of moves) expect(move).toBeCloseTo(0.01, 5);
    // The encoder has had five updates, and its moments remember all of them.
    const bn = "bn1.bias";
    const own = after.get(bn)!.data.map((value, i) => Math.abs(value - before.get(bn)!.data[i]));
    expect(own.some((move) => Math.abs(move - 0.01) > 1e-4)).toBe(true);
    await model.close();
  });

  test("goes on from its state as if it had never stopped", async () => {
    const turns = ["left", "right", "flat", "right", "left", "flat", "flat", "right"] as const;
    const run = async (model: Model, from: number, to: number): Promise<void> => {
      for (let i = from; i < to; i++) {
        const update = turns.slice(0, i + 1).filter((name) => name === turns[i]).length;
        await model.step([batch(turns[i], i)], i + 1, 0.01, { branch: turns[i], update });
      }
    };
    const whole = await modelOf();
    await run(whole, 0, turns.length);
    const first = await modelOf();
    await run(first, 0, 3);
    const second = await modelOf();
    await second.load(await first.state());
    await run(second, 3, turns.length);
    expect(changed(await whole.state(), await second.state())).toEqual([]);
    for (const model of [whole, first, second]) await model.close();
  });

  test("collects gradients of one branch at a time", async () => {
    const model = await createBranchedModel({ engine, optimizer: sgd({ lr: 0.1 }), branches, accumulate: 2 });
    const parts = [batch("left", 1), batch("left", 2)];
    const before = await model.state();
    const { monitored } = await model.step(parts, 1, 0.1, { branch: "left", update: 1 });
    expect([...monitored!.true].reduce((a, b) => a + b)).toBe(4);
    const names = changed(before, await model.state());
    expect(names.filter((name) => /right|flat/.test(name))).toEqual([]);
    expect(names).toContain("branch.left.mix.weight");
    await model.close();
  });

  test("evaluates the branch asked for, and knows its branches", async () => {
    const model = await modelOf();
    const { outputs } = await model.evaluate({ x: batch("right", 1).x }, { branch: "right" });
    expect(outputs.scores.shape).toEqual([2, 4]);
    await expect(model.evaluate({ x: batch("right", 1).x }, { branch: "up" })).rejects.toThrow(
      new ConfigError("model: no branch up; there are left, right, flat"),
    );
    await model.close();
  });

  test("refuses branches that disagree on a shared parameter", async () => {
    const wide: Branch = {
      ...branches.left,
      network: ({ x }: Tensors) => ({
        scores: linearLayer(globalAveragePool(convLayer(x, 8, scope("conv1"))), 2, scope("head")),
      }),
    };
    await expect(modelOf(undefined, { left: branches.left, wide })).rejects.toThrow(
      "model: branch wide wants conv1.weight of shape [8, 1, 1, 1, 1], another branch has it as [32, 1, 3, 3, 3]",
    );
  });
});
