/** Auxiliary targets: kinds and scales from the training cases, and the loss, by hand. */
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { ConfigError, DataError } from "../../errors.ts";
import { graph } from "../../graph/index.ts";
import { compute, numbersOf } from "../../graph/test/compute.ts";
import { createEngine, type Engine } from "../../runtime/index.ts";
import {
  type AuxiliaryTarget,
  auxiliaryCount,
  auxiliaryLoss,
  auxiliaryOf,
  checkAuxiliary,
  planAuxiliary,
} from "./auxiliary-targets.ts";

const cases = [{ margin: 1, mm: 4.5 }, { margin: 4, mm: 5.5 }, { mm: 8 }, { margin: 2 }, {}].map((auxiliary) => ({
  auxiliary: auxiliary as Record<string, number>,
}));
const targets: AuxiliaryTarget[] = [
  { name: "margin", kind: "rating", scale: [1, 2, 3, 4] },
  { name: "mm", kind: "number", mean: 6, deviation: Math.sqrt((1.5 ** 2 + 0.5 ** 2 + 2 ** 2) / 3) },
];

describe("the plan", () => {
  it("short scales of whole numbers are ratings, unseen values too; other numbers are standardised", () => {
    expect(planAuxiliary(cases, ["margin", "mm"])).toEqual(targets);
    expect(auxiliaryCount(targets)).toBe(4);
    const far = [0, 11].map((age) => ({ auxiliary: { age } }));
    expect(planAuxiliary(far, ["age"])).toEqual([{ name: "age", kind: "number", mean: 5.5, deviation: 5.5 }]);
  });

  test("nothing to learn is refused, but a fold may lack it", () => {
    expect(() => checkAuxiliary(cases, ["margin", "edge"])).toThrow(
      new DataError("auxiliary edge: no case has a value"),
    );
    const same = [3, 3].map((edge) => ({ auxiliary: { edge } }));
    expect(() => checkAuxiliary(same, ["edge"])).toThrow(
      new ConfigError("auxiliary edge: is 3 for every case, so nothing can be learnt of it"),
    );
    expect(planAuxiliary(same, ["edge", "absent"])).toEqual([]);
  });
});

it("a case's steps, smoothed; a column counts the same however many steps it has, a missing one nothing", () => {
  const { values, counts } = auxiliaryOf(cases[1], targets, 0.1);
  expect(values.slice(0, 3)).toEqual([0.95, 0.95, 0.95]);
  expect(values[3]).toBeCloseTo(-0.5 / Math.sqrt(6.5 / 3), 12);
  expect(counts).toEqual([1 / 6, 1 / 6, 1 / 6, 1 / 2]);
  expect(auxiliaryOf({ auxiliary: { margin: 2 } }, targets)).toEqual({
    values: [1, 0, 0, 0],
    counts: [1 / 6, 1 / 6, 1 / 6, 0],
  });
  expect(auxiliaryOf({}, targets).counts).toEqual([0, 0, 0, 0]);
});

describe("the loss", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 });
  });
  afterAll(() => engine.close());

  it("is the mean over cases of cross-entropies and squared errors", async () => {
    const scores = [0, 1, -2, 0.5, 3, 3, 3, 3];
    const values = [1, 1, 0, -0.5, 0, 0, 0, 0];
    const counts = [1 / 6, 1 / 6, 1 / 6, 1 / 2, 0, 0, 0, 0];
    const g = graph();
    const of = (list: readonly number[]) => g.constant(Float32Array.from(list), [2, 4]);
    const loss = auxiliaryLoss(of(scores), of(values), of(counts), targets);
    const found = numbersOf((await compute(engine, g, { loss })).loss);
    // −log σ(0), −log σ(1), −log(1 − σ(−2)); (0.5 + 0.5)²; the second case counts nothing.
    const steps = Math.log(2) + Math.log(1 + Math.exp(-1)) + Math.log(1 + Math.exp(-2));
    expect(found).toHaveLength(1);
    expect(found[0]).toBeCloseTo((steps / 6 + 1 / 2) / 2, 6);
  });
});
