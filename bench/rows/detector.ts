/** Detectors: a joint training step and inference against torchvision, the split of their time, volumes, and suppression. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeSafetensors } from "../../src/files/index.ts";
import { random } from "../../src/random.ts";
import { type DetectedBoxes, type DetectionTimes, nms } from "../../src/rcnn/index.ts";
import { columnOf } from "../../src/rcnn/network/columns.ts";
import { createEngine } from "../../src/runtime/index.ts";
import type { StateMap } from "../../src/train/index.ts";
import type { WeightTensor } from "../../src/weights/index.ts";
import { type Alternated, alternate, timesOf } from "../alternate.ts";
import { judged } from "../bounds.ts";
import { detectorInference, detectorStep, pictureDetector } from "../detector-jobs.ts";
import { findPython, Peer } from "../peer.ts";
import { measuredApart } from "../process.ts";
import type { Row } from "../results.ts";
import type { VolumeFigures, VolumeJob } from "./detector-child.ts";
import type { Bench, Finished } from "./row.ts";
import { against, peerSide } from "./speed.ts";

const AGREEMENT = 1e-3;
const CHILD = fileURLToPath(new URL("./detector-child.ts", import.meta.url));

export const splitColumns = [
  { key: "what" },
  { key: "features", title: "backbone and RPN layers, ms", digits: 0 },
  { key: "proposals", title: "choosing proposals, ms", digits: 1 },
  { key: "head", title: "region head and post-processing, ms", digits: 0 },
  { key: "all", title: "all, ms", digits: 0 },
];

export const volumeColumns = [
  { key: "what" },
  { key: "ms", title: "ms", digits: 0 },
  { key: "minMs", title: "at best", digits: 0 },
  { key: "peakMb", title: "peak, MB", digits: 0 },
  { key: "emptyMb", title: "of it before", digits: 0 },
];

export const nmsColumns = [
  { key: "what" },
  { key: "ms", title: "processor ms", digits: 1 },
  { key: "minMs", title: "at best", digits: 1 },
  { key: "kept" },
  { key: "bound" },
  { key: "verdict", title: "" },
];

/** One joint step of a ResNet-FPN detector; `bound` is for the ratio of medians. @param size width and height */
export function detectorStepRow(
  id: string,
  what: string,
  bound: number,
  job: { depth: 18 | 50; classes: number; images: number; size: readonly [number, number] },
): Bench {
  return {
    id,
    table: "bench-detector",
    run: async ({ threads, say }) => {
      const engine = await createEngine({ threads });
      const runner = await detectorStep(
        engine,
        pictureDetector(job.depth, job.classes, job.size),
        job.images,
        job.size,
      );
      try {
        const image = { dtype: "F32", shape: [job.images, 3, job.size[1], job.size[0]], data: runner.images } as const;
        const boxes = { dtype: "F32", shape: [runner.labels.length, 4], data: runner.boxes } as const;
        const labels = { dtype: "I32", shape: [runner.labels.length], data: runner.labels.map(columnOf) } as const;
        return await beside(
          { id, what, bound, threads, say, setup: { job: "step", ...job } },
          { ...tensorsOf(runner.weights), image, boxes, labels },
          runner.step,
          async (peer) => {
            const ours = (await runner.step()).loss;
            const theirs = Number((await peer.ask({ cmd: "step" })).loss);
            // Each side draws its own anchors and regions, so losses agree only about.
            if (!(Math.abs(ours - theirs) < 0.15 * theirs))
              throw new Error(`${id}: losses of the first step: ${ours} / ${theirs}`);
            say(`${id}: losses of the first step ${ours.toFixed(4)} / ${theirs.toFixed(4)}`);
            return { loss: ours, theirLoss: theirs };
          },
        );
      } finally {
        await runner.close();
        await engine.close();
      }
    },
  };
}

