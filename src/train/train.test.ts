/** `train()`: a network of one's own in one call. */

import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLoader, openDataset } from "../data/index.ts";
import { soundCases, writeDecathlon } from "../data/test/made-up.ts";
import { ConfigError } from "../errors.ts";
import { readWeightsFile, writeSafetensors } from "../files/index.ts";
import {
  conv,
  globalAveragePool,
  gradients,
  graph,
  maxPool,
  mean,
  relu,
  resize,
  scope,
  square,
  type Tensor,
} from "../graph/index.ts";
import {
  adamW,
  convLayer,
  crossEntropy,
  groupNormLayer,
  instanceNormLayer,
  kaimingNormalFanOut,
  linearLayer,
  meanSquaredError,
  resnet3d,
  sgd,
} from "../nn/index.ts";
import { random } from "../random.ts";
import { createEngine, type Engine } from "../runtime/index.ts";
import type { LabelledBatch } from "./sources.ts";
import { train } from "./train.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 2 });
});
afterAll(() => engine.close());

/** Worker threads of this process; every engine is one. */
const workers = (): number => (process.report.getReport() as { workers: unknown[] }).workers.length;

const SIZE = [4, 1, 6, 8, 6];
const VOXELS = SIZE.slice(1).reduce((a, b) => a * b);

/** Volumes of noise with waves along H (class 0) or along W (class 1). */
function waves(seed: number): LabelledBatch {
  const noise = random(seed, "waves");
  const target = Int32Array.from({ length: SIZE[0] }, () => noise.integer(2));
  const data = new Float32Array(SIZE[0] * VOXELS);
  for (let i = 0; i < data.length; i++) {
    const along = target[Math.floor(i / VOXELS)] === 0 ? Math.floor(i / SIZE[4]) % SIZE[3] : i % SIZE[4];
    data[i] = (along % 2) * 2 - 1 + 0.3 * noise.normal();
  }
  return { input: { data, shape: SIZE }, target: { data: target, shape: [SIZE[0]] } };
}

const batches = Array.from({ length: 6 }, (_, i) => waves(i));

const small = (x: Tensor): Tensor => {
  const y = relu(convLayer(x, 8, scope("conv1"), { kernel: 3, padding: 1 }));
  return linearLayer(globalAveragePool(y), 2, scope("head"));
};

test("learns to tell waves along two axes, on volumes it never saw", async () => {
  const losses: number[] = [];
  const model = await train({
    engine,
    network: small,
    loss: crossEntropy,
    optimizer: adamW({ lr: 0.02 }),
    data: batches,
    epochs: 12,
    onEpoch: ({ loss }) => losses.push(loss),
  });
  expect(losses).toHaveLength(12);
  expect(losses[0]).toBeGreaterThan(0.4);
  expect(losses[11]).toBeLessThan(0.05);
  for (const seed of [100, 101]) {
    const { input, target } = waves(seed);
    const { data, shape } = await model.predict(input);
    expect(shape).toEqual([4, 2]);
    const predicted = Array.from(target.data, (_, i) => Number(data[2 * i + 1] > data[2 * i]));
    expect(predicted).toEqual([...target.data]);
  }
  expect([...(await model.weights()).keys()]).toEqual(["conv1.weight", "conv1.bias", "head.weight", "head.bias"]);
  await model.close();
  // The engine was the caller's and stays open.
  expect(await engine.memory()).toBeGreaterThan(0);
});

test("fits a line to the least squares", async () => {
  const x = Float32Array.of(0, 1, 2, 3);
  const model = await train({
    engine,
    network: (input) => linearLayer(input, 1, scope("line")),
    loss: meanSquaredError,
    optimizer: sgd({ lr: 0.1, momentum: 0.8 }),
    data: [{ input: { data: x, shape: [4, 1] }, target: { data: x.map((v) => 3 * v - 2), shape: [4, 1] } }],
    epochs: 200,
  });
  const weights = await model.weights();
  expect(weights.get("line.weight")!.data[0]).toBeCloseTo(3, 3);
  expect(weights.get("line.bias")!.data[0]).toBeCloseTo(-2, 3);
  expect((await model.predict({ data: Float32Array.of(10), shape: [1, 1] })).data[0]).toBeCloseTo(28, 2);
  await model.close();
});

