import { readFileSync } from "node:fs";
import { inflateSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError, DataError, GeometryError, ShapeError } from "../../errors.ts";
import type { Vec3 } from "../../volume/types.ts";
import { type ClassScores, countOverlap, dice, evaluateSegmentation, type LabelNames } from "./segmentation.ts";
import { averageSurfaceDistance, hausdorffPercentile, surfaceDistances, surfaceVoxels } from "./surface.ts";

const labels = { 0: "background", 1: "organ" };

function line(text: string): number[] {
  return [...text].map((c) => (c === "." ? 0 : Number(c)));
}

describe("surfaceVoxels", () => {
  it("keeps the rim of a square and drops its inside", () => {
    const square = line("....." + ".111." + ".111." + ".111." + ".....");
    expect([...surfaceVoxels(Uint8Array.from(square), [5, 5, 1])]).toEqual([6, 7, 8, 11, 13, 16, 17, 18]);
  });

  it("counts the edge of the image as outside", () => {
    expect([...surfaceVoxels(new Uint8Array(27).fill(1), [3, 3, 3])]).not.toContain(13);
    expect(surfaceVoxels(new Uint8Array(27).fill(1), [3, 3, 3])).toHaveLength(26);
  });
});

describe("evaluateSegmentation, by hand", () => {
  it("scores two overlapping runs on a line of 2 mm voxels", () => {
    const scores = evaluateSegmentation(line("..1111...."), line("....111..."), {
      size: [10, 1, 1],
      spacingMm: [2, 5, 10],
      labels,
    });
    const [c] = scores.classes;
    expect(c).toMatchObject({ state: "both", truthVoxels: 4, predictionVoxels: 3, overlapVoxels: 2 });
    expect(c.dice).toBeCloseTo(4 / 7, 12);
    expect(c.iou).toBeCloseTo(2 / 5, 12);
    expect(c.precision).toBeCloseTo(2 / 3, 12);
    expect(c.recall).toBeCloseTo(1 / 2, 12);
    expect(c.truthMl).toBeCloseTo(0.4, 12);
    expect(c.volumeDifferenceMl).toBeCloseTo(-0.1, 12);
    expect(c.absoluteVolumeDifferenceMl).toBeCloseTo(0.1, 12);
    expect(c.volumeDifferenceRelative).toBeCloseTo(-1 / 4, 12);
    // Surfaces are the ends of the runs: voxels 2 and 5 against 4 and 6, so 4, 2 and 2, 2 mm.
    expect(c.hausdorffMm).toBe(4);
    expect(c.assdMm).toBe(2.5);
    expect(c.hd95Mm).toBeCloseTo(2 + 0.95 * 2, 12);
    expect(scores.meanDice).toBe(c.dice);
  });

  it("gives null and not 1 where a class is in neither mask, and leaves it out of the mean", () => {
    const scores = evaluateSegmentation(line("11.."), line("1..."), {
      size: [4, 1, 1],
      spacingMm: [1, 1, 1],
      labels: { 1: "a", 2: "b" },
    });
    const b = scores.classes[1];
    expect(b.state).toBe("neither");
    for (const key of ["dice", "iou", "precision", "recall", "volumeDifferenceMl", "hd95Mm", "assdMm"] as const) {
      expect(b[key]).toBeNull();
    }
    expect(scores.meanDice).toBeCloseTo(2 / 3, 12);
  });

  it.each([
    [
      "truth only",
      "11..",
      "....",
      { precision: null, recall: 0, volumeDifferenceMl: -0.002, volumeDifferenceRelative: -1 },
    ],
    [
      "prediction only",
      "....",
      "..1.",
      { precision: 0, recall: null, volumeDifferenceMl: 0.001, volumeDifferenceRelative: null },
    ],
  ])("gives Dice 0 and no distance for a class in %s", (state, truth, prediction, rest) => {
    const { classes } = evaluateSegmentation(line(truth), line(prediction), {
      size: [4, 1, 1],
      spacingMm: [1, 1, 1],
      labels,
    });
    expect(classes[0]).toMatchObject({
      state,
      dice: 0,
      iou: 0,
      hd95Mm: null,
      hausdorffMm: null,
      assdMm: null,
      ...rest,
    });
  });

  it("refuses labels nobody listed, with the value, the voxel and the classes", () => {
    const grid = { size: [2, 2, 1] as Vec3, spacingMm: [1, 1, 1] as Vec3, labels, case: "spleen_29" };
    const scored = (truth: number[], prediction: number[], more = {}) =>
      evaluateSegmentation(truth, prediction, { ...grid, ...more });
    const rule = 'labels of 2 classes are 0, 1 (unlisted: "count" takes others for background)';
    expect(() => scored([1, 0, 0, 7], [1, 0, 0, 0])).toThrow(
      new DataError(`spleen_29: truth: label 7 at voxel [1, 1, 0]; ${rule}`),
    );
    for (const strange of [2, -1, 255, 0.5, Number.NaN, Infinity])
      expect(() => scored([1, 0, 0, 0], [1, 0, strange, 0])).toThrow(
        new DataError(`spleen_29: prediction: label ${strange} at voxel [0, 1, 0]; ${rule}`),
      );
    // A declared value of voxels that do not count is left out, whatever is predicted there; a prediction may not hold it elsewhere.
    expect(scored([1, 255, 0, 0], [1, 9, 0, 0], { ignore: 255 })).toMatchObject({ ignoredVoxels: 1, meanDice: 1 });
    expect(() => scored([1, 255, 0, 0], [1, 0, 255, 0], { ignore: 255 })).toThrow(
      /prediction: label 255 .*, or 255 where the truth/,
    );
    // Counted or not, what is no whole number from 0 is no label.
    for (const strange of [-1, 0.5])
      expect(() => scored([1, strange, 0, 0], [1, 0, 0, 0], { unlisted: "count" })).toThrow(/whole numbers from 0/);
  });

  it("counts voxels of labels nobody listed where that is asked for", () => {
    const scores = evaluateSegmentation(line("1.77"), line("14.."), {
      ...{ size: [4, 1, 1], spacingMm: [1, 1, 1], labels, unlisted: "count" },
    });
    expect(scores.unlistedVoxels).toEqual({ truth: 2, prediction: 1 });
    expect(scores.classes[0].dice).toBe(1);
  });

  it("reads 64-bit labels and float labels alike", () => {
    const grid = { size: [4, 1, 1] as Vec3, spacingMm: [1, 1, 1] as Vec3, labels };
    const truth = line("11..");
    const plain = evaluateSegmentation(truth, line(".11."), grid);
    expect(evaluateSegmentation(BigInt64Array.from(truth, BigInt), Float32Array.from(line(".11.")), grid)).toEqual(
      plain,
    );
  });

  it("leaves voxels out that the truth says not to count, in counts and distances", () => {
    const grid = { size: [8, 1, 1] as Vec3, spacingMm: [1, 1, 1] as Vec3, labels, ignore: 9 };
    // Of the five that are predicted, two lie where nobody looked.
    const scores = evaluateSegmentation(line(".11..99."), line(".1111111"), grid);
    const [c] = scores.classes;
    expect(c).toMatchObject({ truthVoxels: 2, predictionVoxels: 5, overlapVoxels: 2 });
    expect(c.dice).toBeCloseTo(4 / 7, 12);
    expect(scores).toMatchObject({ ignoredVoxels: 2, unlistedVoxels: { truth: 0, prediction: 0 } });
    const near = evaluateSegmentation(line(".11...9."), line(".11...1."), grid).classes[0];
    expect(near).toMatchObject({ dice: 1, hausdorffMm: 0 });
    const [count] = countOverlap(line(".11..99."), line(".1111111"), labels, 9);
    expect(count).toMatchObject({ truth: 2, prediction: 5, both: 2 });
    // Without it, they are voxels of a label that nobody listed.
    expect(
      evaluateSegmentation(line(".11..99."), line(".1111111"), { ...grid, ignore: undefined, unlisted: "count" }),
    ).toMatchObject({
      ignoredVoxels: 0,
      unlistedVoxels: { truth: 2 },
      classes: [{ predictionVoxels: 7 }],
    });
  });

  it("scores labels however large", () => {
    const grid = { size: [2, 1, 1] as Vec3, spacingMm: [1, 1, 1] as Vec3, labels: { 40000: "a", 2000000: "b" } };
    const { classes } = evaluateSegmentation([40000, 2000000], [40000, 40000], grid);
    expect(classes.map((c) => c.dice)).toEqual([2 / 3, 0]);
  });

  it("survives JSON unchanged", () => {
    const scores = evaluateSegmentation(line("1.22"), line("14.."), {
      size: [2, 2, 1],
      spacingMm: [1, 1, 1],
      labels: { 1: "a", 2: "b", 3: "c" },
      unlisted: "count",
    });
    expect(JSON.parse(JSON.stringify(scores))).toEqual(scores);
  });

  it("names case, fact and rule when something does not fit", () => {
    const grid = { size: [4, 1, 1] as Vec3, spacingMm: [1, 1, 1] as Vec3, labels, case: "spleen_29" };
    expect(() => evaluateSegmentation(line("1..."), line("1.."), grid)).toThrow(ShapeError);
    expect(() => evaluateSegmentation(line("1..."), line("1.."), grid)).toThrow(
      "spleen_29: prediction has 3 voxels, the grid 4×1×1 has 4",
    );
    expect(() => evaluateSegmentation(line("1..."), line("1..."), { ...grid, spacingMm: [1, 0, 1] })).toThrow(
      GeometryError,
    );
    const badLabels: LabelNames[] = [
      {},
      { 0: "background" },
      { 1.5: "half" },
      { 3000000000: "far" },
      { 1: "twice", 2: "twice" },
      { x: "y" },
    ];
    for (const bad of badLabels) {
      expect(() => evaluateSegmentation(line("1..."), line("1..."), { ...grid, labels: bad })).toThrow(ConfigError);
    }
  });
});

