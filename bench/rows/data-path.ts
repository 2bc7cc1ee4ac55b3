/** Load, resample and augment a volume of 128³ with its label, one thread each, against MONAI's transforms. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Augmentation, augmentInto } from "../../src/augment/index.ts";
import { readVolume, writeVolume } from "../../src/files/index.ts";
import { random } from "../../src/random.ts";
import { affineFromSpacing, asFloat32, reorient, resampleToSpacing, type Vec3 } from "../../src/volume/index.ts";
import { alternate, timesOf } from "../alternate.ts";
import { findPython, Peer } from "../peer.ts";
import type { Row } from "../results.ts";
import type { Bench, Finished } from "./row.ts";

const SIZE = 128;
/** Of the made-up file; both sides resample to 1 mm. */
const SPACING: Vec3 = [0.95, 1.05, 1.1];
const TARGET: Vec3 = [1, 1, 1];
const PARTS = ["load", "resample", "augment"] as const;
const ROUNDS = 10;

/** What `monai_data.py` does with probability 1, with the same ranges. */
const EVERY: Augmentation = {
  rotate: { probability: 1, degrees: 20 },
  scale: { probability: 1, factor: [0.8, 1.2], perAxis: true },
  translate: { probability: 1, fraction: 0.08 },
  flip: { probability: 0.5, axes: ["x"] },
  intensity: { probability: 1, scale: [0.9, 1.1], shift: [-0.1, 0.1] },
  gamma: { probability: 1, gamma: [0.8, 1.25] },
  noise: { probability: 1, sigma: [0.05, 0.05] },
  blur: { probability: 1, sigmaVoxels: [0.5, 1] },
  labelInterpolation: "nearest",
};

export const dataColumns = [
  { key: "what" },
  { key: "medvoxPerSecond", title: "medvox, volumes/s", digits: 2 },
  { key: "medvoxMs", title: "ms", digits: 0 },
  { key: "medvoxMinMs", title: "at best", digits: 0 },
  { key: "monaiPerSecond", title: "MONAI, volumes/s", digits: 2 },
  { key: "monaiMs", title: "ms", digits: 0 },
  { key: "monaiMinMs", title: "at best", digits: 0 },
  { key: "ratio", title: "time, medvox / MONAI", digits: 2 },
];

type Parts = readonly [load: number, resample: number, augment: number];

export const dataRow: Bench = {
  id: "data",
  table: "bench-data",
  run: async ({ say }): Promise<Finished> => {
    const folder = mkdtempSync(join(tmpdir(), "medvox-data-"));
    try {
      const image = join(folder, "image.nii.gz");
      const label = join(folder, "label.nii.gz");
      await makeFiles(image, label);
      const ours: Parts[] = [];
      const stream = random(0, "bench data");
      const buffers = { input: new Float32Array(SIZE ** 3), target: new Int32Array(SIZE ** 3) };
      const step = async (): Promise<number> => {
        ours.push(await oneVolume(image, label, stream, buffers));
        return total(ours[ours.length - 1]);
      };
      const python = findPython(["torch", "monai"]);
      if (python === undefined) {
        say("data: no Python with monai; medvox alone is measured");
        for (let i = 0; i < 2 + ROUNDS; i++) await step();
        return { rows: tabled(ours.slice(2)), versions: {}, notes: ["MONAI was not there."] };
      }
      const peer = Peer.python(python, "monai_data.py");
      try {
        const setup = await peer.ask({
          cmd: "setup",
          image,
          label,
          spacing: TARGET,
          size: [SIZE, SIZE, SIZE],
          threads: 1,
        });
        const theirs: Parts[] = [];
        const { idleShare } = await alternate(
          { pid: process.pid, step },
          {
            pid: peer.pid,
            step: async () => {
              const { loadMs, resampleMs, augmentMs } = await peer.ask({ cmd: "step" });
              theirs.push([Number(loadMs), Number(resampleMs), Number(augmentMs)]);
              return total(theirs[theirs.length - 1]);
            },
          },
          { warmUp: 2, rounds: ROUNDS, pauseMs: 20 },
        );
        return {
          rows: tabled(ours.slice(2), theirs.slice(2)),
          versions: { monai: String(setup.monai), pytorch: String(setup.torch) },
          idleShare,
          notes: [
            "One thread each. The image is int16, the label uint8, both gzipped NIfTI; image linear and label nearest, every transform applied every time " +
              "(rotation about three axes, scaling, shift, flip, intensity, gamma, noise, blur) with the same ranges on both sides.",
          ],
        };
      } finally {
        await peer.close();
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

const total = (parts: Parts): number => parts.reduce((a, b) => a + b, 0);

function tabled(ours: readonly Parts[], theirs?: readonly Parts[]): Row[] {
  const line = (what: string, pick: (parts: Parts) => number): Row => {
    const a = timesOf(ours.map(pick));
    const row = { what, medvoxPerSecond: 1000 / a.median, medvoxMs: a.median, medvoxMinMs: a.min };
    if (theirs === undefined) return row;
    const b = timesOf(theirs.map(pick));
    return {
      ...row,
      monaiPerSecond: 1000 / b.median,
      monaiMs: b.median,
      monaiMinMs: b.min,
      ratio: a.median / b.median,
    };
  };
  return [line("load, resample, augment 128³", total), ...PARTS.map((part, i) => line(part, (parts) => parts[i]))];
}

async function oneVolume(
  imagePath: string,
  labelPath: string,
  stream: ReturnType<typeof random>,
  buffers: { input: Float32Array; target: Int32Array },
): Promise<Parts> {
  const times = [performance.now()];
  const image = reorient(asFloat32(await readVolume(imagePath)), "RAS");
  const label = reorient(await readVolume(labelPath), "RAS");
  times.push(performance.now());
  const finer = resampleToSpacing(image, TARGET, { mode: "linear" });
  const classes = resampleToSpacing(label, TARGET, { mode: "nearest" });
  times.push(performance.now());
  const [width, height, depth] = finer.size;
  augmentInto(
    {
      image: finer.data,
      label: classes.data as Uint8Array,
      channels: 1,
      spatial: [depth, height, width],
      spacingMm: TARGET,
    },
    { patch: [SIZE, SIZE, SIZE], augmentation: EVERY, crop: "centre" },
    stream,
    buffers,
    0,
  );
  times.push(performance.now());
  return [times[1] - times[0], times[2] - times[1], times[3] - times[2]];
}

/** A smooth image with noise, as scans are, and a ball of two classes. */
async function makeFiles(image: string, label: string): Promise<void> {
  const stream = random(0, "bench volume");
  const voxels = new Int16Array(SIZE ** 3);
  const classes = new Uint8Array(SIZE ** 3);
  let i = 0;
  for (let z = 0; z < SIZE; z++)
    for (let y = 0; y < SIZE; y++)
      for (let x = 0; x < SIZE; x++, i++) {
        const r = Math.hypot(x - SIZE / 2, y - SIZE / 2, z - SIZE / 2) / SIZE;
        voxels[i] = r > 0.48 ? 0 : 600 + 300 * Math.cos(12 * r) + 20 * stream.normal();
        classes[i] = r < 0.2 ? (y < SIZE / 2 ? 1 : 2) : 0;
      }
  const grid = { size: [SIZE, SIZE, SIZE], affine: affineFromSpacing(SPACING), channels: 1 } as const;
  await writeVolume(image, { ...grid, data: voxels });
  await writeVolume(label, { ...grid, data: classes });
}
