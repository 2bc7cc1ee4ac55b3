/**
 * An augmentation of one's own, `bias-field.js`, in the worker threads of a loader: the same batches for the same seed, however many threads.
 *
 *   npm run build && npx tsx examples/own-augmentation.ts [FOLDER]
 *
 * `augment` is a path from the current folder, or the URL of a module beside the program, as here. Worker threads load JavaScript: of an
 * augmentation in TypeScript name the compiled module.
 */
import { createHash } from "node:crypto";
import { createLoader, type LoaderOptions } from "medvox/data";
import { writeMadeUp } from "./made-up-volumes.ts";

const [folder = "runs/own-augmentation"] = process.argv.slice(2);

const options: LoaderOptions = {
  cases: await writeMadeUp(folder, 6),
  prepare: {
    orientation: "RAS",
    spacingMm: null,
    intensity: { kind: "none" },
    channels: 1,
    labels: [0, 1],
  },
  patch: [20, 20, 20],
  crop: "centre",
  batch: 2,
  seed: 7,
};

/** Brightness of the first and the last slice of each patch of an epoch, and a digest of all batches. */
async function look(more: Partial<LoaderOptions>) {
  const digest = createHash("sha1");
  const slices: string[] = [];
  await using loader = createLoader({ ...options, ...more });
  for await (const { input, shapes, cases } of loader.batches(0)) {
    digest.update(new Uint8Array(input.buffer, input.byteOffset, input.byteLength));
    const [, , depth, height, width] = shapes.input;
    const [slice, patch] = [height * width, depth * height * width];
    for (const [n, id] of cases.entries()) {
      const [first, last] = [n * patch, (n + 1) * patch - slice].map(
        (from) => input.subarray(from, from + slice).reduce((sum, value) => sum + value, 0) / slice,
      );
      slices.push(`${id}: ${first.toFixed(0)} … ${last.toFixed(0)}`);
    }
  }
  return { slices, digest: digest.digest("hex") };
}

const augment = new URL("./bias-field.js", import.meta.url);
const plain = await look({});
const one = await look({ augment });
const two = await look({ augment, workers: 2 });
console.log("first and last slice, as they are:");
for (const line of plain.slices) console.log(`  ${line}`);
console.log("with a bias field:");
for (const line of one.slices) console.log(`  ${line}`);
console.log(`one worker and two make the same batches: ${one.digest === two.digest ? "yes" : "no"}`);
