/** Winograd's forms against the convolution as the operator table writes it, computed by the engine. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createEngine, type Engine } from "../../runtime/index.ts";
import { cleanUp } from "../cleanup.ts";
import type { Tensor } from "../core.ts";
import { mul } from "../functional/elementwise.ts";
import { conv } from "../functional/linear.ts";
import { sum } from "../functional/reduce.ts";
import { gradients } from "../gradients.ts";
import { graph } from "../graph.ts";
import { encodeOnnx } from "../onnx.ts";
import { chooseAlgorithms, chooseForms } from "./forms.ts";
import { lower } from "./lower.ts";
import { joinWeights, splitWeights, Value } from "./values.ts";
import type { WindowGeometry } from "./windows.ts";
import { winogradForward, winogradToInput, winogradToWeights } from "./winograd.ts";
import { type AxisAlgorithm, axisTransform } from "./winograd-axis.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ device: "cpu", threads: 2 });
});
afterAll(() => engine.close());

const ALGORITHMS = ["direct", "karatsuba", "two", "three", "four"] as const;

describe("along one axis", () => {
  test("F(2,3) as published, on four points: two tiles, 8 products, of which none meets only padding", () => {
    const { types, weights, input } = axisTransform(4, 1, "two");
    expect(types).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
    expect(weights).toEqual([
      [1, 0, 0],
      [0.5, 0.5, 0.5],
      [0.5, -0.5, 0.5],
      [0, 0, 1],
    ]);
    // The first tile's first product is x(−1) − x(1), and x(−1) is padding.
    expect([...input.subarray(0, 4)]).toEqual([0, -1, 0, 0].map((v) => v + 0));
  });

  test.each([
    ["direct", 6, 1, 16],
    ["karatsuba", 2, 1, 3],
    ["karatsuba", 6, 4, 8],
    ["two", 6, 1, 12],
    ["three", 6, 1, 10],
    ["three", 8, 1, 14],
    ["three", 16, 1, 28],
    ["four", 4, 1, 6],
    ["four", 16, 1, 24],
    ["four", 7, 1, 11],
  ] as const)("%s on %i points, dilation %i: %i products", (algorithm, points, dilation, products) => {
    expect(axisTransform(points, dilation, algorithm).types).toHaveLength(products);
  });

  test.each(ALGORITHMS)("%s is the correlation, for all lengths and dilations", (algorithm) => {
    for (let dilation = 1; dilation <= 5; dilation++) {
      for (let points = 1; points <= 17; points++) {
        if (algorithm === "karatsuba" && points > 2 * dilation) continue;
        const { types, weights, input, output } = axisTransform(points, dilation, algorithm);
        // The coefficient with which y(o) takes tap t of x(i).
        for (let o = 0; o < points; o++) {
          for (let i = 0; i < points; i++) {
            for (let t = 0; t < 3; t++) {
              const got = types.reduce(
                (total, type, p) => total + output[o * types.length + p] * input[p * points + i] * weights[type][t],
                0,
              );
              expect(got).toBeCloseTo(i === o + (t - 1) * dilation ? 1 : 0, 5);
            }
          }
        }
      }
    }
  });
});

interface Case {
  readonly spatial: readonly number[];
  readonly dilation: number;
  readonly batch: number;
  readonly ci: number;
  readonly co: number;
  readonly algorithms: readonly AxisAlgorithm[];
}

const same = (algorithm: AxisAlgorithm, axes = 3): AxisAlgorithm[] => Array(axes).fill(algorithm);
const cases: readonly Case[] = [
  ...[
    [4, 4],
    [5, 7],
    [9, 6],
    [1, 5],
  ].flatMap((spatial, i) =>
    (["direct", "two", "three", "four"] as const).map((algorithm) => ({
      spatial,
      dilation: 1 + (i % 2),
      batch: 1 + (i % 3),
      ci: 3,
      co: 5,
      algorithms: same(algorithm, 2),
    })),
  ),
  ...[
    { spatial: [6, 6, 6], dilation: 1 },
    { spatial: [5, 7, 4], dilation: 1 },
    { spatial: [6, 5, 7], dilation: 2 },
    { spatial: [9, 8, 3], dilation: 4 },
  ].flatMap((shape, i) =>
    (["direct", "two", "three", "four"] as const).map((algorithm) => ({
      ...shape,
      batch: 1 + (i % 3),
      ci: 5,
      co: 4,
      algorithms: same(algorithm),
    })),
  ),
  { spatial: [2, 1, 2], dilation: 1, batch: 2, ci: 3, co: 2, algorithms: same("karatsuba") },
  { spatial: [6, 7, 8], dilation: 4, batch: 3, ci: 4, co: 3, algorithms: same("karatsuba") },
  { spatial: [3, 4], dilation: 4, batch: 2, ci: 4, co: 3, algorithms: same("karatsuba", 2) },
  { spatial: [6, 6, 6], dilation: 2, batch: 2, ci: 6, co: 8, algorithms: ["three", "direct", "direct"] },
  { spatial: [6, 8, 4], dilation: 2, batch: 2, ci: 6, co: 8, algorithms: ["three", "two", "karatsuba"] },
];

const formula = (seed: number, length: number): Float32Array =>
  Float32Array.from({ length }, (_, i) =>
    Math.fround(((Math.imul(i + 1, 2654435761) ^ (seed * 40503)) >>> 8) / 2 ** 23 - 1),
  );

/** Largest difference over largest value. */
function relativeError(got: Float32Array, wanted: Float32Array): number {
  let difference = 0;
  let largest = 0;
  for (const [i, value] of wanted.entries()) {
    difference = Math.max(difference, Math.abs(got[i] - value));
    largest = Math.max(largest, Math.abs(value));
  }
  return difference / largest;
}

