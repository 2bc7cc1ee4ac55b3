import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Axes } from "../../boxes/index.ts";
import type { Image2d } from "../../images/index.ts";
import { random } from "../../random.ts";
import type { Augmentation } from "../augmentation.ts";
import { extentOf } from "../types.ts";
import { drawGeometry, patchAffine } from "../warp/geometry.ts";
import { warpLabel } from "../warp/warp.ts";
import { boxesThrough, keepCentres } from "./boxes.ts";
import { brightness, colorContrast, hue, jitterColor, saturation } from "./color.ts";
import { augmentPicture, pictureAugmentations, preparePicture } from "./picture.ts";
import { augmentBoxesInto, lesionBoxAugmentation } from "./volume.ts";

/** The box around all voxels of a value, half-open. */
function boundsOf(
  data: ArrayLike<number>,
  size: readonly number[],
  test = (v: number) => v > 0.5,
): number[] | undefined {
  const axes = size.length;
  const box = [...size, ...size.map(() => 0)];
  for (let i = 0; i < data.length; i++) {
    if (!test(data[i])) continue;
    let rest = i;
    for (let axis = 0; axis < axes; axis++) {
      const at = rest % size[axis];
      rest = Math.floor(rest / size[axis]);
      box[axis] = Math.min(box[axis], at);
      box[axes + axis] = Math.max(box[axes + axis], at + 1);
    }
  }
  return box[0] < box[axes] ? box : undefined;
}

function painted(size: readonly number[], box: ArrayLike<number>, value = 1): Float32Array {
  const axes = size.length;
  const data = new Float32Array(size.reduce((a, b) => a * b, 1));
  for (let i = 0; i < data.length; i++) {
    let rest = i;
    let inside = true;
    for (let axis = 0; axis < axes; axis++) {
      const at = rest % size[axis];
      rest = Math.floor(rest / size[axis]);
      inside &&= at >= box[axis] && at < box[axes + axis];
    }
    if (inside) data[i] = value;
  }
  return data;
}

/** A box of whole voxels well inside. */
function someBox(seed: number, size: readonly number[]): Float64Array {
  const stream = random(seed, "box");
  const low = size.map((n) => 2 + stream.integer(n - 7));
  return Float64Array.from([...low, ...size.map((n, axis) => low[axis] + 1 + stream.integer(n - 3 - low[axis]))]);
}

describe("boxes follow volumes", () => {
  const size = [13, 16, 11];
  const spatial = [11, 16, 13];
  const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });
  const through = (augmentation: Augmentation, seed: number, patch: number[]) => {
    const extent = extentOf([...patch].reverse());
    const map = patchAffine(drawGeometry(augmentation, extent, false, random(seed, "g")), extent, [
      Math.floor((size[0] - patch[0]) / 2),
      Math.floor((size[1] - patch[1]) / 2),
      Math.floor((size[2] - patch[2]) / 2),
    ]);
    const box = someBox(seed, size);
    const label = Uint8Array.from(painted(size, box));
    const out = new Int32Array(patch[0] * patch[1] * patch[2]);
    warpLabel(label, extentOf(spatial), map, { data: out, offset: 0 }, extent, "nearest");
    return { want: boundsOf(out, patch), got: boxesThrough(box, map, 3) };
  };

  it("exactly under flips, quarter turns and shifts", () => {
    const augmentation: Augmentation = {
      quarterTurns: { probability: 1, axes: ["x", "y", "z"] },
      flip: { probability: 0.5, axes: ["x", "y", "z"] },
      translate: { probability: 1, fraction: 0.1 },
    };
    fc.assert(
      fc.property(seeds, (seed) => {
        const { want, got } = through(augmentation, seed, [29, 29, 29]);
        expect([...got].map((v) => +v.toFixed(9))).toEqual(want);
      }),
      { numRuns: 100 },
    );
  });

  it("within a voxel under scaling", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const { want, got } = through(
          { scale: { probability: 1, factor: [0.7, 1.4], perAxis: true } },
          seed,
          [29, 29, 29],
        );
        // A box thinner than a voxel may fall between the sampling points.
        want?.forEach((corner, i) => {
          expect(Math.abs(got[i] - corner)).toBeLessThanOrEqual(0.5 + 1e-9);
        });
      }),
      { numRuns: 100 },
    );
  });

  it("around a turned ellipsoid, far closer than around its turned box", () => {
    const map = patchAffine(
      { angles: [0, 0, Math.PI / 4], scales: [1, 1, 1], shift: [0, 0, 0], mirrored: [false, false, false] },
      extentOf([41, 41, 41]),
      [0, 0, 0],
    );
    const box = Float64Array.of(10.5, 14.5, 16.5, 30.5, 26.5, 24.5);
    const ball = Uint8Array.from({ length: 41 ** 3 }, (_, i) => {
      const at = [i % 41, Math.floor(i / 41) % 41, Math.floor(i / 1681)];
      const r = at.map((v, a) => (v - 20) / ((box[3 + a] - box[a]) / 2));
      return Math.hypot(...r) <= 1 ? 1 : 0;
    });
    const out = new Int32Array(41 ** 3);
    warpLabel(ball, extentOf([41, 41, 41]), map, { data: out, offset: 0 }, extentOf([41, 41, 41]), "nearest");
    const want = boundsOf(out, [41, 41, 41])!;
    boxesThrough(box, map, 3, "ellipsoid").forEach((corner, i) => {
      expect(Math.abs(corner - want[i])).toBeLessThan(1);
    });
    const loose = boxesThrough(box, map, 3, "box");
    expect(loose[3] - loose[0]).toBeGreaterThan(want[3] - want[0] + 3);
  });

  it("a window aimed at an object holds it, and the same stream gives the same window", () => {
    const large = [60, 50, 40];
    const box = Float64Array.of(50, 40, 30, 56, 46, 36, 2, 2, 2, 6, 6, 6);
    const image = painted(large, box);
    const sample = { image, channels: 1, spatial: [40, 50, 60], spacingMm: [1, 1, 1] };
    const options = { patch: [24, 24, 24], augmentation: lesionBoxAugmentation, objectProbability: 1 };
    for (let seed = 0; seed < 30; seed++) {
      const input = new Float32Array(24 ** 3);
      const { boxes, kept } = augmentBoxesInto(sample, box, options, random(seed, "w"), input, 0, [0]);
      expect([...kept]).toContain(0);
      expect(boxes.length).toBe(6 * kept.length);
      const again = new Float32Array(24 ** 3);
      expect(augmentBoxesInto(sample, box, options, random(seed, "w"), again, 0, [0]).boxes).toEqual(boxes);
      expect(again).toEqual(input);
    }
  });
});