describe("countOverlap", () => {
  it("gives the Dice of evaluateSegmentation without the distances", () => {
    const counts = countOverlap(line("1122.."), line("1.222."), { 1: "a", 2: "b", 3: "c" });
    expect(counts.map(dice)).toEqual([2 / 3, 4 / 5, null]);
  });
});

interface Pair {
  name: string;
  size: Vec3;
  spacingMm: Vec3;
  truth: string;
  prediction: string;
  classes: (ClassScores & { hd95PooledMm: number | null; monai: Record<string, number> | null })[];
}
const golden = JSON.parse(
  readFileSync(new URL("../../../test/fixtures/metrics/golden/pairs.json", import.meta.url), "utf8"),
) as { pairs: Pair[] };
const unpack = (text: string): Uint8Array => new Uint8Array(inflateSync(Buffer.from(text, "base64")));

describe("against SciPy and MONAI", () => {
  const tolerance = 1e-6;
  it.each(golden.pairs)("$name", ({ size, spacingMm, truth, prediction, classes, name }) => {
    const names = Object.fromEntries(classes.map((c) => [c.label, `class ${c.label}`]));
    const [t, p] = [unpack(truth), unpack(prediction)];
    const scores = evaluateSegmentation(t, p, { size, spacingMm, labels: names, case: name });
    const near = (key: string, got: number | null, want: number | null) => {
      if (want === null) expect(got, key).toBeNull();
      else
        expect(Math.abs(got! - want), `${key}: ${got} against ${want}`).toBeLessThanOrEqual(
          tolerance * Math.max(1, want),
        );
    };
    classes.forEach((want, k) => {
      const got = scores.classes[k];
      for (const key of ["truthVoxels", "predictionVoxels", "overlapVoxels"] as const) expect(got[key]).toBe(want[key]);
      for (const key of [
        "dice",
        "iou",
        "precision",
        "recall",
        "volumeDifferenceMl",
        "volumeDifferenceRelative",
      ] as const) {
        near(key, got[key], want[key]);
      }
      for (const key of ["hd95Mm", "hausdorffMm", "assdMm"] as const) {
        near(key, got[key], want[key]);
        if (want.monai) near(`monai ${key}`, got[key], want.monai[key]);
      }
      if (want.hd95PooledMm !== null) {
        const binary = (map: Uint8Array) => map.map((v) => (v === want.label ? 1 : 0));
        const distances = surfaceDistances(binary(t), binary(p), { size, spacingMm });
        near("hd95 pooled", hausdorffPercentile(distances, 95, "pooled"), want.hd95PooledMm);
        near("the box loses nothing", averageSurfaceDistance(distances), got.assdMm);
      }
    });
  });
});

