/**
 * A decoder of one's own on MedicalNet's encoder: trained, stopped, gone on with, scored, and exported for any ONNX engine.
 *
 *   npm run build && npx tsx examples/custom-decoder.ts [DATASET] [RUN]
 */
import { join } from "node:path";
import { concat, relu, resize } from "medvox/graph";
import {
  evaluateSegmentationRun,
  openSegmenter,
  resumeSegmentation,
  type SegmentationDecoder,
  trainSegmentation,
} from "medvox/med3d";
import { convLayer, instanceNormLayer } from "medvox/nn";

const [data = "samples/hippocampus", out = "runs/custom-decoder"] = process.argv.slice(2);

/**
 * Features at 1/8 and the stem's at 1/2 meet at 1/2; scores are then brought to full size. Nodes of a graph are built, nothing is
 * computed yet. Names under `scope` become names of weights: `decoder.join.weight`, `decoder.norm.weight`, `decoder.scores.weight`.
 */
const decoder: SegmentationDecoder = ({ out: deep, taps }, { input, classes, scope }) => {
  const half = taps.half.shape.slice(2);
  const together = concat([resize(deep, { size: half }), taps.half], 1);
  const joined = convLayer(together, 16, scope.child("join"), { kernel: 3, padding: 1, bias: false });
  const scores = convLayer(relu(instanceNormLayer(joined, scope.child("norm"))), classes, scope.child("scores"), {
    kernel: 1,
  });
  return resize(scores, { size: input.shape.slice(2) });
};

// It is stopped after six steps, as Ctrl-C or a server's shutdown would stop it.
const stop = new AbortController();
let steps = 0;
await trainSegmentation(
  { data, width: 8, epochs: 2, stepsPerEpoch: 4, patch: [40, 56, 40], heldOut: 2, validation: 0 },
  {
    out,
    force: true,
    decoder,
    signal: stop.signal,
    onStep: () => ++steps === 6 && stop.abort(new Error("enough for now")),
  },
).catch((error) => console.log(`stopped: ${error.message}`));

// A function cannot be written into run.json, so it is given again.
await resumeSegmentation(out, { decoder, onEpoch: ({ epoch, trainLoss }) => console.log(epoch, trainLoss.toFixed(3)) });
const { summary } = await evaluateSegmentationRun(out, { decoder });
console.log(`mean Dice ${summary.overall.dice.mean?.toFixed(3)} on ${summary.cases} cases`);

// The exported model has the nodes inside; it needs no function.
await using segmenter = await openSegmenter(join(out, "model.onnx"));
const { volume } = await segmenter.predictFile(
  "samples/hippocampus/imagesTr/hippocampus_001.nii.gz",
  join(out, "mask.nii.gz"),
  { force: true },
);
console.log(`${volume.size.join("×")} labels on the image's own grid`);
