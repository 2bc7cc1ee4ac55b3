/** Weights that come with medvox: found by name, read by what reads weights, and told of where a name is wrong. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { encoderShapes } from "../nn/index.ts";
import { matchWeights } from "../weights/index.ts";
import { namedWeights, readSafetensorsHeader, readWeightsFile, weightsNames } from "./index.ts";

const name = "med3d-resnet10";

test("a name stands for a file of the package, smaller than 32 MB, that is a whole ResNet-10", async () => {
  expect(weightsNames()).toContain(name);
  const file = namedWeights(name)!;
  expect(existsSync(file)).toBe(true);
  expect(statSync(file).size).toBeLessThan(32e6);
  const target = encoderShapes({ depth: 10, preActivation: false }, { shortcut: "B" });
  const { missing, unexpected } = matchWeights(target, await readWeightsFile(name), { file: name });
  expect({ missing, unexpected }).toEqual({ missing: [], unexpected: [] });
});

test("its numbers are finite, and norms have 32-bit ones", async () => {
  for (const [key, { data }] of await readWeightsFile(name))
    expect(
      (data as Float32Array).every((value) => Number.isFinite(value)),
      key,
    ).toBe(true);
  const { entries, metadata } = await readSafetensorsHeader(namedWeights(name)!);
  expect(new Set(entries.map(({ dtype, shape }) => `${dtype} ${shape.length > 1}`))).toEqual(
    new Set(["F16 true", "F32 false"]),
  );
  expect(Object.keys(metadata)).toEqual(
    expect.arrayContaining(["licence", "data", "recipe", "dice", "not for", "command", "seen"]),
  );
  expect(JSON.parse(metadata.seen)).toEqual(expect.arrayContaining([expect.stringMatching(/^[0-9a-f]{40}$/)]));
});

test("a mistyped name is answered with the nearest; what looks like a path is not", async () => {
  await expect(readWeightsFile("med3d-resnet1")).rejects.toThrow(
    `med3d-resnet1: no such file, and no weights of that name come with medvox; there are ${weightsNames().join(", ")}. Did you mean ${name}?`,
  );
  await expect(readWeightsFile("med3d-resnet1.pth")).rejects.toThrow(/med3d-resnet1\.pth: no such file$/);
});

test("a folder of the user's with that name goes before", () => {
  const work = mkdtempSync(join(tmpdir(), "medvox-named-"));
  const before = process.cwd();
  try {
    process.chdir(work);
    expect(namedWeights(name)).toBeDefined();
    mkdirSync(name);
    expect(namedWeights(name)).toBeUndefined();
  } finally {
    process.chdir(before);
    rmSync(work, { recursive: true });
  }
});
