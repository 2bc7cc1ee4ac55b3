/** First values of layers: PyTorch's bounds and MedicalNet's deviations (`oracle/torch_layers.py`). */
import { describe, expect, test } from "vitest";
import { graph, scope } from "../src/graph/index.ts";
import { batchNormLayer, convLayer, convTransposeLayer, kaimingNormalFanOut, linearLayer } from "../src/nn/index.ts";
import { random } from "../src/random.ts";
import { countOf, readGolden } from "./golden-values.ts";

interface Layer {
  readonly layer: "conv" | "convTranspose" | "linear";
  readonly weight: readonly number[];
  readonly groups: number;
  readonly weightBound: number;
  readonly biasBound: number;
  readonly medicalNetDeviation?: number;
}

const { layers, batchNorm: norm } = readGolden<{ layers: Layer[]; batchNorm: Record<string, number> }>("layers.json");

/** The layer's parameters, drawn. */
function drawn({ layer, weight, groups }: Layer): { weight: Float32Array; bias: Float32Array } {
  const g = graph();
  const [first, second, ...kernel] = weight;
  const x = g.input("x", [1, layer === "convTranspose" ? first : second * groups, ...kernel]);
  if (layer === "conv") convLayer(x, first, scope("at"), { kernel, groups });
  else if (layer === "convTranspose") convTransposeLayer(x, second * groups, scope("at"), { kernel, groups });
  else linearLayer(x, first, scope("at"));
  const values = (name: string): Float32Array => {
    const { source, shape } = g.parameters.get(`at.${name}`)!;
    if (source.kind !== "parameter") throw new Error("not a parameter");
    if (name === "weight") expect([...shape]).toEqual(weight);
    return source.info.initialize(shape, random(1, name));
  };
  return { weight: values("weight"), bias: values("bias") };
}

function deviation(values: Float32Array): number {
  const mean = values.reduce((a, v) => a + v, 0) / values.length;
  return Math.sqrt(values.reduce((a, v) => a + (v - mean) ** 2, 0) / values.length);
}

/** Uniform in ±bound: nothing beyond it, and, where there are many values, all of it used. */
function expectUniform(values: Float32Array, bound: number): void {
  const largest = values.reduce((a, v) => Math.max(a, Math.abs(v)), 0);
  expect(largest).toBeLessThanOrEqual(bound * (1 + 1e-6));
  // Five standard errors: the variance of a uniform variable's square, 4/45 of the bound's fourth power, over the count.
  const relative = deviation(values) / (bound / Math.sqrt(3));
  expect(Math.abs(relative - 1)).toBeLessThan((5 * Math.sqrt(0.2)) / Math.sqrt(values.length));
}

describe.each(layers.map((entry) => [`${entry.layer} [${entry.weight}], ${entry.groups} groups`, entry] as const))(
  "%s",
  (_, entry) => {
    test("PyTorch's bounds", () => {
      const { weight, bias } = drawn(entry);
      expectUniform(weight, entry.weightBound);
      expectUniform(bias, entry.biasBound);
    });

    test.runIf(entry.medicalNetDeviation !== undefined)("MedicalNet's deviation", () => {
      const values = kaimingNormalFanOut(entry.weight, random(2, "weights"));
      expect(values.length).toBe(countOf(entry.weight));
      // The relative error of a normal sample's deviation is 1/√(2n).
      const relative = deviation(values) / entry.medicalNetDeviation!;
      expect(Math.abs(relative - 1)).toBeLessThan(5 / Math.sqrt(2 * values.length));
    });
  },
);

test("batch norm starts as PyTorch's", () => {
  const g = graph({ training: true });
  batchNormLayer(g.input("x", [2, 4, 3, 3, 3]), scope("bn"));
  const first = Object.fromEntries(
    [...g.parameters].map(([name, { source, shape }]) => [
      name,
      source.kind === "parameter" ? [...source.info.initialize(shape, random(1, name))] : [],
    ]),
  );
  const four = (value: number): number[] => [value, value, value, value];
  expect(first).toEqual({
    "bn.weight": four(norm.weight),
    "bn.bias": four(norm.bias),
    "bn.running_mean": four(norm.runningMean),
    "bn.running_var": four(norm.runningVariance),
  });
});
