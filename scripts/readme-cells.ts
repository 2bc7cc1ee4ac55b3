/**
 * Makes the README's picture of detections from a run: a held-out picture with what was found (solid) and the truth (dashed).
 * `npm run demo -- --detect && npx tsx scripts/readme-cells.ts [RUN] [PICTURE] [IMAGE]`; without IMAGE the median one by errors at score 0.5.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openDetection } from "../src/data/index.ts";
import { boxesPng, fasterRcnn, readDetectionRun } from "../src/rcnn/index.ts";

const [run = "runs/demo-detect", picture = "docs/cells.png", asked] = process.argv.slice(2);
const { plan } = await readDetectionRun(run);
const classes = plan.classes.map(({ name }) => name);
const { perImage } = JSON.parse(await readFile(join(run, "evaluation.json"), "utf8")) as {
  perImage: { image: string; missed: number; falsePositives: number }[];
};
const ranked = [...perImage].sort((a, b) => a.missed + a.falsePositives - (b.missed + b.falsePositives));
const id = asked ?? ranked[Math.floor(ranked.length / 2)].image;
const item = (await openDetection(plan.source, { classes })).items.find((one) => one.id === id)!;
const detector = await fasterRcnn.load(run, { threads: 1 });
const { found, opened } = await detector.detectFile(item);
await detector.close();
await writeFile(picture, boxesPng(opened, found, { classes: plan.classes, truth: item }));
console.log(`${picture}: ${id}`);
