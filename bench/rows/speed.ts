/** Training steps and forward passes against PyTorch: the same weights and data on both sides, checked before timing. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeSafetensors } from "../../src/files/index.ts";
import { createEngine } from "../../src/runtime/index.ts";
import { type Alternated, type AlternateOptions, alternate, type Side, timesOf } from "../alternate.ts";
import { judged } from "../bounds.ts";
import { inferenceRunner, type NetworkJob, type StepJob, stepRunner } from "../jobs.ts";
import { findPython, Peer } from "../peer.ts";
import type { Row } from "../results.ts";
import type { Bench, Finished } from "./row.ts";

const AGREEMENT = 1e-3;

export const timingColumns = [
  { key: "what" },
  { key: "medvoxMs", title: "medvox, ms", digits: 0 },
  { key: "medvoxMinMs", title: "at best", digits: 0 },
  { key: "pytorchMs", title: "PyTorch, ms", digits: 0 },
  { key: "pytorchMinMs", title: "at best", digits: 0 },
  { key: "ratio", title: "medvox / PyTorch, medians", digits: 2 },
  { key: "minRatio", title: "at best", digits: 2 },
  { key: "bound" },
  { key: "verdict", title: "" },
];

/** One training step; `bound` is for the ratio of medians. */
export function stepRow(id: string, what: string, job: StepJob, bound: number): Bench {
  return {
    id,
    table: "bench-training",
    run: async ({ threads, say }) => {
      const engine = await createEngine({ threads });
      const runner = await stepRunner(engine, job);
      try {
        const python = findPython(["torch"]);
        if (python === undefined) {
          say(`${id}: no Python with torch; medvox alone is measured`);
          return alone(what, bound, await repeat(async () => (await runner.step()).ms));
        }
        return await withFolder(async (folder) => {
          const tensors = join(folder, "step.safetensors");
          await writeSafetensors(tensors, await runner.tensors());
          const peer = Peer.python(python, "torch_step.py");
          try {
            const setup = await peer.ask({ cmd: "setup", ...job, threads, tensors });
            // Three steps: the loss, then the loss after one and two updates. The first must agree exactly; by the third,
            // rounding has had its say (Adam divides small gradients by themselves).
            const losses: [number, number][] = [];
            for (let i = 0; i < 3; i++) {
              losses.push([(await runner.step()).loss, Number((await peer.ask({ cmd: "step" })).loss)]);
            }
            const [first, , third] = losses.map(([ours, theirs]) => Math.abs(ours - theirs) / Math.abs(theirs));
            const shown = losses.map(([ours, theirs]) => `${ours.toFixed(6)} / ${theirs.toFixed(6)}`).join(", ");
            if (!(first < AGREEMENT && third < 20 * AGREEMENT)) {
              throw new Error(`${id}: medvox and PyTorch do not compute the same; losses of three steps: ${shown}`);
            }
            say(`${id}: losses agree: ${shown}`);
            const measured = await alternate(
              { pid: process.pid, step: async () => (await runner.step()).ms },
              peerSide(peer),
              { warmUp: 1 },
            );
            return against(what, measured, setup, bound, { lossDifference: first, lossDifferenceAfterTwo: third });
          } finally {
            await peer.close();
          }
        });
      } finally {
        await runner.close();
        await engine.close();
      }
    },
  };
}

/** One forward pass in evaluation mode. */
export function inferenceRow(id: string, what: string, job: NetworkJob): Bench {
  return {
    id,
    table: "bench-inference",
    run: async ({ threads, say }) => {
      const engine = await createEngine({ threads });
      const runner = await inferenceRunner(engine, job);
      try {
        const python = findPython(["torch"]);
        if (python === undefined) {
          say(`${id}: no Python with torch; medvox alone is measured`);
          return alone(what, 1, await repeat(async () => (await runner.step()).ms));
        }
        return await withFolder(async (folder) => {
          const tensors = join(folder, "network.safetensors");
          const result = join(folder, "scores.f32");
          await writeSafetensors(tensors, runner.tensors());
          const peer = Peer.python(python, "torch_infer.py");
          try {
            const setup = await peer.ask({ cmd: "setup", ...job, threads, tensors, result });
            const difference = largestDifference((await runner.step()).output, floatsOf(result));
            if (!(difference < AGREEMENT)) {
              throw new Error(
                `${id}: medvox and PyTorch do not compute the same; outputs differ by ${difference} of their largest value`,
              );
            }
            say(`${id}: outputs agree to ${difference.toExponential(1)} of their largest value`);
            const measured = await alternate(
              { pid: process.pid, step: async () => (await runner.step()).ms },
              peerSide(peer),
              { rounds: 15 },
            );
            return against(what, measured, setup, 1, { outputDifference: difference });
          } finally {
            await peer.close();
          }
        });
      } finally {
        await runner.close();
        await engine.close();
      }
    },
  };
}

export function peerSide(peer: Peer): Side {
  return { pid: peer.pid, step: async () => Number((await peer.ask({ cmd: "step" })).ms) };
}

/** Steps of one side alone, as `alternate` would time them. */
async function repeat(step: () => Promise<number>, { warmUp = 3, rounds = 12 }: AlternateOptions = {}) {
  const all: number[] = [];
  for (let i = 0; i < warmUp + rounds; i++) {
    const ms = await step();
    if (i >= warmUp) all.push(ms);
  }
  return timesOf(all);
}

function alone(what: string, bound: number, times: Alternated["ours"]): Finished {
  const row: Row = { what, medvoxMs: times.median, medvoxMinMs: times.min, ...judged(null, { atMost: bound }) };
  return { rows: [row], versions: {}, notes: ["PyTorch was not there, so only medvox was measured."] };
}

/** The row of two sides that took turns. @param setup what the peer said of itself */
export function against(
  what: string,
  { ours, theirs, idleShare }: Alternated,
  setup: Readonly<Record<string, unknown>>,
  bound: number,
  agreement: Row,
): Finished {
  const ratio = ours.median / theirs.median;
  const row: Row = {
    what,
    medvoxMs: ours.median,
    medvoxMinMs: ours.min,
    pytorchMs: theirs.median,
    pytorchMinMs: theirs.min,
    ratio,
    minRatio: ours.min / theirs.min,
    ...judged(ratio, { atMost: bound }),
    rounds: ours.all.length,
    idleShare,
    ...agreement,
  };
  return { rows: [row], versions: { pytorch: String(setup.torch) }, idleShare };
}

async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "medvox-bench-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function floatsOf(path: string): Float32Array {
  const bytes = readFileSync(path);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer);
}

/** Of two arrays, as a share of the second's largest value; infinite if they are not of one length. */
function largestDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  let difference = 0;
  for (let i = 0; i < a.length; i++) {
    largest = Math.max(largest, Math.abs(b[i]));
    difference = Math.max(difference, Math.abs(a[i] - b[i]));
  }
  return difference / largest;
}
