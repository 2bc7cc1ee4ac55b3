/**
 * What follows a lowered convolution: its output lies in rows, channels last, and every operator must either follow or ask
 * for the plain layout. Each chain convolution → operators → convolution gives the same values and gradients lowered as it
 * does as written (which golden-operators compares with PyTorch), with the convolutions in each form.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Tensor } from "../src/graph/index.ts";
import * as m from "../src/graph/index.ts";
import type * as FormsModule from "../src/graph/lowering/forms.ts";
import { isWinograd } from "../src/graph/lowering/winograd.ts";
import { createEngine, type Engine } from "../src/runtime/index.ts";
import { encodeCase } from "./golden-forms.ts";
import { countOf, formula, relativeError, TOLERANCE } from "./golden-values.ts";

const forced = vi.hoisted((): { form?: FormsModule.Form } => ({}));
vi.mock("../src/graph/lowering/forms.ts", async (original) => {
  const module = await original<typeof FormsModule>();
  const chooseForms: typeof module.chooseForms = (convolution) =>
    forced.form === undefined || (forced.form === "winograd" && !isWinograd(convolution.geometry))
      ? module.chooseForms(convolution)
      : { forward: forced.form, toInput: forced.form, toWeights: forced.form };
  return { ...module, chooseForms };
});

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ device: "cpu", threads: 2 });
});
afterAll(() => engine.close());

const BATCH = 2;
const CHANNELS = 4;
const constant = (like: Tensor, shape: readonly number[], seed: number): Tensor =>
  like.graph.constant(formula(seed, countOf(shape), 0.5, 1.5), shape);
const ones = (x: Tensor): number[] => x.shape.slice(2).map(() => 1);

/** Operators on a map y [2, 4, …] that lies in rows; x is the plain input of the same shape. */
const chains: Readonly<Record<string, (y: Tensor, x: Tensor) => Tensor>> = {
  nothing: (y) => y,
  relu: (y) => m.relu(y),
  "leaky relu, tanh": (y) => m.tanh(m.leakyRelu(y, 0.2)),
  "plus the plain input": (y, x) => m.add(y, x),
  "the plain input minus it": (y, x) => m.sub(x, y),
  "times itself": (y) => m.mul(y, y),
  "times a number": (y) => m.mul(3, y),
  "per channel": (y) => m.mul(y, constant(y, [CHANNELS, ...ones(y)], 1)),
  "per channel, all axes": (y) => m.add(y, constant(y, [1, CHANNELS, ...ones(y)], 2)),
  "per sample": (y) => m.mul(y, constant(y, [BATCH, 1, ...ones(y)], 3)),
  "per sample and channel": (y) => m.mul(y, constant(y, [BATCH, CHANNELS, ...ones(y)], 4)),
  "per position": (y) => m.mul(y, constant(y, [1, 1, ...y.shape.slice(2)], 5)),
  "per last axis": (y) => m.mul(y, constant(y, [y.shape[y.rank - 1]], 6)),
  "by its own mean per channel": (y) => m.sub(y, m.mean(y, { axes: [0, ...m.spatialAxes(y)], keepDims: true })),
  "by its own mean per sample": (y) => m.sub(y, m.mean(y, { axes: m.spatialAxes(y), keepDims: true })),
  "by its sum": (y) => m.div(y, m.add(m.sumSquare(y), 1)),
  "by its mean over channels": (y) => m.sub(y, m.mean(y, { axes: [1], keepDims: true })),
  "by its largest": (y) => m.sub(y, m.max(y, { axes: [1], keepDims: true })),
  "squeeze and excite": (y) => m.mul(y, m.sigmoid(m.globalAveragePool(y))),
  choice: (y, x) => m.where(m.greater(y, x), y, m.mul(x, 0.5)),
  "choice against a number": (y) => m.where(m.greater(y, 0), y, 0.25),
  "mask through a cast": (y) => m.mul(y, m.cast(m.greater(y, 0), "float32")),
  "stopped gradient": (y) => m.mul(y, m.stopGradient(y)),
  "batch norm": (y) => m.batchNorm(y, constant(y, [CHANNELS], 7), constant(y, [CHANNELS], 8)).output,
  "given statistics": (y) => {
    const [a, b, c, d] = [9, 10, 11, 12].map((seed) => constant(y, [CHANNELS], seed));
    return m.batchNormInference(y, a, b, c, d);
  },
  "group norm": (y) => m.groupNorm(y, 2, constant(y, [CHANNELS], 13), constant(y, [CHANNELS], 14)),
  "instance norm": (y) => m.instanceNorm(y),
  softmax: (y) => m.softmax(y, 1),
  "joined with the plain input": (y, x) => m.concat([y, x], 1),
  "joined with itself": (y) => m.concat([y, m.relu(y), y], 1),
  "joined along space": (y, x) => m.concat([y, x], 2),
  "half of the channels": (y) => m.slice(y, { axes: [1], start: [1], end: [3] }),
  "every second channel": (y) => m.slice(y, { axes: [1], step: [2], start: [0] }),
  "every second position": (y) => m.slice(y, { axes: m.spatialAxes(y), step: m.spatialAxes(y).map(() => 2) }),
  "a box": (y) => m.slice(y, { axes: [1, 2, 3], start: [1, 1, 1], end: [4, 3, 4] }),
  "one sample": (y) => m.slice(y, { axes: [0], start: [1], end: [2] }),
  padding: (y) => m.pad(y, [0, 0, ...ones(y)], [0, 0, ...ones(y)]),
  "max pooling": (y) => m.maxPool(y, { kernel: 3, stride: 2, padding: 1 }),
  "average pooling": (y) => m.averagePool(y, { kernel: 2 }),
  "twice as large": (y) => m.resize(y, { size: y.shape.slice(2).map((n) => 2 * n) }),
  "another size": (y) => m.resize(y, { size: y.shape.slice(2).map((n) => n + 1), mode: "nearest" }),
  "flat and back": (y) => m.reshape(m.reshape(y, [BATCH, -1]), y.shape),
  "channels last and back": (y) => {
    const last = m.transpose(y, [0, ...m.spatialAxes(y), 1]);
    return m.transpose(m.mul(last, constant(y, [CHANNELS], 15)), [
      0,
      y.rank - 1,
      ...m.spatialAxes(y).map((a) => a - 1),
    ]);
  },
};

