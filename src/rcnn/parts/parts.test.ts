/** Anchors, coding, matching, sampling, suppression, proposals, post-processing: by hand first, then against plain references. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Axes, iouOf, pairwiseIou } from "../../boxes/index.ts";
import { ConfigError } from "../../errors.ts";
import { random } from "../../random.ts";
import { preset } from "../network/presets.ts";
import { assignLevels } from "../pooling/levels.ts";
import { packTruth, unpackTruth } from "../training/truth-feeds.ts";
import { type AnchorSpec, anchorsInside, anchorsOf, baseAnchors, levelAnchors } from "./anchors.ts";
import { decodeBoxes, encodeBoxes, SIDE_CLAMP } from "./box-coder.ts";
import { IGNORED, matchBoxes, NEGATIVE, passOver } from "./matcher.ts";
import { nms, softNms } from "./nms.ts";
import { highestFirst } from "./order.ts";
import { filterDetections, selectDetections } from "./post-process.ts";
import { selectProposals } from "./proposals.ts";
import { sampleMatches } from "./sampler.ts";
import { anchorTargets, checkedTruth, regionTargets, soundTruth, type Truth } from "./targets.ts";

const f = (...values: number[]): Float32Array => Float32Array.from(values);

/** Boxes within `size`, sides from a tenth to a half of it. */
function someBoxes(seed: number, count: number, axes: Axes, size = 100): Float32Array {
  const stream = random(seed, "boxes");
  const out = new Float32Array(count * 2 * axes);
  for (let i = 0; i < count; i++) {
    for (let axis = 0; axis < axes; axis++) {
      const side = stream.between(size / 10, size / 2);
      const low = stream.between(0, size - side);
      out[2 * axes * i + axis] = low;
      out[2 * axes * i + axes + axis] = low + side;
    }
  }
  return out;
}

const paper: AnchorSpec = { axes: 2, style: "paper", sizes: [[128, 256, 512]], ratios: [0.5, 1, 2] };
const modern: AnchorSpec = {
  axes: 2,
  style: "torchvision",
  sizes: [[32], [64], [128], [256], [512]],
  ratios: [0.5, 1, 2],
};

describe("anchors", () => {
  it("are the paper's nine", () => {
    // As py-faster-rcnn's generate_anchors gives them, with inclusive corners.
    const inclusive = [
      [-84, -40, 99, 55],
      [-176, -88, 191, 103],
      [-360, -184, 375, 199],
      [-56, -56, 71, 71],
      [-120, -120, 135, 135],
      [-248, -248, 263, 263],
      [-36, -80, 51, 95],
      [-80, -168, 95, 183],
      [-168, -344, 183, 359],
    ];
    expect([...baseAnchors(paper, 0, [16, 16])]).toEqual(inclusive.flatMap(([a, b, c, d]) => [a, b, c + 1, d + 1]));
  });

  it("are torchvision's, rounded to whole pixels around the cell's corner", () => {
    // 32/√½ = 45.25, half of it 22.63 → 23; 32·√½/2 = 11.31 → 11.
    expect([...baseAnchors(modern, 0, [4, 4])]).toEqual([-23, -11, 23, 11, -16, -16, 16, 16, -11, -23, 11, 23]);
  });

  it("in 3D have a depth", () => {
    const spec: AnchorSpec = { axes: 3, style: "exact", sizes: [[8]], ratios: [1, 4], depthRatios: [0.5, 1] };
    expect([...baseAnchors(spec, 0, [4, 4, 2])]).toEqual(
      [
        [-2, -2, -1, 6, 6, 3],
        [0, -6, -1, 4, 10, 3],
        [-2, -2, -3, 6, 6, 5],
        [0, -6, -3, 4, 10, 5],
      ].flat(),
    );
  });

  it("stand at every cell, x fastest, a cell's together", () => {
    const spec: AnchorSpec = { axes: 3, style: "exact", sizes: [[2, 4]], ratios: [1] };
    const boxes = levelAnchors(spec, 0, [2, 1, 2], [4, 4, 6]);
    expect(boxes.length).toBe(2 * 2 * 2 * 6);
    expect([...boxes.subarray(0, 24)]).toEqual([
      1, 1, 2, 3, 3, 4, 0, 0, 1, 4, 4, 5, 5, 1, 2, 7, 3, 4, 4, 0, 1, 8, 4, 5,
    ]);
    expect([...boxes.subarray(24, 30)]).toEqual([1, 1, 8, 3, 3, 10]);
  });

  it("of all levels, with strides from the padded size", () => {
    const set = anchorsOf(
      modern,
      [64, 32],
      [
        [16, 8],
        [8, 4],
        [4, 2],
        [2, 1],
        [1, 1],
      ],
    );
    expect(set.counts).toEqual([384, 96, 24, 6, 3]);
    // The last level's cell is 64 wide and 32 high; its first anchor 512/√½ × 512·√½.
    expect([...set.boxes.subarray(-12, -8)]).toEqual([-362, -181, 362, 181]);
    expect(() => anchorsOf(modern, [64, 32], [[16, 8]])).toThrow(ConfigError);
  });

  it("that cross the edge are told apart", () => {
    expect([...anchorsInside({ axes: 2, boxes: f(0, 0, 4, 4, -1, 0, 4, 4, 0, 0, 4, 9) }, [8, 8])]).toEqual([1, 0, 0]);
  });
});

