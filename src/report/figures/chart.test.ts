import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DataError } from "../../errors.ts";
import { linearScale, logScale, wholeScale } from "../draw/scale.ts";
import type { EpochRecord } from "../pages/input.ts";
import { curveFigures, curvesSvg } from "./curves.ts";

describe("scales", () => {
  it("put round ticks around the data", () => {
    expect(linearScale(0.1, 1, [0, 100]).ticks).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(linearScale(0, 1.45, [0, 100]).ticks).toEqual([0, 0.5, 1, 1.5]);
    expect(linearScale(0, 1, [100, 0]).at(0.25)).toBe(75);
    expect(linearScale(3, 3, [0, 100]).at(3)).toBe(50);
    expect(wholeScale(1, 40, [0, 390]).ticks).toEqual([1, 10, 20, 30, 40]);
    expect(wholeScale(1, 2, [0, 10]).ticks).toEqual([1, 2]);
    expect(wholeScale(5, 5, [0, 10]).at(5)).toBe(5);
    expect(logScale(2e-6, 1e-3, [0, 3]).ticks).toEqual([1e-6, 1e-5, 1e-4, 1e-3]);
    expect(logScale(1e-3, 1, [0, 3]).at(0.1)).toBeCloseTo(2, 12);
  });

  it("hold every value within the frame", () => {
    const value = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(value, value, (a, b) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        const scale = linearScale(low, high, [0, 1]);
        expect(scale.ticks.length).toBeGreaterThanOrEqual(2);
        expect(scale.ticks.length).toBeLessThan(15);
        for (const v of [low, high]) {
          expect(scale.at(v)).toBeGreaterThanOrEqual(-1e-6);
          expect(scale.at(v)).toBeLessThanOrEqual(1 + 1e-6);
        }
      }),
    );
  });
});

const history: EpochRecord[] = Array.from({ length: 12 }, (_, e) => ({
  epoch: e + 1,
  trainLoss: 1 / (e + 1),
  validationLoss: e % 3 === 2 ? 1.2 / (e + 1) : null,
  scores: e % 3 === 2 ? { Anterior: 0.5 + e / 40, Posterior: null } : undefined,
  learningRate: 1e-3 * 0.3 ** e,
}));

describe("curvesSvg", () => {
  const svg = curvesSvg(history, { bestEpoch: 9 });

  it("stands alone: its namespace, its colours for light and dark, nothing from elsewhere", () => {
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"/);
    expect(svg).toContain("@media (prefers-color-scheme:dark)");
    expect(svg.replace("http://www.w3.org/2000/svg", "")).not.toMatch(/https?:|url\(|<script|@import/);
  });

  it("skips what was not measured", () => {
    expect(svg).not.toMatch(/NaN|undefined|null|Infinity/);
    // Validation was measured in four epochs, so its line has four points.
    const path = /class="series dashed" d="(M[^"]+)" style="stroke:var\(--ink\)"><title>validation/.exec(svg)!;
    expect(path[1].split("L")).toHaveLength(4);
    expect(svg).not.toContain("Posterior: ");
  });

  it("draws a steep learning rate on a logarithmic axis", () => {
    expect(svg).toContain(">1e−5<");
    expect(curvesSvg(history.map((r) => ({ ...r, learningRate: 1e-3 })))).not.toContain("1e−5");
  });

  it("leaves out what diverged, draws one epoch as a dot and refuses nothing at all", () => {
    const diverged = curvesSvg([
      { epoch: 1, trainLoss: 2 },
      { epoch: 2, trainLoss: Number.NaN },
    ]);
    expect(diverged).toContain("<circle");
    expect(diverged).not.toContain("NaN");
    expect(() => curvesSvg([])).toThrow(DataError);
    expect(() => curvesSvg([{ epoch: 1 }])).toThrow(DataError);
  });

  it("is the same every time", () => {
    expect(curvesSvg(history, { bestEpoch: 9 })).toBe(svg);
  });
});

describe("curveFigures", () => {
  it("says in words what the lines show", () => {
    const figures = curveFigures(history).map((f) => f.text);
    expect(figures[0]).toContain('aria-label="Loss over 12 epochs. training: from 1.00 to 0.0833.');
  });

  it("gives classes the colours of their order, not of the log's", () => {
    const swapped = [{ epoch: 1, scores: { b: 0.5, a: 0.6 } }];
    const [figure] = curveFigures(swapped, { classes: ["a", "b"] }).map((f) => f.text);
    expect(figure).toMatch(/--class0[^>]*><title>a:/);
    expect(figure).toMatch(/--class1[^>]*><title>b:/);
  });
});