function geometryOf(spatial: readonly number[], dilation: number, batch: number): WindowGeometry {
  const dilations = spatial.map(() => dilation);
  return {
    stride: spatial.map(() => 1),
    padBegin: dilations,
    padEnd: dilations,
    dilation: dilations,
    batch,
    input: spatial,
    kernel: spatial.map(() => 3),
    output: spatial,
  };
}

/** The three passes as `[written, winograd]` pairs. */
function passes({ spatial, dilation, batch, ci, co, algorithms }: Case) {
  const g = graph({ training: true });
  const x = g.input("x", [batch, ci, ...spatial]);
  const w = g.input("w", [co, ci, ...spatial.map(() => 3)]);
  const dy = g.input("dy", [batch, co, ...spatial]);
  const y = conv(x, w, { padding: dilation, dilation });
  const [dx, dw] = gradients(sum(mul(y, dy)), [x, w]);
  const geometry = geometryOf(spatial, dilation, batch);
  const layout = { groups: [Array.from({ length: 3 ** spatial.length }, (_, k) => k)] };
  const rows = Value.plain(x).rows();
  const rowsOut = Value.plain(dy).rows();
  const [taps] = Value.plain(w).pieces(layout);
  const made = {
    y: Value.rows(winogradForward(rows, taps, geometry, algorithms), y),
    dx: Value.rows(winogradToInput(rowsOut, taps, geometry, algorithms), dx),
    dw: Value.pieces([winogradToWeights(rows, rowsOut, geometry, algorithms)], layout, dw),
  };
  const written: Record<string, Tensor> = { y, dx, dw };
  const outputs: Record<string, Tensor> = {};
  for (const name of ["y", "dx", "dw"] as const) {
    outputs[name] = written[name];
    outputs[`${name}, winograd`] = made[name].plain();
  }
  const feeds = { x, w, dy };
  return {
    g,
    outputs,
    feeds: Object.fromEntries(
      Object.entries(feeds).map(([name, { shape, size }], i) => [name, { data: formula(i + 1, size), shape }]),
    ),
  };
}

describe("all passes are those of the convolution", () => {
  test.each(cases)("$algorithms on $spatial, dilation $dilation, batch $batch", async (example) => {
    const { g, outputs, feeds } = passes(example);
    const clean = cleanUp(g, Object.values(outputs));
    const named = Object.fromEntries(Object.keys(outputs).map((name, i) => [name, clean.outputs[i]]));
    for (const contrib of [false, true]) {
      const program = await engine.load(encodeOnnx(clean.graph, named, { contrib }));
      const { outputs: got } = await program.run(feeds);
      await program.close();
      for (const name of ["y", "dx", "dw"]) {
        const error = relativeError(got[`${name}, winograd`].data as Float32Array, got[name].data as Float32Array);
        expect(error, name).toBeLessThanOrEqual(1e-5);
      }
    }
  });
});

const countOf = (nodes: readonly { readonly op: string }[], op: string): number =>
  nodes.filter((node) => node.op === op).length;

