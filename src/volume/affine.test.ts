import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GeometryError } from "../errors.ts";
import {
  affineFromSpacing,
  applyAffine,
  axisOrientation,
  checkGrid,
  closestRotation,
  composeAffines,
  determinant,
  flipLpsRas,
  gridDifference,
  identityAffine,
  invertAffine,
  orientationCode,
  sameGrid,
  shiftAffine,
  spacingOf,
} from "./affine.ts";
import type { Affine } from "./types.ts";

const lps: Affine = [-2, 0, 0, 10, 0, -3, 0, 20, 0, 0, 4, 30, 0, 0, 0, 1];
/** x runs to superior, y to right, z to anterior; a turn, so its determinant is positive. */
const turned: Affine = [0, 2, 0, 0, 0, 0, 3, 0, 1, 0, 0, 0, 0, 0, 0, 1];

/** A well-conditioned affine: rotation by three angles, spacing 0.2 to 5, a little shear, any offset. */
const anyAffine = fc
  .tuple(
    fc.tuple(...[0, 1, 2].map(() => fc.double({ min: -Math.PI, max: Math.PI, noNaN: true }))),
    fc.tuple(...[0, 1, 2].map(() => fc.double({ min: 0.2, max: 5, noNaN: true }))),
    fc.tuple(...[0, 1, 2].map(() => fc.double({ min: -200, max: 200, noNaN: true }))),
    fc.double({ min: -0.3, max: 0.3, noNaN: true }),
  )
  .map(([angles, [sx, sy, sz], [tx, ty, tz], shear]) => {
    const [a, b, c] = angles;
    const rz: Affine = [Math.cos(a), -Math.sin(a), 0, 0, Math.sin(a), Math.cos(a), 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
    const ry: Affine = [Math.cos(b), 0, Math.sin(b), 0, 0, 1, 0, 0, -Math.sin(b), 0, Math.cos(b), 0, 0, 0, 0, 1];
    const rx: Affine = [1, 0, 0, 0, 0, Math.cos(c), -Math.sin(c), 0, 0, Math.sin(c), Math.cos(c), 0, 0, 0, 0, 1];
    const scale: Affine = [sx, shear, 0, tx, 0, sy, 0, ty, 0, 0, sz, tz, 0, 0, 0, 1];
    return composeAffines(composeAffines(composeAffines(rz, ry), rx), scale);
  });

describe("affines", () => {
  it("apply, compose, shift and invert by hand", () => {
    expect(applyAffine(lps, [1, 2, 3])).toEqual([8, 14, 42]);
    expect(applyAffine(turned, [1, 2, 3])).toEqual([4, 9, 1]);
    expect(composeAffines(lps, identityAffine)).toEqual([...lps]);
    expect(shiftAffine(lps, [1, 2, 3]).filter((_, i) => i % 4 === 3)).toEqual([8, 14, 42, 1]);
    expect(invertAffine(affineFromSpacing([2, 4, 8], [1, 1, 1])).map((v) => v + 0)).toEqual([
      0.5, 0, 0, -0.5, 0, 0.25, 0, -0.25, 0, 0, 0.125, -0.125, 0, 0, 0, 1,
    ]);
  });

  it("spacing, determinant, orientation by hand", () => {
    expect(spacingOf(lps)).toEqual([2, 3, 4]);
    expect(spacingOf(turned)).toEqual([1, 2, 3]);
    expect(determinant(lps)).toBe(24);
    expect(determinant(turned)).toBe(6);
    expect(orientationCode(identityAffine)).toBe("RAS");
    expect(orientationCode(lps)).toBe("LPS");
    expect(orientationCode(turned)).toBe("SRA");
    expect(axisOrientation(lps)).toEqual({ axis: [0, 1, 2], sign: [-1, -1, 1] });
    expect(flipLpsRas(lps).slice(0, 12)).toEqual([2, -0, -0, -10, -0, 3, -0, -20, 0, 0, 4, 30]);
  });

  it("the inverse undoes the affine", () => {
    fc.assert(
      fc.property(anyAffine, (a) => {
        const round = composeAffines(invertAffine(a), a);
        round.forEach((value, i) => {
          expect(Math.abs(value - identityAffine[i])).toBeLessThan(1e-9);
        });
      }),
    );
  });

  it("the closest rotation is orthogonal", () => {
    fc.assert(
      fc.property(anyAffine, (a) => {
        const r = closestRotation(a);
        for (let i = 0; i < 3; i++) {
          for (let j = 0; j < 3; j++) {
            const dot = r[i] * r[j] + r[3 + i] * r[3 + j] + r[6 + i] * r[6 + j];
            expect(Math.abs(dot - Number(i === j))).toBeLessThan(1e-12);
          }
        }
      }),
    );
  });

  it.each([
    ["zeros", new Array(16).fill(0).with(15, 1), /singular/],
    ["a zero axis", [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], /singular/],
    ["two parallel axes", [1, 2, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], /singular/],
    ["NaN", [Number.NaN, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], /not finite/],
    ["a projective row", [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0.5, 1], /last row/],
    ["nine numbers", [1, 0, 0, 0, 1, 0, 0, 0, 1], /9 numbers/],
  ])("refuses %s", (_, affine, message) => {
    expect(() => invertAffine(affine as Affine)).toThrow(GeometryError);
    expect(() => invertAffine(affine as Affine, "case_7")).toThrow(/^case_7: /);
    expect(() => invertAffine(affine as Affine)).toThrow(message);
  });

  it("takes very thin voxels for usable", () => {
    expect(() => invertAffine(affineFromSpacing([1e-3, 1, 1e3]))).not.toThrow();
  });
});

describe("grids", () => {
  const grid = { size: [4, 5, 6], affine: lps } as const;
  it("says what differs", () => {
    expect(gridDifference(grid, grid)).toBeUndefined();
    expect(gridDifference(grid, { ...grid, size: [4, 5, 7] })).toBe("size 4×5×6 against 4×5×7");
    expect(gridDifference(grid, { ...grid, affine: lps.with(0, -2.5) })).toBe("spacing 2×3×4 mm against 2.5×3×4 mm");
    expect(gridDifference(grid, { ...grid, affine: lps.with(3, 12) })).toBe("affines differ by up to 2 mm");
    expect(gridDifference(grid, { ...grid, affine: lps.with(3, Number.NaN) })).toBeDefined();
    expect(sameGrid(grid, { ...grid, affine: lps.with(3, 10.0005) })).toBe(true);
    expect(sameGrid(grid, { ...grid, affine: lps.with(3, 10.0015) })).toBe(false);
  });
  it("must have whole positive sizes", () => {
    for (const size of [
      [0, 1, 1],
      [1.5, 1, 1],
      [-1, 1, 1],
      [Number.NaN, 1, 1],
    ] as const) {
      expect(() => checkGrid({ size, affine: lps })).toThrow(GeometryError);
    }
  });
});
