/** The single transforms: by hand, then against scipy (oracle/augment_fixtures.py), then what they promise. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { random } from "../random.ts";
import {
  addNoise,
  contrast,
  type Extent,
  gammaCurve,
  gaussianBlur,
  isCopy,
  patchAffine,
  scaleShift,
  simulateLowResolution,
  statistics,
  warpImage,
  warpLabel,
} from "./index.ts";

interface Golden {
  affine: {
    name: string;
    shape: [number, number, number];
    patch: [number, number, number];
    geometry: {
      angles: [number, number, number];
      scales: [number, number, number];
      shift: [number, number, number];
      mirrored: [boolean, boolean, boolean];
      origin: [number, number, number];
      spacing: [number, number, number];
    };
    matrix: number[];
    label: number[];
    image: number[];
    warpedLabel: number[];
    clear: number[];
  }[];
  blur: { shape: [number, number, number]; sigma: number; values: number[] }[];
}
const golden: Golden = JSON.parse(
  readFileSync(new URL("../../test/fixtures/augment/golden/scipy.json", import.meta.url), "utf8"),
);

const extent = ([depth, height, width]: readonly number[]): Extent => ({ depth, height, width });
const formula = (n: number) => Float32Array.from({ length: n }, (_, i) => ((i * 7919) % 101) / 50 - 1);
const still = { angles: [0, 0, 0], scales: [1, 1, 1], shift: [0, 0, 0], mirrored: [false, false, false] } as const;

describe("patchAffine", () => {
  it("is the identity when nothing was drawn", () => {
    const m = patchAffine(still, extent([3, 4, 5]), [0, 0, 0]);
    expect([...m].map((v) => v + 0)).toEqual([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]);
    expect(isCopy(m)).toBe(true);
  });

  it("turns a quarter about z: +x of the patch is +y of the source", () => {
    const m = patchAffine({ ...still, angles: [0, 0, Math.PI / 2] }, extent([1, 3, 3]), [0, 0, 0]);
    const at = (x: number, y: number) => [m[0] * x + m[1] * y + m[3], m[4] * x + m[5] * y + m[7]];
    expect(at(1, 1)[0]).toBeCloseTo(1);
    expect(at(2, 1)[0]).toBeCloseTo(1);
    expect(at(2, 1)[1]).toBeCloseTo(2);
  });

  it("turns rigidly in millimetres: 2 voxels of 3 mm become 6 voxels of 1 mm", () => {
    // Voxels of 1 × 1 × 3 mm, a quarter turn about x: +y of the patch (1 mm) is +z of the source (1/3 voxel).
    const m = patchAffine({ ...still, angles: [Math.PI / 2, 0, 0] }, extent([3, 3, 3]), [0, 0, 0], [1, 1, 3]);
    expect(m[4 * 2 + 1]).toBeCloseTo(1 / 3);
    expect(m[4 * 1 + 2]).toBeCloseTo(-3);
  });

  it("magnifies about the centre", () => {
    const m = patchAffine({ ...still, scales: [2, 2, 2] }, extent([5, 5, 5]), [0, 0, 0]);
    expect(m[0]).toBe(0.5);
    expect(m[0] * 2 + m[3]).toBe(2);
  });
});

describe("warp against scipy.ndimage.affine_transform", () => {
  it.each(golden.affine)("$name", (golden) => {
    const { geometry, shape, patch } = golden;
    const m = patchAffine(geometry, extent(patch), geometry.origin, geometry.spacing);
    expect([...m].every((v, i) => Math.abs(v - golden.matrix[i]) < 1e-12)).toBe(true);
    const voxels = patch[0] * patch[1] * patch[2];
    const source = formula(shape[0] * shape[1] * shape[2]);
    const image = { data: new Float32Array(voxels), offset: 0 };
    warpImage(source, 0, extent(shape), m, image, extent(patch));
    for (let i = 0; i < voxels; i++) expect(Math.abs(image.data[i] - golden.image[i])).toBeLessThan(1e-5);

    const label = { data: new Int32Array(voxels), offset: 0 };
    warpLabel(Int16Array.from(golden.label), extent(shape), m, label, extent(patch), "linear");
    for (let i = 0; i < voxels; i++) if (golden.clear[i]) expect(label.data[i]).toBe(golden.warpedLabel[i]);
  });
});

describe("label interpolation", () => {
  const half = Float64Array.of(1, 0, 0, 0.25, 0, 1, 0, 0, 0, 0, 1, 0);
  const row = Int16Array.of(0, 3, 3, 5, 5);
  it("linear takes the class with the larger weight, never a class in between", () => {
    const out = { data: new Int32Array(5), offset: 0 };
    warpLabel(row, extent([1, 1, 5]), half, out, extent([1, 1, 5]), "linear");
    expect([...out.data]).toEqual([0, 3, 3, 5, 5]);
    const onward = Float64Array.from(half, (v, i) => (i === 3 ? 0.75 : v));
    warpLabel(row, extent([1, 1, 5]), onward, out, extent([1, 1, 5]), "linear");
    expect([...out.data]).toEqual([3, 3, 5, 5, 0]);
  });
  it("nearest takes the closest voxel", () => {
    const out = { data: new Int32Array(5), offset: 0 };
    const onward = Float64Array.from(half, (v, i) => (i === 3 ? 0.6 : v));
    warpLabel(row, extent([1, 1, 5]), onward, out, extent([1, 1, 5]), "nearest");
    expect([...out.data]).toEqual([3, 3, 5, 5, 0]);
  });
});

describe("gaussianBlur", () => {
  it.each(golden.blur)("equals scipy.ndimage.gaussian_filter on $shape, sigma $sigma", ({ shape, sigma, values }) => {
    const out = formula(values.length);
    gaussianBlur(out, 0, extent(shape), sigma);
    for (let i = 0; i < out.length; i++) expect(Math.abs(out[i] - values[i])).toBeLessThan(2e-6);
  });
  it("leaves a constant image constant", () => {
    const out = new Float32Array(60).fill(3);
    gaussianBlur(out, 0, extent([3, 4, 5]), 2);
    for (const v of out) expect(v).toBeCloseTo(3, 5);
  });
});

describe("simulateLowResolution", () => {
  it("halves a row and comes back linearly", () => {
    const row = Float32Array.of(0, 10, 20, 30);
    simulateLowResolution(row, 0, extent([1, 1, 4]), 0.5);
    // Kept: voxels 1 and 3, standing for the centres of the two halves (at 0.5 and 2.5).
    expect([...row]).toEqual([10, 15, 25, 30]);
  });
  it("does nothing at zoom 1 and keeps a constant image", () => {
    const row = formula(24);
    simulateLowResolution(row, 0, extent([2, 3, 4]), 1);
    expect(row).toEqual(formula(24));
    const flat = new Float32Array(120).fill(2);
    simulateLowResolution(flat, 0, extent([4, 5, 6]), 0.4);
    expect(flat.every((v) => v === 2)).toBe(true);
  });
});

describe("intensity", () => {
  it("scale and shift, by hand", () => {
    const values = Float32Array.of(9, 1, 2, 9);
    scaleShift(values, 1, 3, 2, 0.5);
    expect([...values]).toEqual([9, 2.5, 4.5, 9]);
  });
  it("contrast stretches about the mean and stays in range", () => {
    const values = Float32Array.of(0, 1, 2, 3, 4);
    contrast(values, 0, 5, 0.5);
    expect([...values]).toEqual([1, 1.5, 2, 2.5, 3]);
    contrast(values, 0, 5, 3);
    expect([...values]).toEqual([1, 1, 2, 3, 3]);
  });
  it.each([false, true])("gamma bends, keeps mean, sd and order (inverted: %s)", (inverted) => {
    const values = formula(101);
    const before = statistics(values, 0, values.length);
    const original = Float32Array.from(values);
    gammaCurve(values, 0, values.length, 0.7, inverted);
    const after = statistics(values, 0, values.length);
    expect(after.mean).toBeCloseTo(before.mean, 5);
    expect(after.sd).toBeCloseTo(before.sd, 5);
    const order = [...original.keys()].sort((a, b) => original[a] - original[b]);
    for (let i = 1; i < order.length; i++) expect(values[order[i]]).toBeGreaterThanOrEqual(values[order[i - 1]]);
    // The exact curve, restored the same way.
    const exact = Float32Array.from(original, (v) => {
      const u = (v - before.min) / (before.max - before.min);
      return inverted ? -((1 - u) ** 0.7) : u ** 0.7;
    });
    const stats = statistics(exact, 0, exact.length);
    for (let i = 0; i < exact.length; i++) {
      const expected = ((exact[i] - stats.mean) / stats.sd) * before.sd + before.mean;
      expect(Math.abs(values[i] - expected)).toBeLessThan(1e-3);
    }
  });
  it("gamma leaves a constant channel alone", () => {
    const values = new Float32Array(8).fill(5);
    gammaCurve(values, 0, 8, 1.4);
    expect(values.every((v) => v === 5)).toBe(true);
  });
  it("statistics keep their digits far from zero", () => {
    const { mean, sd } = statistics(Float32Array.of(10000, 10001, 10002, 10003), 0, 4);
    expect(mean).toBe(10001.5);
    expect(sd).toBeCloseTo(Math.sqrt(1.25), 12);
  });
});

describe("addNoise", () => {
  it("is standard normal: moments, tails and the share within one and two standard deviations", () => {
    const n = 1_000_000;
    const values = new Float32Array(n);
    addNoise(values, 0, n, 1, random(5, "noise"));
    const { mean, sd } = statistics(values, 0, n);
    expect(Math.abs(mean)).toBeLessThan(0.005);
    expect(Math.abs(sd - 1)).toBeLessThan(0.005);
    const share = (limit: number) => values.reduce((k, v) => k + (Math.abs(v) > limit ? 1 : 0), 0) / n;
    // Five standard errors of a binomial share.
    const near = (limit: number, p: number) =>
      expect(Math.abs(share(limit) - p)).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / n));
    near(1, 0.31731051);
    near(2, 0.04550026);
    near(3, 0.0026998);
    near(3.5, 0.00046526);
    near(4, 0.00006334);
  });
  it("is repeatable, scales with sigma and takes four numbers from the stream", () => {
    const stream = random(1, "n");
    const values = new Float32Array(50);
    addNoise(values, 0, 50, 1, stream);
    const doubled = new Float32Array(50);
    addNoise(doubled, 0, 50, 2, random(1, "n"));
    for (let i = 0; i < 50; i++) expect(doubled[i]).toBeCloseTo(2 * values[i], 5);
    const other = random(1, "n");
    for (let i = 0; i < 4; i++) other.uniform();
    expect(other.state()).toEqual(stream.state());
  });
});
