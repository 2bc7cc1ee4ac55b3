import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { outlines, type Ring, ringsPath } from "./contour.ts";
import type { Slice } from "./slices.ts";

function picture(...rows: string[]): Slice {
  const values = [...rows.join("")].map((c) => (c === "." ? 0 : Number(c)));
  return { width: rows[0].length, height: rows.length, pitchMm: [1, 1], values };
}

/** Twice the signed area in half pixels; positive where the ring runs clockwise on the screen. */
function doubleArea(ring: Ring): number {
  let sum = 0;
  for (let i = 0; i < ring.length; i += 2) {
    const j = (i + 2) % ring.length;
    sum += ring[i] * ring[j + 1] - ring[j] * ring[i + 1];
  }
  return sum;
}

/** Whether a point lies inside an odd number of rings. */
function isInside(rings: readonly Ring[], x: number, y: number): boolean {
  let odd = false;
  for (const ring of rings) {
    for (let i = 0; i < ring.length; i += 2) {
      const j = (i + 2) % ring.length;
      const [ax, ay, bx, by] = [ring[i], ring[i + 1], ring[j], ring[j + 1]];
      if (ay > y !== by > y && x < ax + ((y - ay) * (bx - ax)) / (by - ay)) odd = !odd;
    }
  }
  return odd;
}

describe("outlines", () => {
  it("draws a diamond around a single pixel", () => {
    // The pixel (1, 1) has its centre at (3, 3) in half pixels; the diamond touches the middles of its four sides.
    const [ring, ...more] = outlines(picture("...", ".1.", "..."), 1);
    expect(more).toEqual([]);
    const corners = [0, 2, 4, 6].map((i) => `${ring[i]},${ring[i + 1]}`).sort();
    expect(corners).toEqual(["2,3", "3,2", "3,4", "4,3"]);
    expect(ringsPath([ring])).toMatch(/^M\d \d(l-?1 -?1){3}z$/);
  });

  it("joins straight runs: a block in the corner of the image has eight vertices", () => {
    const [ring] = outlines(picture("11", "11"), 1);
    expect(ring).toHaveLength(16);
    expect(Math.min(...ring)).toBe(0);
    expect(Math.max(...ring)).toBe(4);
  });

  it("takes a hole as a ring of its own, running the other way", () => {
    const rings = outlines(picture("....", ".111", ".1.1", ".111"), 1);
    expect(rings.map((ring) => Math.sign(doubleArea(ring))).sort()).toEqual([-1, 1]);
  });

  it("outlines pixels that touch at a corner apart, and another label not at all", () => {
    expect(outlines(picture("12.", ".1."), 1)).toHaveLength(2);
    expect(outlines(picture("12.", ".1."), 3)).toEqual([]);
  });

  it("holds the centre of every pixel of the label and of no other", () => {
    const size = fc.integer({ min: 1, max: 9 });
    fc.assert(
      fc.property(size, size, fc.infiniteStream(fc.boolean()), (width, height, bits) => {
        const values = Array.from({ length: width * height }, () => (bits.next().value ? 1 : 0));
        const rings = outlines({ width, height, pitchMm: [1, 1], values }, 1);
        for (let y = 0; y < height; y++) {
          for (let x = 0; x < width; x++) {
            // Off the centre by less than a half pixel, so that no edge runs through the point.
            expect(isInside(rings, 2 * x + 1.01, 2 * y + 1.02)).toBe(values[y * width + x] === 1);
          }
        }
      }),
    );
  });
});
