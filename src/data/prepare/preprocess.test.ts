import { existsSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError, DataError } from "../../errors.ts";
import { random } from "../../random.ts";
import { affineFromSpacing, gridDifference } from "../../volume/affine.ts";
import { decodeNifti, encodeNifti } from "../../volume/formats/nifti.ts";
import { reorient } from "../../volume/orient.ts";
import { gridWithSpacing, resample, restoreToGrid } from "../../volume/resample/resample.ts";
import type { Affine, Vec3, Volume } from "../../volume/types.ts";
import { clip, clipPercentiles, ctWindow, medicalNetNormalize, zScore } from "../../volume/values/intensity.ts";
import { asFloat32, convertVoxels } from "../../volume/voxels.ts";
import { openDataset } from "../lists/dataset.ts";
import { imageOf, labelOf } from "../test/made-up.ts";
import { prepareCase } from "./prepare.ts";
import {
  type IntensityScheme,
  normalizeIntensity,
  type Preprocessing,
  preprocess,
  preprocessLabel,
  preprocessSlices,
  restoreClasses,
  restoreScores,
} from "./preprocess.ts";

const plain: Preprocessing = {
  orientation: "RAS",
  spacingMm: null,
  intensity: { kind: "none" },
  channels: 1,
  labels: [0, 1, 2],
};
/** Axes running left, posterior, superior, with an offset that is no round number. */
const lps: Affine = [-0.9, 0, 0, 31.3, 0, -1.1, 0, 12.7, 0, 0, 2, -5.1, 0, 0, 0, 1];

describe("intensity schemes, by hand", () => {
  const row = (...values: number[]): Volume<Float32Array> => ({
    data: Float32Array.from(values),
    size: [values.length, 1, 1],
    channels: 1,
    affine: affineFromSpacing([1, 1, 1]),
  });
  const apply = (scheme: IntensityScheme, ...values: number[]) => [...normalizeIntensity(row(...values), scheme).data];

  it("zscore", () => {
    expect(apply({ kind: "zscore" }, 1, 3)).toEqual([-1, 1]);
    // Clipped to 0, 2, 2.
    const clipped = apply({ kind: "zscore", clipPercentile: [0, 50] }, 0, 2, 100);
    [-Math.SQRT2, Math.SQRT1_2, Math.SQRT1_2].forEach((v, i) => {
      expect(clipped[i]).toBeCloseTo(v, 6);
    });
    expect(apply({ kind: "zscore" }, 5, 5)).toEqual([0, 0]);
  });
  it("ctWindow, scaled or z-scored by the training set's foreground", () => {
    expect(apply({ kind: "ctWindow", low: -200, high: 200 }, -1000, -200, 0, 200, 900)).toEqual([0, 0, 0.5, 1, 1]);
    expect(apply({ kind: "ctWindow", low: 0, high: 100, mean: 50, sd: 25 }, -9, 50, 75, 400)).toEqual([-2, 0, 1, 2]);
  });
  it("medicalnet: voxels above 0 z-scored, zeros become the same noise every time", () => {
    const once = apply({ kind: "medicalnet" }, 0, 1, 3, 0);
    expect(once.slice(1, 3)).toEqual([-1, 1]);
    expect(once[0]).not.toBe(0);
    expect(apply({ kind: "medicalnet" }, 0, 1, 3, 0)).toEqual(once);
  });
  it("refuses an unknown scheme", () => {
    expect(() => apply({ kind: "histogram" } as unknown as IntensityScheme, 1)).toThrow(ConfigError);
    expect(() => apply({ kind: "ctWindow", low: 0, high: 1, mean: 0, sd: 0 }, 1)).toThrow("intensity.sd: 0");
  });
});

