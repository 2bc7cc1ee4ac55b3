/**
 * Every operator's gradient against differences of its own values, as written and in the fast forms.
 *
 * Values are float32, so the difference is of fourth order, (8(f₊₁ − f₋₁) − (f₊₂ − f₋₂)) / 12h, with h = 2⁻⁵ and inputs that
 * are multiples of 2⁻¹⁰, so that every x ± h is exact; weighted sums are taken in float64 outside the engine. What is left
 * is rounding of the values, about 2⁻²⁴·|f|/h ≈ 2·10⁻⁶·|f|, and h⁴/30·f⁽⁵⁾ ≈ 3·10⁻⁸·f⁽⁵⁾; hence {@link TOLERANCE}. Where an
 * operator has kinks (relu, maxima), inputs keep 2h away from them, and there the difference is exact.
 *
 * The tables are walked by the operators' own names: an operator without a case here fails.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { random } from "../random.ts";
import { createEngine, type Engine } from "../runtime/index.ts";
import type { Attributes, BuildingGraph, DType, OperatorName, Tensor } from "./index.ts";
import * as m from "./index.ts";
import { type Arrays, compute, encode, numbersOf } from "./test/compute.ts";

/** Of the largest entry of the gradient, or of 1 where all are smaller. */
const TOLERANCE = 2e-4;
const STEP = 2 ** -5;

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 1 });
});
afterAll(() => engine.close());

interface Input {
  readonly shape: readonly number[];
  /** Numbers; where they are not float32, no gradient is asked for. */
  readonly values: readonly number[];
  readonly dtype?: DType;
}

interface Case {
  readonly name: string;
  readonly inputs: readonly Input[];
  /** The outputs whose weighted sum is differentiated. */
  readonly make: (inputs: readonly Tensor[]) => Tensor | readonly Tensor[];
}

let made = 0;
/** Multiples of 2⁻¹⁰ between low and high, at least `from` away from 0. */
function numbers(shape: readonly number[], low = -1.5, high = 1.5, from = 0): Input {
  const stream = random(7, `input ${made++}`);
  const one = (): number => {
    const value = Math.round(stream.between(low, high) * 1024) / 1024;
    return Math.abs(value) < from ? one() : value;
  };
  return { shape, values: Array.from({ length: m.sizeOf(shape) }, one) };
}

/** Away from 0 by more than two steps of the difference. */
const signed = (...shape: number[]): Input => numbers(shape, -1.5, 1.5, 0.1);
const positive = (...shape: number[]): Input => numbers(shape, 0.5, 2);
const any = (...shape: number[]): Input => numbers(shape);

/** Numbers that all differ by a quarter or more, so that no step changes their order. */
function ranked(...shape: number[]): Input {
  const order = random(7, `input ${made++}`).shuffle(Array.from({ length: m.sizeOf(shape) }, (_, i) => i));
  return { shape, values: order.map((rank) => (rank - order.length / 2) / 4 + 0.0625) };
}

const indices = (shape: readonly number[], ...values: number[]): Input => ({ shape, values, dtype: "int32" });
const bools = (...values: number[]): Input => ({ shape: [values.length], values, dtype: "bool" });

/** A case of one node, written down as its attributes. */
function node<K extends OperatorName>(
  op: K,
  attributes: Attributes[K],
  inputs: readonly Input[],
  { name = JSON.stringify(attributes), outputs = 1 } = {},
): Case {
  return { name, inputs, make: (tensors) => tensors[0].graph.add(op, tensors, attributes).slice(0, outputs) };
}

const elementwise = (op: OperatorName, ...inputs: Input[]): Case => node(op, {} as never, inputs, { name: "" });
const broadcast = (op: OperatorName, of: (...shape: number[]) => Input): Case[] => [
  node(op, {} as never, [of(2, 3), of(2, 3)], { name: "equal shapes" }),
  node(op, {} as never, [of(2, 1, 3), of(4, 1)], { name: "broadcast both ways" }),
  node(op, {} as never, [of(), of(2, 2)], { name: "a scalar" }),
];

