import { expect, test } from "vitest";
import { keepLargestComponents } from "./index.ts";

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

test("through slices", () => {
  const map = Uint8Array.from([1, 0, 1, 0, 0, 1, 0, 1]);
  keepLargestComponents(map, [2, 2, 2], 1);
  expect([...map]).toEqual([1, 0, 1, 0, 0, 0, 0, 0]);
});
