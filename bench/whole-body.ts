/**
 * `npx tsx bench/whole-body.ts [--rows own,plan] [--size 512,512,400] [--image FILE] [--threads 2] [--max-memory SIZE] [--print | --formula]`:
 * what predicting a whole-body CT takes. The CT is ../shared/data/organs-ct/example_ct.nii.gz resampled to 512×512×400 voxels of
 * 16-bit integers, stored with its axes towards left and posterior as scanners write them. `medvox predict` is run on it as a user
 * types it, in a process of its own whose peak of resident memory is watched, with a ResNet-10 of random weights and ten classes:
 *
 * - own: the plan keeps the CT's spacing, so the network sees all 105 million voxels;
 * - plan: the plan has 1.5 mm, so the CT is resampled on the way in and the classes on the way out.
 *
 * Judged: peak ≤ 2.5 GB, and the whole command within 1.3 times what the engine computed. Writes `results/whole-body.json` and the table
 * of what other sizes cost by the formula, `results/prediction-memory.json`; `--print` writes no result and prints JSON instead, `--formula` writes that
 * table alone.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildIfStale } from "../scripts/build.ts";
import { memorySize } from "../src/cli/values.ts";
import type { Plan } from "../src/data/index.ts";
import { readVolume, readVolumeHeader, writeVolume } from "../src/files/index.ts";
import { graph } from "../src/graph/index.ts";
import {
  fitMemory,
  inferenceMemory,
  networkOf,
  type PredictionMemory,
  resolveSegmentationConfig,
  segmentationProbabilities,
} from "../src/med3d/index.ts";
import { random } from "../src/random.ts";
import { folderStore, LAST_CHECKPOINT, type StateMap, writeCheckpoint } from "../src/train/index.ts";
import { writeRun } from "../src/train/run/record.ts";
import { gridWithSize, reorient, resample, spacingOf, type Vec3 } from "../src/volume/index.ts";
import { judged } from "./bounds.ts";
import { peakBytes } from "./peak.ts";
import { type Row, readResult, writeResult } from "./results.ts";
import { writeTables } from "./tables.ts";

const COMMAND = "npx tsx bench/whole-body.ts";
const WORK = "results/work";
const MAIN = "dist/cli/main.js";
const CLASSES = 10;
const PATCH = [96, 96, 96] as const;

const { values } = parseArgs({
  options: {
    rows: { type: "string", default: "own,plan" },
    size: { type: "string", default: "512,512,400" },
    image: { type: "string", default: "../shared/data/organs-ct/example_ct.nii.gz" },
    patch: { type: "string", default: PATCH.join() },
    threads: { type: "string", default: "2" },
    "max-memory": { type: "string" },
    print: { type: "boolean", default: false },
    formula: { type: "boolean", default: false },
  },
});

interface Job {
  readonly id: string;
  readonly what: string;
  readonly decoder: "convSeg" | "skip";
  readonly plan: Plan;
}

function planOf(spacingMm: Vec3 | null, patch: Plan["patch"]): Plan {
  const indices = Array.from({ length: CLASSES }, (_, index) => index);
  return {
    dataset: "whole body",
    labels: indices.map((index) => ({ index, name: index === 0 ? "background" : `organ ${index}` })),
    modality: ["CT"],
    preprocessing: {
      orientation: "RAS",
      spacingMm,
      // The costlier of the schemes: it looks at the whole image four times.
      intensity: { kind: "zscore", clipPercentile: [0.5, 99.5] },
      channels: 1,
      labels: indices,
    },
    patch,
    batch: 1,
    medianSize: [patch[2], patch[1], patch[0]],
  };
}

const configOf = (decoder: Job["decoder"]) =>
  resolveSegmentationConfig({ data: "whole body", depth: 10, decoder, keepLargest: 1 });

/** A run folder of a network that was never trained. */
async function writeNetwork(folder: string, { decoder, plan }: Job): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  const config = configOf(decoder);
  const g = graph();
  segmentationProbabilities(g.input("input", [1, 1, ...plan.patch]), CLASSES, networkOf({ config }));
  const state: StateMap = new Map();
  for (const [name, { shape, source }] of g.parameters) {
    if (source.kind !== "parameter") continue;
    const data = source.info.initialize(shape, random(0, name));
    // Random scores are all but equal: larger ones in the end make patches of classes.
    if (/head|conv_seg|scores|decoder/.test(name)) for (let i = 0; i < data.length; i++) data[i] *= 2;
    state.set(name, { data, shape });
  }
  const splits = { train: [], validation: [], heldOut: [] };
  const store = folderStore(folder);
  await writeRun(
    store,
    { task: "segmentation", config, command: COMMAND, threads: 1 },
    { plan, splits, credit: { name: "none" }, problems: [], fingerprint: {} },
  );
  await writeCheckpoint(store, LAST_CHECKPOINT, state, {});
}

