/**
 * Operators on numbers a person can check by hand, most of them on lines: images of one row. Then what is refused, and how.
 * Larger shapes, strides, groups and all gradients are compared with PyTorch in `test/golden-operators.test.ts`.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ShapeError } from "../errors.ts";
import { createEngine, type Engine } from "../runtime/index.ts";
import type { BuildingGraph, Tensor, TensorData } from "./index.ts";
import * as m from "./index.ts";
import { type Arrays, compute, numbersOf } from "./test/compute.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 1 });
});
afterAll(() => engine.close());

/** The numbers of one expression over constants. */
async function evaluate(make: (g: BuildingGraph) => Tensor, feeds: Arrays = {}): Promise<number[]> {
  const g = m.graph({ training: true });
  return numbersOf((await compute(engine, g, { y: make(g) }, feeds)).y);
}

/** A line: one row of one channel of one image, in as many dimensions as asked for. */
const line = (g: BuildingGraph, values: readonly number[], axes = 2): Tensor =>
  g.constant(values, [1, 1, ...new Array<number>(axes - 1).fill(1), values.length]);

/** Options that only concern the last axis. */
const last = (value: number, axes: number, other = 1): number[] => [...new Array<number>(axes - 1).fill(other), value];

describe.each([1, 2, 3])("windows on lines in %d dimensions", (axes) => {
  test.each([
    ["a difference", [1, 2, 3, 4, 5], [1, 0, -1], {}, [-2, -2, -2]],
    ["stride 2", [1, 2, 3, 4, 5], [1, 0, -1], { stride: 2 }, [-2, -2]],
    ["padding 1", [1, 2, 3, 4, 5], [1, 0, -1], { padding: 1 }, [-2, -2, -2, -2, 4]],
    ["dilation 2", [1, 2, 3, 4, 5], [1, 1], { dilation: 2 }, [4, 6, 8]],
    ["stride 2, padding 1, dilation 2", [1, 2, 3, 4, 5], [1, 10], { stride: 2, padding: 1, dilation: 2 }, [20, 42, 4]],
  ] as const)("conv: %s", async (_, x, w, options, wanted) => {
    const { stride = 1, padding = 0, dilation = 1 } = options as Record<string, number>;
    const window = { stride: last(stride, axes), padding: last(padding, axes, 0), dilation: last(dilation, axes) };
    expect(await evaluate((g) => m.conv(line(g, x, axes), line(g, w, axes), window))).toEqual(wanted);
  });

  test.each([
    ["each number leaves the kernel's print", [1, 2, 3], {}, [1, 12, 23, 30]],
    ["stride 2", [1, 2, 3], { stride: 2 }, [1, 10, 2, 20, 3, 30]],
    ["stride 2, one more", [1, 2, 3], { stride: 2, outputPadding: 1 }, [1, 10, 2, 20, 3, 30, 0]],
    ["padding 1 cuts both ends", [1, 2, 3], { padding: 1 }, [12, 23]],
    ["dilation 2", [1, 2, 3], { dilation: 2 }, [1, 2, 13, 20, 30]],
  ] as const)("convTranspose: %s", async (_, x, options, wanted) => {
    const { stride = 1, padding = 0, dilation = 1, outputPadding = 0 } = options as Record<string, number>;
    const window = {
      stride: last(stride, axes),
      padding: last(padding, axes, 0),
      dilation: last(dilation, axes),
      outputPadding: last(outputPadding, axes, 0),
    };
    expect(await evaluate((g) => m.convTranspose(line(g, x, axes), line(g, [1, 10], axes), window))).toEqual(wanted);
  });

  test.each([
    ["max, stride 1", m.maxPool, [1, 3, 2, 5, 4], { kernel: 2, stride: 1 }, [3, 3, 5, 5]],
    ["max, the kernel's stride", m.maxPool, [1, 3, 2, 5, 4], { kernel: 2 }, [3, 5]],
    [
      "max, padding is below every number",
      m.maxPool,
      [-1, -3, -2, -5, -4],
      { kernel: 3, stride: 2, padding: 1 },
      [-1, -2, -4],
    ],
    ["average", m.averagePool, [1, 3, 2, 6], { kernel: 2 }, [2, 4]],
    ["average, padding counts", m.averagePool, [1, 3, 2, 6], { kernel: 2, padding: 1 }, [0.5, 2.5, 3]],
    [
      "average, padding does not",
      m.averagePool,
      [1, 3, 2, 6],
      { kernel: 2, padding: 1, countIncludePad: false },
      [1, 2.5, 6],
    ],
  ] as const)("pool: %s", async (_, pool, x, options, wanted) => {
    const { kernel, stride = kernel, padding = 0, ...rest } = options as { kernel: number } & Record<string, number>;
    const window = { kernel: last(kernel, axes), stride: last(stride, axes), padding: last(padding, axes, 0), ...rest };
    expect(await evaluate((g) => pool(line(g, x, axes), window))).toEqual(wanted);
  });

  test.each([
    ["linear", { mode: "linear" }, [0, 1, 3, 4]],
    ["linear, corners on corners", { mode: "linear", alignCorners: true }, [0, 4 / 3, 8 / 3, 4]],
    ["nearest", { mode: "nearest" }, [0, 0, 4, 4]],
  ] as const)("resize of two numbers to four: %s", async (_, options, wanted) => {
    const found = await evaluate((g) => m.resize(line(g, [0, 4], axes), { size: last(4, axes), ...options }));
    for (const [i, value] of wanted.entries()) expect(found[i]).toBeCloseTo(value, 6);
  });
});

