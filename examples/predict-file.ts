/**
 * Predicting files as a program does: what it will take, progress, and a way to stop. `openSegmenter` takes a run's folder or a model.onnx.
 *
 *   npm run build && npx tsx examples/predict-file.ts MODEL_OR_RUN IMAGE MASK [SECONDS]
 */
import { readVolumeHeader } from "medvox/files";
import { openSegmenter } from "medvox/med3d";

const [model, image, mask, seconds] = process.argv.slice(2);
if (mask === undefined) throw new Error("name a model or a run, an image, and where the mask shall go");

// Ctrl-C stops between two windows; so does the time, where one is given. No half-written mask is left.
const interrupted = new AbortController();
process.once("SIGINT", () => interrupted.abort(new Error("stopped by Ctrl-C")));
const signal =
  seconds === undefined
    ? interrupted.signal
    : AbortSignal.any([interrupted.signal, AbortSignal.timeout(1000 * Number(seconds))]);

await using segmenter = await openSegmenter(model);

const { windows, bytes } = segmenter.estimate(await readVolumeHeader(image));
console.log(`${windows} windows, at most ${(bytes / 1e9).toFixed(1)} GB`);

try {
  const { volume } = await segmenter.predictFile(image, mask, {
    signal,
    onProgress: ({ share, window }) => console.log(`window ${window}  ${Math.round(100 * share)} %`),
  });
  for (const { index, name } of segmenter.plan.labels.slice(1)) {
    const voxels = volume.data.filter((value) => value === index).length;
    console.log(`${name}: ${voxels} voxels`);
  }
} catch (error) {
  // The reason of the signal is what the call was rejected with.
  if (!signal.aborted) throw error;
  console.log(`nothing was written: ${(error as Error).message}`);
}
