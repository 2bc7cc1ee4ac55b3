import { expect, it } from "vitest";
import { count } from "./nightly.ts";
import { fuzzVolumes } from "./volume-fuzz.ts";

const mutants = count(100_000);

it(`${mutants} damaged volume files give only typed errors, without hanging, below 1 GB`, {
  timeout: 300_000,
}, async () => {
  const report = await fuzzVolumes({ count: mutants, seed: 1 });
  expect(report.failures).toEqual([]);
  expect(report.peakMegabytes).toBeLessThan(1024);
  for (const [kind, tally] of Object.entries(report.kinds)) {
    // The mutator is of use only if it neither breaks everything nor nothing.
    expect(tally.read, kind).toBeGreaterThan(0);
    expect(tally.DataError, kind).toBeGreaterThan(mutants / 100);
  }
});