describe("convolution", () => {
  test("channels add up, groups keep apart, the bias is per channel", async () => {
    const x = (g: BuildingGraph): Tensor => g.constant([1, 2, 3, 10, 20, 30], [1, 2, 1, 3]);
    const bias = (g: BuildingGraph): Tensor => g.constant([0.5, -0.5]);
    const joint = (g: BuildingGraph): Tensor => g.constant([1, 1, 1, -1], [2, 2, 1, 1]);
    expect(await evaluate((g) => m.conv(x(g), joint(g), { bias: bias(g) }))).toEqual([
      11.5, 22.5, 33.5, -9.5, -18.5, -27.5,
    ]);
    const apart = (g: BuildingGraph): Tensor => g.constant([2, 3], [2, 1, 1, 1]);
    expect(await evaluate((g) => m.conv(x(g), apart(g), { groups: 2 }))).toEqual([2, 4, 6, 30, 60, 90]);
  });

  test("a sum over neighbours in a plane", async () => {
    const found = await evaluate((g) => {
      const x = g.constant([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 1, 3, 3]);
      return m.conv(x, g.constant(new Float32Array(9).fill(1), [1, 1, 3, 3]), { padding: 1 });
    });
    expect(found).toEqual([12, 21, 16, 27, 45, 33, 24, 39, 28]);
  });
});

