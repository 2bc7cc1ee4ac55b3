/**
 * Runs written by medvox 0.1.0 (before runs, loaders and commands were rebuilt once for all tasks) still load, go on and are scored as
 * that build did it. `old-runs/kinds.ts` has the kinds, `old-runs/adapter.ts` the only calls of the program; the values that are
 * expected were measured with the build that wrote the runs. Bit for bit, on one machine: `bench/old-runs.ts --hashes`.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { kinds } from "./old-runs/kinds.ts";
import { fixtureFolder, fixtureNames } from "./old-runs/materialise.ts";
import { measure, type Outcome } from "./old-runs/measure.ts";

/**
 * Processors add in different orders, so last bits differ. Weights that are off by half a last bit (6e-8) from the first step on move
 * losses, scores and norms by up to 1.4e-6, and corners of boxes, which hang on exponentials, by 8e-5 of a voxel.
 */
const TOLERANCE = 1e-5;
const TOLERANCE_OF_BOXES = 1e-3;

/** Where two values differ, by their path; numbers may differ by the tolerance, relative to the expected one or to 1. */
function differences(found: unknown, wanted: unknown, tolerance: number, path = ""): string[] {
  if (typeof found === "number" && typeof wanted === "number") {
    const near = Math.abs(found - wanted) <= tolerance * Math.max(1, Math.abs(wanted));
    return near ? [] : [`${path}: ${found}, not ${wanted}`];
  }
  if (found === null || wanted === null || typeof found !== "object" || typeof wanted !== "object")
    return Object.is(found, wanted) ? [] : [`${path}: ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`];
  const [a, b] = [found, wanted] as Record<string, unknown>[];
  // More keys may come; none may go.
  const lengths = Array.isArray(wanted) && Array.isArray(found) && found.length !== wanted.length;
  if (lengths) return [`${path}: ${found.length} entries, not ${wanted.length}`];
  return Object.keys(b).flatMap((key) =>
    differences(a[key], b[key], tolerance, path === "" ? key : `${path} › ${key}`),
  );
}

test("every kind has its fixture, every fixture its kind", () => {
  expect(fixtureNames().sort()).toEqual(Object.keys(kinds).sort());
});

test.each(Object.entries(kinds))("%s", { timeout: 300_000 }, async (name, { next }) => {
  const wanted = JSON.parse(readFileSync(join(fixtureFolder(name), "expected.json"), "utf8")) as Outcome;
  const { outcome, said } = await measure(name);
  const { predictions: boxes, ...rest } = JSON.parse(JSON.stringify(outcome)) as Outcome;
  const { predictions: wantedBoxes, ...wantedRest } = wanted;
  expect(differences(rest, wantedRest, TOLERANCE)).toEqual([]);
  expect(differences(boxes, wantedBoxes, TOLERANCE_OF_BOXES)).toEqual([]);
  // Those runs did not keep what their data were, and are gone on with all the same.
  if (next === "resume")
    expect(said).toMatch(/: has no fingerprint\.json, so nobody can tell whether its data are still/);
  // What stands there says something at all.
  if (next === "evaluate") expect(wanted.evaluation).toHaveProperty("task");
  else expect(Object.keys(wanted.checkpoints!).join()).toContain("checkpoints/last.safetensors");
});
