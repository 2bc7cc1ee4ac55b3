import { describe, expect, it } from "vitest";
import { GeometryError } from "../errors.ts";
import { applyAffine, identityAffine } from "./affine.ts";
import { boxAround, boxSize, cropOrPad, foregroundBox, growBox, padVolume, wholeBox } from "./crop.ts";
import type { Volume } from "./types.ts";

/** 3 × 2 × 1: rows 1 2 3 and 4 5 6. */
const small: Volume<Uint8Array> = {
  data: Uint8Array.of(1, 2, 3, 4, 5, 6),
  size: [3, 2, 1],
  channels: 1,
  affine: [-2, 0, 0, 10, 0, 3, 0, 0, 0, 0, 4, 0, 0, 0, 0, 1],
};

describe("boxes", () => {
  it("crop, and the affine follows", () => {
    const cut = cropOrPad(small, { start: [1, 1, 0], end: [3, 2, 1] });
    expect([...cut.data]).toEqual([5, 6]);
    expect(cut.size).toEqual([2, 1, 1]);
    expect(applyAffine(cut.affine, [0, 0, 0])).toEqual(applyAffine(small.affine, [1, 1, 0]));
  });
  it("pad with a value or the edge", () => {
    const box = { start: [-1, 0, 0], end: [4, 3, 1] } as const;
    expect([...cropOrPad(small, box, 9).data]).toEqual([9, 1, 2, 3, 9, 9, 4, 5, 6, 9, 9, 9, 9, 9, 9]);
    expect([...cropOrPad(small, box, "edge").data]).toEqual([1, 1, 2, 3, 3, 4, 4, 5, 6, 6, 4, 4, 5, 6, 6]);
    expect([...padVolume(small, [0, 1, 0], [0, 0, 0]).data]).toEqual([0, 0, 0, 1, 2, 3, 4, 5, 6]);
    expect(padVolume(small, [1, 0, 0], [0, 0, 2]).size).toEqual([4, 2, 3]);
  });
  it("may lie wholly outside", () => {
    const aside = { start: [5, 0, 0], end: [7, 1, 1] } as const;
    expect([...cropOrPad(small, aside, 7).data]).toEqual([7, 7]);
    expect([...cropOrPad(small, aside, "edge").data]).toEqual([3, 3]);
    expect([...cropOrPad(small, { start: [-4, 1, 0], end: [-2, 2, 1] }, "edge").data]).toEqual([4, 4]);
  });
  it("work on every channel and on 64-bit values", () => {
    const two = { ...small, data: BigInt64Array.of(1n, 2n, 3n, 4n, 5n, 6n), size: [3, 1, 1] as const, channels: 2 };
    expect([...cropOrPad(two, { start: [2, 0, 0], end: [4, 1, 1] }, -1).data]).toEqual([3n, -1n, 6n, -1n]);
  });
  it("must hold whole voxels", () => {
    for (const end of [
      [1, 1, 0],
      [0.5, 1, 1],
      [Number.NaN, 1, 1],
      [Number.POSITIVE_INFINITY, 1, 1],
    ] as const) {
      expect(() => cropOrPad(small, { start: [0, 0, 0], end })).toThrow(GeometryError);
    }
  });
  it("around the foreground of any channel", () => {
    const data = new Int16Array(2 * 60);
    data[1 + 5 * (2 + 4 * 1)] = 3;
    data[60 + 3 + 5 * (1 + 4 * 2)] = -4;
    const volume: Volume = { data, size: [5, 4, 3], channels: 2, affine: identityAffine };
    expect(foregroundBox(volume)).toEqual({ start: [1, 2, 1], end: [2, 3, 2] });
    expect(foregroundBox(volume, (v) => v !== 0)).toEqual({ start: [1, 1, 1], end: [4, 3, 3] });
    expect(foregroundBox(volume, (v) => v > 9)).toBeUndefined();
  });
  it("grow, stay inside, and take a size", () => {
    const box = { start: [1, 2, 1], end: [4, 3, 3] } as const;
    expect(growBox(box, 2)).toEqual({ start: [-1, 0, -1], end: [6, 5, 5] });
    expect(growBox(box, [0, 1, 2], [5, 4, 3])).toEqual({ start: [1, 1, 0], end: [4, 4, 3] });
    expect(boxAround(box, [4, 2, 2])).toEqual({ start: [0, 1, 1], end: [4, 3, 3] });
    expect(boxSize(boxAround(box, [7, 8, 9]))).toEqual([7, 8, 9]);
    expect(wholeBox([5, 4, 3])).toEqual({ start: [0, 0, 0], end: [5, 4, 3] });
  });
});