describe.each([
  ["wide", [5, 6]],
  ["paired", [5, 6]],
  ["winograd", [5, 6]],
  ["wide", [4, 5, 6]],
  ["paired", [4, 5, 6]],
  ["winograd", [4, 5, 6]],
] as const)("convolutions %s on %o", (form, spatial) => {
  test.each(Object.entries(chains))("%s", async (_, chain) => {
    const shape = [BATCH, CHANNELS, ...spatial];
    const kernel = spatial.map(() => 3);
    const g = m.graph({ training: true });
    const x = g.input("x", shape);
    const w = g.input("w", [CHANNELS, CHANNELS, ...kernel]);
    const y = chain(m.conv(x, w, { padding: 1 }), x);
    const v = g.input("v", [3, y.shape[1], ...kernel]);
    const z = m.conv(y, v, { padding: 2, dilation: 2 });
    // Of squares, so that nothing cancels: a sum near zero has no relative error to speak of.
    const loss = m.mean(m.square(m.add(z, constant(z, z.shape, 16))));
    const [dx, dw, dv] = m.gradients(loss, [x, w, v]);
    const asked = { y, z, loss, dx, dw, dv };
    const feeds = Object.fromEntries(
      [x, w, v].map((tensor, i) => [["x", "w", "v"][i], { data: formula(100 + i, tensor.size), shape: tensor.shape }]),
    );
    const results = [];
    for (const lowering of [false, true]) {
      forced.form = lowering ? form : undefined;
      const model = encodeCase({ graph: g, asked, feeds }, { contrib: true, lowering });
      const program = await engine.load(model, { label: lowering ? "lowered" : "as written" });
      results.push((await program.run(feeds)).outputs);
      await program.close();
    }
    const [written, lowered] = results;
    for (const name of Object.keys(asked)) {
      expect([...lowered[name].shape], name).toEqual([...written[name].shape]);
      const error = relativeError(lowered[name].data as Float32Array, written[name].data as Float32Array);
      expect(error, name).toBeLessThanOrEqual(TOLERANCE);
    }
  });
});
