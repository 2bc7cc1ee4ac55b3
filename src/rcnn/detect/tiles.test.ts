/** Tiles of a volume, what each answers for, and that together they find what one pass finds. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { preset } from "../network/presets.ts";
import type { DetectedBoxes } from "../parts/post-process.ts";
import type { Detector } from "./detector.ts";
import { detectInTiles, mergeTiles, tilesOf } from "./tiles.ts";

const config = preset("modern", { classes: 3, axes: 3, depth: 10 });

describe("tiles", () => {
  it("are as few as the largest allowed needs, and no larger than so many need to be", () => {
    const tiles = tilesOf([175, 116, 60], { tile: [128, 128, 128], overlap: 0.25 }, 8);
    // 175 takes two; two of 104 share 33 of 104 voxels, which is at least a quarter.
    expect(tiles).toEqual([
      {
        start: [0, 0, 0],
        size: [104, 116, 60],
        core: [
          [-Infinity, 87.5],
          [-Infinity, Infinity],
          [-Infinity, Infinity],
        ],
      },
      {
        start: [71, 0, 0],
        size: [104, 116, 60],
        core: [
          [87.5, Infinity],
          [-Infinity, Infinity],
          [-Infinity, Infinity],
        ],
      },
    ]);
    expect(tilesOf([64, 32, 32], { tile: [32, 32, 32], overlap: 0 }, 32).map(({ start }) => start[0])).toEqual([0, 32]);
  });

  it("see a lesion whole whose centre is theirs, if it is no longer than what they share", () => {
    const asked = fc.record({
      length: fc.integer({ min: 1, max: 300 }),
      tile: fc.integer({ min: 1, max: 8 }).map((n) => 16 * n),
      overlap: fc.double({ min: 0, max: 0.9, noNaN: true }),
      at: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(asked, ({ length, tile, overlap, at }) => {
        const tiles = tilesOf([length, 8, 8], { tile: [tile, 16, 16], overlap }, 16);
        const centre = at * length;
        const own = tiles.filter(({ core }) => centre >= core[0][0] && centre < core[0][1]);
        expect(own).toHaveLength(1);
        const [{ start, size }] = own;
        expect(size[0]).toBeLessThanOrEqual(tile);
        const side = overlap * size[0] - 1;
        if (side <= 0) return;
        expect(Math.max(centre - side / 2, 0)).toBeGreaterThanOrEqual(start[0]);
        expect(Math.min(centre + side / 2, length)).toBeLessThanOrEqual(start[0] + size[0]);
      }),
    );
  });

  it.each([
    [{ tile: [30, 32, 32] }, "tile: 30,32,32; each must be a multiple of 8"],
    [{ tile: [32, 32] }, "tile: 32,32; expected 3 sizes"],
    [{ tile: [32, 32, 32], overlap: 1 }, "overlap: 1; it must be at least 0 and below 1"],
  ])("%j is refused", (options, message) => {
    expect(() => tilesOf([64, 64, 64], options, 8)).toThrow(message);
  });
});

const open = [-Infinity, Infinity] as const;

describe("merged detections", () => {
  it("are each tile's own, the best of what overlaps across a seam, each class by itself", () => {
    const tiles = [{ core: [[-Infinity, 10], open, open] as const }, { core: [[10, Infinity], open, open] as const }];
    const left = found([
      // Cut by the rim: its centre is beyond the seam, and the right tile sees it whole.
      [[14, 0, 0, 16, 4, 4], 0.9, 1],
      [[7, 0, 0, 12, 4, 4], 0.6, 1],
      [[7, 8, 8, 12, 12, 12], 0.5, 2],
    ]);
    const right = found([
      [[14, 0, 0, 20, 4, 4], 0.8, 1],
      // The left tile's second, seen from the other side.
      [[8, 0, 0, 13, 4, 4], 0.7, 1],
      [[8, 8, 8, 13, 12, 12], 0.4, 1],
    ]);
    const { boxes, scores, labels } = mergeTiles([left, right], tiles, config);
    expect([...scores].map((score) => score.toFixed(1))).toEqual(["0.8", "0.7", "0.5", "0.4"]);
    expect([...boxes.subarray(0, 6)]).toEqual([14, 0, 0, 20, 4, 4]);
    expect([...labels]).toEqual([1, 1, 2, 1]);
  });

  it("of bright voxels are those of one pass", async () => {
    const size = [70, 40, 50];
    const data = new Float32Array(70 * 40 * 50);
    for (const [x, y, z] of [
      [0, 0, 0],
      [33, 20, 24],
      [34, 5, 9],
      [69, 39, 49],
      [35, 20, 40],
    ])
      data[x + 70 * (y + 40 * z)] = 1 + x;
    const passes: (readonly number[])[] = [];
    const detector = brightVoxels((own) => passes.push(own));
    const whole = await detectInTiles(detector, { data, size }, { tile: [96, 64, 64] });
    expect(passes).toEqual([[70, 40, 50]]);
    const tiled = await detectInTiles(detector, { data, size }, { tile: [32, 32, 32] });
    expect(passes.length).toBeGreaterThan(8);
    const list = ({ boxes, scores }: DetectedBoxes) =>
      Array.from(scores, (score, i) => [score, ...boxes.subarray(6 * i, 6 * i + 6)]).sort((a, b) => a[0] - b[0]);
    expect(list(tiled.found)).toEqual(list(whole.found));
    expect(list(whole.found)).toHaveLength(5);
    expect(tiled.times.featuresMs).toBe(passes.length - 1);
  });
});

function found(rows: readonly (readonly [box: readonly number[], score: number, label: number])[]): DetectedBoxes {
  return {
    axes: 3,
    boxes: Float32Array.from(rows.flatMap(([box]) => box)),
    scores: Float32Array.from(rows, ([, score]) => score),
    labels: Int32Array.from(rows, ([, , label]) => label),
  };
}

/** Finds every voxel above 0: a box of one voxel, its value the score. */
function brightVoxels(onPass: (size: readonly number[]) => void): Detector {
  return {
    config,
    times: { featuresMs: 1, proposalsMs: 0, headMs: 0 },
    detect: async ([{ data, size }]: readonly { data: Float32Array; size: readonly number[] }[]) => {
      onPass(size);
      const at = Array.from(data.keys()).filter((i) => data[i] > 0);
      return [
        found(
          at.map((i) => {
            const low = [i % size[0], Math.floor(i / size[0]) % size[1], Math.floor(i / (size[0] * size[1]))];
            return [[...low, ...low.map((v) => v + 1)], data[i], 1];
          }),
        ),
      ];
    },
  } as unknown as Detector;
}
