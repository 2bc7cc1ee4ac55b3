/**
 * Exact resume, shown by force: trains a small segmentation with the built command, kills the process with SIGKILL at random
 * moments (while it plans, loads, steps, validates or writes a checkpoint), resumes it each time with
 * `medvox train --resume`, and compares what it ends with, bit for bit, with a training that nobody touched:
 *
 *     npx tsx bench/kill-resume.ts [--kills 20] [--seed 0] [--epochs 8] [--threads 2]
 *
 * Ends with status 1 if a single bit differs. The weights, the optimizer's state, the position, the best weights, the
 * exported model and every epoch's losses are compared.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildIfStale } from "../scripts/build.ts";
import { imageOf, labelOf, writeDecathlon } from "../src/data/test/made-up.ts";
import { readSafetensors, readSafetensorsHeader } from "../src/files/index.ts";
import { random } from "../src/random.ts";
import { bestCheckpoint, folderStore, lastCheckpoint, readLog } from "../src/train/index.ts";

export interface KillResumeOptions {
  readonly kills: number;
  readonly seed?: number;
  readonly epochs?: number;
  readonly threads?: number;
  readonly onKill?: (kill: Kill) => void;
}

/** One kill and what it left. */
export interface Kill {
  /** After the start of the process. */
  readonly ms: number;
  /** What the process had been told to do. */
  readonly started: "train segmentation" | "train --resume";
  /** Updates in the last checkpoint; undefined where there was none yet. */
  readonly step?: number;
  /** Files that were being written. */
  readonly halfWritten: number;
}

export interface KillResumeReport {
  readonly steps: number;
  readonly kills: readonly Kill[];
  /** Trainings that were killed, resumed to their end and compared. */
  readonly trainings: number;
  /** Arrays compared in each. */
  readonly arrays: number;
  /** Everything that was not the same. */
  readonly differences: readonly string[];
  /** Half-written files that were still there at an end. */
  readonly leftOver: readonly string[];
}

const MAIN = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));

/** Trains once undisturbed, then with as many kills as asked for. */
export async function killAndResume(options: KillResumeOptions): Promise<KillResumeReport> {
  const { seed = 0, epochs = 8, threads = 2, onKill } = options;
  buildIfStale();
  const folder = mkdtempSync(join(tmpdir(), "medvox-kill-"));
  const data = await writeDecathlon(
    Array.from({ length: 6 }, (_, i) => ({
      id: `case_${i}`,
      image: imageOf([16, 24, 16], i),
      label: labelOf([16, 24, 16], i),
    })),
  );
  try {
    const config = join(folder, "config.json");
    const settings = { data, epochs, threads, patch: [16, 24, 16], decoderChannels: [8, 8, 8], batch: 2 };
    const watched = { heldOut: 1, validation: 1, validateEvery: 2, checkpointSeconds: 0 };
    writeFileSync(config, JSON.stringify({ ...settings, ...watched }));
    const begin = (run: string): string[] => ["train", "segmentation", "--config", config, "--out", run, "--force"];

    const untouched = join(folder, "untouched");
    const began = performance.now();
    let firstCheckpointMs = Number.POSITIVE_INFINITY;
    const undisturbed = start(begin(untouched));
    while (undisturbed.exitCode() === undefined) {
      await setTimeout(20);
      if (existsSync(lastCheckpoint(untouched))) {
        firstCheckpointMs = Math.min(firstCheckpointMs, performance.now() - began);
      }
    }
    await succeeded(undisturbed);
    const wholeMs = performance.now() - began;
    const { step: steps } = await positionOf(untouched);
    // Every moment from the start of the process to a few steps after its first checkpoint.
    const latestMs = firstCheckpointMs + 4 * ((wholeMs - firstCheckpointMs) / (steps - 1));

    const moments = random(seed, "kill moments");
    const kills: Kill[] = [];
    const differences: string[] = [];
    const leftOver: string[] = [];
    let trainings = 0;
    let arrays = 0;
    while (kills.length < options.kills) {
      const run = join(folder, `killed-${trainings++}`);
      for (;;) {
        const resumes = existsSync(join(run, "run.json"));
        const child = start(resumes ? ["train", "--resume", run] : begin(run));
        if (kills.length < options.kills) {
          const ms = moments.between(0, latestMs);
          if (await child.killedAfter(ms)) {
            const step = existsSync(lastCheckpoint(run)) ? (await positionOf(run)).step : undefined;
            const started = resumes ? "train --resume" : "train segmentation";
            const kill: Kill = { ms, started, step, halfWritten: temporariesOf(run).length };
            kills.push(kill);
            onKill?.(kill);
            continue;
          }
        }
        await succeeded(child);
        break;
      }
      const compared = await compare(untouched, run);
      arrays = compared.arrays;
      differences.push(...compared.differences);
      leftOver.push(...temporariesOf(run));
      rmSync(run, { recursive: true });
    }
    return { steps, kills, trainings, arrays, differences, leftOver };
  } finally {
    rmSync(folder, { recursive: true, force: true });
    rmSync(data, { recursive: true, force: true });
  }
}

