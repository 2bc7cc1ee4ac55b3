/** Windows, their blending, and the memory they take, against the plain way: one score map of the whole volume. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConfigError } from "../../../errors.ts";
import { affineFromSpacing, cutWindow, type Size3, slicedWhole, windowStarts } from "../../../volume/index.ts";
import { bandsOf, gaussianWindow, predictByWindows, scoreLines, slicedImage, wholeImage } from "./sliding-window.ts";

describe("where windows start", () => {
  test.each([
    ["half in common", 10, 4, 0.5, [0, 2, 4, 6]],
    ["nothing in common, spread evenly", 10, 4, 0, [0, 3, 6]],
    ["a quarter in common", 48, 16, 0.25, [0, 11, 21, 32]],
    ["a volume of the patch's size", 8, 8, 0.5, [0]],
    ["one voxel more", 9, 8, 0.5, [0, 1]],
    ["a smaller volume, in the middle", 3, 8, 0.5, [-3]],
    ["steps below one voxel are one voxel", 5, 2, 0.9, [0, 1, 2, 3]],
  ] as const)("%s", (_, size, patch, overlap, wanted) => {
    expect(windowStarts(size, patch, overlap)).toEqual(wanted);
  });

  test("always from end to end, without gaps, at least the asked share in common", () => {
    const asked = fc.tuple(
      fc.integer({ min: 1, max: 200 }),
      fc.integer({ min: 1, max: 64 }),
      fc.double({ min: 0, max: 0.95, noNaN: true }),
    );
    fc.assert(
      fc.property(asked, ([size, patch, overlap]) => {
        const starts = windowStarts(size, patch, overlap);
        if (size <= patch) {
          expect(starts).toHaveLength(1);
          expect(starts[0]).toBeLessThanOrEqual(0);
          expect(starts[0] + patch).toBeGreaterThanOrEqual(size);
          return;
        }
        expect([starts[0], starts[starts.length - 1]]).toEqual([0, size - patch]);
        for (let i = 1; i < starts.length; i++) {
          expect(starts[i]).toBeGreaterThan(starts[i - 1]);
          // Rounding may take a start a voxel off.
          expect(starts[i] - starts[i - 1]).toBeLessThan(Math.max(1, patch * (1 - overlap)) + 1);
        }
      }),
    );
  });
});

describe("weights of a window", () => {
  test("one in the middle, the same mirrored, never nothing", () => {
    const patch = [5, 7, 3] as const;
    const weights = gaussianWindow(patch);
    expect(weights[Math.floor(weights.length / 2)]).toBe(1);
    expect(weights).toEqual(weights.slice().reverse());
    expect(Math.min(...weights)).toBe(Math.fround(1e-3));
    // One voxel from the middle along the first axis: σ is 5/8.
    expect(weights[weights.length / 2 - 0.5 + 21]).toBeCloseTo(Math.exp(-0.5 * (8 / 5) ** 2), 6);
  });
});

describe("cutting a window", () => {
  const image = Float32Array.from({ length: 2 * 2 * 3 }, (_, i) => i + 1);
  const cut = (start: Size3, patch: Size3): number[] => {
    const window = new Float32Array(2 * patch[0] * patch[1] * patch[2]).fill(99);
    cutWindow(image, 2, [1, 2, 3], start, patch, window);
    return [...window];
  };

  test("inside, channel by channel", () => {
    expect(cut([0, 0, 1], [1, 2, 2])).toEqual([2, 3, 5, 6, 8, 9, 11, 12]);
  });

  test("zeros beyond every edge", () => {
    expect(cut([0, -1, 2], [1, 2, 2])).toEqual([0, 0, 3, 0, 0, 0, 9, 0]);
    expect(cut([1, 0, 0], [1, 1, 1])).toEqual([0, 0]);
  });
});

/** Scores that depend on the window's place and content in no simple way. */
function scoresOf(window: Float32Array, start: Size3, classes: number, voxels: number): Float32Array {
  const place = start[0] * 7 + start[1] * 5 + start[2] * 3;
  return Float32Array.from(
    { length: classes * voxels },
    (_, i) => 1 + Math.sin(i * 12.9898 + place + window[i % window.length] * 78.233),
  );
}

