/** The examples of segmentation run as they stand, from the built package. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { thresholdModel } from "../src/med3d/test/threshold-model.ts";
import { workFolder } from "./cli/medvox.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const tsx = join(root, "node_modules/tsx/dist/cli.mjs");
const sample = join(root, "samples/hippocampus/imagesTr/hippocampus_001.nii.gz");
const work = workFolder("examples");

/** Runs an example from the repository's root, as its first lines say. */
function example(name: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [tsx, join("examples", name), ...args], {
    cwd: root,
    encoding: "utf8",
  });
  expect([status, stderr], stdout).toEqual([0, ""]);
  return stdout;
}

test("custom-decoder.ts trains, stops, goes on, scores and predicts from its export", () => {
  const run = join(work, "run");
  const said = example("custom-decoder.ts", "samples/hippocampus", run);
  expect(said).toMatch(/^stopped: enough for now\n2 \d\.\d{3}\nmean Dice \d\.\d{3} on 2 cases\n\d+×\d+×\d+ labels/);
  expect(existsSync(join(run, "mask.nii.gz"))).toBe(true);
  expect(JSON.parse(readFileSync(join(run, "run.json"), "utf8")).config.decoder).toBe("custom");
});

test("predict-file.ts tells windows and progress, and leaves nothing when it is stopped", () => {
  const model = join(work, "model.onnx");
  writeFileSync(model, thresholdModel([16, 16, 16]));
  const said = example("predict-file.ts", model, sample, join(work, "mask.nii.gz"));
  const [, windows] = /^(\d+) windows, at most \d+\.\d GB\n/.exec(said)!;
  expect(said).toMatch(new RegExp(`window ${windows}  100 %\\nabove 7: \\d+ voxels\\n$`));
  expect(existsSync(join(work, "mask.nii.gz"))).toBe(true);
  const stopped = example("predict-file.ts", model, sample, join(work, "never.nii.gz"), "0");
  expect(stopped).toMatch(/nothing was written: The operation was aborted due to timeout\n$/);
  expect(existsSync(join(work, "never.nii.gz"))).toBe(false);
});