/** One picture through a ResNet-FPN detector. @param size width and height */
export function detectorInferenceRow(
  id: string,
  what: string,
  bound: number,
  job: { depth: 18 | 50; classes: number; size: readonly [number, number] },
): Bench {
  return {
    id,
    table: "bench-detector",
    run: async ({ threads, say }) => {
      const engine = await createEngine({ threads });
      const { detector, weights, image } = await detectorInference(
        engine,
        pictureDetector(job.depth, job.classes, job.size),
        job.size,
      );
      try {
        const splits: DetectionTimes[] = [];
        let found: DetectedBoxes | undefined;
        const step = async () => {
          const began = performance.now();
          [found] = await detector.detect([image]);
          const ms = performance.now() - began;
          splits.push(detector.times!);
          return { ms };
        };
        const tensor = { dtype: "F32", shape: [3, job.size[1], job.size[0]], data: image.data } as const;
        const finished = await beside(
          { id, what, bound, threads, say, setup: { job: "inference", ...job } },
          { ...tensorsOf(weights), image: tensor },
          step,
          async (peer) => {
            await step();
            const difference = detectionDifference(
              found!,
              (await peer.ask({ cmd: "step" })) as unknown as TheirDetections,
            );
            if (!(difference < AGREEMENT)) throw new Error(`${id}: the ten best detections differ by ${difference}`);
            say(`${id}: the ten best of ${found!.scores.length} detections agree to ${difference.toExponential(1)}`);
            return { detectionDifference: difference };
          },
        );
        return { ...finished, more: { "bench-detector-split": [splitRow(what, splits.slice(-12))] } };
      } finally {
        await detector.close();
        await engine.close();
      }
    },
  };
}

/** A volume through the 3D detector, in a process of its own, for time and memory. */
export function detectorVolumeRow(id: string, job: Omit<VolumeJob, "threads" | "steps">): Bench {
  const what = `3D detector, ResNet-${job.depth} with a feature pyramid, ${job.size.join("×")}`;
  return {
    id,
    table: "bench-detector-volume",
    run: async ({ threads }): Promise<Finished> => {
      const { all, peakBytes, emptyBytes } = await measuredApart<VolumeJob, VolumeFigures>(CHILD, {
        ...job,
        threads,
        steps: 6,
      });
      const later = all.slice(1);
      const { median, min } = timesOf(later.map(({ ms }) => ms));
      const row: Row = { what, ms: median, minMs: min, peakMb: peakBytes / 1e6, emptyMb: emptyBytes / 1e6 };
      return { rows: [row], versions: {}, more: { "bench-detector-split": [splitRow(what, later)] } };
    },
  };
}

/** Suppression of RPN-like boxes, on one core: processor time of the process, the larger of both layouts' medians held to the bound. */
export const nmsRow: Bench = {
  id: "nms",
  table: "bench-nms",
  run: async () => {
    const count = 12_000;
    const rows: Row[] = [];
    for (const threshold of [0.5, 0.7]) {
      for (const around of [false, true]) {
        const { boxes, scores } = rpnLikeBoxes(count, around);
        let kept = 0;
        const times = Array.from({ length: 25 }, () => {
          const began = process.cpuUsage();
          kept = nms(boxes, scores, { axes: 2, threshold, limit: 2000 }).length;
          const { user, system } = process.cpuUsage(began);
          return (user + system) / 1000;
        });
        const { median, min } = timesOf(times.slice(5));
        const what = `${count} boxes ${around ? "around 20 objects" : "all over the image"}, the best 2000, IoU ${threshold}`;
        rows.push({ what, ms: median, minMs: min, kept, ...judged(median, { atMost: 10 }) });
      }
    }
    return { rows, versions: {} };
  },
};

