import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError, ShapeError } from "../errors.ts";
import { random } from "../random.ts";
import { type Augmentation, augmentationPresets, augmentInto, foregroundVoxels, resolveAugmentation } from "./index.ts";
import type { PreparedSample } from "./types.ts";

function sampleOf(spatial: number[], channels = 1): PreparedSample {
  const voxels = spatial.reduce((a, b) => a * b, 1);
  const image = Float32Array.from({ length: voxels * channels }, (_, i) => ((i * 7919) % 101) / 50 - 1);
  const label = Int16Array.from({ length: voxels }, (_, i) => ((i * 31) % 17 < 5 ? 1 + (i % 2) : 0));
  return { image, label, channels, spatial, foreground: foregroundVoxels(label) };
}

function run(sample: PreparedSample, patch: number[], augmentation: Augmentation, seed = 1, more = {}) {
  const voxels = patch.reduce((a, b) => a * b, 1);
  const buffers = { input: new Float32Array(voxels * sample.channels), target: new Int32Array(voxels) };
  augmentInto(sample, { patch, augmentation, ...more }, random(seed, "test"), buffers, 0);
  return buffers;
}

describe("augmentInto", () => {
  it("copies a case of the patch's size when nothing is asked for", () => {
    const sample = sampleOf([3, 4, 5], 2);
    const { input, target } = run(sample, [3, 4, 5], {});
    expect(input).toEqual(sample.image);
    expect([...target]).toEqual([...(sample.label as Int16Array)]);
  });

  it("mirrors a row by hand", () => {
    const sample: PreparedSample = {
      image: Float32Array.of(1, 2, 3, 4, 5, 6),
      label: Int16Array.of(0, 0, 1, 1, 2, 2),
      channels: 1,
      spatial: [2, 3],
    };
    const { input, target } = run(sample, [2, 3], { flip: { probability: 1, axes: ["x"] } });
    expect([...input]).toEqual([3, 2, 1, 6, 5, 4]);
    expect([...target]).toEqual([1, 0, 0, 2, 2, 1]);
    const both = run(sample, [2, 3], { flip: { probability: 1, axes: ["x", "y"] } });
    expect([...both.input]).toEqual([6, 5, 4, 3, 2, 1]);
  });

  it("turns by quarters about every axis without blur: 24 ways, image and label together", () => {
    const sample = sampleOf([4, 4, 4]);
    const ways = new Map<string, number[]>();
    const turns: Augmentation = { quarterTurns: { probability: 1, axes: ["x", "y", "z"] } };
    for (let seed = 0; seed < 300; seed++) {
      const { input, target } = run(sample, [4, 4, 4], turns, seed);
      ways.set([...input].join(), [...target]);
      expect([...input].sort()).toEqual([...sample.image].sort());
    }
    expect(ways.size).toBe(24);
    expect(ways.get([...sample.image].join())).toEqual([...(sample.label as Int16Array)]);
    const labels = { ...sample, image: Float32Array.from(sample.label as Int16Array) };
    const { input, target } = run(labels, [4, 4, 4], turns, 5);
    expect([...target]).toEqual([...input]);
  });

  it("a quarter turn about z by hand", () => {
    const sample: PreparedSample = { image: Float32Array.of(1, 2, 3, 4), label: null, channels: 1, spatial: [1, 2, 2] };
    const seen = new Set<string>();
    for (let seed = 0; seed < 30; seed++) {
      const input = new Float32Array(4);
      const augmentation: Augmentation = { quarterTurns: { probability: 1, axes: ["z"] } };
      augmentInto(sample, { patch: [1, 2, 2], augmentation }, random(seed, "t"), { input, target: null }, 0);
      seen.add([...input].join());
    }
    // Row by row: as it is, turned once, twice, three times.
    expect([...seen].sort()).toEqual(["1,2,3,4", "2,4,1,3", "3,1,4,2", "4,3,2,1"]);
  });

  it("centres a case in a larger patch, zeros and class 0 around it", () => {
    const sample: PreparedSample = {
      image: Float32Array.of(7, 8),
      label: Int16Array.of(1, 2),
      channels: 1,
      spatial: [1, 2],
    };
    const { input, target } = run(sample, [3, 4], {});
    expect([...input]).toEqual([0, 0, 0, 0, 0, 7, 8, 0, 0, 0, 0, 0]);
    expect([...target]).toEqual([0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0]);
  });

  it("writes its own item of the batch and nothing else", () => {
    const sample = sampleOf([4, 4, 4], 2);
    const buffers = { input: new Float32Array(3 * 2 * 64).fill(99), target: new Float32Array(3 * 64).fill(99) };
    const options = { patch: [4, 4, 4], augmentation: augmentationPresets.default };
    augmentInto(sample, options, random(3, "a"), buffers, 1);
    expect(buffers.input.subarray(0, 128).every((v) => v === 99)).toBe(true);
    expect(buffers.input.subarray(256).every((v) => v === 99)).toBe(true);
    expect(buffers.input.subarray(128, 256).some((v) => v === 99)).toBe(false);
    expect(buffers.target.subarray(0, 64).every((v) => v === 99)).toBe(true);
    expect(buffers.target.subarray(64, 128).some((v) => v === 99)).toBe(false);
    expect(buffers.target.subarray(128).every((v) => v === 99)).toBe(true);
  });

  it.each([
    { spatial: [6, 7, 8], patch: [4, 8, 6] },
    { spatial: [9, 10], patch: [8, 12] },
  ])("gives the same bits for the same stream, and others for another: $spatial", ({ spatial, patch }) => {
    const sample = sampleOf(spatial, 2);
    const augmentation = augmentationPresets.default;
    for (let seed = 0; seed < 20; seed++) {
      expect(run(sample, patch, augmentation, seed)).toEqual(run(sample, patch, augmentation, seed));
    }
    const variants = new Set(Array.from({ length: 20 }, (_, s) => run(sample, patch, augmentation, s).input.join()));
    expect(variants.size).toBeGreaterThan(15);
  });

  it("treats a 2D case and a 3D case of depth 1 alike", () => {
    const flat = sampleOf([9, 10]);
    const deep: PreparedSample = { ...flat, spatial: [1, 9, 10] };
    for (let seed = 0; seed < 20; seed++) {
      const a = run(flat, [8, 8], augmentationPresets.default, seed);
      expect(run(deep, [1, 8, 8], augmentationPresets.default, seed)).toEqual(a);
    }
  });

  it("leaves z alone when a 3D case is cut into one-slice patches", () => {
    const spatial = [5, 6, 6];
    const image = Float32Array.from({ length: 180 }, (_, i) => Math.floor(i / 36) + 1);
    const sample: PreparedSample = { image, label: null, channels: 1, spatial };
    const input = new Float32Array(36);
    const augmentation: Augmentation = {
      rotate: { probability: 1, degrees: 30 },
      scale: { probability: 1, factor: [0.5, 2] },
    };
    for (let seed = 0; seed < 20; seed++) {
      augmentInto(sample, { patch: [1, 6, 6], augmentation }, random(seed, "slice"), { input, target: null }, 0);
      // Constant within the slice, whichever it was.
      const slice = Math.round(input[14]);
      expect(slice).toBeGreaterThanOrEqual(1);
      for (const i of [14, 15, 20, 21]) expect(input[i]).toBeCloseTo(slice, 5);
    }
  });

  it("keeps image and label together: the label of a transformed image is the transformed label", () => {
    // The image is the label itself, so after any geometry they may differ only where interpolation mixes classes.
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000 }), fc.boolean(), (seed, mirrored) => {
        const spatial = [12, 14, 13];
        const label = new Int16Array(12 * 14 * 13);
        for (let i = 0, z = 0; z < 12; z++) {
          for (let y = 0; y < 14; y++) {
            for (let x = 0; x < 13; x++, i++) label[i] = Math.hypot(z - 5, y - 7, x - 4) < 4 ? 1 : 0;
          }
        }
        const sample: PreparedSample = { image: Float32Array.from(label), label, channels: 1, spatial };
        const augmentation: Augmentation = {
          rotate: { probability: 1, degrees: 40 },
          scale: { probability: 1, factor: [0.7, 1.4], perAxis: true },
          translate: { probability: 1, fraction: 0.2 },
          flip: { probability: mirrored ? 1 : 0, axes: ["x", "y", "z"] },
        };
        const { input, target } = run(sample, [12, 14, 13], augmentation, seed);
        return input.every((v, i) => Math.abs(v - 0.5) < 1e-5 || (v > 0.5 ? 1 : 0) === target[i]);
      }),
      { numRuns: 60 },
    );
  });

  it("never invents a class or a value outside the image's range (with zero for the outside)", () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 3, maxLength: 3 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 3, maxLength: 3 }),
        (seed, spatial, patch) => {
          const sample = sampleOf(spatial);
          const augmentation: Augmentation = {
            rotate: { probability: 0.8, degrees: 180 },
            scale: { probability: 0.8, factor: [0.3, 3], perAxis: true },
            flip: { probability: 0.5, axes: ["x", "y", "z"] },
            labelInterpolation: seed % 2 === 0 ? "nearest" : "linear",
          };
          const { input, target } = run(sample, patch, augmentation, seed);
          return input.every((v) => v >= -1.00001 && v <= 1.00001) && target.every((v) => v >= 0 && v <= 2);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("aims at foreground when asked: the aimed voxel is in the patch", () => {
    const label = new Int16Array(20 * 20 * 20);
    label[(3 * 20 + 17) * 20 + 9] = 2;
    const image = new Float32Array(label.length);
    const sample: PreparedSample = {
      image,
      label,
      channels: 1,
      spatial: [20, 20, 20],
      foreground: foregroundVoxels(label),
    };
    let hits = 0;
    for (let seed = 0; seed < 40; seed++) {
      expect(run(sample, [6, 6, 6], {}, seed, { foregroundProbability: 1 }).target).toContain(2);
      if (run(sample, [6, 6, 6], {}, seed, { foregroundProbability: 0 }).target.includes(2)) hits++;
    }
    expect(hits).toBeLessThan(20);
  });

  it("draws classes evenly, however small one is", () => {
    const label = new Int16Array(8000).fill(1, 0, 4000);
    label[7999] = 2;
    const { classes, voxels } = foregroundVoxels(label);
    expect(classes).toEqual([1, 2]);
    expect(voxels[1]).toEqual(Int32Array.of(7999));
    expect(voxels[0].length).toBe(4000);
    const many = foregroundVoxels(new Int16Array(100_000).fill(3));
    expect(many.voxels[0].length).toBeLessThanOrEqual(4096);
    expect(many.voxels[0].at(-1)).toBeGreaterThan(99_000);
  });

  it("names what does not fit", () => {
    const sample = sampleOf([4, 4, 4]);
    expect(() => run(sample, [4, 4], {})).toThrow(ShapeError);
    expect(() => run(sample, [4, 4], {})).toThrow("patch [4,4] has 2 axes, the sample [4,4,4] has 3");
    expect(() => run({ ...sample, label: null }, [4, 4, 4], {})).toThrow("no label");
    expect(() => run(sample, [4, 0, 4], {})).toThrow("whole and above 0");
    const small = { input: new Float32Array(10), target: null };
    const options = { patch: [4, 4, 4], augmentation: {} };
    expect(() => augmentInto(sample, options, random(1, "x"), small, 0)).toThrow("no room for item 0");
  });
});

