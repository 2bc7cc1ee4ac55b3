/**
 * `npm run bench [-- --rows step48,tfjs] [--fresh] [--threads 2]`: how fast medvox is, beside its peers on the same cores.
 *
 * The peers are PyTorch and MONAI in a Python named by MEDVOX_PEER_PYTHON (else `python3`), and tfjs from npm; one that is not
 * there is left out with a note. Each row is kept in `results/work/` when it is done, so a stopped bench goes on where it was;
 * rows named by `--rows` are measured in any case, and all of them with `--fresh`. Writes `results/bench-*.json`, then the tables.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { NetworkJob, StepJob } from "./jobs.ts";
import { type Column, type Row, readResult, writeResult } from "./results.ts";
import { convolutionColumns, convolutionRow, profileColumns } from "./rows/convolutions.ts";
import { dataColumns, dataRow } from "./rows/data-path.ts";
import {
  detectorInferenceRow,
  detectorStepRow,
  detectorVolumeRow,
  nmsColumns,
  nmsRow,
  splitColumns,
  volumeColumns,
} from "./rows/detector.ts";
import { memoryColumns, memoryRow, stepMemoryColumns, stepMemoryRow } from "./rows/memory.ts";
import type { Bench, Finished } from "./rows/row.ts";
import { inferenceRow, stepRow, timingColumns } from "./rows/speed.ts";
import { tfjsColumns, tfjsRow } from "./rows/tfjs.ts";
import { writeTables } from "./tables.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const WORK = "results/work";

const medicalNet = (depth: 10 | 18, batch: number, n: number): NetworkJob => ({
  network: "medicalnet",
  depth,
  batch,
  size: [n, n, n],
  classes: 3,
});
const classic = (n: number): StepJob => ({ ...medicalNet(10, 2, n), loss: "crossEntropy", optimizer: "sgd" });
/** The network, batch and step of `bench/recipes/hippocampus.json`. */
const hippocampus: StepJob = {
  network: "skip",
  depth: 10,
  batch: 4,
  size: [48, 64, 48],
  classes: 3,
  loss: "diceCrossEntropy",
  optimizer: "adamW",
  clipNorm: 12,
};
const RESNET10 = "MedicalNet ResNet-10, conv_seg";
const RESNET18 = "MedicalNet ResNet-18, conv_seg";
const SKIP = "ResNet-10, skip decoder, batch 4, 48×64×48, Dice + cross-entropy, AdamW";

const BENCHES: readonly Bench[] = [
  stepRow("step48", `${RESNET10}, batch 2, 48³, cross-entropy, SGD`, classic(48), 1),
  stepRow("step64", `${RESNET10}, batch 2, 64³, cross-entropy, SGD`, classic(64), 1),
  stepRow("skip", SKIP, hippocampus, 1.4),
  inferenceRow("infer10-64", `${RESNET10}, batch 1, 64³`, medicalNet(10, 1, 64)),
  inferenceRow("infer10-96", `${RESNET10}, batch 1, 96³`, medicalNet(10, 1, 96)),
  inferenceRow("infer18-64", `${RESNET18}, batch 1, 64³`, medicalNet(18, 1, 64)),
  inferenceRow("infer18-96", `${RESNET18}, batch 1, 96³`, medicalNet(18, 1, 96)),
  memoryRow("memory-step48", `training step, ${RESNET10}, batch 2, 48³`, { step: classic(48) }),
  memoryRow("memory-step64", `training step, ${RESNET10}, batch 2, 64³`, { step: classic(64) }),
  memoryRow("memory-skip", `training step, ${SKIP}`, { step: hippocampus }),
  memoryRow("memory-infer10-96", `inference, ${RESNET10}, batch 1, 96³`, { inference: medicalNet(10, 1, 96) }),
  memoryRow("memory-infer18-96", `inference, ${RESNET18}, batch 1, 96³`, { inference: medicalNet(18, 1, 96) }),
  stepMemoryRow("memory-plan10-32", { ...hippocampus, batch: 2, size: [32, 32, 32] }),
  stepMemoryRow("memory-plan10-48", hippocampus),
  stepMemoryRow("memory-plan18-48", { ...hippocampus, depth: 18, batch: 2 }),
  stepMemoryRow("memory-plan34-32", { ...hippocampus, depth: 34, batch: 2, size: [32, 48, 32] }),
  stepMemoryRow("memory-plan50-48", { ...hippocampus, depth: 50, batch: 2, size: [48, 48, 48] }),
  convolutionRow("convolutions48", `${RESNET10}, batch 2, 48³`, classic(48)),
  convolutionRow("convolutions64", `${RESNET10}, batch 2, 64³`, classic(64)),
  convolutionRow("convolutions-skip", SKIP, hippocampus),
  detectorInferenceRow("detect50", "inference, ResNet-50 with a feature pyramid, 91 classes, 640×480", 1, {
    depth: 50,
    classes: 91,
    size: [640, 480],
  }),
  detectorStepRow(
    "detect-step18",
    "joint training step, ResNet-18 with a feature pyramid, 4 classes, 2 images of 320×240, SGD",
    1.25,
    {
      depth: 18,
      classes: 4,
      images: 2,
      size: [320, 240],
    },
  ),
  detectorVolumeRow("detect-volume", { depth: 18, size: [256, 256, 128] }),
  nmsRow,
  dataRow,
  tfjsRow,
];

