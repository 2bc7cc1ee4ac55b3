import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GeometryError } from "../../errors.ts";
import { affineFromSpacing, applyAffine, identityAffine, orientationCode, spacingOf } from "../affine.ts";
import { cropOrPad } from "../crop.ts";
import { orderAxes, reorient } from "../orient.ts";
import type { Affine, Vec3, Volume } from "../types.ts";
import {
  argmaxOnGrid,
  centreOf,
  gridWithSize,
  gridWithSpacing,
  resample,
  resampleToSpacing,
  restoreToGrid,
} from "./resample.ts";

const golden = JSON.parse(
  readFileSync(new URL("../../../test/fixtures/volume/golden/geometry.json", import.meta.url), "utf8"),
) as {
  orientations: { affine: number[]; code: string; canonical: { size: Vec3; affine: number[]; data: number[] } }[];
  resamplings: {
    name: string;
    source: { size: Vec3; affine: number[]; values: number[]; labels: number[] };
    target: { size: Vec3; affine: number[] };
    inside: number[];
    linear: number[];
    nearest: number[];
    labels: number[];
    tied: number[];
  }[];
};

/** A row of values along x, 1 mm apart. */
function row(...values: number[]): Volume<Float32Array> {
  return { data: Float32Array.from(values), size: [values.length, 1, 1], channels: 1, affine: identityAffine };
}

function ramp(size: Vec3, affine: Affine = identityAffine, channels = 1): Volume<Int16Array> {
  const data = new Int16Array(size[0] * size[1] * size[2] * channels).map((_, i) => i);
  return { data, size, channels, affine };
}

describe("by hand", () => {
  it("half the spacing: quarter positions, clamped at the edges of the field of view", () => {
    const fine = resampleToSpacing(row(0, 4, 8), [0.5, 1, 1], { mode: "linear" });
    expect(fine.size).toEqual([6, 1, 1]);
    expect([...fine.data]).toEqual([0, 1, 3, 5, 7, 8]);
    expect(applyAffine(fine.affine, [0, 0, 0])).toEqual([-0.25, 0, 0]);
    expect([...resampleToSpacing(row(0, 4, 8), [0.5, 1, 1], { mode: "nearest" }).data]).toEqual([0, 0, 4, 4, 8, 8]);
  });

  it("twice the spacing: the middle of each pair", () => {
    const coarse = resampleToSpacing(row(0, 4, 8, 2), [2, 1, 1], { mode: "linear" });
    expect([...coarse.data]).toEqual([2, 5]);
    expect(coarse.affine[3]).toBe(0.5);
    // Ties go to the higher index for nearest, to the lower label for labels.
    expect([...resampleToSpacing(row(0, 4, 8, 2), [2, 1, 1], { mode: "nearest" }).data]).toEqual([4, 2]);
    expect([...resampleToSpacing(row(0, 4, 8, 2), [2, 1, 1], { mode: "labels" }).data]).toEqual([0, 2]);
  });

  it("labels never blend: between 1 and 3 there is no 2", () => {
    const labels = { ...row(1, 3), data: Uint8Array.of(1, 3) };
    expect([...resampleToSpacing(labels, [0.25, 1, 1], { mode: "labels" }).data]).toEqual([1, 1, 1, 1, 3, 3, 3, 3]);
  });

  it("labels: two halves of one label outweigh a nearer other one", () => {
    // At the centre of four voxels 1, 1, 2, 2 + a slight shift, weights decide, not the nearest voxel.
    const four = { data: Uint8Array.of(1, 1, 2, 0), size: [2, 2, 1] as Vec3, channels: 1, affine: identityAffine };
    const at = { size: [1, 1, 1] as Vec3, affine: affineFromSpacing([1, 1, 1], [0.4, 0.55, 0]) };
    // 0,0: 0.27  1,0: 0.18  0,1: 0.33  1,1: 0.22 → label 1 has 0.45 although voxel (0,1) is the nearest.
    expect([...resample(four, at, { mode: "labels" }).data]).toEqual([1]);
    expect([...resample(four, at, { mode: "nearest" }).data]).toEqual([2]);
  });

  it("beyond the field of view: edge value or what is asked", () => {
    const grid = { size: [7, 1, 1] as Vec3, affine: affineFromSpacing([1, 1, 1], [-2, 0, 0]) };
    const volume = row(5, 6, 7);
    expect([...resample(volume, grid, { mode: "linear" }).data]).toEqual([5, 5, 5, 6, 7, 7, 7]);
    expect([...resample(volume, grid, { mode: "linear", outside: -1 }).data]).toEqual([-1, -1, 5, 6, 7, -1, -1]);
    expect([...resample(volume, grid, { mode: "labels" }).data]).toEqual([0, 0, 5, 6, 7, 0, 0]);
    const half = { size: [4, 1, 1] as Vec3, affine: affineFromSpacing([1, 1, 1], [-0.5, 0, 0]) };
    expect([...resample(volume, half, { mode: "linear", outside: -1 }).data]).toEqual([5, 5.5, 6.5, 7]);
    const far = { size: [2, 1, 1] as Vec3, affine: affineFromSpacing([1, 1, 1], [90, 0, 0]) };
    for (const mode of ["linear", "nearest", "labels"] as const) {
      expect([...resample(volume, far, { mode, outside: 9 }).data]).toEqual([9, 9]);
    }
  });

  it("a NaN reaches no voxel that has no share in it", () => {
    const grid = { size: [3, 1, 1] as Vec3, affine: identityAffine };
    expect([...resample(row(1, Number.NaN, 3), grid, { mode: "linear" }).data]).toEqual([1, Number.NaN, 3]);
  });

  it("64-bit labels stay 64-bit", () => {
    const labels = { ...row(0, 0), data: BigInt64Array.of(7n, -3n) };
    expect([...resampleToSpacing(labels, [0.5, 1, 1], { mode: "labels" }).data]).toEqual([7n, 7n, -3n, -3n]);
  });

  it("channels stay apart", () => {
    const two = { ...row(0, 2, 10, 30), size: [2, 1, 1] as Vec3, channels: 2 };
    expect([...resampleToSpacing(two, [0.5, 1, 1], { mode: "linear" }).data]).toEqual([0, 0.5, 1.5, 2, 10, 15, 25, 30]);
  });
});