describe("resolveAugmentation", () => {
  it("knows the presets, and each passes its own check", () => {
    for (const name of ["none", "light", "default", "elastic", "lesion"] as const) {
      expect(resolveAugmentation(name)).toBe(augmentationPresets[name]);
      expect(resolveAugmentation({ ...augmentationPresets[name] })).toEqual(augmentationPresets[name]);
    }
  });

  it.each([
    ["strong", '"strong" is no preset; there are none, light, default, elastic, lesion'],
    ["toString", '"toString" is no preset'],
    [{ elasticity: {} }, "augmentation.elasticity: no such transform"],
    [
      { elastic: { probability: 1, spacing: [0.3, 0.3], magnitude: [0, 0.5] } },
      "augmentation.elastic.magnitude: expected a range from 0 to 0.4",
    ],
    [
      { elastic: { probability: 1, spacing: [0, 0.3], magnitude: [0, 0.2] } },
      "augmentation.elastic.spacing: expected a range between 0.05 and 1",
    ],
    [{ elastic: { probability: 1 } }, "augmentation.elastic.spacing: expected a range [low, high]"],
    [{ rotate: { probability: 2, degrees: 10 } }, "augmentation.rotate.probability: expected a probability"],
    [{ rotate: { probability: 1 } }, "augmentation.rotate.degrees: expected an angle"],
    [{ scale: { probability: 1, factor: [1.2, 0.8] } }, "augmentation.scale.factor: expected a range [low, high]"],
    [{ scale: { probability: 1, factor: [0, 1] } }, "augmentation.scale.factor: expected a range above 0"],
    [
      { lowResolution: { probability: 1, zoom: [0.5, 2] } },
      "augmentation.lowResolution.zoom: expected a range up to 1",
    ],
    [{ flip: { probability: 1, axes: ["w"] } }, "augmentation.flip.axes: expected axes among"],
    [{ noise: { probability: 1, sigma: [0, 1], colour: 1 } }, "augmentation.noise.colour: no such setting"],
    [{ labelInterpolation: "cubic" }, 'expected "linear" or "nearest"'],
  ])("refuses %j", (given, message) => {
    expect(() => resolveAugmentation(given as Augmentation)).toThrow(ConfigError);
    expect(() => resolveAugmentation(given as Augmentation)).toThrow(message);
  });
});