describe("normalisation", () => {
  test("batch norm: over batch and positions; the variance is divided by the count", async () => {
    const g = m.graph();
    const x = g.constant([1, 3, 10, 10, 5, 7, 30, 30], [2, 2, 2]);
    const outputs = m.batchNorm(x, g.constant([1, 2]), g.constant([0, 5]), 0);
    const { output, mean, variance } = await compute(engine, g, { ...outputs });
    expect([numbersOf(mean), numbersOf(variance)]).toEqual([
      [4, 20],
      [5, 100],
    ]);
    const wanted = [-3, -1, 0, 0, 1, 3, 0, 0].map((v) => v / Math.sqrt(5));
    const found = numbersOf(output);
    for (const i of [0, 1, 4, 5]) expect(found[i]).toBeCloseTo(wanted[i], 6);
    expect([found[2], found[3], found[6], found[7]]).toEqual([3, 3, 7, 7]);
  });

  test("given statistics, instance, group and layer norm", async () => {
    const given = await evaluate((g) => {
      const [one, two] = [g.constant([2]), g.constant([10])];
      return m.batchNormInference(g.constant([4, 8], [1, 1, 2]), one, two, g.constant([6]), g.constant([4]), 0);
    });
    expect(given).toEqual([8, 12]);
    const x = (g: BuildingGraph): Tensor => g.constant([1, 3, 10, 30], [1, 2, 2]);
    const near = async (make: (g: BuildingGraph) => Tensor, wanted: readonly number[]): Promise<void> => {
      for (const [i, value] of (await evaluate(make)).entries()) expect(value).toBeCloseTo(wanted[i], 4);
    };
    await near((g) => m.instanceNorm(x(g)), [-1, 1, -1, 1]);
    const all = [1, 3, 10, 30].map((v) => (v - 11) / Math.sqrt((100 + 64 + 1 + 361) / 4));
    await near((g) => m.groupNorm(x(g), 1), all);
    await near((g) => m.layerNorm(x(g), 2), all);
    await near((g) => m.layerNorm(x(g), 1), [-1, 1, -1, 1]);
    await near((g) => m.instanceNorm(x(g), g.constant([2, 3]), g.constant([0, 1])), [-2, 2, -2, 4]);
  });

  test("softmax and its logarithm", async () => {
    const x = (g: BuildingGraph): Tensor => g.constant([0, Math.log(3)], [1, 2]);
    const [a, b] = await evaluate((g) => m.softmax(x(g)));
    expect([a, b].map((v) => v.toFixed(6))).toEqual(["0.250000", "0.750000"]);
    const [c, d] = await evaluate((g) => m.logSoftmax(x(g)));
    expect([Math.exp(c), Math.exp(d)].map((v) => v.toFixed(6))).toEqual(["0.250000", "0.750000"]);
    expect(await evaluate((g) => m.logSoftmax(g.constant([1000, 0], [1, 2])))).toEqual([0, -1000]);
  });
});

describe("products", () => {
  const a = (g: BuildingGraph): Tensor => g.constant([1, 2, 3, 4], [2, 2]);
  const b = (g: BuildingGraph): Tensor => g.constant([5, 6, 7, 8], [2, 2]);
  test.each([
    [{}, [19, 22, 43, 50]],
    [{ transposeA: true }, [26, 30, 38, 44]],
    [{ transposeB: true }, [17, 23, 39, 53]],
    [{ transposeA: true, transposeB: true }, [23, 31, 34, 46]],
    [{ alpha: 0.5 }, [9.5, 11, 21.5, 25]],
  ])("matmul %j", async (options, wanted) => {
    expect(await evaluate((g) => m.matmul(a(g), b(g), options))).toEqual(wanted);
  });

  test("matmul broadcasts what lies before the last two axes", async () => {
    const found = await evaluate((g) => m.matmul(g.constant([1, 2, 3, 4], [2, 1, 2]), b(g)));
    expect(found).toEqual([19, 22, 43, 50]);
  });

  test("linear: rows times weights, plus bias; spatial axes of size 1 are flattened", async () => {
    const found = await evaluate((g) => m.linear(g.constant([1, 2], [1, 2, 1, 1]), b(g), g.constant([100, 200])));
    expect(found).toEqual([117, 223]);
  });

  test("a matrix along one axis", async () => {
    const x = (g: BuildingGraph): Tensor => g.constant([1, 2, 3, 4, 5, 6], [1, 3, 2]);
    const matrix = (g: BuildingGraph): Tensor => g.constant([1, 1, 1, 1, 0, -1], [2, 3]);
    expect(await evaluate((g) => m.applyMatrix(x(g), 1, matrix(g)))).toEqual([9, 12, -4, -4]);
  });
});

