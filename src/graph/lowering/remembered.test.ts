/** What lowering remembers between graphs has a bound: a server that lives long meets a new shape with every image. */
import { expect, test } from "vitest";
import { conv } from "../functional/linear.ts";
import { graph } from "../graph.ts";
import { chooseAlgorithms, chooseForms, combinations, formsOf } from "./forms.ts";
import { lower } from "./lower.ts";
import type { WindowGeometry } from "./windows.ts";
import { plans } from "./winograd.ts";

/** A 3×3 convolution of 64 channels over a map of this size. */
function convolution(input: readonly number[]) {
  const ones = [1, 1];
  const geometry: WindowGeometry = {
    stride: ones,
    padBegin: ones,
    padEnd: ones,
    dilation: ones,
    batch: 1,
    input,
    kernel: [3, 3],
    output: input,
  };
  return { geometry, ci: 64, co: 64, groups: 1 };
}

const sizes = Array.from({ length: 1000 }, (_, i) => [20 + (i % 25), 20 + Math.floor(i / 25)]);

test("the choice of forms, through 1,000 shapes", () => {
  const first = convolution(sizes[0]);
  const [forms, algorithms] = [chooseForms(first), chooseAlgorithms(first, true)];
  for (const size of sizes) {
    chooseForms(convolution(size));
    chooseAlgorithms(convolution(size), true);
    expect(formsOf.size).toBeLessThanOrEqual(500);
    expect(combinations.size).toBeLessThanOrEqual(500);
  }
  expect([formsOf.size, combinations.size]).toEqual([500, 500]);
  // What was forgotten is chosen anew, and alike.
  expect([chooseForms(first), chooseAlgorithms(first, true)]).toEqual([forms, algorithms]);
});

test("the plans of Winograd's transforms, through 1,000 lowered graphs", () => {
  for (const size of sizes) {
    const g = graph();
    const w = g.parameter("w", [64, 64, 3, 3], () => new Float32Array(64 * 64 * 9));
    lower(g, { y: conv(g.input("x", [1, 64, ...size]), w, { padding: 1 }) });
    expect(plans.weight).toBeLessThanOrEqual(32e6);
  }
  expect(plans.size).toBeGreaterThan(300);
  expect(plans.size).toBeLessThanOrEqual(500);
});