/** The CT at the size asked for. */
async function makeImage(source: string, size: Vec3, path: string): Promise<void> {
  if (existsSync(path)) return;
  const volume = await readVolume(source);
  const large = resample(volume, gridWithSize(volume, size), { mode: "linear" });
  const data = new Int16Array(large.data.length);
  for (let i = 0; i < data.length; i++) data[i] = Math.round(large.data[i]);
  await writeVolume(path, reorient({ ...large, data }, "LPS"), { gzipLevel: 1 });
}

interface Ended {
  readonly seconds: number;
  readonly peak: number | undefined;
  readonly windows: number;
  readonly networkSeconds: number;
  readonly voxels: Readonly<Record<string, number>>;
}

/** Runs the command, watching its memory. */
function predict(run: string, image: string, out: string, options: readonly string[]): Promise<Ended> {
  const began = performance.now();
  const child = spawn(
    process.execPath,
    [MAIN, "predict", run, "--in", image, "--out", out, "--json", "--force", ...options],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  let peak: number | undefined;
  const watch = setInterval(() => {
    peak = peakBytes(child.pid!) ?? peak;
  }, 50);
  const parts: Buffer[] = [];
  child.stdout.on("data", (part: Buffer) => parts.push(part));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      clearInterval(watch);
      const text = Buffer.concat(parts).toString();
      if (code !== 0) return reject(new Error(`medvox predict ended with ${code}: ${text}`));
      const [{ windows, networkSeconds, voxels }] = JSON.parse(text).predictions as [Omit<Ended, "seconds" | "peak">];
      resolve({ seconds: (performance.now() - began) / 1000, peak, windows, networkSeconds, voxels });
    });
  });
}

const gb = (bytes: number): number => bytes / 1e9;
process.chdir(fileURLToPath(new URL("..", import.meta.url)));
if (values.formula) {
  writeFormula();
  writeTables();
  process.exit(0);
}
const numbers = (text: string): Vec3 => text.split(",").map(Number) as unknown as Vec3;
if (!existsSync(values.image)) {
  console.error(`whole-body: ${values.image} is missing`);
  process.exit(1);
}
const size = numbers(values.size);
const patch = numbers(values.patch);
const jobs: readonly Job[] = [
  { id: "own", what: "at the CT's own spacing, conv_seg", decoder: "convSeg", plan: planOf(null, patch) },
  { id: "plan", what: "resampled to 1.5 mm, skip decoder", decoder: "skip", plan: planOf([1.5, 1.5, 1.5], patch) },
];
const wanted = values.rows.split(",");
const maxMemory = values["max-memory"] === undefined ? undefined : memorySize(values["max-memory"]);
mkdirSync(WORK, { recursive: true });
buildIfStale();
const image = join(WORK, `whole-body-${size.join("x")}.nii.gz`);
await makeImage(values.image, size, image);
const header = await readVolumeHeader(image);
const rows: Row[] = [];
for (const job of jobs.filter(({ id }) => wanted.includes(id))) {
  const run = join(WORK, `whole-body-${job.id}`);
  await writeNetwork(run, job);
  const { plan } = job;
  const network = inferenceMemory(networkOf({ config: configOf(job.decoder) }), plan, "fast");
  const estimate = fitMemory({ image: { ...header, bytesPerVoxel: 2 }, plan, network }, maxMemory);
  const options = [
    "--threads",
    values.threads,
    ...(maxMemory === undefined ? [] : ["--max-memory", values["max-memory"]!]),
  ];
  const ended = await predict(run, image, join(WORK, `whole-body-masks-${job.id}`), options);
  const peak = ended.peak === undefined ? null : gb(ended.peak);
  const ratio = ended.seconds / ended.networkSeconds;
  const memory = judged(peak, { atMost: 2.5 }, "GB");
  const time = judged(ratio, { atMost: 1.3 });
  const row: Row = {
    row: job.id,
    what: job.what,
    windows: ended.windows,
    seconds: ended.seconds,
    networkSeconds: ended.networkSeconds,
    ratio,
    ratioBound: time.bound,
    ratioVerdict: time.verdict,
    peakGb: peak,
    formulaGb: gb(estimate.bytes),
    peakBound: memory.bound,
    peakVerdict: memory.verdict,
    band: estimate.band ?? null,
    classesFound: Object.values(ended.voxels).filter((n) => n > 0).length,
  };
  rows.push(row);
  if (!values.print) console.error(JSON.stringify(row));
}
if (values.print) console.log(JSON.stringify(rows));
else {
  // Rows that were not asked for stay as they were measured last.
  const file = "results/whole-body.json";
  const last = existsSync(file) ? readResult(file).rows : [];
  const known = [...rows, ...last];
  const all = jobs.map(({ id }) => known.find(({ row }) => row === id)).filter((row) => row !== undefined);
  writeResult("whole-body", all, {
    command: COMMAND,
    columns: [
      { key: "what" },
      { key: "windows" },
      { key: "seconds", title: "command, s", digits: 0 },
      { key: "networkSeconds", title: "of it network, s", digits: 0 },
      { key: "ratio", title: "command / network", digits: 3 },
      { key: "ratioBound", title: "bound" },
      { key: "ratioVerdict", title: "" },
      { key: "peakGb", title: "peak resident, GB", digits: 2 },
      { key: "formulaGb", title: "by the formula, GB", digits: 2 },
      { key: "peakBound", title: "bound" },
      { key: "peakVerdict", title: "" },
    ],
    notes: [
      `${size.join("×")} voxels of ${spacingOf(header.affine)
        .map((mm) => mm.toFixed(2))
        .join("×")} mm, 16-bit; ${CLASSES} classes, ResNet-10 of random weights, patch ${patch.join("×")}, ` +
        "half of it in common with the next, the largest component of each class kept. The command is `medvox predict` from start to end: weights, reading, windows, components, writing.",
    ],
  });
  writeFormula();
  writeTables();
}