describe("moving", () => {
  const x = (g: BuildingGraph): Tensor => g.constant([1, 2, 3, 4, 5, 6], [2, 3]);
  test.each([
    ["transpose", (t: Tensor) => m.transpose(t), [3, 2], [1, 4, 2, 5, 3, 6]],
    ["reshape with −1", (t: Tensor) => m.reshape(t, [3, -1]), [3, 2], [1, 2, 3, 4, 5, 6]],
    ["slice from the end", (t: Tensor) => m.slice(t, { axes: [1], start: [-2] }), [2, 2], [2, 3, 5, 6]],
    ["slice with a step", (t: Tensor) => m.slice(t, { axes: [-1], start: [0], step: [2] }), [2, 2], [1, 3, 4, 6]],
    ["slice of nothing", (t: Tensor) => m.slice(t, { axes: [0], start: [2] }), [0, 3], []],
    ["pad", (t: Tensor) => m.pad(t, [0, 1], [1, 0], 9), [3, 4], [9, 1, 2, 3, 9, 4, 5, 6, 9, 9, 9, 9]],
    ["concat", (t: Tensor) => m.concat([t, t], 1), [2, 6], [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6]],
    ["gather", (t: Tensor) => m.gather(t, [2, 0, 2], 1), [2, 3], [3, 1, 3, 6, 4, 6]],
    ["reverse", (t: Tensor) => m.gather(t, [1, 0], 0), [2, 3], [4, 5, 6, 1, 2, 3]],
    ["expand", (t: Tensor) => m.expand(m.slice(t, { axes: [1], end: [1] }), [2, 3]), [2, 3], [1, 1, 1, 4, 4, 4]],
  ] as const)("%s", async (_, move, shape, wanted) => {
    const g = m.graph();
    const y = move(x(g));
    expect(y.shape).toEqual(shape);
    expect(numbersOf((await compute(engine, g, { y })).y)).toEqual(wanted);
  });

  test("gatherElements picks one for each place, scatterAdd puts them back and adds", async () => {
    const at = (g: BuildingGraph): Tensor => g.constant(Int32Array.of(2, 0, 1, 1), [2, 2]);
    expect(await evaluate((g) => m.gatherElements(x(g), at(g), 1))).toEqual([3, 1, 5, 5]);
    const updates = (g: BuildingGraph): Tensor => g.constant([1, 2, 3, 4], [2, 2]);
    expect(await evaluate((g) => m.scatterAdd(updates(g), at(g), 1, [2, 3]))).toEqual([2, 0, 1, 0, 7, 0]);
  });

  test("takeRows adds up the rows that each list names", async () => {
    const rows = (g: BuildingGraph): Tensor => g.constant([1, 2, 10, 20, 100, 200], [3, 2]);
    const take = (g: BuildingGraph): Tensor => g.constant(Int32Array.of(2, 0, 1, 0), [2, 2]);
    const back = (g: BuildingGraph): Tensor => g.constant(Int32Array.of(1, 0, 0, 1, 0, 0), [2, 3]);
    expect(await evaluate((g) => m.takeRows(rows(g), take(g), back(g)))).toEqual([110, 220, 2, 4]);
  });
});

describe("reductions", () => {
  const x = (g: BuildingGraph): Tensor => g.constant([1, -2, 3, 4, -5, 6], [2, 3]);
  test.each([
    ["sum", m.sum, [7], [2, 5], [5, -7, 9]],
    ["mean", m.mean, [7 / 6], [2 / 3, 5 / 3], [2.5, -3.5, 4.5]],
    ["max", m.max, [6], [3, 6], [4, -2, 6]],
    ["min", m.min, [-5], [-2, -5], [1, -5, 3]],
    ["sumSquare", m.sumSquare, [91], [14, 77], [17, 29, 45]],
  ] as const)("%s: of all, of rows, of columns", async (_, reduce, all, rows, columns) => {
    for (const [options, wanted] of [
      [{}, all],
      [{ axes: [-1] }, rows],
      [{ axes: [0], keepDims: true }, columns],
    ] as const) {
      const found = await evaluate((g) => reduce(x(g), options));
      for (const [i, value] of wanted.entries()) expect(found[i]).toBeCloseTo(value, 6);
      expect(found).toHaveLength(wanted.length);
    }
  });

  test("over no axes, and of a scalar: the number itself, or its square", async () => {
    for (const [reduce, wanted] of [
      [m.sum, 3],
      [m.mean, 3],
      [m.max, 3],
      [m.min, 3],
      [m.sumSquare, 9],
    ] as const) {
      expect(await evaluate((g) => reduce(g.constant(3)))).toEqual([wanted]);
      expect(await evaluate((g) => reduce(g.constant([3, 3]), { axes: [] }))).toEqual([wanted, wanted]);
    }
  });

  test("argMax: the first of equals", async () => {
    expect(await evaluate((g) => m.argMax(g.constant([1, 7, 7, 3, 2, 1], [2, 3]), 1))).toEqual([1, 0]);
  });
});