describe("surface Dice (NSD)", () => {
  const grid = { size: [10, 1, 1] as Vec3, spacingMm: [2, 5, 10] as Vec3, labels };
  // Surfaces are the ends of the runs: voxels 2 and 5 against 4 and 6. Distances: 4 and 2 mm, and 2 and 2 mm.
  it.each([
    [0, 0],
    [1.9, 0],
    [2, 3 / 4],
    [3.9, 3 / 4],
    [4, 1],
  ])("two overlapping runs at %d mm: %d of both surfaces", (nsdToleranceMm, want) => {
    const scores = evaluateSegmentation(line("..1111...."), line("....111..."), { ...grid, nsdToleranceMm });
    expect(scores.nsdToleranceMm).toBe(nsdToleranceMm);
    expect(scores.classes[0].nsd).toBe(want);
  });

  it("takes 1 mm where nothing is said, counts a missed class as 0 and leaves out one that is nowhere", () => {
    const scores = evaluateSegmentation(line("11.2......"), line("11........"), {
      ...grid,
      labels: { 1: "a", 2: "b", 3: "c" },
    });
    expect(scores.nsdToleranceMm).toBe(1);
    expect(scores.classes.map(({ nsd }) => nsd)).toEqual([1, 0, null]);
  });

  it.each([-1, Number.NaN, Infinity])("refuses a tolerance of %d", (nsdToleranceMm) => {
    const scored = () => evaluateSegmentation(line("1........."), line("1........."), { ...grid, nsdToleranceMm });
    expect(scored).toThrow(/^case: nsdToleranceMm .*; a tolerance is a number of millimetres from 0$/);
  });

  const made = JSON.parse(
    readFileSync(new URL("../../../test/fixtures/metrics/golden/surface-dice.json", import.meta.url), "utf8"),
  ) as {
    tolerancesMm: number[];
    classes: { name: string; label: number; voxels: (number | null)[]; deepmind: (number | null)[] }[];
  };
  it.each(made.classes)("$name, class $label, against scipy", ({ name, label, voxels, deepmind }) => {
    const { size, spacingMm, truth, prediction } = golden.pairs.find((pair) => pair.name === name)!;
    made.tolerancesMm.forEach((nsdToleranceMm, t) => {
      const scores = evaluateSegmentation(unpack(truth), unpack(prediction), {
        size,
        spacingMm,
        labels: { [label]: "it" },
        unlisted: "count",
        nsdToleranceMm,
      });
      const { nsd } = scores.classes[0];
      if (voxels[t] === null) expect(nsd).toBeNull();
      else expect(nsd).toBeCloseTo(voxels[t], 9);
      // DeepMind's weighs surface by its area: near for organs, where the tolerance is a few voxels.
      if (name.startsWith("hippocampus") && nsdToleranceMm >= 2)
        expect(Math.abs(nsd! - deepmind[t]!)).toBeLessThan(0.05);
    });
  });
});