describe.each([2, 3] as const)("box coder, %dD", (axes) => {
  it("is undone by decoding", () => {
    const [boxes, references] = [someBoxes(1, 50, axes), someBoxes(2, 50, axes)];
    const coder = { weights: [10, 5], clamp: SIDE_CLAMP } as const;
    const back = decodeBoxes(encodeBoxes(boxes, references, axes, coder), references, axes, coder);
    for (const [i, value] of back.entries()) expect(value).toBeCloseTo(boxes[i], 3);
  });
});

describe("box coder by hand", () => {
  const coder = { weights: [10, 5], clamp: SIDE_CLAMP } as const;
  it("codes a shift of a quarter and a doubled width", () => {
    const [tx, ty, tw, th] = encodeBoxes(f(0, 0, 16, 4), f(2, 0, 10, 4), 2, coder);
    expect([tx, ty, th]).toEqual([2.5, 0, 0]);
    expect(tw).toBeCloseTo(5 * Math.LN2, 6);
  });
  it("grows a side at most 62.5-fold", () => {
    const [x1, , x2] = decodeBoxes(f(0, 0, 1e9, 0), f(0, 0, 16, 16), 2, coder);
    expect(x2 - x1).toBeCloseTo(1000, 2);
  });
});

describe("matcher", () => {
  const rule = { high: 0.7, low: 0.3, lowQuality: true };
  const truth = f(0, 0, 10, 10);
  it("tells positive, ignored and negative apart", () => {
    // Overlaps 1, 0.5, 0.2, 0.
    const boxes = f(0, 0, 10, 10, 0, 0, 10, 5, 0, 0, 10, 2, 20, 20, 30, 30);
    expect([...matchBoxes(boxes, truth, 2, rule).match]).toEqual([0, IGNORED, NEGATIVE, NEGATIVE]);
    expect([...matchBoxes(boxes, truth, 2, { ...rule, low: 0.5, lowest: 0.1, high: 0.5 }).match]).toEqual([
      0,
      0,
      NEGATIVE,
      IGNORED,
    ]);
  });
  it("gives each ground truth its best boxes, ties included", () => {
    const boxes = f(0, 0, 10, 4, 0, 6, 10, 10, 0, 0, 10, 3);
    expect([...matchBoxes(boxes, truth, 2, rule).match]).toEqual([0, 0, IGNORED]);
    expect([...matchBoxes(boxes, truth, 2, { ...rule, lowQuality: false }).match]).toEqual([IGNORED, IGNORED, IGNORED]);
  });
  it("gives such a box to the ground truth it overlaps most, as torchvision does", () => {
    // Box 0 is the best of both; it lies more on the second.
    const boxes = f(0, 0, 10, 10);
    expect([...matchBoxes(boxes, f(0, 0, 2, 10, 5, 0, 10, 10), 2, rule).match]).toEqual([1]);
  });
  it("calls all negative without ground truth, and lets none tie at 0", () => {
    expect([...matchBoxes(f(0, 0, 1, 1), f(), 2, rule).match]).toEqual([NEGATIVE]);
    expect([...matchBoxes(f(0, 0, 1, 1, 2, 2, 3, 3), f(5, 5, 6, 6), 2, rule).match]).toEqual([NEGATIVE, NEGATIVE]);
    // A box without area, that should have been left out, does no harm.
    expect([...matchBoxes(f(0, 0, 1, 1), f(5, 5, 5, 6), 2, rule).match]).toEqual([NEGATIVE]);
  });
  it("ignores what is not eligible, which then wins no ground truth", () => {
    const boxes = f(0, 0, 10, 10, 0, 0, 10, 2);
    expect([...matchBoxes(boxes, truth, 2, rule, Uint8Array.of(0, 1)).match]).toEqual([IGNORED, 0]);
  });
});

