import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ShapeError } from "../errors.ts";
import { random } from "../random.ts";
import {
  type Axes,
  boundingBoxOf,
  boxArea,
  boxCount,
  boxProblem,
  clipBoxes,
  flipBoxes,
  formatBox,
  isSound,
  pairwiseGeneralizedIou,
  pairwiseIou,
  quarterTurnBoxes,
  scaleBoxes,
  takeBoxes,
  translateBoxes,
} from "./boxes.ts";

const f = (...values: number[]): Float32Array => Float32Array.from(values);

describe("by hand", () => {
  it("measures areas and volumes, inverted boxes none", () => {
    expect([...boxArea(f(0, 0, 4, 3, 1, 1, 1, 5, 5, 5, 2, 7), 2)]).toEqual([12, 0, 0]);
    expect([...boxArea(f(0, 0, 0, 4, 3, 2), 3)]).toEqual([24]);
  });

  it("overlaps two squares of 4 sharing 2×2: 4 of 28", () => {
    expect(pairwiseIou(f(0, 0, 4, 4), f(2, 2, 6, 6, 0, 0, 4, 4, 4, 0, 8, 4), 2)).toEqual(f(4 / 28, 1, 0));
    // Two cubes of 4 sharing 2×2×2: 8 of 120.
    expect(pairwiseIou(f(0, 0, 0, 4, 4, 4), f(2, 2, 2, 6, 6, 6), 3)).toEqual(f(8 / 120));
  });

  it("gives 0, never NaN, for empty and unsound boxes", () => {
    expect([...pairwiseIou(f(1, 1, 1, 1, Number.NaN, 0, 2, 2), f(1, 1, 1, 1, 0, 0, 4, 4), 2)]).toEqual([0, 0, 0, 0]);
  });

  it("generalised IoU: side by side −0.5 where half the hull is bare", () => {
    // [0,1]² and [3,4]×[0,1]: union 2, hull 4.
    expect([...pairwiseGeneralizedIou(f(0, 0, 1, 1), f(3, 0, 4, 1, 0, 0, 1, 1), 2)]).toEqual([-0.5, 1]);
  });

  it("clips, moves, scales", () => {
    expect(clipBoxes(f(-2, 3, 5, 30, 40, 40, 50, 50), [10, 20], 2)).toEqual(f(0, 3, 5, 20, 10, 20, 10, 20));
    expect(translateBoxes(f(1, 2, 3, 4, 5, 6), [10, 20, 30], 3)).toEqual(f(11, 22, 33, 14, 25, 36));
    expect(scaleBoxes(f(1, 2, 3, 4), [2, 0.5], 2)).toEqual(f(2, 1, 6, 2));
  });

  it("flips along one axis", () => {
    expect(flipBoxes(f(1, 2, 4, 6), 0, 10, 2)).toEqual(f(6, 2, 9, 6));
    expect(flipBoxes(f(1, 2, 3, 4, 5, 6), 2, 10, 3)).toEqual(f(1, 2, 4, 4, 5, 7));
  });

  it("turns from +x towards +y", () => {
    // A pixel at the left end of a 5×3 image's first row comes to the right end of the first row of a 3×5 image.
    expect(quarterTurnBoxes(f(0, 0, 1, 1), 1, [5, 3], 2)).toEqual({ boxes: f(2, 0, 3, 1), size: [3, 5] });
    expect(quarterTurnBoxes(f(0, 0, 7, 1, 1, 8), -1, [5, 3, 9], 3)).toEqual({
      boxes: f(0, 4, 7, 1, 5, 8),
      size: [3, 5, 9],
    });
  });

  it("names what is wrong", () => {
    const size = [10, 10];
    expect(boxProblem(f(1, 1, Number.NaN, 4), 0, 2, size)).toBe("not finite");
    expect(boxProblem(f(5, 1, 4, 4), 0, 2, size)).toBe("inverted");
    expect(boxProblem(f(504, 337, 504, 340), 0, 2)).toBe("degenerate");
    expect(boxProblem(f(10, 1, 12, 4), 0, 2, size)).toBe("outside");
    expect(boxProblem(f(8, 1, 12, 4), 0, 2, size)).toBe("beyond");
    expect(boxProblem(f(8, 1, 10.5, 4), 0, 2, size, 1)).toBeUndefined();
    expect(isSound(f(0, 0, 1, 1), 0, 2)).toBe(true);
    expect(isSound(f(0, 0, 1, 1), 0, 2, 1)).toBe(false);
    expect(isSound(f(0, 0, Number.POSITIVE_INFINITY, 1), 0, 2)).toBe(false);
    expect(formatBox(f(1, 2.25, 3, 4), 0, 2)).toBe("1,2.25–3,4");
  });

  it("takes some, and bounds all", () => {
    expect(takeBoxes(f(0, 0, 1, 1, 2, 2, 3, 3), [1, 1], 2)).toEqual(f(2, 2, 3, 3, 2, 2, 3, 3));
    expect([...(boundingBoxOf(f(0, 5, 1, 6, 2, 2, 3, 3), 2) ?? [])]).toEqual([0, 2, 3, 6]);
    expect(boundingBoxOf(f(), 3)).toBeUndefined();
  });

  it("refuses what is no list of boxes", () => {
    expect(() => boxCount(f(1, 2, 3), 2)).toThrow(ShapeError);
    expect(() => clipBoxes(f(0, 0, 1, 1), [4], 2)).toThrow("size has 1 numbers");
    expect(() => scaleBoxes(f(0, 0, 1, 1), [1, -1], 2)).toThrow("above 0");
    expect(() => flipBoxes(f(0, 0, 1, 1), 2, 4, 2)).toThrow("axis 2");
  });
});

