/** The examples of single jobs, run as a reader runs them: on the built package, each with a folder of its own. */
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { buildIfStale } from "../scripts/build.ts";
import { workFolder } from "./cli/medvox.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const work = workFolder("jobs");
beforeAll(() => buildIfStale());

/** Runs Node in the repository's root, and gives what it printed. */
function printed(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
  expect([status, stderr], stdout).toEqual([0, ""]);
  return stdout;
}

/** What an example prints that keeps its files in a folder below `work`. */
const example = (name: string): string =>
  printed("--import", "./node_modules/tsx/dist/loader.mjs", `examples/${name}.ts`, join(work, name));

test("own-network.ts: a network learns from a loader as it is, and its ONNX file takes any batch", () => {
  const said = example("own-network");
  const dice = [...said.matchAll(/^scan-\d: Dice (\S+)$/gm)].map(([, value]) => Number(value));
  expect(dice).toHaveLength(2);
  expect(Math.min(...dice)).toBeGreaterThan(0.6);
  const [, shape, difference] = /net\.onnx: \[(.*)\], at most (\S+) from the model$/m.exec(said)!;
  expect(shape).toBe("3, 2, 16, 16, 16");
  expect(Number(difference)).toBeLessThan(1e-3);
});

test("frozen-encoder.ts: a head learns on an encoder from a file", () => {
  const said = example("frozen-encoder");
  expect(existsSync(join(work, "frozen-encoder", "encoder.safetensors"))).toBe(true);
  expect(Number(/^(\d+) of 16 unseen/m.exec(said)?.[1])).toBeGreaterThan(12);
});

test("own-loss.ts: trained with a loss and a schedule of one's own", () => {
  const said = example("own-loss");
  expect(said).toMatch(/^epoch 8 {2}loss \S+ {2}rate 0\.0006$/m);
  expect(Number(/^(\d+) of 64 unseen/m.exec(said)?.[1])).toBeGreaterThan(48);
});

test("own-augmentation.ts: a module changes patches in every worker, the same way with any number of them", () => {
  const said = example("own-augmentation");
  const [plain, biased] = said
    .split("with a bias field:")
    .map((part) => [...part.matchAll(/: (\d+) … (\d+)$/gm)].map(([, first, last]) => Number(last) - Number(first)));
  expect(Math.max(...plain.map(Math.abs))).toBeLessThan(10);
  expect(Math.max(...biased.map(Math.abs))).toBeGreaterThan(30);
  expect(said).toMatch(/one worker and two make the same batches: yes\n$/);
});

test("metrics.ts: scores of outlines with a missed lesion, and two curves compared", () => {
  const said = example("metrics");
  expect(said).toMatch(/^a {2}organ: Dice 1\.00 {2}HD95 0\.00 mm {2}surface Dice 1\.00$/m);
  expect(said).toMatch(/^c {2}lesion: Dice 0\.00 {2}HD95 none mm {2}surface Dice 0\.00$/m);
  expect(said).toMatch(/^mean Dice 0\.72 \[0\.37, 1\.00\], 1 missed$/m);
  // 15 and 10½ of 16 pairs are in order.
  expect(said).toMatch(/^AUC 0\.94 and 0\.66$/m);
});

test("resample.ts: a scan at 1 mm, and its mask there and back", () => {
  const said = example("resample");
  expect(said).toMatch(/^20×20×20 at 2×2×2 mm → 40×40×40 at 1 mm$/m);
  expect(said).toMatch(/^on the scan's own grid: yes\n100\.0 % of the voxels have the label they had$/m);
  for (const file of ["fine", "fine-mask", "back"])
    expect(existsSync(join(work, "resample", `${file}.nii.gz`)), file).toBe(true);
});

test("a loader that failed closes all the same: a program ends with the reason, not in silence", () => {
  const program = `
    import { createLoader } from ${JSON.stringify(new URL("../dist/data/public.js", import.meta.url).href)};
    const prepare = { orientation: "RAS", spacingMm: null, intensity: { kind: "none" }, channels: 1, labels: [0, 1] };
    const cases = [{ id: "gone", image: "gone.nii.gz", label: "gone.nii.gz" }];
    for (const augment of [undefined, "examples/own-network.ts"]) {
      const loader = createLoader({ cases, prepare, patch: [8, 8, 8], batch: 1, seed: 0, augment });
      try { for await (const batch of loader.batches(0)) void batch; } catch (error) { console.log(error.message); }
      await loader.close();
    }
    console.log("closed");`;
  const file = join(work, "failing.mjs");
  writeFileSync(file, program);
  const said = printed(file).split("\n");
  expect(said[0]).toBe("gone.nii.gz: cannot read: no such file");
  expect(said[1]).toMatch(/augment: .*own-network\.ts: cannot be loaded: .*name the compiled module$/);
  expect(said[2]).toBe("closed");
});
