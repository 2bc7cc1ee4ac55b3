/** A head of a program's own in a run: trained, resumed to the same bits, scored, opened and exported; refused by name where the function is missing. */
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readImage2d } from "../../files/index.ts";
import { globalAveragePool, relu } from "../../graph/index.ts";
import { convLayer, linearLayer } from "../../nn/index.ts";
import { folderStore, lastCheckpoint, readWeights } from "../../train/index.ts";
import { exportDetector } from "../export/export.ts";
import { fasterRcnn } from "../faster-rcnn.ts";
import type { RegionHead } from "../network/head.ts";
import { evaluateDetectionRun, readDetectionRun, resumeDetector, trainDetector } from "../runs.ts";
import { smallRequest, writeSquares } from "../test/pictures.ts";
import type { DetectionRequest } from "./config.ts";

let work: string;
let run: string;
let request: DetectionRequest;

const head: RegionHead = (pooled, scope) => {
  const y = relu(convLayer(pooled, 24, scope.child("conv"), { kernel: 3, padding: 1 }));
  return relu(linearLayer(globalAveragePool(y), 48, scope.child("fc")));
};

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "medvox-head-"));
  run = join(work, "run");
  request = { ...smallRequest, data: await writeSquares(), epochs: 1, validation: 0, stepsPerEpoch: 2 };
  await trainDetector(request, { out: run, head });
});
afterAll(async () => {
  for (const folder of [work, request.data]) await rm(folder, { recursive: true, force: true });
});

test("its parameters are learnt under roi_heads.box_head, and the run's files say that it is custom", async () => {
  for (const [file, path] of [
    ["run.json", "config"],
    ["plan.json", ""],
  ]) {
    const json = JSON.parse(readFileSync(join(run, file), "utf8"));
    expect((path === "" ? json : json[path]).detector.regions.head).toBe("custom");
  }
  const weights = [...(await readWeights(folderStore(run)))];
  const own = weights.flatMap(([name, { shape }]) => (name.startsWith("roi_heads.box_head.") ? [[name, shape]] : []));
  expect(Object.fromEntries(own)).toEqual({
    "roi_heads.box_head.conv.weight": [24, 16, 3, 3],
    "roi_heads.box_head.conv.bias": [24],
    "roi_heads.box_head.fc.weight": [48, 24],
    "roi_heads.box_head.fc.bias": [48],
  });
});

test("stopped and gone on with, it has the same bits", async () => {
  const out = join(work, "stopped");
  const stop = new AbortController();
  const options = { out, head, signal: stop.signal, onStep: () => stop.abort() };
  await expect(trainDetector(request, options)).rejects.toSatisfy((error) => error === stop.signal.reason);
  await resumeDetector(out, { head });
  expect((await readFile(lastCheckpoint(out))).equals(await readFile(lastCheckpoint(run)))).toBe(true);
});

test("it is scored, detects and is exported with the nodes inside", async () => {
  const { report, json } = await evaluateDetectionRun(run, { head, threads: 1 });
  expect(json).toMatchObject({ task: "detection", images: 3 });
  expect(await readFile(report, "utf8")).toContain("with a head of its own");
  const picture = await readImage2d(join(request.data, "JPEGImages/p7.png"));
  await using detector = await fasterRcnn.load(run, { head, threads: 1, score: 0 });
  expect(await detector.detect(picture)).not.toEqual([]);
  expect(detector.estimate([64, 48]).bytes).toBeGreaterThan(0);
  const out = join(work, "detector.onnx");
  await exportDetector({ run: await readDetectionRun(run), head }, { format: "onnx", out });
  expect(existsSync(out)).toBe(true);
});

test("what is refused names the run, or the key, and what is missing", async () => {
  const missing = `${run}: regions.head: custom; it was made with a head of its own, and the same function must be given again (head)`;
  await expect(fasterRcnn.load(run)).rejects.toThrow(missing);
  await expect(evaluateDetectionRun(run)).rejects.toThrow(missing);
  const out = join(work, "never");
  const named = (one: "custom" | "fc" | RegionHead): DetectionRequest => ({
    ...request,
    detector: { ...request.detector, regions: { ...request.detector?.regions, head: one } },
  });
  await expect(trainDetector(named("custom"), { out })).rejects.toThrow(
    "detector.regions.head: custom stands for a function, which only a program can give",
  );
  await expect(trainDetector(named(head), { out })).rejects.toThrow(
    "it is given beside: trainDetector(request, { head,",
  );
  await expect(trainDetector(named("fc"), { out, head })).rejects.toThrow(
    "detector.regions.head: fc is named, and a function is given (head); leave one of them out",
  );
  await expect(trainDetector(request, { out, head: (pooled) => pooled })).rejects.toThrow("regions.head: gives [");
  expect(existsSync(out)).toBe(false);
});
