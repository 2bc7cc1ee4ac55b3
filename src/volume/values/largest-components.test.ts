import fc from "fast-check";
import { expect, test } from "vitest";
import { keepLargestComponents, labelComponents, type Vec3 } from "../index.ts";

test("the largest components of each class stay, corners do not connect", () => {
  // One slice, 6 × 3: class 1 in parts of 3, 1 and 2 voxels, class 2 in parts of 1 and 2.
  const map = () => Uint8Array.from([1, 1, 0, 2, 0, 2, 0, 1, 0, 0, 0, 2, 1, 0, 1, 1, 0, 0]);
  const one = map();
  keepLargestComponents(one, [6, 3, 1], 1);
  expect([...one]).toEqual([1, 1, 0, 0, 0, 2, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0]);
  const two = map();
  keepLargestComponents(two, [6, 3, 1], 2);
  expect([...two]).toEqual([1, 1, 0, 2, 0, 2, 0, 1, 0, 0, 0, 2, 0, 0, 1, 1, 0, 0]);
});

test("all classes together: a lesion within the organ stays, one far from it goes", () => {
  // One row: organ with two lesions, apart from it a speck of organ and a lesion that touches it.
  const map = () => Uint8Array.from([1, 1, 2, 1, 2, 1, 0, 1, 2, 0]);
  const one = map();
  keepLargestComponents(one, [10, 1, 1], 1, { together: true });
  expect([...one]).toEqual([1, 1, 2, 1, 2, 1, 0, 0, 0, 0]);
  const two = map();
  keepLargestComponents(two, [10, 1, 1], 2, { together: true });
  expect([...two]).toEqual([...map()]);
});

test("by class: of one that is not named everything stays", () => {
  const map = Uint8Array.from([1, 1, 0, 1, 2, 0, 2, 2, 0, 3, 0, 3]);
  keepLargestComponents(
    map,
    [12, 1, 1],
    new Map([
      [1, 1],
      [2, 1],
    ]),
  );
  expect([...map]).toEqual([1, 1, 0, 0, 0, 0, 2, 2, 0, 3, 0, 3]);
});

test("through slices", () => {
  const map = Uint8Array.from([1, 0, 1, 0, 0, 1, 0, 1]);
  keepLargestComponents(map, [2, 2, 2], 1);
  expect([...map]).toEqual([1, 0, 1, 0, 0, 0, 0, 0]);
});

/** By a map of all components, filled voxel by voxel. */
function flooded(classes: Uint8Array, size: Vec3, keep: number): number[] {
  const { component, components } = labelComponents(classes, size);
  const largest = [...new Set(classes)].flatMap((value) =>
    components
      .filter((own) => own.value === value)
      .sort((a, b) => b.voxels - a.voxels || a.id - b.id)
      .slice(0, keep)
      .map(({ id }) => id),
  );
  return Array.from(classes, (value, i) => (largest.includes(component[i]) ? value : 0));
}

test("equal to a flood fill, voxel by voxel, on any map", () => {
  const side = fc.integer({ min: 1, max: 7 });
  fc.assert(
    fc.property(
      fc.tuple(side, side, side),
      fc.integer({ min: 1, max: 3 }),
      fc.infiniteStream(fc.nat({ max: 2 })),
      (size, keep, values) => {
        const classes = Uint8Array.from(values.take(size[0] * size[1] * size[2]));
        const map = classes.slice();
        keepLargestComponents(map, size, keep);
        expect([...map]).toEqual(flooded(classes, size, keep));
      },
    ),
    { numRuns: 300, seed: 9 },
  );
});

test("thousands of parts", () => {
  // A chessboard: every voxel of class 1 is a component of its own, and the first one begins first.
  const size = [40, 40, 4] as const;
  const map = Uint8Array.from({ length: 6400 }, (_, i) => ((i % 40) + Math.floor(i / 40) + Math.floor(i / 1600)) % 2);
  keepLargestComponents(map, size, 1);
  expect(map.indexOf(1)).toBe(1);
  expect(map.reduce((sum, value) => sum + value, 0)).toBe(1);
});