/** Every window's weighted scores added into one map of the whole volume. */
async function plainly(
  image: Float32Array,
  channels: number,
  size: Size3,
  patch: Size3,
  classes: number,
  overlap: number,
): Promise<number[]> {
  const [depth, height, width] = size;
  const map = new Float32Array(classes * depth * height * width);
  const weights = gaussianWindow(patch);
  const voxels = patch[0] * patch[1] * patch[2];
  const starts = size.map((n, axis) => windowStarts(n, patch[axis], overlap));
  for (const z of starts[0])
    for (const y of starts[1])
      for (const x of starts[2]) {
        const window = new Float32Array(channels * voxels);
        for (let c = 0; c < channels; c++)
          for (let i = 0; i < voxels; i++) {
            const at = [
              Math.floor(i / patch[1] / patch[2]) + z,
              (Math.floor(i / patch[2]) % patch[1]) + y,
              (i % patch[2]) + x,
            ];
            if (at.some((v, axis) => v < 0 || v >= size[axis])) continue;
            window[c * voxels + i] = image[((c * depth + at[0]) * height + at[1]) * width + at[2]];
          }
        const scores = scoresOf(window, [z, y, x], classes, voxels);
        for (let k = 0; k < classes; k++)
          for (let i = 0; i < voxels; i++) {
            const at = [
              Math.floor(i / patch[1] / patch[2]) + z,
              (Math.floor(i / patch[2]) % patch[1]) + y,
              (i % patch[2]) + x,
            ];
            if (at.some((v, axis) => v < 0 || v >= size[axis])) continue;
            map[((k * depth + at[0]) * height + at[1]) * width + at[2]] += scores[k * voxels + i] * weights[i];
          }
      }
  const plane = depth * height * width;
  return Array.from({ length: plane }, (_, i) => {
    let best = 0;
    for (let k = 1; k < classes; k++) if (map[k * plane + i] > map[best * plane + i]) best = k;
    return best;
  });
}