describe("preprocess", () => {
  it("leaves the volume it was given alone", () => {
    const image = imageOf([6, 5, 4], 1, lps);
    const before = image.data.slice();
    preprocess(image, { ...plain, spacingMm: [1, 1, 1], intensity: { kind: "zscore" } });
    expect(image.data).toEqual(before);
  });

  it("turns to RAS: a mirrored file gives the mirrored array", () => {
    const image: Volume<Int16Array> = { data: Int16Array.of(1, 2, 3), size: [3, 1, 1], channels: 1, affine: lps };
    expect([...preprocess(image, plain).volume.data]).toEqual([3, 2, 1]);
  });

  it("resamples to the spacing asked for", () => {
    const { volume } = preprocess(imageOf([10, 10, 10], 1, affineFromSpacing([1, 2, 0.5])), {
      ...plain,
      spacingMm: [1, 1, 1],
    });
    expect(volume.size).toEqual([10, 20, 5]);
  });

  it("z-scores on the working grid", () => {
    const { volume } = preprocess(imageOf([9, 8, 7], 1, lps), {
      ...plain,
      spacingMm: [1, 1, 1],
      intensity: { kind: "zscore" },
    });
    const mean = volume.data.reduce((a, b) => a + b, 0) / volume.data.length;
    const sd = Math.sqrt(volume.data.reduce((a, b) => a + (b - mean) ** 2, 0) / volume.data.length);
    expect(mean).toBeCloseTo(0, 5);
    expect(sd).toBeCloseTo(1, 5);
  });

  it("refuses NaN and a wrong number of channels, naming the case", () => {
    const image = { ...imageOf([4, 4, 4], 1), name: "case_7" };
    image.data[3] = Number.NaN;
    expect(() => preprocess(image, plain)).toThrow(DataError);
    expect(() => preprocess(image, plain)).toThrow("case_7: image has 1 voxel with NaN or infinity");
    expect(() => preprocess(image, { ...plain, channels: 2 })).toThrow(
      "case_7: image has 1 channel, the plan was made for 2",
    );
  });
});

/** An affine whose axes run along `code`, with uneven spacing. */
function alongAxes(code: string, spacing: Vec3): Affine {
  const affine = new Array<number>(16).fill(0);
  [...code].forEach((letter, axis) => {
    const row = Math.max("RAS".indexOf(letter), "LPI".indexOf(letter));
    affine[4 * row + axis] = "RAS".includes(letter) ? spacing[axis] : -spacing[axis];
    affine[4 * row + 3] = 10 * row + 1 / 3;
  });
  affine[15] = 1;
  return affine;
}

const side = fc.integer({ min: 1, max: 9 });
const grids = fc.record({
  size: fc.tuple(side, side, side) as fc.Arbitrary<Vec3>,
  code: fc.constantFrom("RAS", "LPS", "SPL", "AIR", "PIR", "IRP"),
  spacing: fc.constantFrom<Vec3>([1, 1, 1], [0.7, 0.9, 3], [2.5, 0.4, 1.1]),
  orientation: fc.constantFrom("RAS", "LPI", "ASL"),
  spacingMm: fc.constantFrom<Vec3 | null>(null, [1, 1, 1], [0.7, 3, 0.9], [2, 1.5, 1.7]),
  seed: fc.nat({ max: 999 }),
});

