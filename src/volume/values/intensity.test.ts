import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError } from "../../errors.ts";
import { random } from "../../random.ts";
import { identityAffine } from "../affine.ts";
import type { Volume, VoxelArray } from "../types.ts";
import {
  clip,
  clipPercentiles,
  ctWindow,
  intensityPercentiles,
  intensityStatistics,
  med3dNormalize,
  medicalNetNormalize,
  minMax,
  zScore,
} from "./intensity.ts";
import { percentiles } from "./percentiles.ts";

const golden = JSON.parse(
  readFileSync(new URL("../../../test/fixtures/volume/golden/geometry.json", import.meta.url), "utf8"),
).intensities as Record<"values" | "wanted" | "percentiles" | "zScore" | "med3d" | "medicalNet", number[]>;

function volume<T extends VoxelArray>(data: T, channels = 1): Volume<T> {
  return { data, size: [data.length / channels, 1, 1], channels, affine: identityAffine, name: "case" };
}

describe("percentiles", () => {
  it("by hand, as numpy", () => {
    const values = Float32Array.of(3, -1, 0, 10, 2);
    expect(percentiles(values, [0, 25, 50, 75, 100])).toEqual([-1, 0, 2, 3, 10]);
    expect(percentiles(values, [10, 90])).toEqual([-0.6, 7.2].map((v) => expect.closeTo(v, 12)));
    expect(percentiles(Float32Array.of(7), [0, 33, 100])).toEqual([7, 7, 7]);
    expect(percentiles(Float32Array.of(-0, 0), [50])).toEqual([0]);
    expect(percentiles(new Float32Array(0), [50])).toEqual([Number.NaN]);
  });
  it("pass over what is not finite", () => {
    const inf = Number.POSITIVE_INFINITY;
    expect(percentiles(Float32Array.of(Number.NaN, 1, inf, 2, -inf, 3), [0, 50, 100])).toEqual([1, 2, 3]);
  });
  it("equal a full sort", () => {
    const value = fc.oneof(fc.float({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom(0, -0, 1, -1, 1e-40));
    fc.assert(
      fc.property(fc.array(value, { minLength: 1 }), fc.double({ min: 0, max: 100, noNaN: true }), (list, q) => {
        const sorted = Float32Array.from(list).sort();
        const position = (q / 100) * (sorted.length - 1);
        const [low, high] = [sorted[Math.floor(position)], sorted[Math.ceil(position)]];
        const [got] = percentiles(Float32Array.from(list), [q]);
        expect(got === low + (high - low) * (position - Math.floor(position))).toBe(true);
      }),
    );
  });
});

describe("intensity schemes", () => {
  it("by hand", () => {
    const ct = volume(Int16Array.of(-1000, -200, 25, 250, 1500));
    expect([...clip(ct, -200, 250).data]).toEqual([-200, -200, 25, 250, 250]);
    expect([...ctWindow(ct, -200, 250).data]).toEqual([0, 0, 0.5, 1, 1]);
    expect([...minMax(volume(Uint8Array.of(2, 4, 10))).data]).toEqual([0, 0.25, 1]);
    expect([...zScore(volume(Float64Array.of(1, 3))).data]).toEqual([-1, 1]);
    expect([...zScore(volume(Float64Array.of(0, 1, 3)), (v) => v > 0).data]).toEqual([-2, -1, 1]);
    expect(intensityStatistics(ct)[0]).toMatchObject({ count: 5, mean: 115, min: -1000, max: 1500 });
    expect([...ct.data]).toEqual([-1000, -200, 25, 250, 1500]);
  });

  it("are constant-safe: no division by zero", () => {
    const flat = volume(Float32Array.of(5, 5, 5));
    for (const scheme of [zScore, minMax, med3dNormalize]) expect([...scheme(flat).data]).toEqual([0, 0, 0]);
    expect([...zScore(volume(Float32Array.of(1, 2)), () => false).data]).toEqual([0, 0]);
  });

  it("treat channels one by one", () => {
    const two = volume(Float32Array.of(0, 2, 100, 300), 2);
    expect([...minMax(two).data]).toEqual([0, 1, 0, 1]);
    expect([...zScore(two).data]).toEqual([-1, 1, -1, 1]);
    expect(intensityPercentiles(two, [50])).toEqual([[1], [200]]);
  });

  it("let NaN spoil nothing but itself", () => {
    expect([...zScore(volume(Float32Array.of(1, Number.NaN, 3))).data]).toEqual([-1, Number.NaN, 1]);
  });

  it("equal numpy", () => {
    const values = volume(Float32Array.from(golden.values));
    percentiles(values.data, golden.wanted).forEach((value, i) => {
      expect(value).toBeCloseTo(golden.percentiles[i], 9);
    });
    const close = (got: Float32Array, want: number[]) => {
      got.forEach((value, i) => {
        expect(Math.abs(value - want[i])).toBeLessThan(2e-6);
      });
    };
    close(zScore(values).data, golden.zScore);
    close(med3dNormalize(values).data, golden.med3d);
    const noisy = medicalNetNormalize(values, random(1, "noise")).data;
    noisy.forEach((value, i) => {
      if (golden.values[i] !== 0) expect(Math.abs(value - golden.medicalNet[i])).toBeLessThan(2e-6);
    });
  });

  it("MedicalNet's noise fills exactly the zeros, is standard normal and seeded", () => {
    const data = new Float32Array(20000).map((_, i) => (i % 2 ? 0 : 1 + (i % 7)));
    const once = medicalNetNormalize(volume(data), random(3, "noise")).data;
    expect(medicalNetNormalize(volume(data), random(3, "noise")).data).toEqual(once);
    expect(medicalNetNormalize(volume(data), random(4, "noise")).data).not.toEqual(once);
    const noise = once.filter((_, i) => i % 2 === 1);
    const [stats] = intensityStatistics(volume(noise));
    expect(Math.abs(stats.mean)).toBeLessThan(0.04);
    expect(Math.abs(stats.standardDeviation - 1)).toBeLessThan(0.04);
    const [rest] = intensityStatistics(volume(once.filter((_, i) => i % 2 === 0)));
    expect(rest.mean).toBeCloseTo(0, 5);
    expect(rest.standardDeviation).toBeCloseTo(1, 5);
  });

  it("refuse limits in the wrong order", () => {
    const v = volume(Float32Array.of(1));
    expect(() => clip(v, 2, 1)).toThrow(ConfigError);
    expect(() => ctWindow(v, 1, 1)).toThrow(ConfigError);
    expect(() => clipPercentiles(v, 99, 1)).toThrow(ConfigError);
    expect(() => clip(v, Number.NaN, 1)).toThrow(ConfigError);
  });
});
