/** Clean-up: what goes, what must stay, and that the numbers are the same. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { adamW, batchNormLayer, convLayer, crossEntropy, linearLayer } from "../nn/index.ts";
import { createEngine, type Engine } from "../runtime/index.ts";
import { buildStep, encodeBuilt } from "../train/index.ts";
import * as m from "./index.ts";
import { type BuildingGraph, cleanUp, type Tensor } from "./index.ts";
import { compute, numbersOf } from "./test/compute.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 1 });
});
afterAll(() => engine.close());

/** The operators left of an expression over the input x, in order. */
function left(make: (x: Tensor, g: BuildingGraph) => Tensor | Tensor[], shape: readonly number[] = [2, 3]): string[] {
  const g = m.graph();
  const made = make(g.input("x", shape), g);
  return cleanUp(g, Array.isArray(made) ? made : [made]).graph.nodes.map(({ op }) => op);
}

describe("goes", () => {
  test.each([
    ["what no output needs", (x: Tensor) => [m.exp(x), m.relu(x)][1], ["relu"]],
    ["a stopped gradient", (x: Tensor) => m.relu(m.stopGradient(x)), ["relu"]],
    ["a reshape of a reshape", (x: Tensor) => m.relu(m.reshape(m.reshape(x, [6]), [3, 2])), ["reshape", "relu"]],
    ["a reshape and its way back", (x: Tensor) => m.relu(m.reshape(m.reshape(x, [6]), [2, 3])), ["relu"]],
    ["a transposition and its way back", (x: Tensor) => m.relu(m.transpose(m.transpose(x))), ["relu"]],
    ["adding 0, either side", (x: Tensor) => m.relu(m.add(0, m.add(x, 0))), ["relu"]],
    ["subtracting 0", (x: Tensor) => m.relu(m.sub(x, 0)), ["relu"]],
    ["multiplying by 1, either side", (x: Tensor) => m.relu(m.mul(1, m.mul(x, 1))), ["relu"]],
    ["dividing by 1", (x: Tensor) => m.relu(m.div(x, 1)), ["relu"]],
    [
      "adding zeros of the same shape",
      (x: Tensor) => m.relu(m.add(x, x.graph.constant(new Float32Array(6), [2, 3]))),
      ["relu"],
    ],
    ["the negative of the negative", (x: Tensor) => m.relu(m.neg(m.neg(x))), ["relu"]],
    [
      "a whole slice",
      (x: Tensor) => m.relu(x.graph.add("slice", [x], { start: [0, 0], end: [2, 3], step: [1, 1] })[0]),
      ["relu"],
    ],
    [
      "no padding",
      (x: Tensor) => m.relu(x.graph.add("pad", [x], { before: [0, 0], after: [0, 0], value: 0 })[0]),
      ["relu"],
    ],
    [
      "an expansion to the same shape",
      (x: Tensor) => m.relu(x.graph.add("expand", [x], { shape: [2, 3] })[0]),
      ["relu"],
    ],
    ["a cast to the same type", (x: Tensor) => m.relu(x.graph.add("cast", [x], { to: "float32" })[0]), ["relu"]],
    ["a join of one", (x: Tensor) => m.relu(x.graph.add("concat", [x], { axis: 0 })[0]), ["relu"]],
    ["the second of two equal nodes", (x: Tensor) => m.add(m.exp(x), m.exp(x)), ["exp", "add"]],
    [
      "the second of two equal chains",
      (x: Tensor) => m.add(m.relu(m.mul(x, 2)), m.relu(m.mul(x, 2))),
      ["mul", "relu", "add"],
    ],
  ] as const)("%s", (_, make, wanted) => {
    expect(left(make as never)).toEqual(wanted);
  });

  test("two transpositions become one", () => {
    const found = left((x) => m.relu(m.transpose(m.transpose(x, [1, 2, 0]), [1, 0, 2])), [2, 3, 4]);
    expect(found).toEqual(["transpose", "relu"]);
  });

  test("moving axes of size 1 is a reshape, and so is reducing them", () => {
    expect(left((x) => m.transpose(x, [1, 0, 2]), [1, 3, 4])).toEqual(["reshape"]);
    for (const reduce of [m.sum, m.mean, m.max, m.min])
      expect(left((x) => reduce(x, { axes: [0] }), [1, 3])).toEqual(["reshape"]);
  });

  test("a constant that is there already, short or long, but not one that differs in shape, type or a single bit", () => {
    const long = (change = 0): Float32Array =>
      Float32Array.from({ length: 100 }, (_, i) => (i === 57 ? i + change : i));
    const g = m.graph();
    const outputs = [
      m.relu(g.constant(long())),
      m.exp(g.constant(long())),
      m.relu(g.constant(long(2 ** -18))),
      m.relu(g.constant(long(), [10, 10])),
      m.neg(g.constant([1, 2])),
      m.exp(g.constant([1, 2])),
      m.neg(g.constant(Int32Array.of(1, 2))),
      m.exp(g.constant([0])),
      m.exp(g.constant([-0])),
    ];
    expect(m.readOnnx(g.toOnnx(outputs)).initializers).toBe(7);
  });
});

