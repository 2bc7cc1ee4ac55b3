/** Every loss and its gradient against PyTorch, torchvision and MONAI (`oracle/torch_losses.py`). */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gradients, graph, mul, type Tensor } from "../src/graph/index.ts";
import {
  binaryCrossEntropy,
  binaryFocal,
  type CrossEntropyOptions,
  crossEntropy,
  type DiceOptions,
  diceCrossEntropy,
  diceLoss,
  type FocalOptions,
  focal,
  smoothL1,
  softCrossEntropy,
  softFocal,
} from "../src/nn/index.ts";
import { createEngine, type Engine } from "../src/runtime/index.ts";
import { expectGolden, formula, type GoldenCase, inputNumbers, readGolden } from "./golden-values.ts";

const { cases } = readGolden<{ cases: GoldenCase[] }>("losses.json");

type Form = (scores: Tensor, target: Tensor, attributes: never) => Tensor;

/** Each loss of the fixture in medvox's words. */
const forms: Readonly<Record<string, Form>> = {
  crossEntropy: (x, y, options: CrossEntropyOptions) => crossEntropy(x, y, options),
  dice: (x, y, options: DiceOptions) => diceLoss(x, y, options),
  diceCrossEntropy: (x, y, options: DiceOptions & CrossEntropyOptions) => diceCrossEntropy(x, y, options),
  focal: (x, y, options: FocalOptions) => focal(x, y, options),
  binaryFocal: (x, y, options: FocalOptions) => binaryFocal(x, y, options),
  binaryCrossEntropy: (x, y, { positiveWeight }: { positiveWeight?: number }) =>
    binaryCrossEntropy(x, y, positiveWeight),
  smoothL1: (x, y, { beta }: { beta: number }) => smoothL1(x, y, beta),
  softCrossEntropy: (x, y, options: CrossEntropyOptions) => softCrossEntropy(x, y, options),
  softFocal: (x, y, options: CrossEntropyOptions & FocalOptions) => softFocal(x, y, options),
};
const softTargets = new Set(["binaryFocal", "binaryCrossEntropy", "smoothL1", "softCrossEntropy", "softFocal"]);

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ device: "cpu", threads: 1 });
});
afterAll(() => engine.close());

describe.each([...new Set(cases.map(({ op }) => op))])("%s", (op) => {
  test.each(cases.filter((c) => c.op === op).map((c) => [c.name, c] as const))("%s", async (name, golden) => {
    const form = forms[op];
    if (form === undefined) expect.fail(`the fixture has a loss ${op} that this test has no form of`);
    const g = graph({ training: true });
    const [scores, target] = golden.inputs;
    const x = g.input("scores", scores.shape);
    const soft = softTargets.has(op);
    const y = g.input("target", target.shape, soft ? "float32" : "int32");
    const loss = form(x, y, golden.attributes as never);
    const upstream = formula(golden.upstream!.seed, 1)[0];
    const [gradient] = gradients(mul(loss, upstream), [x]);
    const program = await engine.load(g.toOnnx({ loss, gradient }, { contrib: true }), { label: `${op} ${name}` });
    const numbers = inputNumbers(target);
    const { outputs } = await program.run({
      scores: { data: Float32Array.from(inputNumbers(scores)), shape: scores.shape },
      target: { data: soft ? Float32Array.from(numbers) : Int32Array.from(numbers), shape: target.shape },
    });
    await program.close();
    expectGolden("loss", outputs.loss, golden.outputs[0]);
    expectGolden("gradient", outputs.gradient, golden.gradients![0]!);
  });
});