describe("what is neither object nor background", () => {
  // Against the box 0,0–10,10: overlaps 0.5 and 0.2, then shares of 0.8 and 0.5 of a small box inside; the last lies apart.
  const boxes = f(0, 0, 10, 5, 0, 0, 10, 2, 8, 0, 10.5, 10, 8, 0, 12, 10, 20, 20, 30, 30);
  const passed = (from: number[], what: Parameters<typeof passOver>[2], low = 0.3): number[] => {
    const match = Int32Array.from(from);
    passOver(match, boxes, what, 2, low);
    return [...match];
  };
  const negative = [NEGATIVE, NEGATIVE, NEGATIVE, NEGATIVE, NEGATIVE];
  it("takes no negative that a difficult object would have kept from being one", () => {
    expect(passed(negative, { difficult: f(0, 0, 10, 10) })).toEqual([IGNORED, ...negative.slice(1)]);
    expect(passed(negative, { difficult: f(0, 0, 10, 10) }, 0.2)).toEqual([IGNORED, IGNORED, ...negative.slice(2)]);
  });
  it("takes none that lies in a crowd by 0.7 of its own area", () => {
    expect(passed(negative, { crowds: f(0, 0, 10, 10) })).toEqual([IGNORED, IGNORED, IGNORED, NEGATIVE, NEGATIVE]);
  });
  it("leaves alone what has matched an object, and everything where there is nothing of the kind", () => {
    expect(passed([0, 0, 0, 0, 0], { difficult: f(0, 0, 10, 10), crowds: f(0, 0, 40, 40) })).toEqual([0, 0, 0, 0, 0]);
    expect(passed(negative, {})).toEqual(negative);
    // A difficult object that nothing touches passes over nothing, however low the bar.
    expect(passed(negative, { difficult: f(50, 50, 60, 60) }, 0)).toEqual(negative);
  });
  it("works in 3D", () => {
    const match = Int32Array.of(NEGATIVE, NEGATIVE);
    // Overlaps 8/27 and 1 of 3×3×3.
    passOver(match, f(0, 0, 0, 2, 2, 2, 0, 0, 0, 3, 3, 3), { difficult: f(0, 0, 0, 3, 3, 3) }, 3, 0.3);
    expect([...match]).toEqual([NEGATIVE, IGNORED]);
  });

  const config = preset("modern", { classes: 3 });
  const truth: Truth = {
    boxes: f(100, 100, 140, 140),
    labels: Int32Array.of(1),
    difficult: f(10, 10, 42, 42, 7, 7, 7, 9),
    crowds: f(60, 10, 90, 40),
  };
  const sound = soundTruth(truth, 2);
  it("of a batch is refused by image and box where it cannot be; an image without one has an empty one", () => {
    const of = (box: readonly number[], label: number, images = 2) =>
      checkedTruth(
        [
          { boxes: f(), labels: new Int32Array(0) },
          { boxes: f(...box), labels: Int32Array.of(label) },
        ],
        images,
        config,
      );
    const box = [4, 4, 20, 20];
    expect(of(box, 1, 3).map(({ labels }) => [...labels])).toEqual([[], [1], []]);
    expect(of([4, 4, 4, 9], 0).map(({ labels }) => labels.length)).toEqual([0, 0]);
    expect(() => of(box, 2)).toThrow("truth[1]: box 0: label 2; classes are 0 to 1");
    expect(() => of(box, -1)).toThrow("truth[1]: box 0: label -1");
    expect(() => of([30, 30, 10, 10], 0)).toThrow(/truth\[1\]: box 0: .* is inverted/);
    expect(() => of([Number.NaN, 1, 4, 4], 0)).toThrow(/truth\[1\]: box 0: .* is not finite/);
    expect(() => of([1, 1, Number.POSITIVE_INFINITY, 4], 0)).toThrow(/is not finite/);
    expect(() => of(box, 0, 1)).toThrow("truth: of 2 images, the batch has 1");
    expect(() => of([...box, ...box], 0)).toThrow("truth[1]: 1 labels for 2 boxes");
  });
  it("is no sample of the region head", () => {
    // The object, the difficult one moved by a pixel, a box within the crowd, background.
    const proposals = f(100, 100, 140, 139, 11, 10, 43, 42, 62, 12, 80, 30, 160, 20, 190, 50);
    const { regions, columns, positives } = regionTargets(proposals, sound, config, random(1, "r"));
    // With the object itself, which joins the proposals.
    expect([positives, [...columns]]).toEqual([2, [2, 2, 0]]);
    expect([...regions.subarray(8)]).toEqual([160, 20, 190, 50]);
  });
  it("is no sample of the RPN", () => {
    const set = anchorsOf(
      modern,
      [192, 192],
      [48, 24, 12, 6, 3].map((n) => [n, n]),
    );
    const all = { ...config, rpn: { ...config.rpn, sampleCount: 100_000 } };
    const plain = { boxes: truth.boxes, labels: truth.labels };
    const [with_, without] = [sound, plain].map((own) => anchorTargets(set, own, [192, 192], all, random(1, "a")));
    expect(with_.positives).toBe(without.positives);
    const kept = new Set(with_.index);
    const left = [...without.index].filter((i) => !kept.has(i));
    expect(left.length).toBeGreaterThan(0);
    const box = (i: number) => [...set.boxes.subarray(4 * i, 4 * i + 4)];
    for (const i of left) {
      const overlap = pairwiseIou(f(...box(i)), truth.difficult!.subarray(0, 4), 2)[0];
      const [x0, y0, x1, y1] = box(i);
      const inside = (Math.min(x1, 90) - Math.max(x0, 60)) * (Math.min(y1, 40) - Math.max(y0, 10));
      expect(overlap >= 0.3 || inside >= 0.7 * (x1 - x0) * (y1 - y0)).toBe(true);
    }
  });
  it("travels with a batch", () => {
    const empty: Truth = { boxes: f(), labels: new Int32Array(0), difficult: f(), crowds: f() };
    const packed = packTruth(
      [sound, { boxes: f(), labels: new Int32Array(0) }, sound],
      [
        [9, 8],
        [7, 6],
        [5, 4],
      ],
      2,
    );
    expect(unpackTruth(packed, 2)).toEqual({
      truth: [sound, empty, sound],
      sizes: [
        [9, 8],
        [7, 6],
        [5, 4],
      ],
    });
    expect([...sound.difficult!]).toEqual([10, 10, 42, 42]);
  });
});