describe("grids", () => {
  it("keep the centre of the field of view and have exactly the spacing", () => {
    const grid = { size: [10, 7, 5] as Vec3, affine: [0, -0.7, 0, 3, 0.6, 0, 0, -4, 0, 0, 3, 5, 0, 0, 0, 1] };
    const next = gridWithSpacing(grid, [1, 1, 1.1]);
    expect(next.size).toEqual([6, 5, 14]);
    spacingOf(next.affine).forEach((mm, axis) => {
      expect(mm).toBeCloseTo([1, 1, 1.1][axis], 12);
    });
    centreOf(next).forEach((mm, axis) => {
      expect(mm).toBeCloseTo(centreOf(grid)[axis], 12);
    });
    expect(orientationCode(next.affine)).toBe(orientationCode(grid.affine));
  });
  it("with the spacing they have are the same, bit for bit", () => {
    const affine = [0.1 + 0.2, 0, 0, 3, 0, 0.7, 0, -4, 0, 0, 3, 5, 0, 0, 0, 1];
    const next = gridWithSpacing({ size: [3, 4, 5], affine }, [0.3, 0.7, 3]);
    expect(next).toEqual({ size: [3, 4, 5], affine });
  });
  it("of a given size cover the same field of view", () => {
    const next = gridWithSize({ size: [4, 6, 8], affine: identityAffine }, [8, 3, 8]);
    expect(next.affine).toEqual(affineFromSpacing([0.5, 2, 1], [-0.25, 0.5, 0]));
  });
  it("refuse senseless spacings", () => {
    for (const spacing of [
      [0, 1, 1],
      [-1, 1, 1],
      [Number.NaN, 1, 1],
      [1e-300, 1, 1],
    ] as Vec3[]) {
      expect(() => gridWithSpacing({ size: [3, 3, 3], affine: identityAffine }, spacing)).toThrow(GeometryError);
    }
  });
});

describe("orientation as nibabel", () => {
  it("has the same code and the same closest canonical image", () => {
    for (const { affine, code, canonical } of golden.orientations) {
      const volume = ramp([2, 3, 4], affine);
      expect(orientationCode(affine)).toBe(code);
      const ras = reorient(volume, "RAS");
      expect(ras.size).toEqual(canonical.size);
      expect([...ras.data]).toEqual(canonical.data);
      ras.affine.forEach((value, i) => {
        expect(value).toBeCloseTo(canonical.affine[i], 9);
      });
    }
  });
  it("is undone exactly, affine included, by restoreToGrid", () => {
    for (const { affine } of golden.orientations) {
      const volume = ramp([2, 3, 4], affine, 2);
      for (const code of ["RAS", "LPI", "SAR", "PIR"]) {
        const back = restoreToGrid(reorient(volume, code), volume);
        expect(back.data).toEqual(volume.data);
        expect(back.affine).toBe(volume.affine);
      }
    }
  });
  it("knows what an orientation is", () => {
    for (const code of ["RA", "RAX", "RLS", "RASS", ""]) {
      expect(() => reorient(ramp([2, 2, 2]), code)).toThrow(GeometryError);
    }
    const volume = ramp([2, 2, 2]);
    expect(reorient(volume, "ras")).toBe(volume);
  });
  it("orderAxes moves voxels, not the world", () => {
    const volume = ramp([2, 3, 4], [0, -2, 0, 5, 3, 0, 0, 6, 0, 0, 4, 7, 0, 0, 0, 1]);
    const moved = orderAxes(volume, { from: [2, 0, 1], flip: [true, false, true] });
    expect(moved.size).toEqual([4, 2, 3]);
    // Output (i, j, k) is input x = j, y = 2 − k, z = 3 − i.
    const [i, j, k] = [1, 0, 2];
    expect(moved.data[i + 4 * (j + 2 * k)]).toBe(volume.data[j + 2 * (2 - k + 3 * (3 - i))]);
    expect(applyAffine(moved.affine, [i, j, k])).toEqual(applyAffine(volume.affine, [j, 2 - k, 3 - i]));
  });
});

