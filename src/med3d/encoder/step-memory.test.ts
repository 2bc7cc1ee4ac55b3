/** The rule of `medvox plan --memory` against what `npm run bench` measured. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { z } from "zod";
import { resolveSegmentationConfig } from "../segmentation/config.ts";
import { encoderKeys } from "./config.ts";
import { segmentationParameters, stepMemoryBytes, voxelsFor } from "./step-memory.ts";

const measured = z.object({
  what: z.string(),
  depth: encoderKeys.depth,
  voxels: z.number(),
  peakMb: z.number(),
});
const file = new URL("../../../results/bench-step-memory.json", import.meta.url);
const { rows } = z.object({ rows: z.array(measured) }).parse(JSON.parse(readFileSync(file, "utf8")));

test.each(rows.map((row) => [row.what, row] as const))("%s: bounded from above, within a quarter", (_, row) => {
  const config = resolveSegmentationConfig({ data: "", depth: row.depth });
  const told = stepMemoryBytes(segmentationParameters(config, 1, 3), row.voxels) / 1e6;
  expect(told).toBeGreaterThanOrEqual(row.peakMb);
  expect(told).toBeLessThanOrEqual(1.25 * row.peakMb);
});

test("what fits is what the rule leaves; too little is refused with what would do", () => {
  const voxels = voxelsFor(3e9, 15e6);
  expect(stepMemoryBytes(15e6, voxels)).toBeLessThanOrEqual(3e9);
  expect(stepMemoryBytes(15e6, voxels + 1)).toBeGreaterThan(3e9);
  expect(() => voxelsFor(2e9, 46e6)).toThrow(/memory 2 GB: is too little; 46 million parameters .* take 3\.4 GB/);
});