describe("sampler", () => {
  const match = Int32Array.from({ length: 1000 }, (_, i) => (i % 10 === 0 ? 3 : i % 10 === 1 ? IGNORED : NEGATIVE));
  it("takes exact counts, never an ignored one, the same by seed", () => {
    const take = () => sampleMatches(match, { count: 100, positiveShare: 0.25 }, random(1, "sample"));
    const { positive, negative } = take();
    expect([positive.length, negative.length]).toEqual([25, 75]);
    expect([...positive].every((i) => match[i] >= 0)).toBe(true);
    expect([...negative].every((i) => match[i] === NEGATIVE)).toBe(true);
    expect(new Set([...positive, ...negative]).size).toBe(100);
    expect(take()).toEqual({ positive, negative });
  });
  it("fills up with negatives", () => {
    const few = Int32Array.from({ length: 300 }, (_, i) => (i === 7 ? 0 : NEGATIVE));
    const { positive, negative } = sampleMatches(few, { count: 256, positiveShare: 0.5 }, random(1, "sample"));
    expect([[...positive], negative.length]).toEqual([[7], 255]);
    const { negative: none } = sampleMatches(Int32Array.of(1, 1), { count: 8, positiveShare: 0.5 }, random(1, "s"));
    expect(none.length).toBe(0);
  });
});

