/** Elastic deformation by hand: known fields move known points, B-splines keep constants and lines, and a field at rest changes no bit. */
import { describe, expect, it } from "vitest";
import { ConfigError } from "../../errors.ts";
import { random } from "../../random.ts";
import {
  type Augmentation,
  augmentBoxesInto,
  augmentInto,
  drawElastic,
  type ElasticField,
  ElasticRows,
  type Extent,
  elasticField,
  type PreparedSample,
  patchAffine,
  warpImage,
  warpImageElastic,
  warpLabel,
  warpLabelElastic,
} from "../index.ts";

const extent = ([depth, height, width]: readonly number[]): Extent => ({ depth, height, width });
const still = { angles: [0, 0, 0], scales: [1, 1, 1], shift: [0, 0, 0], mirrored: [false, false, false] } as const;
const turned = { ...still, angles: [0.3, -0.2, 0.4], scales: [1.1, 0.9, 1], mirrored: [true, false, false] } as const;
const identity = patchAffine(still, extent([3, 3, 3]), [0, 0, 0]);

/** Sets the displacement of every control point from its position in voxels of the patch. */
function filled(field: ElasticField, of: (x: number, y: number, z: number) => readonly number[]): ElasticField {
  const [nx, ny, nz] = field.points;
  for (let k = 0, i = 0; k < nz; k++) {
    for (let j = 0; j < ny; j++) {
      for (let l = 0; l < nx; l++, i += 3)
        field.displacements.set(of((l - 1) * field.step[0], (j - 1) * field.step[1], (k - 1) * field.step[2]), i);
    }
  }
  return field;
}

/** Displacement of each voxel [z, y, x] of a patch, along x, y, z. */
function displacementsOf(field: ElasticField, patch: Extent, map = identity): number[][] {
  const rows = new ElasticRows(field, map, patch);
  const found: number[][] = [];
  for (let z = 0; z < patch.depth; z++) {
    for (let y = 0; y < patch.height; y++) {
      rows.go(y, z);
      for (let x = 0; x < patch.width; x++) found.push([rows.x[x] - x, rows.y[x] - y, rows.z[x] - z]);
    }
  }
  return found;
}

describe("the field", () => {
  const patch = extent([7, 9, 10]);

  it("is constant where all control points move alike, and a line where they lie on one", () => {
    const shifted = filled(elasticField(patch, [4, 3, 2.5]), () => [2, -1, 0.5]);
    for (const [dx, dy, dz] of displacementsOf(shifted, patch)) {
      expect([dx, dy, dz].map((value) => Math.round(value * 1e9) / 1e9)).toEqual([2, -1, 0.5]);
    }
    const stretched = filled(elasticField(patch, [4, 3, 2.5]), (x, y, z) => [0.1 * x, 0.2 * z, -0.3 * y]);
    for (const [i, [dx, dy, dz]] of displacementsOf(stretched, patch).entries()) {
      const [x, y, z] = [i % 10, Math.floor(i / 10) % 9, Math.floor(i / 90)];
      expect(dx).toBeCloseTo(0.1 * x, 9);
      expect(dy).toBeCloseTo(0.2 * z, 9);
      expect(dz).toBeCloseTo(-0.3 * y, 9);
    }
  });

  it("of one moved control point is two thirds of it an axis at the point, a sixth a step away, nothing two steps away", () => {
    const moved = filled(elasticField(patch, [2, 3, 3]), (x, y, z) =>
      x === 4 && y === 3 && z === 3 ? [27, 0, 0] : [0, 0, 0],
    );
    const found = displacementsOf(moved, patch);
    const at = (x: number, y: number, z: number): number => found[(z * 9 + y) * 10 + x][0];
    expect(at(4, 3, 3)).toBeCloseTo(27 * (2 / 3) ** 3, 9);
    expect(at(2, 3, 3)).toBeCloseTo(27 * (1 / 6) * (2 / 3) ** 2, 9);
    expect(at(6, 6, 3)).toBeCloseTo(27 * (1 / 6) ** 2 * (2 / 3), 9);
    expect(at(8, 3, 3)).toBeCloseTo(0, 12);
    // Between two points: β(½) = 23/48.
    expect(at(5, 3, 3)).toBeCloseTo(27 * (23 / 48) * (2 / 3) ** 2, 9);
  });

  it("turns with the patch: displacements are of the patch, coordinates of the source", () => {
    const quarter = patchAffine({ ...still, angles: [0, 0, Math.PI / 2] }, patch, [0, 0, 0]);
    const shifted = filled(elasticField(patch, [4, 4, 4]), () => [1, 0, 0]);
    const rows = new ElasticRows(shifted, quarter, patch);
    rows.go(4, 3);
    const rest = new ElasticRows(elasticField(patch, [4, 4, 4]), quarter, patch);
    rest.go(4, 3);
    // +x of the patch is +y of the source.
    expect(rows.x[5] - rest.x[5]).toBeCloseTo(0, 9);
    expect(rows.y[5] - rest.y[5]).toBeCloseTo(1, 9);
  });
});