describe("properties", () => {
  const size: Vec3 = [5, 4, 6];
  const map = fc.array(fc.constantFrom(0, 0, 1, 2), { minLength: 120, maxLength: 120 });
  const grid = { size, spacingMm: [0.5, 1.5, 2] as Vec3, labels: { 1: "a", 2: "b" } };

  it("truth and prediction may change places", () => {
    fc.assert(
      fc.property(map, map, (a, b) => {
        const [ab, ba] = [evaluateSegmentation(a, b, grid), evaluateSegmentation(b, a, grid)];
        ab.classes.forEach((c, k) => {
          const d = ba.classes[k];
          for (const key of ["dice", "iou", "hd95Mm", "hausdorffMm"] as const) expect(c[key]).toBe(d[key]);
          expect(c.precision).toBe(d.recall);
          if (c.assdMm !== null) expect(c.assdMm).toBeCloseTo(d.assdMm!, 10);
        });
      }),
    );
  });

  it("distances grow with the spacing; averages and HD95 stay below Hausdorff; Dice = 2 IoU / (1 + IoU)", () => {
    fc.assert(
      fc.property(map, map, (a, b) => {
        const one = evaluateSegmentation(a, b, grid);
        const two = evaluateSegmentation(a, b, { ...grid, spacingMm: [1, 3, 4] });
        one.classes.forEach((c, k) => {
          if (c.dice !== null) expect(c.dice).toBeCloseTo((2 * c.iou!) / (1 + c.iou!), 12);
          if (c.hd95Mm === null) return;
          expect(two.classes[k].hd95Mm).toBeCloseTo(2 * c.hd95Mm, 10);
          expect(two.classes[k].assdMm).toBeCloseTo(2 * c.assdMm!, 10);
          expect(c.hd95Mm).toBeLessThanOrEqual(c.hausdorffMm!);
          expect(c.assdMm).toBeLessThanOrEqual(c.hausdorffMm!);
        });
      }),
    );
  });
});
