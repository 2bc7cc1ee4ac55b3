import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GeometryError, ShapeError } from "../../errors.ts";
import { type Affine, applyAffine, invertAffine, type Vec3, type Volume } from "../../volume/index.ts";
import {
  boxToShow,
  checkSameSize,
  cutSlice,
  findForeground,
  fullestSlice,
  planes,
  planeView,
  windowOf,
} from "./slices.ts";

const ras: Affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

/** Every voxel holds `x + 10 y + 100 z` of its RAS voxel position. */
function counting(size: Vec3, affine: Affine = ras): Volume<Float32Array> {
  const data = Float32Array.from({ length: size[0] * size[1] * size[2] }, (_, i) => {
    const [x, y, z] = [i % size[0], Math.floor(i / size[0]) % size[1], Math.floor(i / (size[0] * size[1]))];
    const [r, a, s] = applyAffine(affine, [x, y, z]);
    return r + 10 * a + 100 * s;
  });
  return { data, size, affine, channels: 1 };
}

describe("planeView of a volume in RAS order", () => {
  const volume = counting([2, 3, 4]);
  it("shows an axial slice with anterior up and, radiologically, the patient's right on the left", () => {
    const view = planeView(ras, "axial");
    expect(view.edges).toEqual(["R", "L", "A", "P"]);
    const slice = cutSlice(volume, view, 3);
    expect([slice.width, slice.height]).toEqual([2, 3]);
    // Upper left: x = 1 (right), y = 2 (anterior).
    expect([...slice.values]).toEqual([321, 320, 311, 310, 301, 300]);
  });

  it("mirrors axial and coronal slices in neurological convention, and not the sagittal one", () => {
    expect(planeView(ras, "axial", "neurological").edges).toEqual(["L", "R", "A", "P"]);
    expect([...cutSlice(volume, planeView(ras, "axial", "neurological"), 0).values]).toEqual([20, 21, 10, 11, 0, 1]);
    expect(planeView(ras, "coronal", "neurological").edges).toEqual(["L", "R", "S", "I"]);
    expect(planeView(ras, "sagittal", "neurological")).toEqual(planeView(ras, "sagittal", "radiological"));
  });

  it("shows coronal and sagittal slices with the head up, the face to the left", () => {
    expect(planeView(ras, "coronal").edges).toEqual(["R", "L", "S", "I"]);
    expect([...cutSlice(volume, planeView(ras, "coronal"), 2).values]).toEqual([321, 320, 221, 220, 121, 120, 21, 20]);
    expect(planeView(ras, "sagittal").edges).toEqual(["A", "P", "S", "I"]);
    expect([...cutSlice(volume, planeView(ras, "sagittal"), 1).values].slice(0, 3)).toEqual([321, 311, 301]);
  });

  it("refuses a slice that is not there", () => {
    expect(() => cutSlice(volume, planeView(ras, "axial"), 4)).toThrow(ShapeError);
    expect(() => cutSlice(volume, planeView(ras, "axial"), 4)).toThrow("no axial slice 4; there are 0 to 3");
  });
});

describe("whatever the order of the voxel axes", () => {
  it("the picture is the same and every pixel shows its place in the patient", () => {
    const orders: Vec3[] = [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ];
    const rasSize: Vec3 = [3, 4, 5];
    fc.assert(
      fc.property(fc.constantFrom(...orders), fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()), (order, flipped) => {
        // Voxel axis i runs along world axis order[i], backwards where flipped; the field of view stays.
        const affine = new Array<number>(16).fill(0);
        affine[15] = 1;
        order.forEach((w, i) => {
          affine[4 * w + i] = flipped[i] ? -1 : 1;
          if (flipped[i]) affine[4 * w + 3] = rasSize[w] - 1;
        });
        const size = order.map((w) => rasSize[w]) as unknown as Vec3;
        const turned = counting(size, affine);
        for (const plane of planes) {
          const through = { axial: 2, coronal: 1, sagittal: 0 }[plane];
          const at: [number, number, number] = [0, 0, 0];
          at[through] = 1;
          const view = planeView(affine, plane);
          const index = applyAffine(invertAffine(affine), at)[view.axes[2]];
          expect(cutSlice(turned, view, Math.round(index)).values).toEqual(
            cutSlice(counting(rasSize), planeView(ras, plane), 1).values,
          );
        }
      }),
    );
  });
});

describe("what to show", () => {
  const size: Vec3 = [40, 50, 60];
  const map = (paint: (x: number, y: number, z: number) => boolean): Volume<Uint8Array> => ({
    data: Uint8Array.from({ length: 40 * 50 * 60 }, (_, i) =>
      paint(i % 40, Math.floor(i / 40) % 50, Math.floor(i / 2000)) ? 2 : 0,
    ),
    size,
    affine: ras,
    channels: 1,
  });

  it("takes the slice with the most foreground, the middle one of equals, the middle of nothing", () => {
    const wedge = findForeground(map((x, y, z) => x === 3 && y < z && z < 20));
    expect(fullestSlice(wedge, 2)).toBe(19);
    expect(fullestSlice(wedge, 0)).toBe(3);
    expect(fullestSlice(findForeground(map((x) => x > 5)), 2)).toBe(29);
    const empty = findForeground(map(() => false));
    expect(empty.box).toBeUndefined();
    expect([0, 1, 2].map((axis) => fullestSlice(empty, axis))).toEqual([19, 24, 29]);
  });

  it("crops to the foreground with a margin of 20 mm, within the volume", () => {
    const small = findForeground(map((x, y, z) => x === 5 && y === 25 && z === 30));
    expect(boxToShow(counting(size), [small])).toEqual({ low: [0, 5, 10], high: [25, 45, 50] });
    const coarse = { ...counting(size), affine: [10, 0, 0, 0, 0, 10, 0, 0, 0, 0, 10, 0, 0, 0, 0, 1] };
    expect(boxToShow(coarse, [small])).toEqual({ low: [3, 23, 28], high: [7, 27, 32] });
    expect(boxToShow(counting(size), [])).toEqual({ low: [0, 0, 0], high: [39, 49, 59] });
  });

  it("takes black and white from percentiles and survives constant and NaN images", () => {
    const image = counting([10, 10, 10]);
    const [low, high] = windowOf(image);
    expect(low).toBeGreaterThanOrEqual(0);
    expect(low).toBeLessThan(20);
    expect(high).toBeGreaterThan(980);
    expect(windowOf({ ...image, data: new Float32Array(1000).fill(7) })).toEqual([7, 8]);
    expect(windowOf({ ...image, data: new Float32Array(1000).fill(Number.NaN) })).toEqual([0, 1]);
  });

  it("refuses a label map of another size, naming the case", () => {
    expect(() => checkSameSize(counting([2, 2, 2]), counting([2, 2, 3]), "truth", "spleen_29")).toThrow(GeometryError);
    expect(() => checkSameSize(counting([2, 2, 2]), counting([2, 2, 3]), "truth", "spleen_29")).toThrow(
      "spleen_29: truth is 2×2×3, the image is 2×2×2",
    );
  });
});
