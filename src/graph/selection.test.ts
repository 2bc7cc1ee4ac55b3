/** Choosing among boxes and fitting images, on cases that can be checked by hand. */
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createEngine, type Engine } from "../runtime/index.ts";
import {
  alignRegions,
  type BuildingGraph,
  encodeOnnx,
  fitToCanvas,
  graph,
  highest,
  mul,
  reshape,
  roiAlign,
  suppressOverlaps,
  type Tensor,
} from "./index.ts";
import { compute, numbersOf } from "./test/compute.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 1 });
});
afterAll(() => engine.close());

async function evaluate(build: (g: BuildingGraph) => Tensor): Promise<number[]> {
  const g = graph();
  return numbersOf((await compute(engine, g, { y: build(g) })).y);
}

test("the highest, equal ones in the order of their indices", async () => {
  const x = (g: BuildingGraph): Tensor => g.constant([3, 1, 3, 2, 9, 9, 0, 9], [2, 4]);
  expect(await evaluate((g) => highest(x(g), 3).values)).toEqual([3, 3, 2, 9, 9, 9]);
  expect(await evaluate((g) => highest(x(g), 3).indices)).toEqual([0, 2, 3, 0, 1, 3]);
  expect(() => highest(x(graph()), 5)).toThrow(/topK: 5 of \[2, 4\]; 1 … 4 there are/);
});

describe.each([2, 3] as const)("suppression in %dD", (axes) => {
  /** Boxes [from, to) along x, 0 … 1 along the rest. */
  const boxesOf = (g: BuildingGraph, spans: readonly [number, number][]): Tensor => {
    const rest = new Array<number>(axes - 1);
    const rows = spans.flatMap(([from, to]) => [from, ...rest.fill(0), to, ...rest.fill(1)]);
    return g.constant(rows, [1, spans.length, 2 * axes]);
  };
  const kept = (spans: readonly [number, number][], scores: readonly number[], threshold: number) =>
    evaluate((g) =>
      suppressOverlaps(boxesOf(g, spans), g.constant(scores, [1, scores.length]), { threshold, least: -0.5 }),
    );

  test("the better of two goes first, and who is suppressed suppresses nobody", async () => {
    // Neighbours share 2 of 4: IoU 1/3. The second falls to the first, so the third stays.
    const chain: [number, number][] = [
      [0, 4],
      [2, 6],
      [4, 8],
      [6, 10],
    ];
    expect(await kept(chain, [0.9, 0.8, 0.7, 0.6], 0.3)).toEqual([1, 0, 1, 0]);
    expect(await kept(chain, [0.6, 0.7, 0.8, 0.9], 0.3)).toEqual([0, 1, 0, 1]);
    expect(await kept(chain, [0.7, 0.9, 0.8, 0.6], 0.3)).toEqual([0, 1, 0, 1]);
    expect(await kept(chain, [0.9, 0.8, 0.7, 0.6], 0.34)).toEqual([1, 1, 1, 1]);
  });

  test("overlap of just the threshold is no more than it; of equal scores the first goes first", async () => {
    expect(
      await kept(
        [
          [0, 4],
          [0, 2],
        ],
        [0.9, 0.8],
        0.5,
      ),
    ).toEqual([1, 1]);
    expect(
      await kept(
        [
          [0, 4],
          [0, 4],
          [0, 4],
        ],
        [0.5, 0.5, 0.5],
        0.5,
      ),
    ).toEqual([1, 0, 0]);
  });

  test("what is no candidate is not kept and suppresses nobody; lists do not see each other", async () => {
    expect(
      await kept(
        [
          [0, 4],
          [0, 4],
        ],
        [-1, 0],
        0.5,
      ),
    ).toEqual([0, 1]);
    expect(
      await kept(
        [
          [0, 4],
          [0, 4],
        ],
        [-1, -1],
        0.5,
      ),
    ).toEqual([0, 0]);
    const two = await evaluate((g) =>
      suppressOverlaps(
        reshape(
          boxesOf(g, [
            [0, 4],
            [0, 4],
            [0, 4],
            [8, 9],
          ]),
          [2, 2, 2 * axes],
        ),
        g.constant([0.5, 0.4, 0.3, 0.9], [2, 2]),
        { threshold: 0.5, least: -0.5 },
      ),
    );
    expect(two).toEqual([1, 0, 1, 1]);
  });
});

