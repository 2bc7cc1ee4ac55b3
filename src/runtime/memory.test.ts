/** A short form of `bench/memory-cycles.ts`, which does 500 cycles. */
import { expect, test } from "vitest";
import { ALLOWED_MB, memoryCycles } from "../../bench/memory-cycles.ts";

test("resident memory stays flat while models come and go", async () => {
  const { warmMb, endMb } = await memoryCycles(60);
  expect(endMb - warmMb).toBeLessThan(ALLOWED_MB);
});
