/** The process of the 3D row: a detector given as JSON, a few volumes, then times and the peak on standard output. */
import { preset } from "../../src/rcnn/index.ts";
import { createEngine } from "../../src/runtime/index.ts";
import { detectorInference } from "../detector-jobs.ts";
import { peakBytes } from "../peak.ts";

export interface VolumeJob {
  readonly depth: 10 | 18;
  /** x y z. */
  readonly size: readonly [number, number, number];
  readonly threads: number;
  readonly steps: number;
}

export interface VolumeFigures {
  readonly all: readonly {
    readonly ms: number;
    readonly featuresMs: number;
    readonly proposalsMs: number;
    readonly headMs: number;
  }[];
  readonly peakBytes: number;
  /** With Node and the code loaded, before the engine. */
  readonly emptyBytes: number;
}

const { depth, size, threads, steps } = JSON.parse(process.argv[2]) as VolumeJob;
const emptyBytes = peakBytes()!;
const engine = await createEngine({ threads });
const { detector, image } = await detectorInference(engine, preset("modern", { classes: 2, axes: 3, depth }), size);
const all = [];
for (let i = 0; i < steps; i++) {
  const began = performance.now();
  await detector.detect([image]);
  all.push({ ms: performance.now() - began, ...detector.times! });
}
console.log(JSON.stringify({ all, peakBytes: peakBytes()!, emptyBytes } satisfies VolumeFigures));
await detector.close();
await engine.close();