describe("order", () => {
  it("puts the highest first, equal ones by index, NaN last", () => {
    expect([...highestFirst(f(-1, 3, Number.NaN, 3, 0, Number.NEGATIVE_INFINITY, -0.5))]).toEqual([
      1, 3, 4, 6, 0, 2, 5,
    ]);
  });
  it("finds the first of many as sorting does", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 0, max: 60 }), (seed, count) => {
        const stream = random(seed, "scores");
        // Rounded, so that there are ties.
        const scores = Float32Array.from({ length: 50 }, () => Math.round(stream.normal() * 8) / 8);
        const sorted = [...scores.keys()].sort((a, b) => scores[b] - scores[a] || a - b);
        expect([...highestFirst(scores, count)]).toEqual(sorted.slice(0, count));
      }),
      { numRuns: 200 },
    );
  });
});

describe("suppression", () => {
  it("keeps the best of each heap", () => {
    const boxes = f(0, 0, 10, 10, 1, 0, 11, 10, 20, 20, 30, 30, 0, 0, 10, 9);
    expect([...nms(boxes, f(0.5, 0.9, 0.1, 0.6), { axes: 2, threshold: 0.7 })]).toEqual([1, 2]);
    expect([...nms(boxes, f(0.5, 0.9, 0.1, 0.6), { axes: 2, threshold: 0.85 })]).toEqual([1, 3, 2]);
    const groups = Int32Array.of(1, 2, 1, 1);
    expect([...nms(boxes, f(0.5, 0.9, 0.1, 0.6), { axes: 2, threshold: 0.7, groups })]).toEqual([1, 3, 2]);
    expect([...nms(f(), f(), { axes: 2, threshold: 0.7 })]).toEqual([]);
  });

  it.each([2, 3] as const)("equals the plain loop, %dD", (axes) => {
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(0, 0.1, 0.3, 0.5, 0.7, 0.95), (seed, threshold) => {
        const boxes = someBoxes(seed, 150, axes);
        const stream = random(seed, "scores");
        const scores = Float32Array.from({ length: 150 }, () => stream.uniform());
        const groups = Int32Array.from({ length: 150 }, () => stream.integer(2));
        const kept: number[] = [];
        for (const i of [...scores.keys()].sort((a, b) => scores[b] - scores[a])) {
          if (kept.every((j) => groups[i] !== groups[j] || iouOf(boxes, i, boxes, j, axes) <= threshold)) kept.push(i);
        }
        expect([...nms(boxes, scores, { axes, threshold, groups })]).toEqual(kept);
        expect([...nms(boxes, scores, { axes, threshold, groups, limit: 5 })]).toEqual(kept.slice(0, 5));
      }),
      { numRuns: 60 },
    );
  });

  it("lowers scores where it is soft", () => {
    // The second overlaps the first by 1/3, the third by nothing.
    const boxes = f(0, 0, 10, 10, 5, 0, 15, 10, 40, 40, 50, 50);
    const linear = softNms(boxes, f(0.9, 0.6, 0.5), { axes: 2, threshold: 0.3, method: "linear" });
    expect([...linear.kept]).toEqual([0, 2, 1]);
    expect(linear.scores[2]).toBeCloseTo(0.4, 6);
    const gaussian = softNms(boxes, f(0.9, 0.6, 0.5), { axes: 2, threshold: 0.3, method: "gaussian" });
    expect([...gaussian.kept]).toEqual([0, 2, 1]);
    expect(gaussian.scores[2]).toBeCloseTo(0.6 * Math.exp(-1 / 9 / 0.5), 6);
    const cut = softNms(boxes, f(0.9, 0.6, 0.5), { axes: 2, threshold: 0.3, method: "linear", minimumScore: 0.45 });
    expect([...cut.kept]).toEqual([0, 2]);
  });
});