/** Boxes of three sizes and shapes over a 1000×600 image, as an RPN's are. */
function rpnLikeBoxes(count: number, around: boolean): { boxes: Float32Array; scores: Float32Array } {
  const stream = random(1, "bench nms");
  const objects = Array.from({ length: 20 }, () => [stream.between(0, 1000), stream.between(0, 600)]);
  const boxes = new Float32Array(count * 4);
  const scores = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const side = [128, 256, 512][stream.integer(3)] * Math.exp(stream.normal() * 0.2);
    const ratio = Math.sqrt([0.5, 1, 2][stream.integer(3)]);
    const near = objects[stream.integer(20)];
    const x = around ? near[0] + stream.normal() * 60 : stream.between(0, 1000);
    const y = around ? near[1] + stream.normal() * 60 : stream.between(0, 600);
    boxes.set([x - side / ratio / 2, y - (side * ratio) / 2, x + side / ratio / 2, y + (side * ratio) / 2], i * 4);
    scores[i] = stream.uniform();
  }
  for (let i = 0; i < boxes.length; i++) boxes[i] = Math.min(Math.max(boxes[i], 0), i % 2 === 0 ? 1000 : 600);
  return { boxes, scores };
}

interface Comparison {
  readonly id: string;
  readonly what: string;
  readonly bound: number;
  readonly threads: number;
  readonly say: (line: string) => void;
  readonly setup: Readonly<Record<string, unknown>>;
}

/** Both sides in turn, after `check` has seen that they compute the same. */
async function beside(
  { id, what, bound, threads, say, setup }: Comparison,
  tensors: Readonly<Record<string, WeightTensor>>,
  step: () => Promise<{ ms: number }>,
  check: (peer: Peer) => Promise<Row>,
): Promise<Finished> {
  const python = findPython(["torch", "torchvision"]);
  if (python === undefined) {
    say(`${id}: no Python with torchvision; medvox alone is measured`);
    const all: number[] = [];
    for (let i = 0; i < 10; i++) all.push((await step()).ms);
    const { median, min } = timesOf(all.slice(2));
    const row: Row = { what, medvoxMs: median, medvoxMinMs: min, ...judged(null, { atMost: bound }) };
    return { rows: [row], versions: {}, notes: ["torchvision was not there, so only medvox was measured."] };
  }
  const folder = mkdtempSync(join(tmpdir(), "medvox-bench-"));
  const peer = Peer.python(python, "torchvision_detector.py");
  try {
    const file = join(folder, "detector.safetensors");
    await writeSafetensors(file, new Map(Object.entries(tensors)));
    const answer = await peer.ask({ cmd: "setup", ...setup, threads, tensors: file });
    const agreement = await check(peer);
    const measured: Alternated = await alternate(
      { pid: process.pid, step: async () => (await step()).ms },
      peerSide(peer),
      { warmUp: 2 },
    );
    const finished = against(what, measured, answer, bound, agreement);
    return { ...finished, versions: { ...finished.versions, torchvision: String(answer.torchvision) } };
  } finally {
    await peer.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function tensorsOf(weights: StateMap): Record<string, WeightTensor> {
  return Object.fromEntries(
    [...weights].map(([name, { data, shape }]) => [name, { dtype: "F32", shape: [...shape], data }]),
  );
}

function splitRow(what: string, all: readonly DetectionTimes[]): Row {
  const median = (pick: (times: DetectionTimes) => number): number => timesOf(all.map(pick)).median;
  return {
    what,
    features: median(({ featuresMs }) => featuresMs),
    proposals: median(({ proposalsMs }) => proposalsMs),
    head: median(({ headMs }) => headMs),
    all: median(({ featuresMs, proposalsMs, headMs }) => featuresMs + proposalsMs + headMs),
  };
}

interface TheirDetections {
  readonly boxes: readonly (readonly number[])[];
  readonly scores: readonly number[];
  readonly count: number;
}

/** The largest difference of the ten best: scores as they are, corners as a share of 100 pixels; infinite if their number differs. */
function detectionDifference({ boxes, scores }: DetectedBoxes, theirs: TheirDetections): number {
  if (theirs.scores.length === 0 || scores.length !== theirs.count) return Number.POSITIVE_INFINITY;
  return Math.max(
    ...theirs.scores.map((score, i) => Math.abs(score - scores[i])),
    ...theirs.boxes.flatMap((box, i) => box.map((value, k) => Math.abs(value - boxes[4 * i + k]) / 100)),
  );
}