describe("resampling as scipy.ndimage", () => {
  it.each(golden.resamplings.map((test) => [test.name, test] as const))("%s", (_, test) => {
    const { source, target } = test;
    const values = { ...source, data: Float32Array.from(source.values), channels: 1 };
    const labels = { ...source, data: Uint8Array.from(source.labels), channels: 1 };
    const linear = resample(values, target, { mode: "linear" });
    const filled = resample(values, target, { mode: "linear", outside: 99 });
    const nearest = resample(values, target, { mode: "nearest" });
    const classes = resample(labels, target, { mode: "labels", outside: "edge" });
    for (let i = 0; i < test.linear.length; i++) {
      expect(Math.abs(linear.data[i] - test.linear[i])).toBeLessThan(1e-6);
      if (test.inside[i]) expect(filled.data[i]).toBe(linear.data[i]);
      else expect(filled.data[i]).toBe(99);
      expect(nearest.data[i]).toBe(Math.fround(test.nearest[i]));
      if (!test.tied[i]) expect(classes.data[i]).toBe(test.labels[i]);
    }
  });

  it("label mode is the argmax of interpolated class maps", () => {
    for (const { source, target } of golden.resamplings) {
      const scores = new Float32Array(4 * source.labels.length);
      source.labels.forEach((label, i) => {
        scores[label * source.labels.length + i] = 1;
      });
      const labels = { ...source, data: Uint8Array.from(source.labels), channels: 1 };
      const wanted = resample(labels, target, { mode: "labels", outside: 250 });
      const got = argmaxOnGrid({ ...source, data: scores, channels: 4 }, target, { background: 250 });
      const differ = got.data.reduce((n, label, i) => n + Number(label !== wanted.data[i]), 0);
      expect(differ).toBe(0);
    }
  });
});

describe("properties", () => {
  const sizes = fc.tuple(...[0, 1, 2].map(() => fc.integer({ min: 1, max: 6 }))) as fc.Arbitrary<
    [number, number, number]
  >;
  const spacing = fc.tuple(...[0, 1, 2].map(() => fc.double({ min: 0.3, max: 3, noNaN: true }))) as fc.Arbitrary<
    [number, number, number]
  >;

  it("on its own grid a volume stays as it is, in every mode", () => {
    fc.assert(
      fc.property(sizes, spacing, (size, mm) => {
        const volume = ramp(size, affineFromSpacing(mm, [1 / 3, -7.7, 100]));
        expect([...resample(volume, volume, { mode: "linear" }).data]).toEqual([...volume.data]);
        expect(resample(volume, volume, { mode: "nearest" }).data).toEqual(volume.data);
        expect(resample(volume, volume, { mode: "labels" }).data).toEqual(volume.data);
      }),
    );
  });

  it("a linear function of world position is reproduced inside", () => {
    fc.assert(
      fc.property(spacing, spacing, (from, to) => {
        const size: Vec3 = [6, 5, 4];
        const affine = affineFromSpacing(from, [2, 3, 4]);
        const f = ([x, y, z]: Vec3) => 1 + 2 * x - 3 * y + 0.5 * z;
        const data = new Float32Array(120);
        for (let i = 0; i < 120; i++)
          data[i] = f(applyAffine(affine, [i % 6, Math.floor(i / 6) % 5, Math.floor(i / 30)]));
        const out = resampleToSpacing({ data, size, channels: 1, affine }, to, { mode: "linear" });
        const last = applyAffine(affine, [5, 4, 3]);
        let at = 0;
        for (let z = 0; z < out.size[2]; z++) {
          for (let y = 0; y < out.size[1]; y++) {
            for (let x = 0; x < out.size[0]; x++, at++) {
              const p = applyAffine(out.affine, [x, y, z]);
              if (p.some((mm, a) => mm < [2, 3, 4][a] || mm > last[a])) continue;
              expect(Math.abs(out.data[at] - f(p))).toBeLessThan(1e-4);
            }
          }
        }
      }),
    );
  });

  it("crop, pad and turn are undone exactly where voxels were kept", () => {
    fc.assert(
      fc.property(sizes, fc.integer({ min: -3, max: 2 }), fc.integer({ min: 1, max: 9 }), (size, from, extent) => {
        const volume = ramp(size, affineFromSpacing([0.7, 1.3, 2.1], [5, 6, 7]));
        const box = { start: [from, from, from] as Vec3, end: [from + extent, from + extent, from + extent] as Vec3 };
        const back = restoreToGrid(reorient(cropOrPad(volume, box, -1), "SLP"), volume, { background: -9 });
        let at = 0;
        for (let z = 0; z < size[2]; z++) {
          for (let y = 0; y < size[1]; y++) {
            for (let x = 0; x < size[0]; x++, at++) {
              const kept = [x, y, z].every((n) => n >= from && n < from + extent);
              expect(back.data[at]).toBe(kept ? volume.data[at] : -9);
            }
          }
        }
      }),
    );
  });
});
