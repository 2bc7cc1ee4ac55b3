/** Targets that do not count, in every loss of a segmentation: by hand, and gradients against finite differences. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { gradients, graph, type Tensor } from "../graph/index.ts";
import { createEngine, type Engine, type Program } from "../runtime/index.ts";
import { crossEntropy, diceCrossEntropy, diceLoss, focal } from "./index.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ device: "cpu", threads: 1 });
});
afterAll(() => engine.close());

const shape = [2, 2, 3];
/** Scores of two classes at three places of two samples, as [N, K, X]. */
const scores = [0.2, -1, 0.5, 1.1, 0.3, -0.7, 2, 0.1, 0.4, -0.2, 0.9, 0.6];
/** The last place of the first sample and the first of the second do not count. */
const target = [0, 1, -1, -1, 1, 0];
const counted = target.flatMap((k, i) => (k < 0 ? [] : [{ k, n: Math.floor(i / 3), x: i % 3 }]));

/** Softmax probability of a class at a place, in doubles. */
function probability(values: readonly number[], n: number, k: number, x: number): number {
  const [a, b] = [0, 1].map((c) => values[(n * 2 + c) * 3 + x]);
  return 1 / (1 + Math.exp((k === 0 ? b : a) - (k === 0 ? a : b)));
}

const byHand = {
  crossEntropy: (values: readonly number[]) =>
    counted.reduce((sum, { k, n, x }) => sum - Math.log(probability(values, n, k, x)), 0) / counted.length,
  focal: (values: readonly number[]) =>
    counted.reduce((sum, { k, n, x }) => {
      const p = probability(values, n, k, x);
      return sum - (1 - p) ** 2 * Math.log(p);
    }, 0) / counted.length,
  // Of class 1 alone, over the whole batch.
  dice: (values: readonly number[]) => {
    const p = counted.map(({ n, x }) => probability(values, n, 1, x));
    const both = counted.reduce((sum, { k }, i) => sum + (k === 1 ? p[i] : 0), 0);
    const size = p.reduce((a, b) => a + b, 0) + counted.filter(({ k }) => k === 1).length;
    return 1 - (2 * both + 1e-5) / (size + 1e-5);
  },
  diceCrossEntropy: (values: readonly number[]): number => byHand.dice(values) + byHand.crossEntropy(values),
};

const options = { ignoreIndex: -1, batch: true, includeBackground: false };
const forms: Readonly<Record<keyof typeof byHand, (x: Tensor, y: Tensor) => Tensor>> = {
  crossEntropy: (x, y) => crossEntropy(x, y, { ignoreIndex: -1 }),
  focal: (x, y) => focal(x, y, { ignoreIndex: -1 }),
  dice: (x, y) => diceLoss(x, y, options),
  diceCrossEntropy: (x, y) => diceCrossEntropy(x, y, options),
};

async function programOf(form: (x: Tensor, y: Tensor) => Tensor): Promise<Program> {
  const g = graph({ training: true });
  const x = g.input("scores", shape);
  const loss = form(x, g.input("target", [2, 3], "int32"));
  const [gradient] = gradients(loss, [x]);
  return engine.load(g.toOnnx({ loss, gradient }, { contrib: true }), { label: "ignored" });
}

async function run(program: Program, values: readonly number[], classes: readonly number[]) {
  const { outputs } = await program.run({
    scores: { data: Float32Array.from(values), shape },
    target: { data: Int32Array.from(classes), shape: [2, 3] },
  });
  return { loss: Number(outputs.loss.data[0]), gradient: Array.from(outputs.gradient.data as Float32Array) };
}

describe.each(Object.keys(forms) as (keyof typeof byHand)[])("%s", (name) => {
  it("is the loss of the other places, and its gradient theirs", async () => {
    const program = await programOf(forms[name]);
    const { loss, gradient } = await run(program, scores, target);
    expect(loss).toBeCloseTo(byHand[name](scores), 6);
    const step = 1e-4;
    scores.forEach((_, i) => {
      const moved = (by: number) => byHand[name](scores.map((value, j) => (i === j ? value + by : value)));
      expect(gradient[i]).toBeCloseTo((moved(step) - moved(-step)) / (2 * step), 5);
    });
    // What is predicted where nothing counts changes nothing.
    const other = await run(
      program,
      scores.map((v, i) => (i === 2 || i === 5 || i === 6 || i === 9 ? 7 - 3 * v : v)),
      target,
    );
    expect(other.loss).toBe(loss);
    await program.close();
  });

  it("is finite where nothing counts, with a gradient of 0", async () => {
    const program = await programOf(forms[name]);
    const { loss, gradient } = await run(
      program,
      scores,
      target.map(() => -1),
    );
    expect(loss).toBeCloseTo(0, 6);
    expect(gradient.every((value) => value === 0)).toBe(true);
    await program.close();
  });
});