test("MedicalNet's encoder, a head that learns faster, an engine of its own", async () => {
  const network = (x: Tensor): Tensor =>
    linearLayer(globalAveragePool(resnet3d(x, { depth: 10 }).out), 2, scope("head"));
  const epochs: number[] = [];
  const one = waves(1);
  const shape = [1, 1, 16, 8, 8];
  const input = { data: Float32Array.from({ length: 1024 }, (_, i) => one.input.data[i]), shape };
  const model = await train({
    network,
    loss: crossEntropy,
    optimizer: adamW({ lr: 1e-3, groups: [{ match: /^head\./, lrFactor: 10 }] }),
    data: [{ input, target: { data: Int32Array.of(1), shape: [1] } }],
    onEpoch: ({ epoch, loss }) => {
      epochs.push(epoch);
      expect(Number.isFinite(loss)).toBe(true);
    },
    engine: { threads: 2 },
  });
  expect(epochs).toEqual([1]);
  const probabilities = await model.predict(input);
  expect(probabilities.shape).toEqual([1, 2]);
  expect([...(await model.weights()).keys()]).toContain("layer4.0.bn2.running_var");
  await model.close();
});

test("one floor below: a graph, its gradient, and both as one ONNX file that any engine runs", async () => {
  const g = graph();
  const x = g.input("x", [2, 1, 6, 6, 6]);
  const w = g.parameter("w", [4, 1, 3, 3, 3], kaimingNormalFanOut);
  const loss = mean(square(conv(x, w, { padding: 1 })));
  const [dw] = gradients(loss, [w]);
  const program = await engine.load(g.toOnnx([loss, dw]), { label: "step" });
  expect([program.inputs, program.outputs]).toEqual([
    ["x", "w"],
    ["output_0", "output_1"],
  ]);
  const input = { data: new Float32Array(x.size).fill(1), shape: x.shape };
  let weights = kaimingNormalFanOut(w.shape, random(1, "w"));
  const losses: number[] = [];
  for (let step = 0; step < 20; step++) {
    const { outputs } = await program.run({ x: input, w: { data: weights, shape: w.shape } });
    losses.push(Number(outputs.output_0.data[0]));
    weights = weights.map((value, i) => value - 0.1 * Number(outputs.output_1.data[i]));
  }
  expect(losses[19]).toBeLessThan(0.1 * losses[0]);
});

describe("data", () => {
  const settings = {
    network: small,
    loss: crossEntropy,
    optimizer: sgd({ lr: 0.01 }),
    epochs: 2,
  } as const;

  test("any async iterable, made anew for each epoch; the last batch may be smaller", async () => {
    const asked: number[] = [];
    const model = await train({
      ...settings,
      engine,
      data: async function* (epoch) {
        asked.push(epoch);
        yield batches[epoch];
        const { input, target } = batches[epoch + 1];
        const part = { data: input.data.slice(0, VOXELS), shape: [1, ...SIZE.slice(1)] };
        yield { input: part, target: { data: target.data.slice(0, 1), shape: [1] } };
      },
    });
    expect(asked).toEqual([0, 1]);
    await model.close();
  });

  test("stays the caller's", async () => {
    const own = waves(5);
    const before = own.input.data.slice();
    const model = await train({ ...settings, engine, data: [own] });
    expect(own.input.data).toEqual(before);
    await model.close();
  });

  test("of which nothing is left is told apart from none", async () => {
    await expect(train({ ...settings, engine, data: [] })).rejects.toThrow(
      new ConfigError("train: no batch in epoch 1; give an array, or a function of the epoch"),
    );
    const once = batches[Symbol.iterator]();
    await expect(train({ ...settings, engine, data: { [Symbol.iterator]: () => once } })).rejects.toThrow(
      new ConfigError("train: no batch in epoch 2; give an array, or a function of the epoch"),
    );
  });
});

test("the same seed gives the same bits, another seed others", async () => {
  const bits = async (seed: number): Promise<number[]> => {
    const settings = { network: small, loss: crossEntropy, optimizer: adamW({ lr: 0.01 }), epochs: 2 };
    const model = await train({ ...settings, engine, data: batches.slice(0, 2), seed });
    const { data } = (await model.weights()).get("conv1.weight")!;
    await model.close();
    return [...new Uint32Array(data.slice().buffer)];
  };
  const first = await bits(1);
  expect(await bits(1)).toEqual(first);
  expect(await bits(2)).not.toEqual(first);
});

test("a network that does not fit its input is an error, and leaves no engine behind", async () => {
  const before = workers();
  const running = train({
    network: (x) => linearLayer(globalAveragePool(resnet3d(x, { depth: 10 }).out), 2, scope("head")),
    loss: crossEntropy,
    optimizer: sgd({ lr: 0.01 }),
    data: [
      {
        input: { data: new Float32Array(512), shape: [1, 1, 8, 8, 8] },
        target: { data: Int32Array.of(0), shape: [1] },
      },
    ],
    engine: { threads: 1 },
  });
  await expect(running).rejects.toThrow(
    "batchNorm: [1, 128, 1, 1, 1] has one value per channel; training statistics need at least two",
  );
  expect(workers()).toBe(before);
});