describe("lowered", () => {
  const spatial = [6, 6, 6];
  const written = () => {
    const g = graph({ training: true });
    const x = g.input("x", [2, 5, ...spatial]);
    const w = g.parameter("w", [4, 5, 3, 3, 3], (shape) => formula(7, shape[0] * shape[1] * 27));
    const y = conv(x, w, { padding: 1 });
    const dy = g.input("dy", y.shape);
    const [dx, dw] = gradients(sum(mul(y, dy)), [x, w]);
    return { g, outputs: { y, dx, dw } };
  };
  const rule = {
    chooseForms: () => ({ forward: "winograd", toInput: "winograd", toWeights: "winograd" }) as const,
    chooseAlgorithms: () => same("three"),
  };

  test("the passes share the transforms of input, weights and output gradient", () => {
    const { g, outputs } = written();
    const lowered = lower(g, outputs, { rule });
    expect(lowered.layouts.get("w")?.groups).toHaveLength(1);
    const { graph: clean } = cleanUp(lowered.graph, Object.values(lowered.outputs));
    // Each of x, dy, y and dx passes 3 axes; w and dw pass one matrix each; and the 3 products.
    expect(countOf(clean.nodes, "matmul")).toBe(4 * 3 + 2 + 3);
    // x and dy are sorted by type, y and dx back.
    expect(countOf(clean.nodes, "gather")).toBe(4);
  });

  test("a parameter's gradient leaves in the layout of its storage", async () => {
    const { g, outputs } = written();
    const [x, w, dy] = [formula(1, 2 * 5 * 216), formula(7, 4 * 5 * 27), formula(3, 2 * 4 * 216)];
    const feeds = { x: { data: x, shape: [2, 5, ...spatial] }, dy: { data: dy, shape: [2, 4, ...spatial] } };
    const results: Float32Array[] = [];
    for (const renews of [{}, { dw: "w" }] as Record<string, string>[]) {
      const lowered = lower(g, outputs, { rule, renews, relayout: "dw" in renews });
      const name = "dw" in renews ? "w#0" : "w";
      const data = "dw" in renews ? splitWeights(w, [4, 5, 3, 3, 3], lowered.layouts.get("w")!)[0] : w;
      const program = await engine.load(encodeOnnx(lowered.graph, lowered.outputs, { contrib: true }));
      const shape = lowered.graph.parameters.get(name)!.shape;
      const { outputs: got } = await program.run({ ...feeds, [name]: { data, shape } });
      await program.close();
      const dw = (got.dw ?? got["dw#0"]).data as Float32Array;
      results.push("dw" in renews ? joinWeights([dw], [4, 5, 3, 3, 3], lowered.layouts.get("w")!) : dw);
    }
    expect(relativeError(results[1], results[0])).toBeLessThanOrEqual(1e-6);
  });
});

describe("the choice", () => {
  const layer = (batch: number, points: number, ci: number, co: number, dilation: number) => ({
    geometry: geometryOf([points, points, points], dilation, batch),
    ci,
    co,
    groups: 1,
  });

  test("by the length of the lines of a dilated axis and the number of weights", () => {
    expect(chooseAlgorithms(layer(2, 12, 64, 64, 1), true)).toEqual(same("four"));
    expect(chooseAlgorithms(layer(2, 6, 512, 512, 4), true)).toEqual(same("karatsuba"));
    // On small maps a training step takes no long tiles: batch norm over few positions magnifies their rounding.
    expect(chooseAlgorithms(layer(2, 6, 256, 256, 2), true)).toEqual(same("direct"));
    expect(chooseAlgorithms(layer(2, 6, 256, 256, 2), false)).toEqual(same("three"));
  });

  test("not for strides, other kernels or padding, few channels, or maps too large to transform", () => {
    const fits = layer(2, 12, 64, 64, 1);
    expect(chooseForms(fits).forward).toBe("winograd");
    const changed = (change: Partial<WindowGeometry>) => ({ ...fits, geometry: { ...fits.geometry, ...change } });
    const others = [
      changed({ stride: [1, 1, 2], output: [12, 12, 6] }),
      changed({ padBegin: [0, 1, 1], padEnd: [2, 1, 1] }),
      changed({ kernel: [3, 3, 1], padBegin: [1, 1, 0], padEnd: [1, 1, 0] }),
      { ...fits, groups: 2 },
      { ...fits, ci: 16 },
      layer(2, 96, 64, 64, 1),
    ];
    for (const other of others) expect(chooseForms(other).forward).not.toBe("winograd");
  });
});
