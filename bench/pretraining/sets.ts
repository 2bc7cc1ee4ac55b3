/**
 * The data sets of `npm run pretrain`, each with the spacing and the patch that suit it. `free`: sets whose licences let weights be
 * published and that are no target of a later experiment; its encoder ships with the package.
 *
 * Left and right organs have labels of their own in two of the sets, so nothing is mirrored, and their patches are nearly as large as the
 * body. Slices that lie 7.7 mm apart stay so; only their pixels are thinned.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SEGMENTATION_RECIPE } from "../../src/cli/demo-segmentation.ts";
import { openDataset } from "../../src/data/index.ts";
import { type PretrainingRequest, resolveSegmentationConfig, splitCases } from "../../src/med3d/index.ts";

export type SetRequest = PretrainingRequest["sets"][number];

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Ids of the hippocampi that `npm run accuracy -- hippocampus` and the demo score. */
export async function scoredHippocampi(data: string): Promise<string[]> {
  const recipe = JSON.parse(readFileSync(join(ROOT, "bench/recipes/hippocampus.json"), "utf8")) as object;
  const sample = join(ROOT, "samples/hippocampus");
  const dataset = await openDataset(data);
  const scored = splitCases(dataset, resolveSegmentationConfig({ ...recipe, data })).heldOut;
  const shown = splitCases(
    await openDataset(sample),
    resolveSegmentationConfig({ ...SEGMENTATION_RECIPE, patch: [...SEGMENTATION_RECIPE.patch], data: sample }),
  ).heldOut;
  const known = new Set(dataset.cases.map(({ id }) => id));
  return [...new Set([...scored, ...shown].map(({ id }) => id))].filter((id) => known.has(id));
}

/** @param data folder of the data sets */
export async function freeSets(data: string): Promise<SetRequest[]> {
  const hippocampus = join(data, "Task04_Hippocampus");
  return [
    {
      name: "hippocampus",
      data: hippocampus,
      exclude: await scoredHippocampi(hippocampus),
      plan: { patch: [40, 56, 40], batch: 3 },
    },
    {
      name: "head-neck",
      data: join(data, "head-neck-ct"),
      labels: { brainstem: [1], "spinal cord": [2], "right parotid": [3], "left parotid": [4] },
      plan: { patch: [48, 40, 48], batch: 3 },
    },
    {
      name: "abdomen",
      data: join(data, "chaos-mr"),
      heldOut: 3,
      plan: { spacingMm: [3, 3, 7.7], patch: [32, 80, 104], batch: 1 },
    },
  ];
}
