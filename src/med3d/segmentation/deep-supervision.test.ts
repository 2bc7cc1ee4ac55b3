/** Deep supervision: its loss by hand, gradients of its heads, and that nothing of it is left where predictions are made. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { imageOf, labelOf, writeDecathlon } from "../../data/test/made-up.ts";
import { ConfigError } from "../../errors.ts";
import { gradients, graph, readOnnx, type Tensor } from "../../graph/index.ts";
import { compute, numbersOf } from "../../graph/test/compute.ts";
import { sgd } from "../../nn/index.ts";
import { createEngine, type Engine } from "../../runtime/index.ts";
import { createModel, folderStore, lastCheckpoint, readWeights } from "../../train/index.ts";
import {
  evaluateSegmentationRun,
  resolvePretrainingConfig,
  resolveSegmentationConfig,
  resumeSegmentation,
  type SegmentationRequest,
  trainSegmentation,
} from "../index.ts";
import { coarseConfig } from "./config.ts";
import { supervisionWeights, trainingLoss, trainingOutputs } from "./network/deep-supervision.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 1 });
});
afterAll(() => engine.close());

const config = resolveSegmentationConfig({ data: "", width: 4, deepSupervision: true });

test("weights are halved from level to level and sum to one", () => {
  for (const [i, weight] of [4 / 7, 2 / 7, 1 / 7].entries()) expect(supervisionWeights(3)[i]).toBeCloseTo(weight, 12);
  expect(supervisionWeights(1)).toEqual([1]);
});

test("the loss is the weighted sum, each level's against every second, fourth voxel, by hand", async () => {
  const size = 8;
  const classes = 2;
  const truth = Int32Array.from({ length: size ** 3 }, (_, i) => ((i * 7919) % 13 < 5 ? 1 : 0));
  const g = graph();
  const target = g.constant(truth, [1, size, size, size]);
  const scoresOf = (n: number) => Float32Array.from({ length: classes * n ** 3 }, (_, i) => Math.sin(i * i + n));
  const tensorOf = (n: number): Tensor => g.constant(scoresOf(n), [1, classes, n, n, n]);
  const outputs = { scores: tensorOf(8), probability: tensorOf(8), auxiliary1: tensorOf(4), auxiliary2: tensorOf(2) };
  const loss = trainingLoss(outputs, target, "crossEntropy");
  const alone = trainingLoss({ scores: outputs.scores, probability: outputs.probability }, target, "crossEntropy");
  const found = await compute(engine, g, { loss, alone });

  /** Cross-entropy of scores n³ against each (8/n)-th voxel. */
  const byHand = (n: number): number => {
    const values = scoresOf(n);
    const step = size / n;
    let sum = 0;
    for (let z = 0, i = 0; z < n; z++) {
      for (let y = 0; y < n; y++) {
        for (let x = 0; x < n; x++, i++) {
          const label = truth[(z * step * size + y * step) * size + x * step];
          const [a, b] = [values[i], values[n ** 3 + i]];
          sum += Math.log(Math.exp(a) + Math.exp(b)) - (label === 1 ? b : a);
        }
      }
    }
    return sum / n ** 3;
  };
  expect(numbersOf(found.alone)[0]).toBeCloseTo(byHand(8), 5);
  expect(numbersOf(found.loss)[0]).toBeCloseTo((4 * byHand(8) + 2 * byHand(4) + byHand(2)) / 7, 5);
});

