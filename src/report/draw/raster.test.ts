import { decode } from "fast-png";
import { describe, expect, it } from "vitest";
import { grayImage, grayPng, pngDataUri, squarePixels } from "./raster.ts";
import type { Slice } from "./slices.ts";

const slice = (width: number, values: number[], pitchMm: [number, number] = [1, 1]): Slice => ({
  width,
  height: values.length / width,
  pitchMm,
  values,
});

describe("grayImage", () => {
  it("maps the window to black and white, clips beyond it and shows NaN black", () => {
    const gray = grayImage(slice(5, [-10, 0, 50, 100, 1000]), [0, 100], 5, 1);
    expect([...gray.data]).toEqual([0, 0, 128, 255, 255]);
    expect([...grayImage(slice(2, [Number.NaN, 100]), [0, 100], 2, 1).data]).toEqual([0, 255]);
  });

  it("keeps a flat image flat at any size", () => {
    for (const [width, height] of [
      [7, 3],
      [1, 1],
      [40, 2],
    ]) {
      const gray = grayImage(slice(4, Array(12).fill(60)), [0, 100], width, height);
      expect(new Set(gray.data)).toEqual(new Set([153]));
    }
  });

  it("doubles a ramp to a ramp and does not shift it", () => {
    const gray = grayImage(slice(8, [0, 10, 20, 30, 40, 50, 60, 70]), [0, 255], 16, 1);
    // Away from the ends, pixel i lies at (i + ½)/2 − ½ of the old grid.
    for (let i = 4; i < 12; i++) expect(gray.data[i]).toBe(Math.round(10 * ((i + 0.5) / 2 - 0.5)));
  });

  it("averages what it shrinks: a fine chequerboard becomes gray", () => {
    const board = Array.from({ length: 64 * 64 }, (_, i) => ((i % 64) + Math.floor(i / 64)) % 2);
    const gray = grayImage(slice(64, board), [0, 1], 8, 8);
    for (const value of gray.data) expect(Math.abs(value - 127.5)).toBeLessThan(6);
  });
});

describe("pixels", () => {
  it("are square whatever the voxels are", () => {
    expect(squarePixels(slice(10, Array(200).fill(0), [1, 2]), 400)).toEqual([100, 400]);
    expect(squarePixels(slice(100, Array(100).fill(0), [1, 0.01]), 50)).toEqual([50, 1]);
  });

  it("survive PNG", () => {
    const gray = grayImage(slice(3, [0, 50, 100, 100, 50, 0]), [0, 100], 3, 2);
    const png = grayPng(gray);
    const back = decode(png);
    expect([back.width, back.height, back.channels]).toEqual([3, 2, 1]);
    expect([...back.data]).toEqual([...gray.data]);
    expect(pngDataUri(png)).toMatch(/^data:image\/png;base64,iVBORw0KGgo[A-Za-z0-9+/]+=*$/);
  });
});
