/** A fifth task is one file and one line: the toy passes through every command. */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test, vi } from "vitest";
import { readSafetensors } from "../../src/files/index.ts";
import { taskNames } from "../../src/tasks.ts";
import { nameOf } from "../../src/text/index.ts";
import type { AnyTask } from "../../src/train/index.ts";
import { medvox, workFolder } from "../cli/medvox.ts";
import { toyConfig, writeToy } from "./toy-data.ts";

vi.mock("../../src/tasks.ts", async (original) => {
  const module = await original<typeof import("../../src/tasks.ts")>();
  const { toy } = await import("./toy-task.ts");
  (module.tasks as AnyTask[]).push(toy);
  return module;
});

const work = workFolder("toy");
const data = join(work, "data");
const run = join(work, "run");
const json = async (...args: string[]) => {
  const { status, stdout, stderr } = await medvox(...args, "--json");
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout);
};

beforeAll(async () => {
  writeToy(data);
  const config = toyConfig(work, data, { epochs: 60 });
  const document = await json("train", "--task", "toy", "--config", config, "--out", run);
  expect(document).toEqual({
    task: "toy",
    run,
    train: 3,
    validation: 1,
    heldOut: 2,
    problems: { count: 0, rules: {}, list: [] },
  });
});

test("stands in the list of tasks", () => {
  expect(taskNames()).toEqual(["segmentation", "classification", "pretraining", "detection", "toy"]);
});

test("evaluate, with its report", async () => {
  const scored = await json("evaluate", run);
  // Three points decide a plane: the other two lie on it.
  expect(scored.error).toBeLessThan(0.05);
  const page = readFileSync(join(run, "report.html"), "utf8");
  expect(page).toContain("A plane. Trained on 3 cases, scored on 2 it never saw.");
  expect(page).toContain("medvox train --task toy --config");
  expect((await json("evaluate", run, "--data", data)).error).toBeLessThan(0.05);
  expect(existsSync(join(run, "evaluations", nameOf(data), "evaluation.json"))).toBe(true);
  // Other options do not replace scores.
  const other = ["evaluate", run, "--use", "last"];
  expect((await medvox(...other)).stderr).toContain(
    `${run}: has scores already, made with no options, and this evaluation has --use last; give it a name with --name, or --force replaces them`,
  );
  expect((await json(...other, "--name", "last")).evaluation).toMatchObject({
    name: "last",
    on: "heldOut",
    use: "last",
  });
  const { evaluations } = await json("info", run);
  expect(evaluations.map(({ name }: { name: string }) => name)).toEqual(["heldOut", nameOf(data), "last"]);
  expect(readFileSync(join(run, "evaluations/last/report.html"), "utf8")).toContain("last (this one)");
  expect((await json("evaluate", run)).evaluation.name).toBe("heldOut");
  expect((await medvox(...other, "--force")).status).toBe(0);
  expect((await json("evaluate", run, "--force")).evaluation).not.toHaveProperty("use");
  expect((await medvox("evaluate", run, "--name", "../up")).stderr).toContain(
    "--name ../up: names a folder in evaluations/",
  );
  const { status, stderr } = await medvox("evaluate", run, "--overlap", "0.5");
  expect([status, stderr]).toEqual([
    2,
    `ConfigError: --overlap: is not for a toy run, which ${run} is; leave it out\n`,
  ]);
});

test("info", async () => {
  expect(await json("info", run)).toMatchObject({ kind: "run", epochs: 60, plan: { features: 2 } });
  expect((await medvox("info", run)).stdout).toContain("toy of data  3 train · 1 watched · 2 held out");
});

test("predict, from the run and from its exported model; export as safetensors", async () => {
  const exported = join(work, "toy.onnx");
  await json("export", run, "--format", "onnx", "--out", exported);
  const found = [];
  for (const source of [run, exported, join(run, "model.onnx")]) {
    const out = join(work, `found-${found.length}`);
    const document = await json("predict", source, "--in", data, "--out", out);
    expect(document.failed).toEqual([]);
    expect(JSON.parse(readFileSync(join(out, "predictions.json"), "utf8"))).toEqual(document.predictions);
    found.push(document.predictions);
  }
  expect(found[0]).toHaveLength(6);
  expect(found[1]).toEqual(found[0]);
  expect(found[2]).toEqual(found[0]);
  const weights = join(work, "toy.safetensors");
  expect((await json("export", run, "--format", "safetensors", "--out", weights)).tensors).toBe(2);
  expect([...(await readSafetensors(weights)).tensors.keys()].sort()).toEqual(["plane.bias", "plane.weight"]);
});

test("resume, to the same bits", async () => {
  const other = join(work, "other");
  const config = toyConfig(work, data, { epochs: 60 });
  const { beginRun, readWeights, folderStore } = await import("../../src/train/index.ts");
  const { toy } = await import("./toy-task.ts");
  const stop = new AbortController();
  const begun = beginRun(toy, JSON.parse(readFileSync(config, "utf8")), {
    out: other,
    signal: stop.signal,
    onStep: ({ step }) => void (step === 50 && stop.abort()),
  });
  await expect(begun).rejects.toSatisfy((error) => error === stop.signal.reason);
  expect((await json("train", "--resume", other)).run).toBe(other);
  expect(await readWeights(folderStore(other))).toEqual(await readWeights(folderStore(run)));
});

test("one broken file of several, and what is hidden", async () => {
  const folder = join(work, "several");
  writeToy(folder);
  writeFileSync(join(folder, "c2.txt"), "no number");
  writeFileSync(join(folder, "._c0.txt"), "of a Mac");
  const { status, stdout } = await medvox(
    "predict",
    run,
    "--in",
    folder,
    "--out",
    join(work, "several-found"),
    "--json",
  );
  const { predictions, failed } = JSON.parse(stdout);
  expect(status).toBe(1);
  expect(predictions.map((row: { case: string }) => row.case)).toEqual(["c0", "c1", "c3", "c4", "c5"]);
  const image = join(folder, "c2.txt");
  expect(failed).toEqual([{ case: "c2", image, message: `${image}: holds not two numbers` }]);
});
