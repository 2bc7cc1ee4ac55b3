/**
 * Encoders that MedicalNet's release does not hold, against MONAI and 3D-ResNets-PyTorch's pre-activation network
 * (`oracle/torch_encoders.py`): maps of every tap, loss, and every gradient down to the input's.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { add, mean, mul, type Tensor } from "../src/graph/index.ts";
import { preResnet3d, type ResNet3dFeatures, type ResNetDepth, resnet3d, type Shortcut } from "../src/nn/index.ts";
import { createEngine, type Engine } from "../src/runtime/index.ts";
import { expectNorms, filledModel, step, withInputGradient } from "./golden-networks.ts";
import { countOf, expectGolden, formula, type GoldenArray, readGolden, TOLERANCE } from "./golden-values.ts";
import { nightly } from "./nightly.ts";

interface Entry {
  readonly name: string;
  readonly network: {
    readonly depth?: ResNetDepth;
    readonly blocks?: readonly [number, number, number, number];
    readonly shortcut: Shortcut;
    readonly channels: number;
    readonly outputStride: 8 | 32;
  };
  readonly batch: number;
  readonly size: readonly number[];
  readonly shift: number;
  readonly taps: Readonly<Record<Exclude<keyof ResNet3dFeatures["taps"], "full">, GoldenArray>>;
  readonly loss: number;
  readonly gradientNorms: Readonly<Record<string, number>>;
}

const { networks } = readGolden<{ networks: Entry[] }>("encoders.json");
const ways = [
  ["as written", false],
  ["lowered", true],
] as const;

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ device: "cpu", threads: 2 });
});
afterAll(() => engine.close());

describe.each(networks.map((entry) => [entry.name, entry] as const))("%s", (_, entry) => {
  const { depth, blocks, channels, ...options } = entry.network;
  const taps = Object.keys(entry.taps) as (keyof Entry["taps"])[];
  // Of the deepest once is enough: its layers are those of the others.
  const deep = blocks !== undefined && blocks[1] === 24;
  test.skipIf(deep && !nightly).each(deep ? ways.slice(1) : ways)(
    "%s",
    { timeout: 600_000 },
    async (_way, lowering) => {
      const shape = [entry.batch, channels, ...entry.size];
      const weights = taps.map((tap, i) => [`u_${tap}`, { data: 6100 + i, shape: entry.taps[tap].shape }] as const);
      const { model, gradientNorms } = await filledModel({
        engine,
        lowering,
        shift: entry.shift,
        types: Object.fromEntries(
          [["x", { shape }] as const, ...weights].map(([name, { shape }]) => [
            name,
            { shape, dtype: "float32" } as const,
          ]),
        ),
        network: ({ x }) => {
          const seen = withInputGradient(x);
          const features =
            depth === undefined ? preResnet3d(seen, { ...options, blocks }) : resnet3d(seen, { ...options, depth });
          expect(Object.keys(features.taps)).toEqual(["full", ...taps]);
          return Object.fromEntries(taps.map((tap) => [tap, features.taps[tap]!]));
        },
        loss: (outputs, inputs) =>
          taps.map((tap) => mean(mul(outputs[tap], inputs[`u_${tap}`]))).reduce((a, b): Tensor => add(a, b)),
      });
      try {
        const x = () => ({ data: formula(6000, countOf(shape)), shape });
        const { outputs } = await model.evaluate({ x: x() });
        for (const tap of taps) expectGolden(tap, outputs[tap], entry.taps[tap]);
        const upstream = weights.map(([name, { data, shape }]) => [
          name,
          { data: formula(data, countOf(shape)), shape },
        ]);
        const { loss } = await step(model, { x: x(), ...Object.fromEntries(upstream) });
        expect(Math.abs(loss - entry.loss) / Math.abs(entry.loss), "loss").toBeLessThanOrEqual(TOLERANCE);
        expectNorms(await gradientNorms(), entry.gradientNorms);
      } finally {
        await model.close();
      }
    },
  );
});