test("a signal ends it after the step at hand", async () => {
  const stop = new AbortController();
  const epochs: number[] = [];
  const running = train({
    engine,
    network: small,
    loss: crossEntropy,
    optimizer: sgd({ lr: 0.01 }),
    data: batches.slice(0, 2),
    epochs: 5,
    signal: stop.signal,
    onEpoch: ({ epoch }) => {
      epochs.push(epoch);
      if (epoch === 2) stop.abort(new Error("this will do"));
    },
  });
  await expect(running).rejects.toThrow("this will do");
  expect(epochs).toEqual([1, 2]);
});

test("trains through a loader as it is, to the bit as through its batches given one by one", async () => {
  const { cases } = await openDataset(await writeDecathlon(soundCases(4)));
  const prepare = {
    orientation: "RAS",
    spacingMm: [1, 1, 1],
    intensity: { kind: "zscore" },
    channels: 1,
    labels: [0, 1, 2],
  } as const;
  const weightsOf = async (whole: boolean): Promise<number[]> => {
    await using loader = createLoader({ cases, prepare, patch: [8, 8, 8], batch: 2, seed: 3 });
    const oneByOne = async function* (epoch: number): AsyncGenerator<LabelledBatch> {
      for await (const { input, target, shapes } of loader.batches(epoch))
        yield { input: { data: input, shape: shapes.input }, target: { data: target, shape: shapes.target } };
    };
    await using model = await train({
      engine,
      network: (x) => convLayer(x, 3, scope("scores"), { kernel: 3, padding: 1 }),
      loss: crossEntropy,
      optimizer: adamW({ lr: 0.01 }),
      schedule: ({ epoch, step }) => 1 / (1 + epoch + step),
      data: whole ? loader : oneByOne,
      epochs: 2,
    });
    return [...(await model.weights()).get("scores.weight")!.data];
  };
  const whole = await weightsOf(true);
  expect(whole.every(Number.isFinite)).toBe(true);
  expect(await weightsOf(false)).toEqual(whole);
});

describe("an encoder from a file", () => {
  const fixture = fileURLToPath(new URL("../../test/fixtures/weights/resnet10-bare-zip.pth.gz", import.meta.url));
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "medvox-start-"));
    await writeFile(join(folder, "resnet_10.pth"), gunzipSync(readFileSync(fixture)));
    const tensors = await readWeightsFile(join(folder, "resnet_10.pth"));
    await writeSafetensors(join(folder, "resnet_10.safetensors"), tensors);
  });
  afterAll(() => rm(folder, { recursive: true }));

  test.each(["resnet_10.pth", "resnet_10.safetensors"])("%s: stays bit for bit where it is frozen", async (name) => {
    const from = join(folder, name);
    await using model = await train({
      engine,
      network: (x) =>
        linearLayer(globalAveragePool(resnet3d(x, { depth: 10, scope: scope("encoder") }).out), 2, scope("head")),
      loss: crossEntropy,
      start: { from, into: "encoder" },
      freeze: /^encoder\./,
      optimizer: adamW({ lr: 0.01 }),
      data: batches.slice(0, 1),
    });
    const weights = await model.weights();
    const file = await readWeightsFile(from);
    for (const part of ["conv1.weight", "bn1.running_mean", "bn1.running_var", "layer4.0.bn2.bias"])
      expect([...weights.get(`encoder.${part}`)!.data], part).toEqual([
        // The checkpoint has other types, too; the network has 32-bit floats.
        ...Float32Array.from(file.get(part)!.data as Float32Array),
      ]);
  });
});

test.each([
  ["instance norm", (x: Tensor) => instanceNormLayer(x, scope("norm"))],
  ["group norm", (x: Tensor) => groupNormLayer(x, 2, scope("norm"))],
  ["resize", (x: Tensor) => resize(maxPool(x, { kernel: 2 }), { size: x.shape.slice(2) })],
] as const)("an exported network with %s takes any batch", async (_, middle) => {
  await using model = await train({
    engine,
    network: (x) =>
      linearLayer(
        globalAveragePool(relu(middle(convLayer(x, 4, scope("conv1"), { kernel: 3, padding: 1 })))),
        2,
        scope("head"),
      ),
    loss: crossEntropy,
    optimizer: adamW({ lr: 0.01 }),
    data: batches.slice(0, 1),
  });
  const { input } = waves(9);
  const program = await engine.load(await model.toOnnx({ shape: [1, ...SIZE.slice(1)], free: ["batch"] }));
  const { output } = (await program.run({ input })).outputs;
  const expected = await model.predict(input);
  expect(output.shape).toEqual(expected.shape);
  for (const [i, value] of expected.data.entries()) expect(Number(output.data[i])).toBeCloseTo(value, 4);
});