describe.each([2, 3] as const)("against painted voxels, %dD", (axes) => {
  const side = 7;
  const paint = (boxes: Float32Array, index: number): Set<number> => {
    const inside = new Set<number>();
    const at = 2 * axes * index;
    for (let voxel = 0; voxel < side ** axes; voxel++) {
      let rest = voxel;
      let held = true;
      for (let axis = 0; axis < axes; axis++) {
        const place = rest % side;
        rest = Math.floor(rest / side);
        held &&= place >= boxes[at + axis] && place + 1 <= boxes[at + axes + axis];
      }
      if (held) inside.add(voxel);
    }
    return inside;
  };
  const some = (seed: number, count: number): Float32Array => {
    const stream = random(seed, "boxes");
    const out = new Float32Array(count * 2 * axes);
    for (let i = 0; i < count; i++) {
      for (let axis = 0; axis < axes; axis++) {
        const [low, high] = [stream.integer(side), stream.integer(side)].sort((p, q) => p - q);
        out[2 * axes * i + axis] = low;
        out[2 * axes * i + axes + axis] = high + 1;
      }
    }
    return out;
  };

  it("IoU is voxels shared of voxels covered", () => {
    const [a, b] = [some(1, 12), some(2, 9)];
    const got = pairwiseIou(a, b, axes as Axes);
    for (let i = 0; i < 12; i++) {
      for (let j = 0; j < 9; j++) {
        const [p, q] = [paint(a, i), paint(b, j)];
        const shared = [...p].filter((voxel) => q.has(voxel)).length;
        expect(got[9 * i + j]).toBeCloseTo(shared / (p.size + q.size - shared), 6);
      }
    }
  });

  it("generalised IoU never exceeds IoU and is symmetric", () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const [a, b] = [some(seed, 3), some(seed + 1, 3)];
        const [there, back] = [pairwiseGeneralizedIou(a, b, axes), pairwiseGeneralizedIou(b, a, axes)];
        const iou = pairwiseIou(a, b, axes);
        there.forEach((value, at) => {
          expect(value).toBeLessThanOrEqual(iou[at] + 1e-6);
          expect(value).toBeGreaterThanOrEqual(-1);
          expect(back[3 * (at % 3) + Math.floor(at / 3)]).toBeCloseTo(value, 6);
        });
      }),
      { numRuns: 50 },
    );
  });

  it("two flips, and four turns, are none", () => {
    const boxes = some(5, 6);
    const size = [7, 9, 11].slice(0, axes);
    for (let axis = 0; axis < axes; axis++) {
      expect(flipBoxes(flipBoxes(boxes, axis, size[axis], axes), axis, size[axis], axes)).toEqual(boxes);
    }
    let turned: { boxes: Float32Array; size: number[] } = { boxes, size };
    for (let turn = 0; turn < 4; turn++) turned = quarterTurnBoxes(turned.boxes, 1, turned.size, axes);
    expect(turned).toEqual({ boxes, size });
    expect(quarterTurnBoxes(boxes, 3, size, axes)).toEqual(quarterTurnBoxes(boxes, -1, size, axes));
  });
});