describe("the network", () => {
  const built = (more: object) => {
    const g = graph({ training: true });
    const outputs = trainingOutputs(g.input("input", [2, 1, 32, 32, 32]), 3, { ...config, ...more });
    return { g, outputs, names: [...g.parameters.keys()] };
  };

  test.each([
    [8, 2],
    [32, 4],
  ] as const)(
    "has a head at each coarser level of output stride %d; the main path keeps its names",
    (outputStride, heads) => {
      const plain = built({ outputStride, deepSupervision: false });
      const { outputs, names } = built({ outputStride });
      expect(Object.keys(plain.outputs)).toEqual(["scores", "probability"]);
      const auxiliary = Array.from({ length: heads }, (_, i) => i + 1);
      expect(Object.keys(outputs)).toEqual(["scores", "probability", ...auxiliary.map((i) => `auxiliary${i}`)]);
      expect(names).toEqual([
        ...plain.names,
        ...auxiliary.flatMap((i) => [`decoder.auxiliary${i}.weight`, `decoder.auxiliary${i}.bias`]),
      ]);
      for (const i of auxiliary) expect(outputs[`auxiliary${i}`].shape).toEqual([2, 3, ...Array(3).fill(32 / 2 ** i)]);
    },
  );

  test("the loss has a gradient for each of the heads, and a step moves them", async () => {
    const { g, outputs, names } = built({});
    const loss = trainingLoss(outputs, g.input("target", [2, 32, 32, 32], "int32"), config.loss);
    const heads = names.filter((name) => name.includes("auxiliary"));
    expect(heads).toHaveLength(4);
    expect(
      gradients(
        loss,
        heads.map((name) => g.parameters.get(name)!),
      ),
    ).toHaveLength(4);

    const model = await createModel(
      {
        engine,
        network: ({ input }) => trainingOutputs(input, 3, config),
        loss: (made, { target }) => trainingLoss(made, target, config.loss),
        optimizer: sgd({ lr: 0.1 }),
      },
      {
        input: { shape: [1, 1, 16, 16, 16], dtype: "float32" },
        target: { shape: [1, 16, 16, 16], dtype: "int32" },
      },
    );
    const before = await model.weights();
    await model.step(
      [
        {
          input: { data: Float32Array.from({ length: 4096 }, (_, i) => Math.sin(i)), shape: [1, 1, 16, 16, 16] },
          target: { data: Int32Array.from({ length: 4096 }, (_, i) => i % 3), shape: [1, 16, 16, 16] },
        },
      ],
      1,
      0.1,
    );
    const after = await model.weights();
    for (const name of [...heads, "decoder.classify.weight", "conv1.weight"])
      expect(after.get(name)!.data.some((value, i) => value !== before.get(name)!.data[i])).toBe(true);
    await model.close();
  });
});

describe("the key", () => {
  test("is of the skip decoder; a cascade's first network, which has another, goes without", () => {
    expect(() => resolveSegmentationConfig({ data: "", deepSupervision: true, decoder: "upsampling" })).toThrow(
      new ConfigError("deepSupervision: is of the skip decoder, the decoder is upsampling; leave one of them out"),
    );
    const whole = resolveSegmentationConfig({ data: "", deepSupervision: true, coarse: {} });
    expect([whole.deepSupervision, coarseConfig(whole).deepSupervision]).toEqual([true, false]);
    const sets = [{ name: "a", data: "a" }];
    expect(() => resolvePretrainingConfig({ sets, deepSupervision: true })).toThrow(ConfigError);
    expect(resolvePretrainingConfig({ sets, deepSupervision: true, decoder: "skip" }).deepSupervision).toBe(true);
  });
});

describe("a run", () => {
  const folder = mkdtempSync(join(tmpdir(), "medvox-supervision-"));
  const run = join(folder, "run");
  let request: SegmentationRequest;
  beforeAll(async () => {
    const size = [16, 16, 16] as const;
    const data = await writeDecathlon(
      [0, 1, 2].map((i) => ({ id: `case_${i}`, image: imageOf(size, i), label: labelOf(size, i) })),
    );
    const small = { width: 4, patch: [16, 16, 16] as [number, number, number], batch: 1, threads: 1 };
    request = { data, ...small, epochs: 2, heldOut: 1, validation: 0, deepSupervision: true };
    await trainSegmentation(request, { out: run });
  });
  afterAll(() => {
    for (const path of [folder, request.data]) rmSync(path, { recursive: true, force: true });
  });

  test("keeps the heads' weights, and exports and scores without them", async () => {
    const names = [...(await readWeights(folderStore(run))).keys()];
    expect(names).toContain("decoder.auxiliary2.weight");
    const model = readFileSync(join(run, "model.onnx"));
    expect(readOnnx(model, "model.onnx").outputs.map(({ name }) => name)).toEqual(["probability"]);
    expect(model.includes("auxiliary")).toBe(false);
    expect((await evaluateSegmentationRun(run)).scores).toHaveLength(1);
  });

  test("stopped and resumed has the same bits as never stopped", async () => {
    const out = join(folder, "stopped");
    const stop = new AbortController();
    await expect(
      trainSegmentation(request, { out, signal: stop.signal, onEpoch: () => stop.abort() }),
    ).rejects.toThrow();
    await resumeSegmentation(out, {});
    expect(readFileSync(lastCheckpoint(out)).equals(readFileSync(lastCheckpoint(run)))).toBe(true);
  });
});