describe("boxes follow pictures", () => {
  const preparation = { shortSide: 48, longSide: 100, channels: 1 as const, mean: [0], std: [1] };

  it("by every flip, scale and crop: the bounds of a painted box are its box, within half a pixel", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 - 1 }), (seed) => {
        const size = [64, 48];
        const stream = random(seed, "size");
        const low = [8 + stream.integer(30), 8 + stream.integer(20)];
        const box = Float64Array.of(low[0], low[1], low[0] + 12, low[1] + 10);
        const data = Uint8Array.from(painted(size, box, 255));
        const picture: Image2d = { width: 64, height: 48, channels: 1, data };
        const augmentation = { ...pictureAugmentations.slide, color: undefined };
        const made = augmentPicture(picture, box, preparation, augmentation, [64, 48], random(seed, "a"));
        const { image, boxes, kept } = made;
        if (kept.length === 0) return;
        const want = boundsOf(image.data, [image.width, image.height])!;
        // Bilinear samples above ½ lie inside the box; its edge is half a pixel away at most, and half a sample more.
        want.forEach((corner, i) => {
          expect(Math.abs(boxes[i] - corner)).toBeLessThanOrEqual(1.01);
        });
      }),
      { numRuns: 150 },
    );
  });

  it("exactly where sizes stay: flips, and a crop that keeps centres only", () => {
    const box = Float64Array.of(3, 4, 9, 11);
    const picture: Image2d = { width: 64, height: 48, channels: 1, data: Uint8Array.from(painted([64, 48], box, 255)) };
    for (let seed = 0; seed < 40; seed++) {
      const flips = { flip: { probability: 0.5, axes: ["x", "y"] as const } };
      const { image, boxes } = augmentPicture(picture, box, preparation, flips, [64, 48], random(seed, "f"));
      expect([...boxes]).toEqual(boundsOf(image.data, [64, 48]));
    }
    const four = Float64Array.of(0, 0, 4, 4, 8, 8, 12, 12, -3, 0, 2, 4, -1, 0, 4, 4);
    const { boxes, kept } = keepCentres(four, [10, 10], 2 as Axes);
    // Centres 2, 10 (outside), −0.5 (outside), 1.5.
    expect([...kept]).toEqual([0, 3]);
    expect([...boxes]).toEqual([0, 0, 4, 4, 0, 0, 4, 4]);
  });

  it("prepared without chance as torchvision does: 640×480 to 1066×800", () => {
    const picture: Image2d = { width: 64, height: 48, channels: 3, data: new Uint8Array(64 * 48 * 3).fill(255) };
    const made = preparePicture(picture, Float64Array.of(0, 0, 64, 48), {
      ...preparation,
      shortSide: 80,
      longSide: 133.3,
      channels: 3,
      mean: [0.5, 0.5, 0.5],
      std: [0.25, 0.5, 1],
    });
    expect([made.image.width, made.image.height]).toEqual([106, 80]);
    expect([...made.boxes]).toEqual([0, 0, 106, 80]);
    expect(made.image.data[0]).toBe(2);
    expect(made.image.data.at(-1)).toBe(0.5);
  });
});

describe("colours as torchvision changes them", () => {
  const golden = JSON.parse(
    readFileSync(new URL("../../../test/fixtures/augment/golden/color.json", import.meta.url), "utf8"),
  ) as { width: number; height: number; image: number[]; cases: { name: string; amount: number; out: number[] }[] };
  const changes = { brightness, contrast: colorContrast, saturation, hue };
  const picture = () => ({
    width: golden.width,
    height: golden.height,
    channels: 3,
    data: Float32Array.from(golden.image),
  });

  it.each(golden.cases)("$name $amount", ({ name, amount, out }) => {
    const image = picture();
    changes[name as keyof typeof changes](image, amount);
    image.data.forEach((value, i) => {
      expect(value).toBeCloseTo(out[i], 5);
    });
  });

  it("repeats by its stream, stays in 0 … 1, leaves gray pictures gray", () => {
    const [a, b] = [picture(), picture()];
    const jitter = { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 };
    jitterColor(a, jitter, random(4, "c"));
    jitterColor(b, jitter, random(4, "c"));
    expect(a).toEqual(b);
    expect(Math.max(...a.data)).toBeLessThanOrEqual(1);
    expect(Math.min(...a.data)).toBeGreaterThanOrEqual(0);
    const gray = { width: 2, height: 1, channels: 1, data: Float32Array.of(0.2, 0.8) };
    jitterColor(gray, { saturation: 0.5, hue: 0.5 }, random(1, "c"));
    expect([...gray.data]).toEqual([...Float32Array.of(0.2, 0.8)]);
  });
});
