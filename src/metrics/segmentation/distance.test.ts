import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ShapeError } from "../../errors.ts";
import type { Vec3 } from "../../volume/types.ts";
import { distancesAt, distanceTransform } from "./distance.ts";

const golden = JSON.parse(
  readFileSync(new URL("../../../test/fixtures/metrics/golden/distance.json", import.meta.url), "utf8"),
) as { maps: { size: Vec3; spacingMm: Vec3; seeds: number[]; distancesMm: number[] }[] };

function mask(voxels: number, seeds: readonly number[]): Uint8Array {
  const out = new Uint8Array(voxels);
  for (const at of seeds) out[at] = 1;
  return out;
}

describe("distanceTransform", () => {
  it("counts steps along a line, times the spacing", () => {
    const distances = distanceTransform(mask(6, [1]), [6, 1, 1], [2, 1, 1]);
    expect([...distances]).toEqual([2, 0, 2, 4, 6, 8]);
  });

  it("measures the diagonal of a 3-4-5 triangle", () => {
    // Grid of 4×5×1, seed at (0, 0); the voxel (3, 4) is 3 mm and 4 mm away.
    expect(distanceTransform(mask(20, [0]), [4, 5, 1], [1, 1, 9])[3 + 4 * 4]).toBe(5);
  });

  it("prefers a far row with small spacing to a near column with large spacing", () => {
    // Seeds at (2, 0, 0), 2 × 3 mm away, and at (0, 0, 4), 4 × 1 mm away.
    const distances = distanceTransform(mask(15, [2, 4 * 3]), [3, 1, 5], [3, 1, 1]);
    expect(distances[0]).toBe(4);
  });

  it("is infinite where there is no seed at all", () => {
    expect([...distanceTransform(new Uint8Array(8), [2, 2, 2], [1, 1, 1])]).toEqual(Array(8).fill(Infinity));
  });

  it.each(golden.maps)(
    "equals scipy on a grid of $size at $spacingMm mm",
    ({ size, spacingMm, seeds, distancesMm }) => {
      const distances = distanceTransform(mask(size[0] * size[1] * size[2], seeds), size, spacingMm);
      distancesMm.forEach((value, i) => {
        expect(Math.abs(distances[i] - value)).toBeLessThanOrEqual(1e-12);
      });
    },
  );

  it("equals the search through all seeds, everywhere and at single voxels", () => {
    const axis = fc.integer({ min: 1, max: 7 });
    const mm = fc.double({ min: 0.1, max: 8, noNaN: true });
    fc.assert(
      fc.property(
        fc.tuple(axis, axis, axis),
        fc.tuple(mm, mm, mm),
        fc.infiniteStream(fc.nat(9)),
        (size, spacing, noise) => {
          const [nx, ny, nz] = size;
          const seeds = Uint8Array.from({ length: nx * ny * nz }, () => (noise.next().value === 0 ? 1 : 0));
          const distances = distanceTransform(seeds, size, spacing);
          const where = (at: number) => [at % nx, Math.floor(at / nx) % ny, Math.floor(at / (nx * ny))];
          for (let at = 0; at < seeds.length; at++) {
            let nearest = Infinity;
            for (let seed = 0; seed < seeds.length; seed++) {
              if (seeds[seed] === 0) continue;
              const [a, b] = [where(at), where(seed)];
              nearest = Math.min(nearest, Math.hypot(...[0, 1, 2].map((k) => (a[k] - b[k]) * spacing[k])));
            }
            if (nearest === Infinity) expect(distances[at]).toBe(Infinity);
            else expect(Math.abs(distances[at] - nearest)).toBeLessThanOrEqual(1e-12 * Math.max(1, nearest));
          }
          const queries = Uint32Array.from(seeds, (_, i) => seeds.length - 1 - i).filter((i) => i % 3 !== 1);
          expect([...distancesAt(queries, seeds, size, spacing)]).toEqual([...queries].map((i) => distances[i]));
        },
      ),
      { numRuns: 200 },
    );
  });

  it("refuses an array that does not fill the grid", () => {
    expect(() => distanceTransform(new Uint8Array(7), [2, 2, 2], [1, 1, 1])).toThrow(ShapeError);
  });
});
