/** Detects in one image of noise (argument: its size, x,y or x,y,z) and prints what that took; for the test of the estimate. */

import { random } from "../../src/random.ts";
import { type LoadedDetector, openDetector } from "../../src/rcnn/detect/load.ts";
import { preset } from "../../src/rcnn/index.ts";
import { randomWeights } from "../../src/rcnn/test/weights.ts";
import { affineFromSpacing } from "../../src/volume/index.ts";
import { peakBytes } from "../peak.ts";

const size = process.argv[2].split(",").map(Number);
const axes = size.length === 2 ? 2 : 3;
const numbers = random(1, "noise");

async function detect(detector: LoadedDetector): Promise<void> {
  const [x, y, z] = size;
  if (axes === 2) {
    const data = Uint8Array.from({ length: 3 * x * y }, () => 255 * numbers.uniform());
    await detector.detect({ width: x, height: y, channels: 3, data });
  } else {
    const data = Float32Array.from({ length: x * y * z }, () => numbers.uniform());
    await detector.detect({ data, size: [x, y, z], channels: 1, affine: affineFromSpacing([1, 1, 1]) });
  }
}

const config = preset("modern", { classes: 3, axes, depth: 18, norm: "frozen" });
const plan = {
  axes,
  classes: ["a", "b"].map((name, i) => ({ id: i + 1, name })),
  detector: config,
  prepare:
    axes === 2
      ? null
      : ({ orientation: "RAS", spacingMm: null, intensity: { kind: "none" }, channels: config.channels } as const),
} as const;
const tile = axes === 3 ? [96, 96, 64] : undefined;
const detector = await openDetector({ plan, weights: randomWeights(config) }, { threads: 1, tile });
const { bytes, windows } = detector.estimate(size);
await detect(detector);
await detector.close();
console.log(JSON.stringify({ peak: peakBytes(), formula: bytes, windows }));