describe("proposals", () => {
  const rule = { before: 12, after: 6, threshold: 0.7, minimumSide: 1 };
  const coder = { weights: [1, 1], clamp: SIDE_CLAMP } as const;

  it.each([2, 3] as const)("move with the image by whole strides (paper §3.1.1), %dD", (axes) => {
    const spec: AnchorSpec = { axes, style: "paper", sizes: [[16, 32]], ratios: [0.5, 1, 2], depthRatios: [1] };
    const stride = new Array<number>(axes).fill(16);
    const grid = [40, 36, 32].slice(0, axes);
    const size = grid.map((n) => n * 16);
    const anchors = { axes, boxes: levelAnchors(spec, 0, grid, stride), counts: [grid.reduce((a, b) => a * b, 6)] };
    const count = anchors.counts[0];
    const [objectness, deltas] = [new Float32Array(count).fill(-10), new Float32Array(count * 2 * axes)];
    const [movedObjectness, movedDeltas] = [new Float32Array(count).fill(-10), new Float32Array(count * 2 * axes)];
    // What the RPN says of a patch in the middle, and the same two cells further in x and one in y.
    const stream = random(3, "rpn");
    const move = [2, 1, 1];
    const cell = (place: readonly number[]): number => place.reduceRight((sum, p, axis) => sum * grid[axis] + p, 0);
    for (let i = 0; i < 60; i++) {
      const place = grid.map((n) => Math.floor(n / 2) - 3 + stream.integer(6));
      const a = stream.integer(6);
      const [from, to] = [cell(place) * 6 + a, cell(place.map((p, axis) => p + move[axis])) * 6 + a];
      movedObjectness[to] = objectness[from] = stream.normal();
      for (let k = 0; k < 2 * axes; k++)
        movedDeltas[to * 2 * axes + k] = deltas[from * 2 * axes + k] = stream.normal() / 8;
    }
    const before = selectProposals(anchors, objectness, deltas, size, coder, rule);
    const after = selectProposals(anchors, movedObjectness, movedDeltas, size, coder, rule);
    expect(after.scores).toEqual(before.scores);
    expect(before.scores.length).toBe(6);
    for (const [i, value] of before.boxes.entries()) {
      expect(after.boxes[i] - value).toBeCloseTo(16 * move[i % axes], 3);
    }
  });

  it("clip, drop tiny ones, keep the best of each level, suppress within levels only", () => {
    const anchors = {
      axes: 2 as const,
      boxes: f(-5, 0, 5, 10, 0, 0, 5, 10, 30, 0, 40, 10, 12, 0, 12.5, 10, 0, 0, 5, 10),
      counts: [4, 1],
    };
    const objectness = f(3, 2, 1, 9, 0);
    const { boxes, scores } = selectProposals(anchors, objectness, new Float32Array(20), [20, 20], coder, rule);
    // The first, clipped, equals the second; the third lies outside, the fourth is thin; the last is of another level.
    expect([...boxes]).toEqual([0, 0, 5, 10, 0, 0, 5, 10]);
    expect(scores[1]).toBe(0.5);
    const two = selectProposals(anchors, objectness, new Float32Array(20), [20, 20], coder, { ...rule, before: 1 });
    expect(two.scores.length).toBe(1);
    const all = selectProposals(anchors, objectness, new Float32Array(20), [20, 20], coder, {
      ...rule,
      suppress: false,
    });
    expect(all.scores.length).toBe(3);
  });

  describe("ablations", () => {
    // Three anchors in a row, far apart from a fourth that equals the first.
    const anchors = {
      axes: 2 as const,
      boxes: f(0, 0, 10, 10, 20, 0, 30, 10, 40, 0, 60, 10, 0, 0, 10, 10),
      counts: [4],
    };
    const objectness = f(1, 4, 2, 3);
    // Each moves right by a tenth of its width.
    const deltas = f(0.1, 0, 0, 0, 0.1, 0, 0, 0, 0.1, 0, 0, 0, 0.1, 0, 0, 0);
    const propose = (changes: object) =>
      selectProposals(anchors, objectness, deltas, [55, 10], coder, { ...rule, ...changes });

    it("without regression: the anchors themselves, clipped, best first, suppressed", () => {
      expect([...propose({}).boxes]).toEqual([21, 0, 31, 10, 1, 0, 11, 10, 42, 0, 55, 10]);
      expect([...propose({ regress: false }).boxes]).toEqual([20, 0, 30, 10, 0, 0, 10, 10, 40, 0, 55, 10]);
    });

    it("without suppression: the best, equal or not", () => {
      const { boxes } = propose({ suppress: false, regress: false, after: 3 });
      expect([...boxes]).toEqual([20, 0, 30, 10, 0, 0, 10, 10, 40, 0, 55, 10]);
      expect(propose({ suppress: false, after: 9 }).scores.length).toBe(4);
    });

    it("without objectness: as many as asked, drawn by the seed alone", () => {
      const drawn = (seed: number, after: number) =>
        propose({ suppress: false, before: Number.POSITIVE_INFINITY, after, shuffledBy: random(seed, "boxes") });
      expect(drawn(0, 2).boxes).toEqual(drawn(0, 2).boxes);
      expect(drawn(0, 2).scores.length).toBe(2);
      // Their scores are their own, whatever the order.
      const by = new Map(
        [
          [21, 4],
          [42, 2],
        ].map(([left, logit]) => [left, Math.fround(1 / (1 + Math.exp(-logit)))]),
      );
      const { boxes, scores } = drawn(1, 4);
      for (const [i, score] of scores.entries()) {
        const wanted = by.get(boxes[4 * i]);
        if (wanted !== undefined) expect(score).toBe(wanted);
      }
      // Every box comes first about as often.
      const first = [0, 0, 0, 0];
      for (let seed = 0; seed < 400; seed++) first[[1, 21, 42].indexOf(drawn(seed, 1).boxes[0])]++;
      for (const [share, count] of [
        [2, first[0]],
        [1, first[1]],
        [1, first[2]],
      ])
        expect(Math.abs(count - 100 * share)).toBeLessThan(40);
    });
  });
});

