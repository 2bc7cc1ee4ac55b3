/**
 * ResNet-10 with medvox's decoders, and DenseASPP, against PyTorch (`oracle/torch_decoders.py`), on sizes that 8 divides and
 * does not.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { mean, mul, scope, type Tensor } from "../src/graph/index.ts";
import { crossEntropy, denseAspp, resnet3d, skipDecoder, transposedDecoder, upsamplingHead } from "../src/nn/index.ts";
import { createEngine, type Engine } from "../src/runtime/index.ts";
import { expectNorms, filledModel, step, withInputGradient } from "./golden-networks.ts";
import { countOf, expectGolden, formula, type GoldenArray, readGolden, TOLERANCE, uniform } from "./golden-values.ts";

interface Entry {
  readonly decoder: "skip" | "upsampling" | "transposed";
  readonly size: readonly number[];
  readonly shift: number;
  readonly logits: GoldenArray;
  readonly loss: number;
  readonly gradientNorms: Readonly<Record<string, number>>;
}

interface AsppEntry {
  readonly rates: readonly number[];
  readonly channels: number;
  readonly size: readonly number[];
  readonly inner: number;
  readonly growth: number;
  readonly shift: number;
  readonly output: GoldenArray;
  readonly gradientNorms: Readonly<Record<string, number>>;
}

const { classes, networks, aspp } = readGolden<{ classes: number; networks: Entry[]; aspp: AsppEntry[] }>(
  "decoders.json",
);
const ways = [
  ["as written", false],
  ["lowered", true],
] as const;

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ device: "cpu", threads: 2 });
});
afterAll(() => engine.close());

function scoresOf(decoder: Entry["decoder"], x: Tensor): Tensor {
  const features = resnet3d(x, { depth: 10 });
  const size = x.shape.slice(2);
  switch (decoder) {
    case "skip":
      return skipDecoder(features, classes);
    case "upsampling":
      return upsamplingHead(features.out, classes, size);
    case "transposed":
      return transposedDecoder(features.out, classes, size);
  }
}

const named = networks.map((entry) => [`${entry.decoder} ${entry.size.join(" × ")}`, entry] as const);
describe.each(named)("%s", (_, { decoder, size, ...entry }) => {
  test.each(ways)("%s", async (_way, lowering) => {
    const [input, target] = [
      [2, 1, ...size],
      [2, ...size],
    ];
    const { model, gradientNorms } = await filledModel({
      engine,
      lowering,
      shift: entry.shift,
      types: { x: { shape: input, dtype: "float32" }, y: { shape: target, dtype: "int32" } },
      network: ({ x }) => ({ scores: scoresOf(decoder, x) }),
      loss: ({ scores }, { y }) => crossEntropy(scores, y),
    });
    try {
      const x = (shape: readonly number[]) => ({ data: formula(5000, countOf(shape)), shape });
      // Also at the size the weights' storage was not chosen for.
      for (const other of networks.filter((network) => network.decoder === decoder)) {
        const { outputs } = await model.evaluate({ x: x([2, 1, ...other.size]) });
        expectGolden(`logits at ${other.size.join(" × ")}`, outputs.scores, other.logits);
      }
      const labels = Int32Array.from(uniform(5001, countOf(target)), (u) => Math.floor(classes * u));
      const { loss } = await step(model, { x: x(input), y: { data: labels, shape: target } });
      expect(Math.abs(loss - entry.loss) / entry.loss, "loss").toBeLessThanOrEqual(TOLERANCE);
      expectNorms(await gradientNorms(), entry.gradientNorms);
    } finally {
      await model.close();
    }
  });
});

describe.each(aspp.map((entry) => [entry.rates.join(", "), entry] as const))("DenseASPP, rates %s", (_, entry) => {
  test.each(ways)("%s", async (_way, lowering) => {
    const { rates, inner, growth, shift, output } = entry;
    const shape = [2, entry.channels, ...entry.size];
    const { model, gradientNorms } = await filledModel({
      engine,
      lowering,
      shift,
      types: { x: { shape, dtype: "float32" }, upstream: { shape: output.shape, dtype: "float32" } },
      network: ({ x }) => ({
        map: denseAspp(withInputGradient(x), { rates, inner, growth, dropout: 0, scope: scope() }),
      }),
      loss: ({ map }, { upstream }) => mean(mul(map, upstream)),
    });
    try {
      const of = (seed: number, shape: readonly number[]) => ({ data: formula(seed, countOf(shape)), shape });
      const { outputs } = await model.evaluate({ x: of(5002, shape) });
      expectGolden("map", outputs.map, output);
      await step(model, { x: of(5002, shape), upstream: of(5003, output.shape) });
      expectNorms(await gradientNorms(), entry.gradientNorms);
    } finally {
      await model.close();
    }
  });
});