const window = (stride: number[], pad: number[], dilation: number[], padEnd = pad) => ({
  stride,
  padBegin: pad,
  padEnd,
  dilation,
});

/** Geometries of convolutions: input, kernel, window, groups. */
const convolutions = [
  { name: "2D, padding", x: [2, 2, 4, 5], w: [3, 2, 3, 3], ...window([1, 1], [1, 1], [1, 1]), groups: 1 },
  { name: "2D, stride, odd rest", x: [1, 2, 6, 5], w: [2, 2, 3, 2], ...window([2, 2], [0, 1], [1, 1]), groups: 1 },
  { name: "2D, dilation, groups", x: [1, 4, 6, 5], w: [4, 2, 2, 2], ...window([1, 1], [1, 0], [2, 2]), groups: 2 },
  { name: "1D, uneven padding", x: [2, 1, 5], w: [2, 1, 3], ...window([1], [2], [1], [0]), groups: 1 },
  {
    name: "3D, stride and padding",
    x: [1, 2, 3, 4, 3],
    w: [2, 2, 2, 3, 2],
    ...window([2, 1, 2], [1, 1, 0], [1, 1, 1]),
    groups: 1,
  },
  { name: "3D, 1×1×1", x: [2, 2, 2, 2, 2], w: [3, 2, 1, 1, 1], ...window([1, 1, 1], [0, 0, 0], [1, 1, 1]), groups: 1 },
] as const;

const attributesOf = ({ stride, padBegin, padEnd, dilation, groups }: (typeof convolutions)[number]) => ({
  stride: [...stride],
  padBegin: [...padBegin],
  padEnd: [...padEnd],
  dilation: [...dilation],
  groups,
});

/** The output's shape of each, from the shape rule itself. */
const outputOf = (c: (typeof convolutions)[number]): readonly number[] => {
  const g = m.graph();
  return g.add("conv", [g.input("x", c.x), g.input("w", c.w)], attributesOf(c))[0].shape;
};

const pools = [
  { name: "2D", shape: [1, 2, 4, 4], kernel: [2, 2], ...window([2, 2], [0, 0], [1, 1]) },
  { name: "2D, overlapping, padded", shape: [1, 1, 4, 5], kernel: [3, 3], ...window([1, 2], [1, 1], [1, 1]) },
  { name: "3D", shape: [1, 1, 2, 3, 4], kernel: [2, 2, 2], ...window([1, 1, 2], [1, 0, 0], [1, 1, 1]) },
] as const;
const poolAttributes = ({ kernel, stride, padBegin, padEnd, dilation }: (typeof pools)[number]) => ({
  kernel: [...kernel],
  stride: [...stride],
  padBegin: [...padBegin],
  padEnd: [...padEnd],
  dilation: [...dilation],
});

const reductions = (op: OperatorName, of: (...shape: number[]) => Input): Case[] =>
  [
    { axes: [0, 1, 2], keepDims: false },
    { axes: [1], keepDims: false },
    { axes: [0, 2], keepDims: true },
    { axes: [], keepDims: false },
  ].map((attributes) => node(op, attributes as never, [of(2, 3, 2)]));

/** Statistics and maps by channel: the last axes of `shape` are positions. */
const perChannel = (
  op: OperatorName,
  shape: number[],
  vectors: readonly ((n: number) => Input)[],
  attributes: object,
): Case =>
  node(op, attributes as never, [any(...shape), ...vectors.map((make) => make(shape[1]))], {
    name: `[${shape}]`,
    outputs: 3,
  });

const VECTORS = { any: (n: number) => any(n), positive: (n: number) => positive(n) };

