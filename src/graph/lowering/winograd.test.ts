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
import { Value } from "./values.ts";
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

/** The three passes as `[written, winograd]` pairs. */
function passes({ spatial, dilation, batch, ci, co, algorithms }: Case) {
  const g = graph({ training: true });
  const axes = spatial.map(() => 1);
  const x = g.input("x", [batch, ci, ...spatial]);
  const w = g.input("w", [co, ci, ...spatial.map(() => 3)]);
  const dy = g.input("dy", [batch, co, ...spatial]);
  const y = conv(x, w, { padding: dilation, dilation });
  const [dx, dw] = gradients(sum(mul(y, dy)), [x, w]);
  const dilations = axes.map(() => dilation);
  const geometry: WindowGeometry = {
    stride: axes,
    padBegin: dilations,
    padEnd: dilations,
    dilation: dilations,
    batch,
    input: spatial,
    kernel: spatial.map(() => 3),
    output: spatial,
  };
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
