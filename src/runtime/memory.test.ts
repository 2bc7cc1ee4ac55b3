/** A short form of `bench/memory-cycles.ts`, which does 500 cycles. */
import { expect, test } from "vitest";
import { memoryCycles } from "../../bench/memory-cycles.ts";

/** Sixty models of about 3 MB that were not released would be 180 MB; beside other tests the figure swings by tens. */
const ALLOWED_MB = 75;

test("resident memory stays flat while models come and go", async () => {
  const { warmMb, endMb } = await memoryCycles(60);
  expect(endMb - warmMb).toBeLessThan(ALLOWED_MB);
});
