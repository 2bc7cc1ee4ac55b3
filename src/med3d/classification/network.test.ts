/** Pooling under a mask by hand, and what each pooling takes. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { graph } from "../../graph/index.ts";
import { compute, numbersOf } from "../../graph/test/compute.ts";
import { createEngine, type Engine } from "../../runtime/index.ts";
import { takesMask } from "./config.ts";
import { classificationScores, maskedAveragePool } from "./network.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 1 });
});
afterAll(() => engine.close());

test("features under the mask are weighed by the share it covers; an empty mask gives 0", async () => {
  const g = graph();
  // Two positions along x, each of 2×2×2 voxels: the mask covers 2 of the first and 6 of the second.
  const features = g.constant(Float32Array.of(1, 5, -2, 2, 1, 5, -2, 2), [2, 2, 1, 1, 2]);
  const covered = [1, 1, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0];
  const mask = g.constant(Float32Array.from([...covered, ...covered.map(() => 0)]), [2, 1, 2, 2, 4]);
  const pooled = maskedAveragePool(features, mask);
  expect(pooled.shape).toEqual([2, 2, 1, 1, 1]);
  const found = numbersOf((await compute(engine, g, { pooled })).pooled);
  // (2·1 + 6·5) / 8 and (2·−2 + 6·2) / 8
  for (const [i, value] of [4, 1, 0, 0].entries()) expect(found[i]).toBeCloseTo(value, 5);
});

test("pooling under the mask doubles the features; the mask need not be a channel", () => {
  const network = { depth: 10, stages: 1, dropout: 0, loss: "crossEntropy", target: "class" } as const;
  const parameters = (more: { mask: boolean; pooling?: "global" | "mask" }) => {
    const g = graph();
    const mask = takesMask(more) ? g.input("mask", [1, 16, 16, 16]) : undefined;
    classificationScores(g.input("input", [1, 1, 16, 16, 16]), mask, 2, { ...network, ...more });
    const shape = (name: string) => g.parameters.get(name)!.shape.slice(0, 2);
    return [shape("conv1.weight"), shape("classify.weight")];
  };
  const [plain, both] = [
    [64, 1],
    [64, 2],
  ];
  expect(parameters({ mask: false })).toEqual([plain, [2, 64]]);
  expect(parameters({ mask: true, pooling: "global" })).toEqual([both, [2, 64]]);
  expect(parameters({ mask: false, pooling: "mask" })).toEqual([plain, [2, 128]]);
  expect(parameters({ mask: true, pooling: "mask" })).toEqual([both, [2, 128]]);
});
