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

/** Processors add in different orders: the last bits differ, and a few steps carry that on. */
const TOLERANCE = 1e-6;

/** Where two values differ, by their path; numbers may differ by the tolerance, relative to the larger one or to 1. */
function differences(found: unknown, wanted: unknown, path = ""): string[] {
  if (typeof found === "number" && typeof wanted === "number") {
    const near = Math.abs(found - wanted) <= TOLERANCE * Math.max(1, Math.abs(wanted));
    return near ? [] : [`${path}: ${found}, not ${wanted}`];
  }
  if (found === null || wanted === null || typeof found !== "object" || typeof wanted !== "object")
    return Object.is(found, wanted) ? [] : [`${path}: ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`];
  const [a, b] = [found, wanted] as Record<string, unknown>[];
  // More keys may come; none may go.
  const lengths = Array.isArray(wanted) && Array.isArray(found) && found.length !== wanted.length;
  if (lengths) return [`${path}: ${found.length} entries, not ${wanted.length}`];
  return Object.keys(b).flatMap((key) => differences(a[key], b[key], path === "" ? key : `${path} › ${key}`));
}

test("every kind has its fixture, every fixture its kind", () => {
  expect(fixtureNames().sort()).toEqual(Object.keys(kinds).sort());
});

test.each(Object.entries(kinds))("%s", { timeout: 300_000 }, async (name, { then }) => {
  const wanted = JSON.parse(readFileSync(join(fixtureFolder(name), "expected.json"), "utf8")) as Outcome;
  const { outcome } = await measure(name);
  expect(differences(JSON.parse(JSON.stringify(outcome)), wanted)).toEqual([]);
  // What stands there says something at all.
  if (then === "evaluate") expect(wanted.evaluation).toHaveProperty("task");
  else expect(Object.keys(wanted.checkpoints!)).toContain("checkpoints/last.safetensors");
});
