/** ResNet-10 with medvox's decoders against PyTorch (`oracle/torch_decoders.py`), on sizes that 8 divides and does not. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Tensor } from "../src/graph/index.ts";
import { crossEntropy, resnet3d, sgd, skipDecoder, upsamplingHead } from "../src/nn/index.ts";
import { createEngine, type Engine } from "../src/runtime/index.ts";
import { createModel } from "../src/train/model.ts";
import {
  countOf,
  expectGolden,
  formula,
  type GoldenArray,
  parametersByFormula,
  readGolden,
  TOLERANCE,
  uniform,
} from "./golden-values.ts";

interface Entry {
  readonly decoder: "skip" | "upsampling";
  readonly size: readonly number[];
  readonly logits: GoldenArray;
  readonly loss: number;
  readonly gradientNorms: Readonly<Record<string, number>>;
}

const { classes, networks } = readGolden<{ classes: number; networks: Entry[] }>("decoders.json");
type Named = Readonly<Record<string, Tensor>>;

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ device: "cpu", threads: 2 });
});
afterAll(() => engine.close());

describe.each(networks.map((entry) => [`${entry.decoder} ${entry.size.join(" × ")}`, entry] as const))(
  "%s",
  (_, entry) => {
    test.each([
      ["as written", false],
      ["lowered", true],
    ] as const)("%s", async (_way, lowering) => {
      const { decoder, size } = entry;
      const network = ({ x }: Named): Record<string, Tensor> => {
        const features = resnet3d(x, { depth: 10 });
        return {
          scores:
            decoder === "skip"
              ? skipDecoder(features, classes)
              : upsamplingHead(features.out, classes, x.shape.slice(2)),
        };
      };
      const loss = ({ scores }: Named, { y }: Named): Tensor => crossEntropy(scores, y);
      // Without decay the momentum after one step is the gradient.
      const optimiser = sgd({ lr: 0.01, momentum: 0.9 });
      const [input, target] = [
        [2, 1, ...size],
        [2, ...size],
      ];
      const model = await createModel(
        { engine, network, loss, optimiser, lowering },
        { x: { shape: input, dtype: "float32" }, y: { shape: target, dtype: "int32" } },
      );
      const shapes = new Map([...model.parameters].map(([name, { shape }]) => [name, shape]));
      const start = parametersByFormula(shapes);
      await model.load(new Map([...start].map(([name, data]) => [name, { data, shape: shapes.get(name)! }])));
      const x = (shape: readonly number[]) => ({ data: formula(5000, countOf(shape)), shape });
      const labels = Int32Array.from(uniform(5001, countOf(target)), (u) => Math.floor(classes * u));

      // Also at the size the weights' storage was not chosen for.
      for (const other of networks.filter((network) => network.decoder === decoder)) {
        const { outputs } = await model.evaluate({ x: x([2, 1, ...other.size]) });
        expectGolden(`logits at ${other.size.join(" × ")}`, outputs.scores, other.logits);
      }
      const result = await model.step([{ x: x(input), y: { data: labels, shape: target } }], 1, 0.01);
      expect(Math.abs(result.loss - entry.loss) / entry.loss, "loss").toBeLessThanOrEqual(TOLERANCE);
      const state = await model.state();
      const apart = Object.entries(entry.gradientNorms)
        .map(([name, wanted]) => {
          const gradient = state.get(`optimizer.momentum.${name}`)!.data;
          return { name, error: Math.abs(Math.sqrt(gradient.reduce((a, v) => a + v * v, 0)) - wanted) / wanted };
        })
        .filter(({ error }) => !(error <= TOLERANCE));
      expect(apart, "gradient norms").toEqual([]);
      await model.close();
    });
  },
);
