/** A short form of `bench/kill-resume.ts`, which kills 20 times. */
import { expect, test } from "vitest";
import { killAndResume } from "../../bench/kill-resume.ts";
import { nightly } from "../nightly.ts";

// Seven starts of the command: half a minute on two free cores, more where they are shared.
test.skipIf(!nightly)(
  "killed three times and resumed, a training ends with the bits of one nobody touched",
  {
    timeout: 600_000,
  },
  async () => {
    const report = await killAndResume({ kills: 3, seed: 1, epochs: 2 });
    expect(report.kills).toHaveLength(3);
    // Parameters, running statistics and two moments of AdamW in `last`, parameters and statistics in `best`.
    expect(report.arrays).toBe(296);
    expect(report.differences).toEqual([]);
    expect(report.leftOver).toEqual([]);
  },
);