/** Cases of every operator that has a gradient. */
const cases: Partial<Record<OperatorName, readonly Case[]>> = {
  neg: [elementwise("neg", any(2, 3))],
  exp: [elementwise("exp", any(2, 3))],
  log: [elementwise("log", positive(2, 3))],
  sqrt: [elementwise("sqrt", positive(2, 3))],
  abs: [elementwise("abs", signed(2, 3))],
  reciprocal: [elementwise("reciprocal", positive(2, 3))],
  relu: [elementwise("relu", signed(2, 3))],
  leakyRelu: [node("leakyRelu", { slope: 0.2 }, [signed(2, 3)])],
  sigmoid: [elementwise("sigmoid", any(2, 3))],
  tanh: [elementwise("tanh", any(2, 3))],
  softplus: [elementwise("softplus", any(2, 3))],
  clip: [node("clip", { min: -0.7, max: 0.7 }, [{ shape: [4], values: [-1.5, -0.25, 0.5, 1] }])],
  cast: [node("cast", { to: "float32" }, [any(3)])],
  add: broadcast("add", any),
  addAll: [elementwise("addAll", any(2, 3)), elementwise("addAll", any(2, 2), any(2, 2), any(2, 2))],
  sub: broadcast("sub", any),
  mul: broadcast("mul", any),
  div: broadcast("div", positive),
  pow: broadcast("pow", positive),
  maximum: [elementwise("maximum", { shape: [2, 2], values: [0, 1, 2, 3] }, { shape: [2], values: [0.5, 1.5] })],
  minimum: [elementwise("minimum", { shape: [2, 2], values: [0, 1, 2, 3] }, { shape: [2], values: [0.5, 1.5] })],
  where: [
    node("where", {}, [bools(1, 0, 1), any(3), any(3)], { name: "equal shapes" }),
    node("where", {}, [bools(1, 0, 1), any(2, 1), any()], { name: "broadcast" }),
  ],
  reduceSum: reductions("reduceSum", any),
  reduceMean: reductions("reduceMean", any),
  reduceSumSquare: reductions("reduceSumSquare", any),
  reduceMax: reductions("reduceMax", ranked),
  reduceMin: reductions("reduceMin", ranked),
  reshape: [node("reshape", { shape: [3, 2] }, [any(2, 3)])],
  transpose: [node("transpose", { permutation: [2, 0, 1] }, [any(2, 3, 2)])],
  expand: [node("expand", { shape: [2, 2, 3] }, [any(2, 1)])],
  concat: [node("concat", { axis: 1 }, [any(2, 1), any(2, 3), any(2, 2)])],
  slice: [
    node("slice", { start: [1, 0], end: [2, 3], step: [1, 1] }, [any(3, 4)]),
    node("slice", { start: [0, 1], end: [5, 6], step: [2, 3] }, [any(5, 6)]),
  ],
  pad: [
    node("pad", { before: [1, 0], after: [0, 2], value: 0 }, [any(2, 2)]),
    node("pad", { before: [0, 1], after: [1, 0], value: 7 }, [any(2, 2)]),
  ],
  gather: [
    node("gather", { axis: 1 }, [any(2, 3), indices([4], 2, 0, 2, 2)], { name: "one entry three times" }),
    node("gather", { axis: 0 }, [any(3, 2), indices([2, 2], 2, 0, 1, 1)], { name: "indices of two axes" }),
  ],
  gatherElements: [node("gatherElements", { axis: 1 }, [any(2, 3), indices([2, 2], 2, 0, 1, 1)])],
  scatterAdd: [node("scatterAdd", { axis: 1, shape: [2, 3] }, [any(2, 2), indices([2, 2], 2, 0, 1, 1)])],
  topK: [node("topK", { count: 2 }, [ranked(2, 4)])],
  // Row r takes r and r + 1 of three; so row q goes to q and q − 1.
  takeRows: [node("takeRows", {}, [any(3, 2), indices([2, 3], 0, 1, 2, 1, 2, 0), indices([2, 3], 0, 1, 2, 2, 0, 1)])],
  matmul: [
    ...[false, true].flatMap((transposeA) =>
      [false, true].map((transposeB) =>
        node("matmul", { transposeA, transposeB, alpha: 1 }, [
          transposeA ? any(3, 2) : any(2, 3),
          transposeB ? any(4, 3) : any(3, 4),
        ]),
      ),
    ),
    node("matmul", { transposeA: false, transposeB: true, alpha: 0.5 }, [any(2, 1, 2, 3), any(3, 2, 3)], {
      name: "batches, ½",
    }),
  ],
  axisMatrix: [0, 1, 2].map((axis) => node("axisMatrix", { axis }, [any(2, 3, 2), any(4, [2, 3, 2][axis])])),
  conv: convolutions.map((c) => node("conv", attributesOf(c), [any(...c.x), any(...c.w)], { name: c.name })),
  convTranspose: convolutions.map((c) =>
    node("convTranspose", { ...attributesOf(c), outputSpatial: c.x.slice(2) }, [any(...outputOf(c)), any(...c.w)], {
      name: c.name,
    }),
  ),
  convWeightGradient: convolutions.map((c) =>
    node("convWeightGradient", { ...attributesOf(c), kernel: c.w.slice(2) }, [any(...c.x), any(...outputOf(c))], {
      name: c.name,
    }),
  ),
  maxPool: pools.map((p) => node("maxPool", poolAttributes(p), [ranked(...p.shape)], { name: p.name })),
  maxPoolGradient: [
    node("maxPoolGradient", { inputShape: [1, 1, 4] }, [
      any(1, 1, 3),
      { shape: [1, 1, 3], values: [1, 1, 3], dtype: "int64" },
    ]),
  ],
  averagePool: pools.flatMap((p) =>
    [true, false].map((countIncludePad) =>
      node("averagePool", { ...poolAttributes(p), countIncludePad }, [any(...p.shape)], {
        name: `${p.name}, padding ${countIncludePad ? "counts" : "does not count"}`,
      }),
    ),
  ),
  batchNorm: [
    perChannel("batchNorm", [3, 2, 3], [VECTORS.positive, VECTORS.any], { epsilon: 0.01 }),
    perChannel("batchNorm", [5, 2], [VECTORS.positive, VECTORS.any], { epsilon: 0.01 }),
    perChannel("batchNorm", [2, 2, 2, 1, 2], [VECTORS.positive, VECTORS.any], { epsilon: 0.01 }),
  ],
  batchNormInference: [
    [2, 2, 3],
    [3, 2],
  ].map((shape) =>
    perChannel("batchNormInference", shape, [VECTORS.any, VECTORS.any, VECTORS.any, VECTORS.positive], {
      epsilon: 0.01,
    }),
  ),
  channelAffine: [
    [2, 2, 3],
    [3, 2],
    [2, 2, 1, 2, 2],
  ].map((shape) => perChannel("channelAffine", shape, [VECTORS.any, VECTORS.any], {})),
  softmax: [0, 1, 2].map((axis) => node("softmax", { axis }, [any(2, 3, 2)])),
  logSoftmax: [0, 1, 2].map((axis) => node("logSoftmax", { axis }, [any(2, 3, 2)])),
};

