import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DataError } from "../../errors.ts";
import { affineFromSpacing } from "../../volume/affine.ts";
import { reorient } from "../../volume/orient.ts";
import { openDataset } from "../lists/dataset.ts";
import { fingerprintOf } from "../plan/fingerprint.ts";
import { verifyDataset } from "../plan/verify.ts";
import { readImage, readLabel } from "../prepare/read-case.ts";
import { imageOf, labelOf, writeDecathlon } from "../test/made-up.ts";
import { labelGridProblem, requireSameGrid } from "./grid.ts";

const image = imageOf([6, 8, 10], 1, affineFromSpacing([1, 1, 2]));
const label = labelOf([6, 8, 10], 0, affineFromSpacing([1, 1, 2]));

describe("a label over the very place of its image with its axes in another order", () => {
  it.each(["LPS", "LAS", "PRS", "SAR"])("(%s) is told as that, with the way out", (code) => {
    const turned = reorient(label, code);
    const problem = labelGridProblem(turned, image);
    expect(problem).toMatchObject({ severity: "error", rule: "geometry" });
    expect(problem?.message).toBe(
      `label covers the same place as the image with its axes in another order (label ${code}, image RAS); ` +
        'a JSON list with { "data": …, "labelGrid": "own" } brings it to the image\'s grid',
    );
    expect(() => requireSameGrid(turned, image, "a")).toThrow(DataError);
  });

  it("is refused by verification, training and evaluation alike, and the way out works", async () => {
    const root = await writeDecathlon([{ id: "a", image, label: reorient(label, "LPS") }]);
    const dataset = await openDataset(root);
    const { findings } = await verifyDataset(dataset);
    expect(findings).toMatchObject([{ case: "a", rule: "geometry" }]);
    const words = "a: label covers the same place as the image";
    await expect(fingerprintOf(dataset)).rejects.toThrow(words);
    await expect(readLabel(dataset.cases[0], await readImage(dataset.cases[0]))).rejects.toThrow(words);
    writeFileSync(join(root, "own.json"), JSON.stringify({ data: ".", labelGrid: "own" }));
    const own = await openDataset(join(root, "own.json"));
    expect((await verifyDataset(own)).findings).toEqual([]);
    expect([...(await readLabel(own.cases[0], image)).data]).toEqual([...label.data]);
  });
});

it("a label that lies elsewhere is told as that, in whatever order its axes are", () => {
  const far = { ...reorient(label, "LPS"), affine: affineFromSpacing([1, 1, 2], [50, 0, 0]) };
  expect(labelGridProblem(far, image)?.message).toMatch(
    /^label lies elsewhere than image: affines differ by up to 50 mm/,
  );
  expect(labelGridProblem(labelOf([6, 8, 9], 0), image)?.message).toBe("label is 6×8×9, image is 6×8×10");
  expect(labelGridProblem(label, image)).toBeUndefined();
});