describe("elementwise", () => {
  const unaries: readonly [string, (x: Tensor) => Tensor, readonly number[], readonly number[]][] = [
    ["neg", m.neg, [1, -2, 0.5], [-1, 2, -0.5]],
    ["abs", m.abs, [1, -2, 0], [1, 2, 0]],
    ["sign", m.sign, [3, -2, 0], [1, -1, 0]],
    ["floor", m.floor, [1.5, -1.5, 2], [1, -2, 2]],
    ["sqrt", m.sqrt, [4, 0.25], [2, 0.5]],
    ["square", m.square, [3, -4], [9, 16]],
    ["reciprocal", m.reciprocal, [4, -0.5], [0.25, -2]],
    ["relu", m.relu, [-1, 0, 2], [0, 0, 2]],
    ["leaky relu", (x) => m.leakyRelu(x, 0.25), [-4, 0, 2], [-1, 0, 2]],
    ["clip", (x) => m.clip(x, -1, 1), [-3, 0.5, 3], [-1, 0.5, 1]],
    ["exp", m.exp, [0], [1]],
    ["log", m.log, [1], [0]],
    ["sigmoid", m.sigmoid, [0], [0.5]],
    ["tanh", m.tanh, [0], [0]],
    ["softplus of large numbers", m.softplus, [100], [100]],
    ["stopGradient", m.stopGradient, [1.5], [1.5]],
    ["cast to whole numbers cuts", (x) => m.cast(x, "int32"), [1.75, -1.75], [1, -1]],
  ];
  test.each(unaries)("%s", async (_, f, x, wanted) => {
    expect((await evaluate((g) => f(g.constant(x)))).map((v) => v + 0)).toEqual(wanted);
  });

  test.each([
    ["add", m.add, [11, 12, 21, 22]],
    ["sub", m.sub, [-9, -8, -19, -18]],
    ["mul", m.mul, [10, 20, 20, 40]],
    ["div", m.div, [0.1, 0.2, 0.05, 0.1].map(Math.fround)],
    ["maximum", m.maximum, [10, 10, 20, 20]],
    ["minimum", m.minimum, [1, 2, 1, 2]],
    ["less", m.less, [1, 1, 1, 1]],
    ["greater", m.greater, [0, 0, 0, 0]],
    ["equal", m.equal, [0, 0, 0, 0]],
  ] as const)("%s broadcasts a row over a column", async (_, f, wanted) => {
    expect(await evaluate((g) => f(g.constant([1, 2], [1, 2]), g.constant([10, 20], [2, 1])))).toEqual(wanted);
  });

  test("a plain number stands on either side", async () => {
    expect(await evaluate((g) => m.sub(10, g.constant([1, 2])))).toEqual([9, 8]);
    expect(await evaluate((g) => m.pow(g.constant([2, 3]), 3))).toEqual([8, 27]);
  });

  test("comparisons, logic and choice", async () => {
    const found = await evaluate((g) => {
      const x = g.constant([1, 2, 3, 4]);
      const middle = m.and(m.greaterOrEqual(x, 2), m.lessOrEqual(x, 3));
      return m.where(m.or(m.not(middle), m.equal(x, 2)), x, -1);
    });
    expect(found).toEqual([1, 2, -1, 4]);
  });

  test("bits", async () => {
    expect(
      await evaluate((g) => m.bitwiseXor(g.constant(Int32Array.of(12, -1)), g.constant(Int32Array.of(10, 1)))),
    ).toEqual([6, -2]);
    const shift = (g: BuildingGraph): Tensor => g.constant(Uint32Array.of(1, 2 ** 31));
    expect(await evaluate((g) => m.cast(m.bitShift(shift(g), 31, "right"), "int32"))).toEqual([0, 1]);
  });
});