/** What the operators without a gradient are, each with an example. */
const without: Partial<Record<OperatorName, Case>> = {
  sign: elementwise("sign", signed(4)),
  floor: elementwise("floor", { shape: [3], values: [0.5, -0.5, 1.75] }),
  stopGradient: elementwise("stopGradient", any(3)),
  not: elementwise("not", bools(1, 0)),
  equal: elementwise("equal", any(2), any(2)),
  less: elementwise("less", any(2), any(2)),
  lessOrEqual: elementwise("lessOrEqual", any(2), any(2)),
  greater: elementwise("greater", any(2), any(2)),
  greaterOrEqual: elementwise("greaterOrEqual", any(2), any(2)),
  and: elementwise("and", bools(1, 0), bools(1, 1)),
  or: elementwise("or", bools(1, 0), bools(1, 1)),
  bitwiseXor: elementwise("bitwiseXor", indices([2], 1, 2), indices([2], 3, 3)),
  bitShift: node("bitShift", { direction: "left" }, [
    { shape: [1], values: [1], dtype: "uint32" },
    { shape: [1], values: [3], dtype: "uint32" },
  ]),
  argMax: node("argMax", { axis: 0, keepDims: false }, [ranked(3)]),
  nonMaximumSuppression: node("nonMaximumSuppression", { threshold: 0.5, least: -0.5 }, [
    { shape: [1, 2, 4], values: [0, 0, 4, 4, 0, 0, 4, 3] },
    { shape: [1, 2], values: [0.9, 0.8] },
  ]),
  greedyChoice: node("greedyChoice", {}, [
    { shape: [1, 2, 2], values: [0, 1, 0, 0] },
    { shape: [1, 2], values: [1, 1] },
  ]),
};

