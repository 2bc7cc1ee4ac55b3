/**
 * Makes the README's picture from a run: the median held-out case in three planes with the outlines of truth (solid) and
 * prediction (dashed). `npm run demo && npx tsx scripts/readme-picture.ts [RUN] [PICTURE] [PIXELS A VOXEL]`
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decode, encode } from "fast-png";
import { readImage, readLabel } from "../src/data/index.ts";
import { readVolume } from "../src/files/index.ts";
import { predictionPath, type SegmentationRun, segmentation } from "../src/med3d/index.ts";
import { overlayPng, planes } from "../src/report/index.ts";
import { folderStore, readRunOf } from "../src/train/index.ts";

const [run = "runs/demo", picture = "docs/hippocampus.png", scale = "8"] = process.argv.slice(2);
const { record, plan }: SegmentationRun = await readRunOf(folderStore(run), segmentation);
const evaluation = JSON.parse(await readFile(join(run, "evaluation.json"), "utf8")) as {
  perCase: { case: string; meanDice: number }[];
};
const ranked = [...evaluation.perCase].sort((a, b) => b.meanDice - a.meanDice);
const name = ranked[Math.floor(ranked.length / 2)].case;
const item = record.splits.heldOut.find(({ id }) => id === name)!;
const image = await readImage(item);
const truth = await readLabel(item);
const prediction = await readVolume(predictionPath(join(run, "predictions"), item));
const labels = Object.fromEntries(
  plan.labels.filter(({ index }) => index !== 0).map((label) => [label.index, label.name]),
);

const tiles = planes.map((plane) =>
  decode(overlayPng(image, truth, prediction, { plane, scale: Number(scale), labels })),
);
const gap = 12;
const height = Math.max(...tiles.map((tile) => tile.height));
const width = tiles.reduce((sum, tile) => sum + tile.width, gap * (tiles.length - 1));
const data = new Uint8Array(width * height * 3).fill(255);
let left = 0;
for (const tile of tiles) {
  const top = (height - tile.height) >> 1;
  for (let y = 0; y < tile.height; y++) {
    for (let x = 0; x < tile.width; x++) {
      for (let c = 0; c < 3; c++) {
        data[((top + y) * width + left + x) * 3 + c] = Number(
          tile.data[(y * tile.width + x) * tile.channels + Math.min(c, tile.channels - 1)],
        );
      }
    }
  }
  left += tile.width + gap;
}
await writeFile(picture, encode({ width, height, data, channels: 3, depth: 8 }));
console.log(`${picture}: ${width}×${height}, ${name}`);
