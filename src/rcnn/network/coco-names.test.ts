import { expect, it } from "vitest";
import { COCO_CLASSES, cocoName } from "./coco-names.ts";

it("names COCO's 80 categories by their numbers", () => {
  const names = Array.from({ length: COCO_CLASSES - 1 }, (_, i) => cocoName(i + 1));
  expect(names.filter((name) => !name.startsWith("class "))).toHaveLength(80);
  expect(names.flatMap((name, i) => (name.startsWith("class ") ? [i + 1] : []))).toEqual([
    ...[12, 26, 29, 30, 45, 66, 68, 69, 71, 83],
  ]);
  // Some numbers of the data set's own list, the last of each run among them.
  const known = { 1: "person", 11: "fire hydrant", 13: "stop sign", 25: "giraffe", 28: "umbrella", 44: "bottle" };
  const more = { 46: "wine glass", 65: "bed", 67: "dining table", 70: "toilet", 82: "refrigerator", 90: "toothbrush" };
  for (const [number, name] of Object.entries({ ...known, ...more })) expect(cocoName(Number(number))).toBe(name);
  expect(new Set(names).size).toBe(90);
});
