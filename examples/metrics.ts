/**
 * Scores of outlines that are there already, whoever made them: Dice, distances in mm and surface Dice of each case, and their summary with
 * intervals; and how well a number tells two classes apart.
 *
 *   npm run build && npx tsx examples/metrics.ts [FOLDER]
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { readVolume, writeVolume } from "medvox/files";
import { compareAucs, delong, evaluateSegmentation, summarise } from "medvox/metrics";
import { sameGrid, spacingOf, type Vec3 } from "medvox/volume";
import { affine } from "./made-up-volumes.ts";

const [folder = "runs/metrics"] = process.argv.slice(2);
await mkdir(folder, { recursive: true });

/** A ball of label 1 with a smaller one of label 2 inside, its centre moved by `shift` voxels along x; without the inner one if `missed`. */
function balls(shift: number, missed = false) {
  const size: Vec3 = [24, 20, 20];
  const data = new Uint8Array(24 * 20 * 20);
  for (let i = 0; i < data.length; i++) {
    const distance = Math.hypot((i % 24) - 11 - shift, (Math.floor(i / 24) % 20) - 10, Math.floor(i / 480) - 10);
    data[i] = distance < 3 && !missed ? 2 : distance < 7 ? 1 : 0;
  }
  return { data, size, affine, channels: 1 };
}

// Somebody's truth and predictions, as files. The last prediction lacks the inner ball.
const cases = ["a", "b", "c"].map((id) => ({
  id,
  truth: join(folder, `${id}-truth.nii.gz`),
  predicted: join(folder, `${id}.nii.gz`),
}));
for (const [n, { truth, predicted }] of cases.entries()) {
  await writeVolume(truth, balls(0), { force: true });
  await writeVolume(predicted, balls(n, n === 2), { force: true });
}

const scores = await Promise.all(
  cases.map(async ({ id, truth: truthFile, predicted }) => {
    const [truth, prediction] = [await readVolume(truthFile), await readVolume(predicted)];
    // Scores compare voxel by voxel, so both must lie on one grid; `restoreToGrid` of medvox/volume brings a prediction to the truth's.
    if (!sameGrid(truth, prediction)) throw new Error(`${predicted}: is not on the grid of ${truthFile}`);
    return evaluateSegmentation(truth.data, prediction.data, {
      size: truth.size,
      spacingMm: spacingOf(truth.affine) as Vec3,
      labels: { 1: "organ", 2: "lesion" },
      nsdToleranceMm: 2,
      case: id,
    });
  }),
);

/** Undefined measures are null, e.g. a distance to what was not found. */
const text = (value: number | null): string => value?.toFixed(2) ?? "none";
for (const { case: id, classes } of scores)
  for (const { name, dice, hd95Mm, nsd } of classes)
    console.log(`${id}  ${name}: Dice ${text(dice)}  HD95 ${text(hd95Mm)} mm  surface Dice ${text(nsd)}`);

const summary = summarise(scores);
const { mean, interval } = summary.overall.dice;
console.log(`mean Dice ${text(mean)} [${interval?.map(text).join(", ")}], ${summary.leftOutOfDistances.missed} missed`);

// Two readers rate the same patients, sick and healthy: the area under each one's ROC curve, and whether they differ by more than chance.
const first = { positives: [0.9, 0.8, 0.4, 0.7], negatives: [0.5, 0.2, 0.1, 0.3] };
const second = { positives: [0.6, 0.8, 0.3, 0.2], negatives: [0.5, 0.4, 0.1, 0.3] };
const { difference, interval: between } = compareAucs(first, second);
console.log(`AUC ${text(delong(first).auc)} and ${text(delong(second).auc)}`);
console.log(`difference ${text(difference)} [${between?.map(text).join(", ")}]`);
