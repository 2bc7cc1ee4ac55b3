import { expect, test } from "vitest";
import { count } from "./nightly.ts";
import { fuzzWeights } from "./weights-fuzz.ts";

const mutants = count(50_000);

test(`${mutants} damaged checkpoints are read or refused, at once and below 1 GB`, () => {
  const report = fuzzWeights({ count: mutants, seed: 1 });
  expect(report.failures).toEqual([]);
  expect(report.peakMegabytes).toBeLessThan(1024);
  // The mutator is of use only if it neither breaks everything nor nothing.
  expect(report.read).toBeGreaterThan(mutants / 50);
  expect(report.refused).toBeGreaterThan(mutants / 5);
});