describe("slice by slice", () => {
  /** Every step on the whole volume, each making a new one. */
  const wholly = (image: Volume, { orientation, spacingMm, intensity }: Preprocessing): Volume<Float32Array> => {
    const oriented = reorient(asFloat32(image), orientation);
    const grid = spacingMm === null ? oriented : gridWithSpacing(oriented, spacingMm);
    const same = gridDifference(oriented, grid, 0) === undefined;
    const volume = same ? oriented : resample(oriented, grid, { mode: "linear", outside: "edge" });
    switch (intensity.kind) {
      case "zscore":
        return zScore(intensity.clipPercentile ? clipPercentiles(volume, ...intensity.clipPercentile) : volume);
      case "ctWindow": {
        const { low, high, mean, sd } = intensity;
        if (mean === undefined || sd === undefined) return ctWindow(volume, low, high);
        const clipped = clip(volume, low, high);
        return { ...clipped, data: clipped.data.map((value) => (value - mean) / sd) };
      }
      case "medicalnet":
        return medicalNetNormalize(volume, random(0, "medicalnet-background"));
      case "none":
        return volume;
    }
  };
  const schemes: readonly IntensityScheme[] = [
    { kind: "none" },
    { kind: "zscore" },
    { kind: "zscore", clipPercentile: [0.5, 99.5] },
    { kind: "zscore", clipPercentile: [20, 70] },
    { kind: "ctWindow", low: -40, high: 60 },
    { kind: "ctWindow", low: -40, high: 60, mean: 12.3, sd: 45.6 },
    { kind: "medicalnet" },
  ];

  it("an image is what it is whole, to the bit: any shape, order of axes, spacing, element type, scheme and order of slices", () => {
    const type = fc.constantFrom("int16", "uint8", "int32", "float32", "float64", "int64" as const);
    const rest = [type, fc.constantFrom(...schemes), fc.integer({ min: 1, max: 2 }), fc.boolean()] as const;
    fc.assert(
      fc.property(
        grids,
        ...rest,
        ({ size, code, spacing, orientation, spacingMm, seed }, type, intensity, channels, back) => {
          const stream = random(seed, "image");
          const data = Float64Array.from({ length: size[0] * size[1] * size[2] * channels }, () =>
            // Some exact zeros, for MedicalNet's scheme.
            stream.uniform() < 0.2 ? 0 : Math.floor(stream.between(type === "uint8" ? 0 : -120, 250)),
          );
          const image = {
            data: convertVoxels(data, type),
            size,
            channels,
            affine: alongAxes(code, spacing),
            name: "c",
          };
          const spec = { ...plain, orientation, spacingMm, intensity, channels };
          const wanted = wholly(image, spec);
          const whole = preprocess(image, spec).volume;
          expect([whole.size, whole.affine, whole.data]).toEqual([wanted.size, wanted.affine, wanted.data]);
          const sliced = preprocessSlices(image, spec);
          expect([sliced.size, sliced.affine]).toEqual([wanted.size, wanted.affine]);
          const perSlice = sliced.size[0] * sliced.size[1];
          const found = new Float32Array(wanted.data.length);
          const slices = Array.from({ length: channels * sliced.size[2] }, (_, i) => i);
          for (const i of back ? slices.reverse() : slices)
            sliced.slice(Math.floor(i / sliced.size[2]), i % sliced.size[2], found, i * perSlice);
          expect(found).toEqual(wanted.data);
        },
      ),
      { numRuns: 300, seed: 3 },
    );
  });

  it("classes come back as the whole map does, as label values", () => {
    const values = fc.constantFrom([0, 10, 20], [0, 7, 300], [0, 1, 2]);
    fc.assert(
      fc.property(grids, values, ({ size, code, spacing, orientation, spacingMm, seed }, labels) => {
        const original = { size, affine: alongAxes(code, spacing) };
        const image = { ...original, data: new Uint8Array(size[0] * size[1] * size[2]), channels: 1 };
        const spec = { ...plain, orientation, spacingMm, labels };
        const { volume } = preprocess(image, spec);
        const stream = random(seed, "classes");
        const classes = { ...volume, data: Uint8Array.from(volume.data, () => stream.integer(3)) };
        const back = restoreClasses(classes, original, spec);
        const wanted = Array.from(restoreToGrid(classes, original).data, (index) => labels[index]);
        expect([...back.data]).toEqual(wanted);
        expect([back.size, back.affine]).toEqual([original.size, original.affine]);
      }),
      { numRuns: 200, seed: 4 },
    );
  });
});

describe("labels", () => {
  it("become class indices and back; unknown values count as background and are counted", () => {
    const size: Vec3 = [5, 1, 1];
    const label: Volume<Uint8Array> = { data: Uint8Array.of(0, 10, 20, 99, 10), size, channels: 1, affine: lps };
    const spec = { ...plain, orientation: "LPS", labels: [0, 10, 20] };
    const { volume, unknown } = preprocessLabel(label, label, spec);
    expect([...volume.data]).toEqual([0, 1, 2, 0, 1]);
    expect([...unknown]).toEqual([[99, 1]]);
    expect([...restoreClasses(volume, label, spec).data]).toEqual([0, 10, 20, 0, 10]);
  });

  it("must lie on the image's grid, within half a voxel", () => {
    const image = imageOf([4, 4, 4], 1);
    const moved = (by: number) => ({ ...labelOf([4, 4, 4], 0, affineFromSpacing([1, 1, 1], [by, 0, 0])), name: "c" });
    expect(preprocessLabel(moved(0.3), image, plain).volume.affine).toEqual(image.affine);
    expect(() => preprocessLabel(moved(0.7), image, plain)).toThrow("c: label lies elsewhere than image");
    expect(() => preprocessLabel(labelOf([4, 4, 5], 0), image, plain)).toThrow("label is 4×4×5, image is 4×4×4");
    const half = { ...labelOf([4, 4, 4], 0), data: new Float32Array(64).fill(0.5), name: "c" };
    expect(() => preprocessLabel(half, image, plain)).toThrow("c: label has the value 0.5");
  });
});

