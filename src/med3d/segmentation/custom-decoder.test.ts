/** A decoder of a program's own: trained, resumed to the same bits, exported; refused by name where the function is missing. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { imageOf, labelOf, writeDecathlon } from "../../data/test/made-up.ts";
import { ConfigError, ShapeError } from "../../errors.ts";
import { concat, relu, resize } from "../../graph/index.ts";
import { convLayer } from "../../nn/index.ts";
import { folderStore, lastCheckpoint, readWeights } from "../../train/index.ts";
import {
  evaluateSegmentationRun,
  openSegmenter,
  resumeSegmentation,
  type SegmentationDecoder,
  type SegmentationRequest,
  trainSegmentation,
} from "../index.ts";

const work = mkdtempSync(join(tmpdir(), "medvox-decoder-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const run = join(work, "run");
const size = [16, 24, 16] as const;
let request: SegmentationRequest;

const decoder: SegmentationDecoder = ({ out, taps }, { input, classes, scope }) => {
  const full = input.shape.slice(2);
  const joined = concat([resize(out, { size: full }), resize(taps.half, { size: full }), input], 1);
  const inner = relu(convLayer(joined, 6, scope.child("join"), { kernel: 1 }));
  return convLayer(inner, classes, scope.child("scores"), { kernel: 1 });
};

beforeAll(async () => {
  const data = await writeDecathlon(
    [0, 1, 2].map((i) => ({ id: `case_${i}`, image: imageOf(size, i), label: labelOf(size, i) })),
  );
  request = { data, epochs: 2, patch: [16, 24, 16], batch: 1, width: 8, heldOut: 1, validation: 0, threads: 1 };
  await trainSegmentation(request, { out: run, decoder });
});

test("its parameters are learnt under decoder., and the run says that it is custom", async () => {
  const { config } = JSON.parse(readFileSync(join(run, "run.json"), "utf8"));
  expect(config.decoder).toBe("custom");
  const names = [...(await readWeights(folderStore(run))).keys()].filter((name) => name.startsWith("decoder."));
  expect(names.sort()).toEqual(["join.bias", "join.weight", "scores.bias", "scores.weight"].map((n) => `decoder.${n}`));
});

test("stopped and gone on with, it has the same bits", async () => {
  const out = join(work, "stopped");
  const stop = new AbortController();
  const options = { out, decoder, signal: stop.signal, onStep: () => stop.abort() };
  await expect(trainSegmentation(request, options)).rejects.toSatisfy((error) => error === stop.signal.reason);
  await resumeSegmentation(out, { decoder });
  expect(readFileSync(lastCheckpoint(out)).equals(readFileSync(lastCheckpoint(run)))).toBe(true);
});

test("it is scored and predicts; its exported model predicts the same without the function", async () => {
  const { scores, report } = await evaluateSegmentationRun(run, { decoder });
  expect(scores).toHaveLength(1);
  expect(readFileSync(report, "utf8")).toContain("with a decoder of its own");
  const image = { ...imageOf([18, 20, 17], 7), name: "image" };
  await using trained = await openSegmenter(run, { decoder, threads: 1 });
  await using exported = await openSegmenter(join(run, "model.onnx"), { threads: 1 });
  const { volume } = await trained.predict(image);
  expect((await exported.predict(image)).volume.data).toEqual(volume.data);
  expect(exported.estimate(image).bytes).toBeGreaterThan(0);
});

test("what is refused names the run and what is missing", async () => {
  const missing = new ConfigError(
    `${run}: decoder: custom; it was trained with a program's own decoder, which must be given again (decoder); its model.onnx predicts without`,
  );
  await expect(openSegmenter(run)).rejects.toThrow(missing);
  await expect(evaluateSegmentationRun(run)).rejects.toThrow(missing);
  const out = join(work, "never");
  await expect(trainSegmentation({ ...request, decoder: "custom" }, { out })).rejects.toThrow(
    "decoder: custom stands for a function, which only a program can give",
  );
  await expect(trainSegmentation({ ...request, decoder: "skip" }, { out, decoder })).rejects.toThrow(
    "decoder: skip is named, and a function is given; leave one of them out",
  );
  await expect(trainSegmentation(request, { out, decoder: ({ out: deep }) => deep })).rejects.toThrow(
    new ShapeError("decoder: gives scores [1, 64, 2, 3, 2]; of 3 classes they must be [1, 3, 16, 24, 16]"),
  );
});