describe("the warp", () => {
  it("moves a known point where a known field says", () => {
    const patch = extent([9, 9, 9]);
    // The control point at (4, 4, 4) moves by (27/8 · 1, 0, −27/8): its voxel looks one voxel to the right and one below.
    const reach = 1.5 ** 3;
    const field = filled(elasticField(patch, [4, 4, 4]), (x, y, z) =>
      x === 4 && y === 4 && z === 4 ? [reach, 0, -reach] : [0, 0, 0],
    );
    const source = new Float32Array(729);
    source[(3 * 9 + 4) * 9 + 5] = 10;
    const label = Int16Array.from(source, (value) => (value === 10 ? 3 : 0));
    const image = { data: new Float32Array(729), offset: 0 };
    const classes = { data: new Int32Array(729), offset: 0 };
    warpImageElastic(source, 0, patch, identity, field, image, patch);
    warpLabelElastic(label, patch, identity, field, classes, patch, "nearest");
    const centre = (4 * 9 + 4) * 9 + 4;
    expect(image.data[centre]).toBeCloseTo(10, 5);
    expect(Math.max(...image.data)).toBe(image.data[centre]);
    expect(classes.data[centre]).toBe(3);
  });

  it.each([
    ["a whole-voxel shift", still, [6, 7, 8], [6, 7, 8]],
    ["turned, scaled and mirrored", turned, [6, 7, 8], [8, 9, 10]],
    ["2D", { ...still, angles: [0, 0, 0.4] }, [1, 12, 11], [1, 9, 10]],
  ] as const)("through a field at rest is the affine warp, bit for bit: %s", (_name, geometry, shape, size) => {
    const [from, to] = [extent(shape), extent(size)];
    const map = patchAffine(geometry, to, [-1, 0, 0], [1, 1.2, 2]);
    const source = Float32Array.from({ length: shape[0] * shape[1] * shape[2] }, (_, i) => Math.sin(i * i));
    const label = Int16Array.from(source, (value) => (value > 0.3 ? 2 : value > -0.4 ? 1 : 0));
    const count = size[0] * size[1] * size[2];
    const [plain, elastic] = [0, 1].map(() => ({ data: new Float32Array(count), offset: 0 }));
    const field = elasticField(to, [3, 4, 5]);
    warpImage(source, 0, from, map, plain, to, 0.25);
    warpImageElastic(source, 0, from, map, field, elastic, to, 0.25);
    expect(elastic.data).toEqual(plain.data);
    for (const interpolation of ["linear", "nearest"] as const) {
      warpLabel(label, from, map, plain, to, interpolation);
      warpLabelElastic(label, from, map, field, elastic, to, interpolation);
      expect(elastic.data).toEqual(plain.data);
    }
  });

  it("gives labels no class that the source has not, and the classes of the deformed image", () => {
    const shape = [14, 16, 15];
    const label = Int16Array.from({ length: 14 * 16 * 15 }, (_, i) => {
      const [x, y, z] = [i % 15, Math.floor(i / 15) % 16, Math.floor(i / 240)];
      return Math.hypot(z - 6, y - 8, x - 7) < 5 ? 7 : 0;
    });
    for (let seed = 0; seed < 10; seed++) {
      const augmentation = { elastic: { probability: 1, spacing: [0.3, 0.5], magnitude: [0.3, 0.4] } } as const;
      const sample: PreparedSample = { image: Float32Array.from(label), label, channels: 1, spatial: shape };
      const buffers = { input: new Float32Array(label.length), target: new Int32Array(label.length) };
      augmentInto(sample, { patch: shape, augmentation, crop: "centre" }, random(seed, "e"), buffers, 0);
      expect(buffers.target.every((value) => value === 0 || value === 7)).toBe(true);
      expect(
        [...buffers.input].filter((v, i) => Math.abs(v - 3.5) > 1e-4 && v > 3.5 !== (buffers.target[i] === 7)),
      ).toEqual([]);
      expect(buffers.target.some((value, i) => value !== label[i])).toBe(true);
    }
  });
});