test("regions of two maps are pooled each from its own, in their own order", async () => {
  const g = graph();
  const coarse = g.constant(
    Float32Array.from({ length: 32 }, (_, i) => Math.sin(i)),
    [1, 2, 4, 4],
  );
  const fine = g.constant(
    Float32Array.from({ length: 128 }, (_, i) => Math.cos(i)),
    [1, 2, 8, 8],
  );
  const boxes = g.constant([0, 0, 32, 24, 3, 5, 17, 30, 1, 2, 20, 11], [3, 4]);
  const options = { outputSize: [2, 3], samplingRatio: 2, aligned: false };
  const levels = g.constant(BigInt64Array.of(1n, 0n, 1n), [3]);
  const y = alignRegions([fine, coarse], boxes, levels, { ...options, scales: [1 / 4, 1 / 8] });
  const one = (map: Tensor, spatialScale: number): Tensor =>
    roiAlign(map, reshape(boxes, [1, 3, 4]), { ...options, spatialScale });
  const found = await compute(engine, g, { y, fromFine: one(fine, 1 / 4), fromCoarse: one(coarse, 1 / 8) });
  const [pooled, fromFine, fromCoarse] = [found.y, found.fromFine, found.fromCoarse].map(numbersOf);
  const wanted = [...fromCoarse.slice(0, 12), ...fromFine.slice(12, 24), ...fromCoarse.slice(24)];
  for (const [i, value] of wanted.entries()) expect(pooled[i]).toBeCloseTo(value, 6);
});

describe("an image of any size", () => {
  /** A model whose input has free sizes; its output is cut to as many rows as the image had columns. */
  const session = async (sides: { short: number; long: number } | null): Promise<InferenceSession> => {
    const g = graph();
    const { fitted, size, own } = fitToCanvas(mul(g.input("image", [1, 1, 3, 4]), 2), { canvas: [3, 4], sides });
    const bytes = encodeOnnx(
      g,
      { canvas: fitted, size, own, first: reshape(fitted, [12]), count: g.constant(BigInt64Array.of(5n), [1]) },
      {
        free: { image: { 2: "height", 3: "width" } },
        rows: { count: "count", outputs: ["first"], name: "some" },
      },
    );
    return InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 4 });
  };
  const run = async (sides: { short: number; long: number } | null, rows: number[][]) => {
    const image = new OrtTensor("float32", rows.flat(), [1, 1, rows.length, rows[0].length]);
    const { canvas, size, own, first } = await (await session(sides)).run({ image });
    expect(first.dims).toEqual([5]);
    expect([...(first.data as Float32Array)]).toEqual([...(canvas.data as Float32Array)].slice(0, 5));
    return [canvas, size, own].map(({ data }) => [...(data as Float32Array)]);
  };

  test("stands in the first corner; sizes are x y", async () => {
    const picture = [
      [1, 2, 3],
      [4, 5, 6],
    ];
    expect(await run(null, picture)).toEqual([
      [2, 4, 6, 0, 8, 10, 12, 0, 0, 0, 0, 0],
      [3, 2],
      [3, 2],
    ]);
    expect(await run({ short: 2, long: 9 }, picture)).toEqual([
      [2, 4, 6, 0, 8, 10, 12, 0, 0, 0, 0, 0],
      [3, 2],
      [3, 2],
    ]);
  });

  test("is resized, rounded down, and further where the canvas is smaller", async () => {
    // 4×2 to a short side of 1: every new pixel is the mean of four.
    const picture = [
      [1, 3, 5, 7],
      [1, 3, 5, 7],
    ];
    expect(await run({ short: 1, long: 9 }, picture)).toEqual([
      [4, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
      [2, 1],
      [4, 2],
    ]);
    // The long side decides: 4 → 3, 2 → ⌊1.5⌋.
    expect((await run({ short: 9, long: 3 }, picture)).slice(1)).toEqual([
      [3, 1],
      [4, 2],
    ]);
    // To 8×4, which does not fit into 4×3.
    expect((await run({ short: 4, long: 9 }, picture)).slice(1)).toEqual([
      [4, 2],
      [4, 2],
    ]);
  });

  test("an image beyond the canvas that is not to be resized is an error", async () => {
    await expect(run(null, [[1, 2, 3, 4, 5]])).rejects.toThrow(/reshape/i);
  });
});