/** What other sizes cost, by the formula. */
function writeFormula(): void {
  const half = (n: number): Plan["patch"] => [n, n, n];
  const ct = (x: number, y: number, z: number, mm: Vec3) => ({
    size: [x, y, z] as const,
    affine: [mm[0], 0, 0, 0, 0, mm[1], 0, 0, 0, 0, mm[2], 0, 0, 0, 0, 1],
    channels: 1,
    bytesPerVoxel: 2,
  });
  const cases = [
    { image: ct(512, 512, 400, [0.8, 0.8, 1]), spacing: null, side: 96 },
    { image: ct(512, 512, 400, [0.8, 0.8, 1]), spacing: null, side: 64 },
    { image: ct(512, 512, 400, [0.8, 0.8, 1]), spacing: [1.5, 1.5, 1.5] as const, side: 96 },
    { image: ct(512, 512, 120, [0.8, 0.8, 5]), spacing: [0.8, 0.8, 1] as const, side: 96 },
    { image: ct(512, 512, 1000, [1, 1, 1]), spacing: null, side: 96 },
    { image: ct(512, 512, 1000, [1, 1, 1]), spacing: null, side: 96, limit: 2.5e9 },
    { image: ct(256, 256, 170, [1, 1, 1]), spacing: null, side: 96 },
  ];
  const mb = (bytes: number): number => Math.round(bytes / 1e6);
  const rows = cases.map(({ image: one, spacing, side, limit }) => {
    const plan = planOf(spacing, half(side));
    const network = inferenceMemory(networkOf({ config: configOf("skip") }), plan, "fast");
    const { parts, bytes, band }: PredictionMemory = fitMemory({ image: one, plan, network }, limit);
    return {
      image: `${one.size.join("×")} at ${spacingOf(one.affine).join("×")} mm`,
      plan: spacing === null ? "as it is" : `${spacing.join("×")} mm`,
      patch: `${side}³`,
      limit: limit === undefined ? "–" : `${limit / 1e9} GB`,
      ...Object.fromEntries(
        Object.entries(parts).map(([name, bytes]) => [name === "image" ? "imageMb" : name, mb(bytes)]),
      ),
      band: band === undefined ? "whole" : `${band} lines`,
      totalGb: gb(bytes),
    };
  });
  writeResult("prediction-memory", rows, {
    command: COMMAND,
    columns: [
      { key: "image", title: "image, 16-bit" },
      { key: "plan", title: "plan's spacing" },
      { key: "patch" },
      { key: "limit", title: "--max-memory" },
      ...["program", "network", "image", "slab", "scores", "windows", "classes", "mask"].map((key) => ({
        key: key === "image" ? "imageMb" : key,
        title: `${key}, MB`,
      })),
      { key: "band", title: "done" },
      { key: "totalGb", title: "in all, GB", digits: 2 },
    ],
    notes: [
      `By the formula, nothing was measured: ${CLASSES} classes, ResNet-10 with the skip decoder, half of a patch in common with the next.`,
    ],
  });
}