const ALTERNATED =
  "Steps of both sides in turn in one run; both start from the same weights and data, and it is checked that they compute the same before anything is timed.";
const TABLES: Readonly<Record<string, { columns: readonly Column[]; notes: readonly string[] }>> = {
  "bench-training": { columns: timingColumns, notes: [ALTERNATED] },
  "bench-inference": { columns: timingColumns, notes: [ALTERNATED] },
  "bench-memory": {
    columns: memoryColumns,
    notes: [
      "Most resident memory of a process that does nothing else, and how much of it was there before (Node or Python with its libraries).",
    ],
  },
  "bench-step-memory": {
    columns: stepMemoryColumns,
    notes: [
      "Dice + cross-entropy, AdamW. medvox plan --memory goes by these: 0.57 GB, 58.5 bytes a parameter and 4.2 kB a voxel.",
    ],
  },
  "bench-convolutions": {
    columns: convolutionColumns,
    notes: [
      "From the engine's profile. Products are Conv and matrix products, arranging is the copying of rows and layouts around them; together an upper bound " +
        "of the convolutions' time. GF/s is the multiply-adds that do not meet padding, forward and both gradients, ×2, over that time: a lower bound.",
    ],
  },
  "bench-profile": { columns: profileColumns, notes: ["The twelve operators that take the most time of a step."] },
  "bench-detector": {
    columns: timingColumns.map((column) => ({ ...column, title: column.title?.replace("PyTorch", "torchvision") })),
    notes: [
      "Both sides in turn in one run, with the same weights by name and the same image. Before anything is timed the ten best detections must agree to 10⁻³; of the training step, where each side draws its own anchors and regions, the first loss to 15 %.",
    ],
  },
  "bench-detector-split": {
    columns: splitColumns,
    notes: ["Medians. Faster R-CNN's Table 5 gives 141, 10 and 47 ms of 198 ms for VGG-16 on a K40."],
  },
  "bench-detector-volume": {
    columns: volumeColumns,
    notes: [
      "Noise as a volume, the preset `modern` in 3D, in a process that does nothing else. The first volume is not counted.",
    ],
  },
  "bench-nms": { columns: nmsColumns, notes: ["Processor time of this process on one core, sorting included."] },
  "bench-data": { columns: dataColumns, notes: [] },
  "bench-tfjs": { columns: tfjsColumns, notes: [] },
};