describe("RoIAlign", () => {
  test("reads the middle of each cell", async () => {
    const across = Float32Array.from({ length: 16 }, (_, i) => i % 4);
    const found = await evaluate((g) => {
      const boxes = g.constant([1, 1, 3, 3], [1, 1, 4]);
      const options = { outputSize: [2, 2], samplingRatio: 1, aligned: true };
      return m.roiAlign(g.constant(across, [1, 1, 4, 4]), boxes, options);
    });
    expect(found).toEqual([1, 2, 1, 2]);
  });

  test("in a volume, x is the last axis", async () => {
    const depth = Float32Array.from({ length: 64 }, (_, i) => Math.floor(i / 16));
    const found = await evaluate((g) => {
      const boxes = g.constant([0, 0, 1, 4, 4, 3], [1, 1, 6]);
      const options = { outputSize: [2, 1, 1], samplingRatio: 1, aligned: true };
      return m.roiAlign(g.constant(depth, [1, 1, 4, 4, 4]), boxes, options);
    });
    expect(found).toEqual([1, 2]);
  });
});

describe("dropout", () => {
  const ones = new Float32Array(10_000).fill(1);
  const dropped = (seed: number, stream = 0, rate = 0.25): Promise<number[]> =>
    evaluate((g) => m.dropout(g.constant(ones, [10_000]), rate, g.constant(Int32Array.of(seed), []), stream));

  test("keeps the asked share, and the mean", async () => {
    const found = await dropped(1);
    const kept = found.filter((value) => value !== 0);
    // Five standard deviations of 10,000 draws.
    expect(Math.abs(kept.length - 7500)).toBeLessThan(5 * Math.sqrt(10_000 * 0.25 * 0.75));
    expect(new Set(kept)).toEqual(new Set([Math.fround(1 / 0.75)]));
  });

  test("the same seed drops the same, another seed or stream others", async () => {
    const first = await dropped(1);
    expect(await dropped(1)).toEqual(first);
    for (const other of [await dropped(2), await dropped(1, 1)]) {
      const common = other.filter((value, i) => value === 0 && first[i] === 0).length;
      expect(Math.abs(common - 625)).toBeLessThan(5 * Math.sqrt(10_000 * 0.0625 * 0.9375));
    }
  });

  test("does nothing in evaluation or at rate 0", () => {
    const g = m.graph({ training: false });
    const x = g.input("x", [2]);
    const seed = g.input("seed", [], "int32");
    expect(m.dropout(x, 0.5, seed)).toBe(x);
    const t = m.graph({ training: true });
    const y = t.input("x", [2]);
    expect(m.dropout(y, 0, t.input("seed", [], "int32"))).toBe(y);
  });
});

describe("names", () => {
  test("scopes spell them as PyTorch does", () => {
    expect(m.scope().child("layer1").child(0).child("conv1").name("weight")).toBe("layer1.0.conv1.weight");
    expect([m.scope().path, m.scope().name("w"), m.scope("a.b").name("w")]).toEqual(["", "w", "a.b.w"]);
  });
});