describe("the way back", () => {
  it("is exact in any orientation when nothing was resampled", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("RAS", "LPS", "SPL", "AIR", "PIR"),
        fc.constantFrom("RAS", "LPI", "ASL"),
        fc.integer({ min: 0, max: 99 }),
        (fileCode, orientation, seed) => {
          const label = labelOf([6, 7, 5], seed, alongAxes(fileCode, [1.5, 1.5, 1.5]));
          const spec = { ...plain, orientation };
          const { volume } = preprocessLabel(label, label, spec);
          const back = restoreClasses(volume, label, spec);
          expect(back.data).toEqual(label.data);
          expect(back.size).toEqual(label.size);
          expect(back.affine).toEqual(label.affine);
        },
      ),
    );
  });

  it("after resampling keeps size and affine bit for bit and nearly all voxels", () => {
    const label = labelOf([24, 20, 16], 0, lps);
    const spec = { ...plain, spacingMm: [0.7, 0.7, 0.7] as const };
    const { volume } = preprocessLabel(label, label, spec);
    const back = restoreClasses(volume, label, spec);
    expect(back.affine).toEqual(label.affine);
    expect(back.size).toEqual(label.size);
    let wrong = 0;
    for (let i = 0; i < label.data.length; i++) if (back.data[i] !== label.data[i]) wrong++;
    expect(wrong / label.data.length).toBeLessThan(0.01);
  });

  it.each([
    [[0, 1, 255], Uint8Array],
    [[0, 256, 32767], Int16Array],
    [[0, -1, 5], Int16Array],
    [[0, 32768, 65535], Uint16Array],
    [[0, 65536, 2 ** 31 - 1], Int32Array],
    [[0, -(2 ** 31), 70000], Int32Array],
    [[0, 1, 2 ** 32 - 1], Uint32Array],
  ])("a mask has a type that holds the values %j", (labels, type) => {
    const spec = { ...plain, orientation: "LPS", labels };
    const grid = { size: [3, 1, 1] as const, affine: lps };
    const classes = { ...grid, data: Int16Array.of(0, 1, 2), channels: 1 };
    const scores = { ...grid, data: Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1), channels: 3 };
    for (const back of [restoreClasses(classes, grid, spec), restoreScores(scores, grid, spec)]) {
      expect(back.data).toBeInstanceOf(type);
      expect([...back.data]).toEqual(labels);
      expect([...decodeNifti(encodeNifti(back)).data]).toEqual(labels);
    }
    // And the way there: the file's values become the classes, whatever type they are stored in.
    const label = { ...grid, data: Float64Array.from(labels), channels: 1 };
    expect([...preprocessLabel(label, label, { ...spec, spacingMm: null }).volume.data]).toEqual([0, 1, 2]);
  });

  it("a label value that no mask holds is refused by name", () => {
    const grid = { size: [1, 1, 1] as const, affine: lps };
    const classes = { ...grid, data: Int16Array.of(0), channels: 1 };
    for (const value of [2 ** 32, 1.5, Number.NaN])
      expect(() => restoreClasses(classes, grid, { ...plain, orientation: "LPS", labels: [0, value] })).toThrow(
        `label ${value} does not fit`,
      );
    expect(() => restoreClasses(classes, grid, { ...plain, orientation: "LPS", labels: [-1, 2 ** 32 - 1] })).toThrow(
      DataError,
    );
  });

  it("takes the highest score per voxel", () => {
    const spec = { ...plain, orientation: "LPS", labels: [0, 3] };
    const scores: Volume<Float32Array> = {
      data: Float32Array.of(0.9, 0.2, 0.6, 0.1, 0.8, 0.4),
      size: [3, 1, 1],
      channels: 2,
      affine: lps,
    };
    expect([...restoreScores(scores, { size: [3, 1, 1], affine: lps }, spec).data]).toEqual([0, 3, 0]);
  });
});

const hippocampus = new URL("../../../../shared/data/Task04_Hippocampus", import.meta.url).pathname;
describe.skipIf(!existsSync(hippocampus))("Task04_Hippocampus (skipped where ../shared is absent)", () => {
  it("prepares a case and brings its labels back unchanged", async () => {
    const { cases } = await openDataset(hippocampus);
    const spec: Preprocessing = { ...plain, intensity: { kind: "zscore", clipPercentile: [0.5, 99.5] } };
    const prepared = await prepareCase(cases[3], spec, true);
    expect(prepared.foreground.classes).toEqual([1, 2]);
    expect(prepared.image.length).toBe(prepared.spatial[0] * prepared.spatial[1] * prepared.spatial[2]);
    expect(prepared.label).toHaveLength(prepared.image.length);
  });
});