const { values } = parseArgs({
  options: {
    rows: { type: "string" },
    fresh: { type: "boolean", default: false },
    threads: { type: "string", default: String(Math.min(2, availableParallelism())) },
  },
});
const named = values.rows?.split(",");
const unknown = named?.find((id) => BENCHES.every((bench) => bench.id !== id));
const threads = Number(values.threads);
if (unknown !== undefined || !Number.isInteger(threads) || threads < 1) {
  const rows = BENCHES.map(({ id }) => id).join(", ");
  console.error(unknown !== undefined ? `bench: no row ${unknown}; there are ${rows}` : "bench: --threads is a number");
  process.exit(2);
}
process.chdir(ROOT);
mkdirSync(WORK, { recursive: true });
if (values.fresh) {
  for (const name of readdirSync(WORK)) if (name.startsWith("bench-")) rmSync(join(WORK, name));
}

const say = (line: string): void => console.error(line);
const fileOf = ({ id }: Bench): string => join(WORK, `bench-${id}.json`);
const began = performance.now();
const measured: { table: string; more: readonly string[] }[] = [];
for (const bench of BENCHES) {
  if (named !== undefined ? !named.includes(bench.id) : existsSync(fileOf(bench))) continue;
  say(`${bench.id} …`);
  const started = performance.now();
  try {
    const finished = await bench.run({ threads, say });
    measured.push({ table: bench.table, more: Object.keys(finished.more ?? {}) });
    writeFileSync(fileOf(bench), `${JSON.stringify(finished, null, 2)}\n`);
    for (const row of finished.rows) say(`  ${textOf(row)}`);
  } catch (error) {
    // One row must not take the others with it; it is tried again next time.
    say(`${bench.id}: ${(error as Error).message}`);
    process.exitCode = 1;
  }
  say(`  ${((performance.now() - started) / 1000).toFixed(0)} s`);
}
for (const name of Object.keys(TABLES)) {
  if (measured.some(({ table, more }) => table === name || more.includes(name))) writeTable(name);
}
writeTables();
const missing = BENCHES.filter((bench) => !existsSync(fileOf(bench))).map(({ id }) => id);
const minutes = ((performance.now() - began) / 60_000).toFixed(1);
if (missing.length > 0) say(`${minutes} min; not measured: ${missing.join(", ")}`);
else if (measured.length > 0) say(`${minutes} min; all rows are there`);
else say("all rows are there; --fresh measures them again, --rows some of them");

/** `results/NAME.json`: the rows that are kept, and those of the last file for what was not measured since. */
function writeTable(name: string): void {
  const { columns, notes } = TABLES[name];
  const file = join("results", `${name}.json`);
  const last = existsSync(file) ? readResult(file) : undefined;
  const rows: Row[] = [];
  const said = new Set(notes);
  const versions: Record<string, string> = {};
  const idle: number[] = [];
  for (const bench of BENCHES) {
    const { id } = bench;
    if (!existsSync(fileOf(bench))) {
      rows.push(...(last?.rows.filter((row) => row.row === id) ?? []));
      continue;
    }
    const finished = JSON.parse(readFileSync(fileOf(bench), "utf8")) as Finished;
    const own = bench.table === name ? finished.rows : (finished.more?.[name] ?? []);
    rows.push(...own.map((row) => ({ row: id, ...row })));
    if (bench.table !== name) continue;
    for (const note of finished.notes ?? []) said.add(note);
    Object.assign(versions, finished.versions);
    if (finished.idleShare !== undefined && Number.isFinite(finished.idleShare)) idle.push(finished.idleShare);
  }
  if (idle.length > 0)
    said.add(`The side whose turn it was not used at most ${(100 * Math.max(...idle)).toFixed(1)} % of one core.`);
  writeResult(name, rows, { command: "npm run bench", columns, notes: [...said], versions });
}

function textOf(row: Row): string {
  return Object.entries(row)
    .map(([key, value]) => `${key} ${typeof value === "number" ? Number(value.toPrecision(4)) : value}`)
    .join(" · ");
}