describe("shape errors say operator, sizes and rule", () => {
  const of = (...shape: number[]) => shape;
  type Make = (g: BuildingGraph, input: (shape: readonly number[], dtype?: m.DType) => Tensor) => unknown;
  const wrong: readonly [string, Make][] = [
    ["conv: kernel 5 is larger than input 3 on axis D", (_, x) => m.conv(x(of(1, 1, 3, 9, 9)), x(of(1, 1, 5, 5, 5)))],
    ["conv: kernel 5 is larger than input 4 on axis H", (_, x) => m.conv(x(of(1, 1, 9, 4, 9)), x(of(1, 1, 5, 5, 5)))],
    [
      "conv: kernel 5 is larger than input 4 on axis W",
      (_, x) => m.conv(x(of(1, 1, 9, 2)), x(of(1, 1, 3, 3)), { dilation: [1, 2], padding: [0, 1] }),
    ],
    [
      "conv: input channels 4 must match weight channels 2 × groups 1, and groups must divide 8",
      (_, x) => m.conv(x(of(1, 4, 5, 5)), x(of(8, 2, 3, 3))),
    ],
    [
      "conv: input [1, 4, 5] and weights [8, 4, 3, 3]; they are [N, Ci, …] and [Co, Ci/groups, k…]",
      (_, x) => m.conv(x(of(1, 4, 5)), x(of(8, 4, 3, 3))),
    ],
    [
      "conv: stride 0, dilation 1 on axis H; both must be ≥ 1",
      (_, x) => m.conv(x(of(1, 1, 5, 5)), x(of(1, 1, 3, 3)), { stride: 0 }),
    ],
    [
      "conv: 2 values [1, 1] for 3 spatial axes",
      (_, x) => m.conv(x(of(1, 1, 5, 5, 5)), x(of(1, 1, 3, 3, 3)), { padding: [1, 1] }),
    ],
    ["conv: int32 input; it takes float32", (_, x) => m.conv(x(of(1, 1, 5), "int32"), x(of(1, 1, 3)))],
    [
      "convTranspose: input [1, 4, 5] and weights [8, 2, 3] with 1 groups; they are [N, Ci, …] and [Ci, Co/groups, k…]",
      (_, x) => m.convTranspose(x(of(1, 4, 5)), x(of(8, 2, 3))),
    ],
    ["maxPool: kernel 4 is larger than input 3 on axis W", (_, x) => m.maxPool(x(of(1, 1, 3)), { kernel: 4 })],
    [
      "maxPool: padding 2 is more than half of kernel 3; a window would see padding only",
      (_, x) => m.maxPool(x(of(1, 1, 9)), { kernel: 3, padding: 2 }),
    ],
    [
      "averagePool: [4, 4] has no spatial axes; it takes [N, C, …]",
      (_, x) => m.averagePool(x(of(4, 4)), { kernel: 2 }),
    ],
    ["globalAveragePool: [4, 4] has no spatial axes; it takes [N, C, …]", (_, x) => m.globalAveragePool(x(of(4, 4)))],
    ["matmul: inner sizes 3 and 2 of [2, 3] and [2, 3] differ", (_, x) => m.matmul(x(of(2, 3)), x(of(2, 3)))],
    ["matmul: [3] and [3, 2]; both need at least two axes", (_, x) => m.matmul(x(of(3)), x(of(3, 2)))],
    [
      "add: shapes [2, 3] and [2, 4] do not broadcast: 3 against 4 on axis 1",
      (_, x) => m.add(x(of(2, 3)), x(of(2, 4))),
    ],
    [
      "add: element types float32 and int32; both must be the same (use cast)",
      (_, x) => m.add(x(of(2)), x(of(2), "int32")),
    ],
    ["add: both operands are numbers; at least one must be a tensor", () => m.add(1, 2)],
    ["where: the condition is float32; it must be bool", (_, x) => m.where(x(of(2)), x(of(2)), 0)],
    ["exp: int32 input; it takes float32", (_, x) => m.exp(x(of(2), "int32"))],
    ["abs: bool input; it takes float32 or int32 or int64", (_, x) => m.abs(x(of(2), "bool"))],
    ["reshape: [2, 3] has 6 elements, [4, -1] does not", (_, x) => m.reshape(x(of(2, 3)), [4, -1])],
    ["reshape: [2, 3] has 6 elements, [7] does not", (_, x) => m.reshape(x(of(2, 3)), [7])],
    ["transpose: [0, 0] does not name each axis of [2, 3] once", (_, x) => m.transpose(x(of(2, 3)), [0, 0])],
    ["expand: [2, 3] does not broadcast to [2, 6]", (_, x) => m.expand(x(of(2, 3)), [2, 6])],
    [
      "concat: [2, 4] float32 beside [3, 3] float32; all but axis 1 must agree",
      (_, x) => m.concat([x(of(3, 3)), x(of(2, 4))], 1),
    ],
    ["concat: no tensors given; at least one is needed", () => m.concat([], 0)],
    ["concat: axis 2 is not one of the 2 axes of [3, 3]", (_, x) => m.concat([x(of(3, 3)), x(of(3, 3))], 2)],
    ["pad: [1] and [1] for [2, 3]; one amount ≥ 0 per axis", (_, x) => m.pad(x(of(2, 3)), [1], [1])],
    ["pad: [0, -1] and [0, 0] for [2, 3]; one amount ≥ 0 per axis", (_, x) => m.pad(x(of(2, 3)), [0, -1], [0, 0])],
    ["slice: step 0 on axis 0; steps are whole numbers ≥ 1", (_, x) => m.slice(x(of(4)), { step: [0] })],
    ["gather: indices are float32; they must be int32 or int64", (_, x) => m.gather(x(of(4)), x(of(2)))],
    ["reduceSum: axis 2 is not one of the 2 axes of [2, 3]", (_, x) => m.sum(x(of(2, 3)), { axes: [2] })],
    ["reduceSum: axes [0, -2] name one axis twice", (_, x) => m.sum(x(of(2, 3)), { axes: [0, -2] })],
    [
      "batchNorm: [1, 4] has one value per channel; training statistics need at least two",
      (_, x) => m.batchNorm(x(of(1, 4)), x(of(4)), x(of(4))),
    ],
    [
      "batchNorm: a per-channel vector is [3], the input has 4 channels ([2, 4, 5])",
      (_, x) => m.batchNorm(x(of(2, 4, 5)), x(of(3)), x(of(4))),
    ],
    ["groupNorm: 3 groups do not divide the 4 channels of [1, 4, 2]", (_, x) => m.groupNorm(x(of(1, 4, 2)), 3)],
    ["dropout: rate 1; it must be at least 0 and below 1", (_, x) => m.dropout(x(of(2)), 1, x(of(), "int32"))],
    [
      "resize: 2 sizes for the 3 spatial axes of [1, 1, 2, 2, 2]",
      (_, x) => m.resize(x(of(1, 1, 2, 2, 2)), { size: [4, 4] }),
    ],
    [
      "roiAlign: boxes [1, 5, 4] for features [1, 1, 4, 4, 4]; boxes are [1, R, 6]",
      (_, x) => m.roiAlign(x(of(1, 1, 4, 4, 4)), x(of(1, 5, 4)), { outputSize: [1, 1, 1] }),
    ],
    [
      "gradients: the loss is [2] float32; it must be one float32 (take its mean or sum)",
      (_, x) => m.gradients(x(of(2)), []),
    ],
    ["input x: size -1 on axis 0 of [-1]; sizes are whole numbers ≥ 0", (g) => g.input("x", [-1])],
    [
      "input x: the graph has an input of this name already; names are unique",
      (g) => [g.input("x", [1]), g.input("x", [1])],
    ],
    [
      "parameter w: the graph has a parameter of this name already; give its layer another scope",
      (g) => [0, 1].map(() => g.parameter("w", [1], () => new Float32Array(1))),
    ],
    ["constant: 3 values do not fill the shape [2, 2]", (g) => g.constant([1, 2, 3], [2, 2])],
    [
      "add: an input belongs to another graph; a node joins tensors of one graph",
      (_, x) => m.add(x(of(1)), m.graph().input("y", [1])),
    ],
    [
      "toOnnx: output y belongs to another graph",
      (g, x) => m.encodeOnnx(g, { y: m.relu(m.graph().input("y", [1])), z: x(of(1)) }),
    ],
  ];
  test.each(wrong)("%s", (message, make) => {
    const g = m.graph({ training: true });
    let count = 0;
    const input = (shape: readonly number[], dtype?: m.DType): Tensor => g.input(`input${count++}`, shape, dtype);
    expect(() => make(g, input)).toThrow(new ShapeError(message));
  });
});

test("constants of every element type keep their values", async () => {
  const data: TensorData[] = [
    Float32Array.of(1.5),
    Int32Array.of(-2),
    BigInt64Array.of(-3n),
    Uint32Array.of(4),
    Uint8Array.of(1),
  ];
  const g = m.graph();
  const outputs = Object.fromEntries(data.map((values, i) => [`y${i}`, g.constant(values)]));
  expect(Object.values(outputs).map(({ dtype }) => dtype)).toEqual(["float32", "int32", "int64", "uint32", "bool"]);
  const found = await compute(engine, g, outputs);
  expect(Object.values(found).map((array) => array.data)).toEqual(data);
});
