/**
 * What `medvox demo` does, from a program: train on a data set, score the held-out cases, outline one image.
 *
 *   npm run build && npx tsx examples/segmentation.ts [DATASET] [RUN]
 */
import { openDataset } from "medvox/data";
import { evaluateSegmentationRun, openSegmenter, trainSegmentation } from "medvox/med3d";

const [data = "samples/hippocampus", out = "runs/example"] = process.argv.slice(2);

await trainSegmentation(
  { data, depth: 10, epochs: 2, patch: [40, 56, 40], heldOut: 10, validation: 2 },
  {
    out,
    force: true,
    onEpoch: ({ epoch, trainLoss, validation }) =>
      console.log(`epoch ${epoch}  loss ${trainLoss.toFixed(3)}  dice ${validation?.score.toFixed(3)}`),
  },
);

const { summary, report } = await evaluateSegmentationRun(out);
console.log(`mean Dice ${summary.overall.dice.mean?.toFixed(3)} on ${summary.cases} cases; ${report}`);

const segmenter = await openSegmenter(out);
const [first] = (await openDataset(data)).cases;
const { volume } = await segmenter.predictCase(first);
console.log(`${first.id}: ${volume.size.join("×")} labels on the image's own grid`);
await segmenter.close();
