import { expect, test } from "vitest";
import { fuzzWeights } from "./weights-fuzz.ts";

test("50,000 damaged checkpoints are read or refused, at once and below 1 GB", () => {
  const report = fuzzWeights({ count: 50_000, seed: 1 });
  expect(report.failures).toEqual([]);
  expect(report.peakMegabytes).toBeLessThan(1024);
  // The mutator is of use only if it neither breaks everything nor nothing.
  expect(report.read).toBeGreaterThan(1000);
  expect(report.refused).toBeGreaterThan(10_000);
});