/** A case of every operator that is for inference alone: asking for its gradient is an error. */
const refused: Partial<Record<OperatorName, Case>> = {
  fitToCanvas: node("fitToCanvas", { canvas: [4, 4], sides: null }, [any(1, 1, 2, 3)]),
  alignRegions: node("alignRegions", { outputSize: [2, 2], scales: [1], samplingRatio: 1, aligned: false }, [
    any(1, 2, 4, 4),
    { shape: [1, 4], values: [0, 0, 4, 4] },
    indices([1], 0),
  ]),
};

const isFloat = ({ dtype }: Input): boolean => dtype === undefined || dtype === "float32";

function arrayOf({ shape, values, dtype = "float32" }: Input, change?: { at: number; by: number }) {
  const changed = change === undefined ? values : values.map((v, i) => (i === change.at ? v + change.by : v));
  const data = {
    float32: () => Float32Array.from(changed),
    int32: () => Int32Array.from(changed),
    int64: () => BigInt64Array.from(changed, BigInt),
    uint32: () => Uint32Array.from(changed),
    bool: () => Uint8Array.from(changed),
  }[dtype]();
  return { data, shape };
}

const feedsOf = (inputs: readonly Input[], change?: { input: number; at: number; by: number }): Arrays =>
  Object.fromEntries(
    inputs.map((input, i) => [
      `x${i}`,
      arrayOf(input, change !== undefined && change.input === i ? change : undefined),
    ]),
  );