describe("stays", () => {
  test.each([
    ["0 that widens a shape", (x: Tensor) => m.add(x, x.graph.constant(new Float32Array(12), [2, 2, 3])), ["add"]],
    [
      "1 that widens a shape",
      (x: Tensor) => m.mul(x, x.graph.constant(new Float32Array(12).fill(1), [2, 2, 3])),
      ["mul"],
    ],
    ["0 minus x", (x: Tensor) => m.sub(0, x), ["sub"]],
    ["1 by x", (x: Tensor) => m.div(1, x), ["div"]],
    ["zeros with one other number", (x: Tensor) => m.add(x, x.graph.constant([0, 0, 1])), ["add"]],
    [
      "the square of a single number",
      (x: Tensor) => m.sumSquare(m.slice(x, { axes: [0], end: [1] }), { axes: [0] }),
      ["slice", "reduceSumSquare"],
    ],
    [
      "equal operators with other attributes",
      (x: Tensor) => m.add(m.leakyRelu(x, 0.1), m.leakyRelu(x, 0.2)),
      ["leakyRelu", "leakyRelu", "add"],
    ],
    ["equal operators in other order", (x: Tensor) => m.add(m.sub(x, 1), m.sub(1, x)), ["sub", "sub", "add"]],
    ["a transposition that moves numbers", (x: Tensor) => m.transpose(x), ["transpose"]],
    ["a cast there and back", (x: Tensor) => m.cast(m.cast(x, "int32"), "float32"), ["cast", "cast"]],
    [
      "padding with other values",
      (x: Tensor) => m.add(m.pad(x, [0, 0], [0, 1], 0), m.pad(x, [0, 0], [0, 1], 1)),
      ["pad", "pad", "add"],
    ],
  ] as const)("%s", (_, make, wanted) => {
    expect(left(make as never)).toEqual(wanted);
  });

  test("infinite limits and fills are told apart", async () => {
    const g = m.graph();
    const x = g.input("x", [1]);
    const infinity = Number.POSITIVE_INFINITY;
    const outputs = {
      low: m.pad(x, [0], [1], -infinity),
      high: m.pad(x, [0], [1], infinity),
      below: m.clip(x, -infinity, 0),
      above: m.clip(x, 0, infinity),
    };
    const found = await compute(engine, g, outputs, { x: { data: Float32Array.of(2), shape: [1] } });
    expect(Object.values(found).map(numbersOf)).toEqual([[2, -infinity], [2, infinity], [0], [2]]);
  });

  test("every input and parameter, used or not", () => {
    const g = m.graph();
    const [x] = [g.input("x", [1]), g.input("unused", [2], "int32")];
    g.parameter("w", [3], () => new Float32Array(3), { trainable: false });
    const { inputs } = m.readOnnx(g.toOnnx({ y: m.relu(x) }));
    expect(inputs).toEqual([
      { name: "x", dtype: "float", shape: [1] },
      { name: "unused", dtype: "int32", shape: [2] },
      { name: "w", dtype: "float", shape: [3] },
    ]);
  });
});

test("a cleaned graph is clean", () => {
  const g = m.graph();
  const x = g.input("x", [2, 3]);
  const once = cleanUp(g, [m.relu(m.transpose(m.reshape(m.transpose(m.add(x, 0)), [3, 2])))]);
  const twice = cleanUp(once.graph, once.outputs);
  expect(twice.graph.nodes.map(({ op }) => op)).toEqual(once.graph.nodes.map(({ op }) => op));
});