describe("levels of regions", () => {
  it("are torchvision's", () => {
    const rule = { lowest: 2, highest: 5, canonicalSide: 224, canonicalLevel: 4 };
    const square = (side: number): number[] => [0, 0, side, side];
    const boxes = f(...[10, 111.9, 112, 223, 224, 447, 448, 900].flatMap(square));
    expect([...assignLevels(boxes, 2, rule)]).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
  });
  it("take the cube root in 3D", () => {
    const rule = { lowest: 0, highest: 3, canonicalSide: 16, canonicalLevel: 1 };
    expect([...assignLevels(f(0, 0, 0, 16, 16, 16, 0, 0, 0, 32, 32, 8, 0, 0, 0, 64, 64, 64), 3, rule)]).toEqual([
      1, 1, 3,
    ]);
  });
});

describe("post-processing", () => {
  const coder = { weights: [10, 5], clamp: SIDE_CLAMP } as const;
  const rule = { minimumScore: 0.05, threshold: 0.5, limit: 100, minimumSide: 0.01 };
  const regions = f(0, 0, 10, 10, 1, 0, 11, 10, 50, 50, 60, 60);
  const probabilities = f(0.1, 0.8, 0.1, 0.25, 0.7, 0.05, 0.3, 0.04, 0.66);

  it("suppresses within classes, drops background and weak scores", () => {
    const found = selectDetections(regions, probabilities, new Float32Array(36), [64, 64], 2, coder, rule);
    expect([...found.labels]).toEqual([0, 1, 1]);
    expect([...found.boxes]).toEqual([0, 0, 10, 10, 50, 50, 60, 60, 0, 0, 10, 10]);
    expect([...found.scores]).toEqual([...f(0.8, 0.66, 0.1)]);
    expect(filterDetections(found, { score: 0.5, classes: [1] }).scores.length).toBe(1);
    expect(filterDetections(found, { limit: 2 }).scores.length).toBe(2);
  });

  it("takes deltas per class or shared, and clips", () => {
    const deltas = new Float32Array(36);
    deltas[4 * 4] = 100;
    const found = selectDetections(regions, probabilities, deltas, [64, 64], 2, coder, { ...rule, limit: 2 });
    // Region 1, class 1 moved by ten of its widths, out of the image: nothing remains of it.
    expect([...found.scores]).toEqual([...f(0.8, 0.66)]);
    const shared = selectDetections(regions, probabilities, f(...new Array(12).fill(0)), [64, 8], 2, coder, rule);
    expect([...shared.boxes.subarray(0, 4)]).toEqual([0, 0, 10, 8]);
  });

  it("has nothing to say of nothing", () => {
    expect(selectDetections(f(), f(), f(), [64, 64], 2, coder, rule).scores.length).toBe(0);
    const nan = f(Number.NaN, Number.NaN, Number.NaN);
    expect(
      selectDetections(regions, f(...nan, ...nan, ...nan), new Float32Array(36), [9, 9], 2, coder, rule).labels.length,
    ).toBe(0);
  });
});
