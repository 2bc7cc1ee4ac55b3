import { expect, test } from "vitest";
import { meanOf, repeatedDifference, repeatedScore } from "./index.ts";

const mean = (values: readonly number[]) => meanOf(values);

test("the mean is that of the seeds' scores; the interval holds what seeds and cases move", () => {
  // Seeds differ by 0.1, cases by 0.2: four resampled means are possible of each, nine of both.
  const {
    mean: value,
    perSeed,
    interval,
  } = repeatedScore(
    [
      [0.4, 0.6],
      [0.5, 0.7],
    ],
    mean,
  );
  expect(value).toBeCloseTo(0.55, 12);
  expect(perSeed.map((score) => score?.toFixed(2))).toEqual(["0.50", "0.60"]);
  // Each extreme (first seed twice, first case twice) has a share of 1/16, more than the 2.5 % outside.
  expect(interval?.[0]).toBeCloseTo(0.4, 12);
  expect(interval?.[1]).toBeCloseTo(0.7, 12);
});

test("a difference is paired: what seeds and cases have in common drops out", () => {
  const scratch = [
    [0.1, 0.5, 0.9],
    [0.3, 0.7, 0.8],
  ];
  const better = scratch.map((cases) => cases.map((value) => value + 0.05));
  const { mean: value, interval } = repeatedDifference(better, scratch, mean);
  expect(value).toBeCloseTo(0.05, 12);
  expect(interval?.[0]).toBeCloseTo(0.05, 12);
  expect(interval?.[1]).toBeCloseTo(0.05, 12);
});

test("a score that some draws leave undefined is taken over the others; one case has no interval", () => {
  const positives = (cases: readonly number[]) => (cases.includes(1) ? meanOf(cases) : null);
  expect(repeatedScore([[0, 1]], positives).interval).toEqual([0.5, 1]);
  expect(repeatedScore([[1]], mean)).toEqual({ mean: 1, interval: null, perSeed: [1] });
  expect(repeatedScore([[0, 0]], positives)).toEqual({ mean: null, interval: null, perSeed: [null] });
});

test("what cannot be paired is refused", () => {
  expect(() => repeatedDifference([[1]], [[1], [2]], mean)).toThrow("same seeds and cases");
  expect(() => repeatedScore([[1, 2], [1]], mean)).toThrow("same cases");
});