interface Started {
  exitCode(): number | undefined;
  /** Kills after so long; false if the process had ended by itself. */
  killedAfter(ms: number): Promise<boolean>;
  readonly ended: Promise<{ code: number | null; stderr: string }>;
}

function start(args: readonly string[]): Started {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (data) => {
    stderr += data;
  });
  const ended = new Promise<{ code: number | null; stderr: string }>((resolve) => {
    child.on("close", (code) => resolve({ code, stderr }));
  });
  return {
    ended,
    exitCode: () => (child.exitCode === null && child.signalCode === null ? undefined : (child.exitCode ?? -1)),
    killedAfter: async (ms) => {
      await Promise.race([setTimeout(ms), ended]);
      child.kill("SIGKILL");
      await ended;
      return child.signalCode === "SIGKILL";
    },
  };
}

async function succeeded({ ended }: Started): Promise<void> {
  const { code, stderr } = await ended;
  if (code !== 0) throw new Error(`the training ended with status ${code}:\n${stderr}`);
}

async function positionOf(run: string): Promise<{ step: number; epoch: number; stepInEpoch: number }> {
  return JSON.parse((await readSafetensorsHeader(lastCheckpoint(run))).metadata.position);
}

function temporariesOf(run: string): string[] {
  if (!existsSync(run)) return [];
  return readdirSync(run, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".tmp"));
}

/** What differs between two runs. */
async function compare(wanted: string, found: string): Promise<{ arrays: number; differences: string[] }> {
  const differences: string[] = [];
  let arrays = 0;
  for (const file of [lastCheckpoint, bestCheckpoint]) {
    const [a, b] = [await readSafetensors(file(wanted)), await readSafetensors(file(found))];
    if ([...a.tensors.keys()].join() !== [...b.tensors.keys()].join()) differences.push(`${file(found)}: names`);
    if (a.metadata.position !== b.metadata.position) differences.push(`${file(found)}: position`);
    for (const [name, { data }] of a.tensors) {
      const other = b.tensors.get(name);
      arrays++;
      if (other === undefined || !sameBytes(data, other.data)) differences.push(`${file(found)}: ${name}`);
    }
  }
  if (!readFileSync(join(wanted, "model.onnx")).equals(readFileSync(join(found, "model.onnx"))))
    differences.push(`${found}: model.onnx`);
  const losses = async (run: string): Promise<string> =>
    JSON.stringify(
      (await readLog(folderStore(run))).map(({ epoch, trainLoss, validation }) => [epoch, trainLoss, validation]),
    );
  if ((await losses(wanted)) !== (await losses(found))) differences.push(`${found}: losses in log.jsonl`);
  return { arrays, differences };
}

function sameBytes(a: NodeJS.TypedArray, b: NodeJS.TypedArray): boolean {
  const bytes = (array: NodeJS.TypedArray): Buffer => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
  return bytes(a).equals(bytes(b));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      kills: { type: "string", default: "20" },
      seed: { type: "string", default: "0" },
      epochs: { type: "string", default: "8" },
      threads: { type: "string", default: "2" },
    },
  });
  const [kills, seed, epochs, threads] = [values.kills, values.seed, values.epochs, values.threads].map(Number);
  let count = 0;
  const report = await killAndResume({
    kills,
    seed,
    epochs,
    threads,
    onKill: ({ ms, started, step, halfWritten }) => {
      const at = step === undefined ? "before the first checkpoint" : `checkpoint at step ${step}`;
      const torn = halfWritten > 0 ? `, ${halfWritten} half-written` : "";
      console.error(`kill ${++count}/${kills}  ${(ms / 1000).toFixed(2)} s after ${started}: ${at}${torn}`);
    },
  });
  console.log(JSON.stringify(report, null, 2));
  if (report.differences.length + report.leftOver.length > 0) process.exitCode = 1;
}
