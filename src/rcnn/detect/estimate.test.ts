/** What a detection takes, held against what is told before it. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { nightly } from "../../../test/nightly.ts";

const child = fileURLToPath(new URL("../../../bench/rows/detect-child.ts", import.meta.url));

/** Detects with a ResNet-18 and a feature pyramid in a process of its own; what it took and what the estimate said, in bytes. */
async function measure(size: readonly number[]): Promise<{ peak: number; formula: number; windows: number }> {
  const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", child, size.join()]);
  return JSON.parse(stdout);
}

describe("a process that detects", () => {
  test.skipIf(!nightly || process.platform !== "linux").each([
    [[640, 480], 1],
    [[1200, 800], 1],
    [[96, 96, 64], 1],
    [[140, 140, 64], 4],
  ])(
    "in an image of %j takes what the estimate says at most, and half of it at least",
    { timeout: 600_000 },
    async (size, tiles) => {
      const { peak, formula, windows } = await measure(size);
      expect(windows).toBe(tiles);
      expect(peak).toBeLessThan(formula);
      expect(peak).toBeGreaterThan(formula / 2);
    },
  );
});