test.each([true, false])("a training step has no copies and no two equal initializers (lowered: %s)", (lowering) => {
  const network = ({ x }: Readonly<Record<string, Tensor>>) => {
    const three = { kernel: 3, padding: 1, bias: false } as const;
    let y = m.relu(batchNormLayer(convLayer(x, 32, m.scope("conv1"), three), m.scope("bn1")));
    y = m.relu(batchNormLayer(convLayer(y, 32, m.scope("conv2"), three), m.scope("bn2")));
    return { scores: linearLayer(m.globalAveragePool(y), 3, m.scope("fc")) };
  };
  const built = buildStep(
    { network, loss: ({ scores }, { t }) => crossEntropy(scores, t), optimizer: adamW({ lr: 1 }), accumulate: 1 },
    { x: { shape: [2, 1, 6, 6, 6], dtype: "float32" }, t: { shape: [2], dtype: "int32" } },
  );
  let encoded = built as Parameters<typeof encodeBuilt>[0];
  if (lowering) {
    const clean = cleanUp(built.graph, Object.values(built.outputs));
    const names = Object.keys(built.outputs);
    encoded = m.lower(clean.graph, Object.fromEntries(names.map((name, i) => [name, clean.outputs[i]])), {
      relayout: false,
    });
  }
  const { operators } = m.readOnnx(encodeBuilt(encoded, true));
  expect(operators.Identity).toBeUndefined();
  const clean = cleanUp(encoded.graph as never, Object.values(encoded.outputs));
  const constants = new Map<string, number>();
  const seen = new Set<Tensor>();
  for (const { inputs } of clean.graph.nodes) {
    for (const { source, shape, dtype } of inputs.filter((input) => !seen.has(input) && seen.add(input))) {
      if (source.kind !== "constant") continue;
      const key = `${dtype} ${shape} ${source.data.join()}`;
      constants.set(key, (constants.get(key) ?? 0) + 1);
    }
  }
  expect([...constants].filter(([, times]) => times > 1)).toEqual([]);
});

test("random graphs give the same numbers cleaned and as they were made", async () => {
  const two = (f: (a: Tensor, b: Tensor) => Tensor) => (a: Tensor, b: Tensor) => f(a, m.reshape(b, a.shape));
  /** Each takes two tensors of six numbers and gives one. */
  const steps: readonly ((a: Tensor, b: Tensor) => Tensor)[] = [
    two(m.add),
    two(m.sub),
    two(m.mul),
    two(m.maximum),
    (a) => m.add(a, 0),
    (a) => m.mul(1, a),
    (a) => m.sub(0, a),
    (a) => m.neg(a),
    (a) => m.stopGradient(a),
    (a) => m.relu(a),
    (a) => m.transpose(a),
    (a) => m.transpose(m.reshape(a, [1, 2, 3]), [1, 0, 2]),
    (a) => m.transpose(m.reshape(a, [2, 1, 3]), [2, 0, 1]),
    (a) => m.reshape(a, [3, 2]),
    (a) => m.reshape(a, [6]),
    (a) => m.sum(m.reshape(a, [1, 6]), { axes: [0] }),
    (a) => m.max(m.reshape(a, [2, 1, 3]), { axes: [1], keepDims: true }),
    (a, b) => m.slice(m.concat([m.reshape(a, [6]), m.reshape(b, [6])], 0), { start: [0], end: [12], step: [2] }),
    (a) => m.cast(m.cast(a, "int32"), "float32"),
  ];
  const recipe = fc.array(fc.tuple(fc.nat(steps.length - 1), fc.nat(), fc.nat()), { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(recipe, async (chosen) => {
      const g = m.graph();
      const made: Tensor[] = [g.input("x", [2, 3]), m.mul(g.constant([1, 2, 3, 4, 5, 6], [2, 3]), 0.5)];
      for (const [step, a, b] of chosen) made.push(steps[step](made[a % made.length], made[b % made.length]));
      const outputs = {
        y: m.reshape(made[made.length - 1], [6]),
        z: m.reshape(made[Math.floor(made.length / 2)], [6]),
      };
      const feeds = { x: { data: Float32Array.of(1.5, -2, 3.25, 0, 5, -6), shape: [2, 3] } };
      const results = [];
      for (const model of [m.encodeOnnx(g, outputs), g.toOnnx(outputs)]) {
        const program = await engine.load(model, { optimize: false });
        // −0 and 0 are the same here: x + 0 makes one of the other.
        const found = (await program.run(feeds)).outputs;
        results.push([found.y, found.z].map((array) => numbersOf(array).map((v) => v + 0)));
        await program.close();
      }
      expect(results[1]).toEqual(results[0]);
    }),
    { numRuns: 150, seed: 3 },
  );
});
