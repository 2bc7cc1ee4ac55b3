/**
 * How long augmentation takes on one thread: `npx tsx bench/augment.ts [--json]`.
 *
 * Each row is the median (presets: the mean) of repeated runs on a made-up smooth image with a ball of two classes. The first rows are the
 * full affine (rotation about three axes and scaling) of image and label; then each intensity transform alone, and the
 * presets as training draws them.
 */
import { type Augmentation, augmentationPresets, augmentInto, type PreparedSample } from "../src/augment/index.ts";
import { random } from "../src/random.ts";

const shapes: readonly (readonly number[])[] = [
  [48, 64, 48],
  [128, 128, 128],
];
const everyTime = { probability: 1 };
const affine: Augmentation = {
  rotate: { ...everyTime, degrees: 20 },
  scale: { ...everyTime, factor: [0.8, 1.25] },
};
const rows: Readonly<Record<string, Augmentation>> = {
  "affine, image + label": affine,
  "affine, label nearest": { ...affine, labelInterpolation: "nearest" },
  "flip and shift (copy)": {
    translate: { ...everyTime, fraction: 0.1 },
    flip: { ...everyTime, axes: ["x"] },
  },
  "elastic, image + label": {
    elastic: { ...everyTime, spacing: [0.25, 0.25], magnitude: [0.2, 0.2] },
  },
  "affine and elastic": {
    ...affine,
    elastic: { ...everyTime, spacing: [0.25, 0.25], magnitude: [0.2, 0.2] },
  },
  noise: { noise: { ...everyTime, sigma: [0.1, 0.1] } },
  blur: { blur: { ...everyTime, sigmaVoxels: [1, 1] } },
  "low resolution": { lowResolution: { ...everyTime, zoom: [0.5, 0.5] } },
  gamma: { gamma: { ...everyTime, gamma: [0.8, 0.8] } },
  contrast: { contrast: { ...everyTime, factor: [0.8, 0.8] } },
  'preset "light"': augmentationPresets.light,
  'preset "default"': augmentationPresets.default,
  'preset "elastic"': augmentationPresets.elastic,
};

function ball(spatial: readonly number[]): PreparedSample {
  const [depth, height, width] = spatial;
  const image = new Float32Array(depth * height * width);
  const label = new Int16Array(image.length);
  let i = 0;
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++, i++) {
        const r = Math.hypot((2 * z) / depth - 1, (2 * y) / height - 1, (2 * x) / width - 1);
        image[i] = Math.cos(4 * r) + 0.1 * Math.sin(x + 2 * y + 3 * z);
        label[i] = r < 0.5 ? (y < height / 2 ? 1 : 2) : 0;
      }
    }
  }
  return { image, label, channels: 1, spatial };
}

const results: { shape: string; what: string; ms: number }[] = [];
for (const spatial of shapes) {
  const sample = ball(spatial);
  const buffers = { input: new Float32Array(sample.image.length), target: new Int32Array(sample.image.length) };
  for (const [what, augmentation] of Object.entries(rows)) {
    const repeats = what.startsWith("preset") ? 60 : 15;
    const times: number[] = [];
    for (let run = 0; run < repeats; run++) {
      const started = performance.now();
      augmentInto(sample, { patch: spatial, augmentation }, random(run, "bench"), buffers, 0);
      times.push(performance.now() - started);
    }
    times.sort((a, b) => a - b);
    // A preset is a lottery, so its mean is what training pays; the rest is the median.
    const value = what.startsWith("preset") ? times.reduce((a, b) => a + b, 0) / repeats : times[repeats >> 1];
    results.push({ shape: spatial.join("×"), what, ms: Number(value.toFixed(2)) });
  }
}

if (process.argv.includes("--json")) console.log(JSON.stringify(results, null, 2));
else for (const row of results) console.log(`${row.shape.padEnd(14)}${row.what.padEnd(26)}${row.ms} ms`);
