/** Networks as ONNX files whose axes are as free as they say: they work at other sizes, or are refused when they are written. */
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { globalAveragePool, graph, scope, type Tensor } from "../../src/graph/index.ts";
import { adamW, batchNormLayer, convLayer, crossEntropy, instanceNormLayer, linearLayer } from "../../src/nn/index.ts";
import { createEngine, type Engine } from "../../src/runtime/index.ts";
import { train } from "../../src/train/index.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 1 });
});
afterAll(() => engine.close());

function written(network: (x: Tensor) => Tensor, free: Record<number, string> = { 0: "n" }): Uint8Array {
  const g = graph();
  const y = network(g.input("x", [1, 1, 8, 8, 8]));
  const weights = new Map([...g.parameters].map(([name, { size }]) => [name, new Float32Array(size).fill(0.1)]));
  return g.toOnnx({ y }, { weights, free: { x: free } });
}

async function ran(model: Uint8Array, shape: number[]) {
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i));
  const { y } = await session.run({ x: new OrtTensor("float32", data, shape) });
  return { shape: y.dims, data: y.data as Float32Array };
}

test.each([
  ["a convolution", (x: Tensor) => convLayer(x, 2, scope("a")), [2, 2, 8, 8, 8]],
  ["a linear head", (x: Tensor) => linearLayer(globalAveragePool(convLayer(x, 2, scope("a"))), 3, scope("h")), [2, 3]],
  ["a batch norm", (x: Tensor) => batchNormLayer(convLayer(x, 2, scope("a")), scope("n")), [2, 2, 8, 8, 8]],
] as const)("%s takes two at once, and gives each what it gets alone", async (_, network, shape) => {
  const model = written(network);
  const two = await ran(model, [2, 1, 8, 8, 8]);
  expect(two.shape).toEqual(shape);
  const one = await ran(model, [1, 1, 8, 8, 8]);
  for (const [i, value] of one.data.entries()) expect(two.data[i]).toBeCloseTo(value, 5);
});

test("other sizes of the volume, too", async () => {
  const model = written((x) => globalAveragePool(convLayer(x, 2, scope("a"))), { 2: "depth", 3: "height" });
  expect((await ran(model, [1, 1, 5, 11, 8])).shape).toEqual([1, 2, 1, 1, 1]);
});

test("what cannot be free is refused, with the node", () => {
  expect(() => written((x) => instanceNormLayer(convLayer(x, 2, scope("a")), scope("n")))).toThrow(
    /^toOnnx: free: node batchNorm_\d+ has the size of a free axis baked in/,
  );
  expect(() => written((x) => linearLayer(convLayer(x, 2, scope("a")), 2, scope("h")), { 2: "depth" })).toThrow(
    /^toOnnx: free: node reshape_\d+ has the size of a free axis baked in: reshape: \[1, 2, 16, 8, 8\] and \[1, 1024\]/,
  );
  expect(() => written((x) => convLayer(x, 2, scope("a")), { 7: "n" })).toThrow("x has no axis 7");
});

test("a weight that no parameter has is refused", () => {
  const g = graph();
  const y = convLayer(g.input("x", [1, 1, 8, 8, 8]), 2, scope("a"));
  expect(() => g.toOnnx({ y }, { weights: new Map([["a.weigth", new Float32Array(2)]]) })).toThrow(
    "toOnnx: weights: no parameter is named a.weigth; there are a.weight, a.bias",
  );
});

test("a model that train made writes itself, and starts another from its weights", async () => {
  const head = (x: Tensor): Tensor => linearLayer(globalAveragePool(x), 2, scope("head"));
  const encoder = (x: Tensor, at = scope("")): Tensor =>
    batchNormLayer(convLayer(x, 3, at.child("conv")), at.child("norm"));
  const batch = {
    input: { data: Float32Array.from({ length: 128 }, (_, i) => Math.sin(i)), shape: [2, 1, 4, 4, 4] },
    target: { data: Int32Array.of(0, 1), shape: [2] },
  };
  const common = { engine, loss: crossEntropy, optimizer: adamW({ lr: 0.01 }), data: [batch] };
  await using first = await train({ ...common, network: (x) => head(encoder(x, scope("body"))) });
  const body = new Map<string, { data: Float32Array; shape: readonly number[] }>(
    [...(await first.weights())].flatMap(([name, value]) =>
      name.startsWith("body.") ? [[name.slice(5), value] as const] : [],
    ),
  );
  const rates: number[] = [];
  await using second = await train({
    ...common,
    network: (x) => head(encoder(x, scope("encoder"))),
    start: { from: body, into: "encoder" },
    freeze: /^encoder\./,
    epochs: 2,
    schedule: ({ epoch, step }) => 1 / (1 + epoch + step),
    onEpoch: ({ learningRate }) => rates.push(learningRate),
  });
  expect(rates).toEqual([0.01, 0.005]);
  const weights = await second.weights();
  for (const [name, { data }] of body) expect(weights.get(`encoder.${name}`)!.data).toEqual(data);
  const session = await InferenceSession.create(await second.toOnnx({ shape: [1, 1, 4, 4, 4], free: ["batch"] }));
  const { output } = await session.run({ input: new OrtTensor("float32", batch.input.data, batch.input.shape) });
  const { data } = await second.predict(batch.input);
  for (const [i, value] of data.entries()) expect((output.data as Float32Array)[i]).toBeCloseTo(value, 5);
});