describe("drawing", () => {
  const patch = extent([16, 20, 24]);
  const always = (more: object = {}): Augmentation => ({
    elastic: { probability: 1, spacing: [0.25, 0.25], magnitude: [0.3, 0.3], ...more },
  });

  it("keeps to the distance and the reach in millimetres", () => {
    // The longest side is z: 16 slices of 3 mm; a quarter of it is 12 mm, and the reach 0.3 of that, 3.6 mm.
    const { step, points, displacements } = drawElastic(always(), patch, false, [1, 1, 3], random(1, "e"))!;
    expect(step).toEqual([12, 12, 4]);
    expect(points).toEqual([1 + 4, 1 + 4, 3 + 4]);
    const along = [0, 1, 2].map((axis) => Math.max(...displacements.filter((_, i) => i % 3 === axis).map(Math.abs)));
    for (const [axis, voxels] of [3.6, 3.6, 1.2].entries()) {
      expect(along[axis]).toBeLessThanOrEqual(voxels);
      expect(along[axis]).toBeGreaterThan(0.8 * voxels);
    }
  });

  it("never folds at the largest magnitude allowed: every voxel keeps its place in the order", () => {
    for (let seed = 0; seed < 20; seed++) {
      const field = drawElastic(always({ magnitude: [0.4, 0.4] }), patch, false, [1, 1, 1], random(seed, "e"))!;
      const rows = new ElasticRows(field, identity, patch);
      rows.go(10, 8);
      for (let x = 1; x < patch.width; x++) expect(rows.x[x]).toBeGreaterThan(rows.x[x - 1]);
    }
  });

  it("leaves z alone in 2D", () => {
    const flat = extent([1, 20, 24]);
    const field = drawElastic(always(), flat, true, [1, 1], random(1, "e"))!;
    expect(field.points[2]).toBe(1);
    const found = displacementsOf(field, flat);
    expect(found.every(([, , dz]) => dz === 0)).toBe(true);
    expect(found.some(([dx, dy]) => dx !== 0 && dy !== 0)).toBe(true);
  });

  it("is the same by seed, and another by another seed", () => {
    const drawn = (seed: number) => drawElastic(always(), patch, false, [1, 1, 1], random(seed, "e"));
    expect(drawn(3)).toEqual(drawn(3));
    expect(drawn(3)).not.toEqual(drawn(4));
  });

  it("of magnitude 0, or never, leaves every bit, with the rest of the augmentation or without", () => {
    const shape = [10, 11, 12];
    const image = Float32Array.from({ length: 1320 }, (_, i) => Math.sin(i));
    const sample: PreparedSample = {
      image,
      label: Int16Array.from(image, (v) => (v > 0 ? 1 : 0)),
      channels: 1,
      spatial: shape,
    };
    const made = (augmentation: Augmentation) => {
      const buffers = { input: new Float32Array(1320), target: new Int32Array(1320) };
      augmentInto(sample, { patch: shape, augmentation, crop: "centre" }, random(5, "e"), buffers, 0);
      return buffers;
    };
    const rotate = { probability: 1, degrees: 15 };
    expect(made(always({ magnitude: [0, 0] })).input).toEqual(image);
    expect(made({ rotate, ...always({ magnitude: [0, 0] }) })).toEqual(made({ rotate }));
    expect(made({ rotate, ...always({ probability: 0 }) })).toEqual(made({ rotate }));
    expect(made({ rotate, ...always() })).not.toEqual(made({ rotate }));
  });

  it("is refused where boxes are augmented, which cannot follow", () => {
    const sample = { image: new Float32Array(512), channels: 1, spatial: [8, 8, 8] };
    expect(() =>
      augmentBoxesInto(
        sample,
        new Float64Array(6),
        { patch: [8, 8, 8], augmentation: always() },
        random(1, "b"),
        new Float32Array(512),
        0,
      ),
    ).toThrow(ConfigError);
  });
});