interface Built {
  readonly g: BuildingGraph;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

function build({ inputs, make }: Case): Built {
  const g = m.graph({ training: true });
  const tensors = inputs.map(({ shape, dtype }, i) => g.input(`x${i}`, shape, dtype));
  const y = make(tensors);
  const outputs = (Array.isArray(y) ? y : [y]) as readonly Tensor[];
  return { g, inputs: tensors, outputs };
}

/** Weights of the outputs in the sum that is differentiated. */
const weightsOf = (shape: readonly number[], i: number): Float32Array => {
  const stream = random(11, `weights ${i}`);
  return Float32Array.from({ length: m.sizeOf(shape) }, () => Math.round(stream.between(-1, 1) * 1024) / 1024);
};

/** The weighted sum of the outputs, as a graph. */
const lossOf = (outputs: readonly Tensor[]): Tensor =>
  outputs
    .map((y, i) => m.sum(m.mul(y, y.graph.constant(weightsOf(y.shape, i), y.shape))))
    .reduce((a, b) => m.add(a, b));

/** The derivatives of the weighted sum by every number of every float input, by differences. */
async function differences(asked: Case): Promise<Map<number, number[]>> {
  const { g, outputs } = build(asked);
  const program = await engine.load(encode(g, Object.fromEntries(outputs.map((y, i) => [`y${i}`, y]))));
  const loss = async (input: number, at: number, by: number): Promise<number> => {
    const found = (await program.run(feedsOf(asked.inputs, { input, at, by }))).outputs;
    let total = 0;
    for (const [i, { shape }] of outputs.entries()) {
      const weights = weightsOf(shape, i);
      for (const [k, value] of numbersOf(found[`y${i}`]).entries()) total += value * weights[k];
    }
    return total;
  };
  const slopes = new Map<number, number[]>();
  for (const [i, input] of asked.inputs.entries()) {
    if (!isFloat(input)) continue;
    slopes.set(
      i,
      await Promise.all(
        input.values.map(async (_, at) => {
          const [a, b, c, d] = await Promise.all([1, -1, 2, -2].map((steps) => loss(i, at, steps * STEP)));
          return (8 * (a - b) - (c - d)) / (12 * STEP);
        }),
      ),
    );
  }
  await program.close();
  return slopes;
}

async function expectGradients(asked: Case): Promise<void> {
  const wanted = await differences(asked);
  for (const lowering of [false, true]) {
    const { g, inputs, outputs } = build(asked);
    const places = [...wanted.keys()];
    const found = m.gradients(
      lossOf(outputs),
      places.map((i) => inputs[i]),
    );
    const named = Object.fromEntries(found.map((slope, k) => [`d${places[k]}`, slope]));
    const values = await compute(engine, g, named, feedsOf(asked.inputs), { lowering });
    for (const [i, slopes] of wanted) {
      expect(values[`d${i}`].shape).toEqual(asked.inputs[i].shape);
      const scale = Math.max(1, ...slopes.map(Math.abs));
      for (const [k, value] of numbersOf(values[`d${i}`]).entries())
        expect(Math.abs(value - slopes[k]) / scale, `input ${i}, entry ${k}: ${value}, ${slopes[k]}`).toBeLessThan(
          TOLERANCE,
        );
    }
  }
}

/** The case whose outputs are the first derivatives of another's weighted sum. */
const derivativeOf = (first: Case): Case => ({
  ...first,
  make: (inputs) => {
    const y = first.make(inputs);
    const floats = inputs.filter((_, i) => isFloat(first.inputs[i]));
    return m.gradients(lossOf((Array.isArray(y) ? y : [y]) as readonly Tensor[]), floats);
  },
});

const names = Object.keys(m.operators) as OperatorName[];

test("every operator has a case here, and no case stands for none", () => {
  const told = [...Object.keys(cases), ...Object.keys(without), ...Object.keys(refused)];
  expect([...told].sort()).toEqual([...names].sort());
  expect(new Set(told).size).toBe(told.length);
});

describe.each(names.filter((name) => typeof m.operators[name].gradient === "function"))("%s", (name) => {
  const own = (cases[name] ?? []).map((one) => [one.name, one] as const);
  test.each(own)("first derivatives %s", (_, one) => expectGradients(one));
  test.each(own)("second derivatives %s", (_, one) => expectGradients(derivativeOf(one)));
});

describe.each(names.filter((name) => m.operators[name].gradient === "none"))("%s", (name) => {
  test("has no gradient: its values are no floats, or do not move", async () => {
    const asked = without[name]!;
    const { g, inputs, outputs } = build(asked);
    if (outputs[0].dtype !== "float32") return;
    const [found] = Object.values(
      await compute(engine, g, { d: m.gradients(lossOf(outputs), inputs)[0] }, feedsOf(asked.inputs)),
    );
    expect(numbersOf(found)).toEqual(asked.inputs[0].values.map(() => 0));
    // stopGradient is the one whose values move all the same.
    if (name !== "stopGradient") expect((await differences(asked)).get(0)).toEqual(asked.inputs[0].values.map(() => 0));
  });
});

test.each(names.filter((name) => m.operators[name].gradient === "refused"))(
  "%s refuses to be differentiated",
  (name) => {
    const { inputs, outputs } = build(refused[name]!);
    expect(() => m.gradients(m.sum(outputs[0]), inputs.slice(0, 1))).toThrow(`${name}: is for inference`);
  },
);

describe("by hand", () => {
  const gradientOf = async (make: (x: Tensor) => Tensor, values: readonly number[]): Promise<number[]> => {
    const g = m.graph();
    const x = g.input("x", [values.length]);
    const [d] = m.gradients(m.sum(make(x)), [x]);
    return numbersOf((await compute(engine, g, { d }, { x: { data: Float32Array.from(values), shape: x.shape } })).d);
  };

  test.each([
    ["x² is 2x", (x: Tensor) => m.square(x), [3, -1], [6, -2]],
    ["x³ by pow, also below and at 0", (x: Tensor) => m.pow(x, 3), [2, -1, 0], [12, 3, 0]],
    ["x⁰ does not move, nor at 0", (x: Tensor) => m.pow(x, 0), [2, 0], [0, 0]],
    ["relu at 0 is 0", m.relu, [0, 1], [0, 1]],
    ["abs at 0 is 0", m.abs, [0, -1], [0, -1]],
    ["a tie of maxima is shared", (x: Tensor) => m.max(x), [5, 5, 1], [0.5, 0.5, 0]],
    ["a tie of maximum is shared", (x: Tensor) => m.maximum(x, 2), [2, 3], [0.5, 1]],
    ["a value used twice gets both", (x: Tensor) => m.add(m.mul(x, 3), m.mul(x, 4)), [1], [7]],
    ["stopGradient keeps one factor", (x: Tensor) => m.mul(x, m.stopGradient(x)), [5], [5]],
    ["nothing passes through whole numbers", (x: Tensor) => m.cast(m.cast(x, "int32"), "float32"), [1.5], [0]],
    ["a gathered entry gets a share for each time", (x: Tensor) => m.gather(x, [1, 1, 1]), [1, 2], [0, 3]],
  ] as const)("%s", async (_, make, values, wanted) => {
    expect((await gradientOf(make, values)).map((v) => v + 0)).toEqual(wanted);
  });

  test("the third derivative of x⁴ is 24x", async () => {
    const g = m.graph();
    const x = g.input("x", [1]);
    let y = m.square(m.square(x));
    for (let order = 0; order < 3; order++) [y] = m.gradients(m.sum(y), [x]);
    const { d } = await compute(engine, g, { d: y }, { x: { data: Float32Array.of(2), shape: [1] } });
    expect(numbersOf(d)).toEqual([48]);
  });

  test("what the loss does not depend on gets zeros of its shape", async () => {
    const g = m.graph();
    const [x, y] = [g.input("x", [1]), g.input("y", [2, 2])];
    const [dx, dy, loss] = m.gradients(m.sum(x), [x, y, g.input("z", [3])]);
    expect([dx, dy, loss].map(({ shape }) => shape)).toEqual([[1], [2, 2], [3]]);
    const feeds = { x: { data: Float32Array.of(1), shape: [1] } };
    const zeros = await compute(
      engine,
      g,
      { dy },
      {
        ...feeds,
        y: { data: new Float32Array(4).fill(1), shape: [2, 2] },
        z: { data: new Float32Array(3), shape: [3] },
      },
    );
    expect(numbersOf(zeros.dy)).toEqual([0, 0, 0, 0]);
  });

  test("the gradient of the loss by itself is one", () => {
    const g = m.graph();
    const loss = m.sum(g.input("x", [2]));
    const [d] = m.gradients(loss, [loss]);
    expect(d.source).toMatchObject({ kind: "constant", data: Float32Array.of(1) });
  });

  test("only what is asked for is derived: a frozen weight adds no node", () => {
    const count = (frozen: boolean): number => {
      const g = m.graph();
      const x = g.input("x", [1, 2, 5]);
      const [w, v] = ["w", "v"].map((name) => g.parameter(name, [2, 2, 3], () => new Float32Array(12)));
      const loss = m.sum(m.conv(m.conv(x, w), v));
      m.gradients(loss, frozen ? [v] : [w, v]);
      return g.nodes.filter(({ op }) => op === "convWeightGradient" || op === "convTranspose").length;
    };
    expect([count(true), count(false)]).toEqual([1, 3]);
  });
});