describe("the classes of a volume", () => {
  const expectPlain = async (
    size: Size3,
    patch: Size3,
    classes: number,
    channels: number,
    overlap: number,
    band?: number,
  ): Promise<void> => {
    const image = Float32Array.from({ length: channels * size[0] * size[1] * size[2] }, (_, i) => Math.sin(i * 1.7));
    const voxels = patch[0] * patch[1] * patch[2];
    const wanted = await plainly(image, channels, size, patch, classes, overlap);
    const [depth, height, width] = size;
    const volume = {
      data: image,
      channels,
      size: [width, height, depth],
      affine: affineFromSpacing([1, 1, 1]),
    } as const;
    for (const source of [wholeImage(image, channels, size), slicedImage(slicedWhole(volume))]) {
      const told: number[][] = [];
      const given: Float32Array[] = [];
      const found = await predictByWindows(source, {
        patch,
        classes,
        overlap,
        band,
        predict: async (window, start) => {
          // What was given two calls ago may be overwritten.
          given.splice(0, given.length - 1)[0]?.fill(Number.NaN);
          given.push(scoresOf(window, start, classes, voxels));
          return given[given.length - 1];
        },
        onWindow: (done, of) => told.push([done, of]),
      });
      expect([...found]).toEqual(wanted);
      const count = bandsOf(size, { patch, overlap, band })
        .map(({ starts }) => starts.reduce((product, list) => product * list.length, 1))
        .reduce((a, b) => a + b);
      expect(told).toEqual(Array.from({ length: count }, (_, i) => [i + 1, count]));
    }
  };

  test.each([
    ["smaller than the patch", [3, 4, 2], [4, 6, 5]],
    ["the patch's size", [4, 6, 5], [4, 6, 5]],
    ["larger along each axis", [9, 13, 11], [4, 6, 5]],
    ["larger along the first only", [17, 3, 5], [4, 6, 5]],
    ["larger along the last only", [2, 6, 17], [4, 6, 5]],
    ["one voxel", [1, 1, 1], [2, 2, 2]],
    ["one voxel more than the patch", [5, 7, 6], [4, 6, 5]],
  ] as const)("%s", (_, size, patch) => expectPlain(size, patch, 3, 1, 0.5));

  test("any size, patch, overlap, classes and channels", async () => {
    const side = fc.integer({ min: 1, max: 9 });
    const sides = fc.tuple(side, side, side);
    const rest = [
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 2 }),
      fc.constantFrom(0, 0.25, 0.5, 0.8),
      fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }),
    ] as const;
    await fc.assert(
      fc.asyncProperty(sides, sides, ...rest, (size, patch, classes, channels, overlap, band) =>
        expectPlain(size, patch, classes, channels, overlap, band),
      ),
      { numRuns: 80, seed: 4 },
    );
  });

  test("takes memory for the lines that windows share, not for the volume", async () => {
    const size = [400, 96, 48] as const;
    const patch = [8, 16, 48] as const;
    const classes = 16;
    const image = new Float32Array(size[0] * size[1] * size[2]);
    const probability = [0, 1].map(() => new Float32Array(classes * patch[0] * patch[1] * patch[2]));
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    let asked = 0;
    await predictByWindows(wholeImage(image, 1, size), {
      patch,
      classes,
      predict: async () => probability[asked++ % 2],
      onWindow: () => {
        most = Math.max(most, process.memoryUsage().arrayBuffers - before);
      },
    });
    // Half the patch's depth on all lines, and the other half on the lines of one window.
    const lines = 4 * 96 + 4 * 16;
    expect(scoreLines(size, patch, bandsOf(size, { patch })[0])).toBe(lines);
    const scores = 4 * classes * lines * size[2];
    const result = size[0] * size[1] * size[2];
    // The scores, the classes, windows and their weights. A map of all scores would be 118 MB, one of a slab 2.4 MB.
    expect(most).toBeLessThan(1.2 * (scores + result) + 4 * 4 * patch[0] * patch[1] * patch[2]);
  });

  test("the lines that have scores are counted exactly", () => {
    const side = fc.integer({ min: 1, max: 40 });
    const rest = [
      fc.integer({ min: 1, max: 16 }),
      fc.integer({ min: 1, max: 16 }),
      fc.constantFrom(0, 0.3, 0.5, 0.8),
    ] as const;
    const band = fc.integer({ min: 1, max: 40 });
    fc.assert(
      fc.property(side, side, ...rest, band, (depth, height, d, h, overlap, lines) => {
        const [size, patch] = [
          [depth, height, 1],
          [d, h, 1],
        ] as const;
        for (const one of bandsOf(size, { patch, overlap, band: lines })) {
          const [zs, ys] = one.starts;
          const windows = zs.flatMap((z) => ys.map((y) => [z, y] as const));
          const touches = ([z, y]: readonly [number, number], at: readonly [number, number]): boolean =>
            at[0] >= z && at[0] < z + d && at[1] >= y && at[1] < y + h;
          const live = windows.map((_, now) => {
            let count = 0;
            for (let z = 0; z < depth; z++)
              for (let y = one.lines[0]; y < one.lines[1]; y++) {
                const touched = windows.slice(0, now + 1).some((window) => touches(window, [z, y]));
                const awaited = windows.slice(now).some((window) => touches(window, [z, y]));
                if (touched && awaited) count++;
              }
            return count;
          });
          expect(scoreLines(size, patch, one)).toBe(Math.max(...live));
        }
      }),
      { numRuns: 60, seed: 5 },
    );
  });
});

describe("what is refused", () => {
  const run = (more: object): Promise<Uint8Array> =>
    predictByWindows(wholeImage(new Float32Array(8), 1, [2, 2, 2]), {
      patch: [2, 2, 2],
      classes: 2,
      predict: async () => new Float32Array(16),
      ...more,
    });

  test.each([
    [{ overlap: 1 }, "overlap 1; it must be at least 0 and below 1"],
    [{ overlap: Number.NaN }, "overlap NaN; it must be at least 0 and below 1"],
    [{ classes: 257 }, "257 classes; a prediction holds at most 256"],
  ])("%j", async (more, message) => {
    await expect(run(more)).rejects.toThrow(new ConfigError(message));
  });

  test("a signal stops before the next window", async () => {
    await expect(run({ signal: AbortSignal.abort() })).rejects.toMatchObject({ name: "AbortError" });
  });
});
