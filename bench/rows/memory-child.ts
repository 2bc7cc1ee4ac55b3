/** The process of one memory row: a few steps of a job given as JSON, then the peak on standard output. */
import { readFileSync } from "node:fs";
import { createEngine } from "../../src/runtime/index.ts";
import { inferenceRunner, type NetworkJob, type StepJob, stepRunner } from "../jobs.ts";

export type MemoryJob = ({ readonly step: StepJob } | { readonly inference: NetworkJob }) & {
  readonly threads: number;
  readonly steps: number;
};

export interface MemoryPeak {
  readonly peakBytes: number;
  /** With Node and the code loaded, before the engine. */
  readonly emptyBytes: number;
}

const job = JSON.parse(process.argv[2]) as MemoryJob;
const emptyBytes = peak();
const engine = await createEngine({ threads: job.threads });
const runner = "step" in job ? await stepRunner(engine, job.step) : await inferenceRunner(engine, job.inference);
for (let i = 0; i < job.steps; i++) await runner.step();
console.log(JSON.stringify({ peakBytes: peak(), emptyBytes } satisfies MemoryPeak));
await runner.close();
await engine.close();

/** Linux's maxRSS starts from the process that spawned this one; VmHWM does not. */
function peak(): number {
  try {
    const line = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"));
    if (line !== null) return Number(line[1]) * 1024;
  } catch {
    // No /proc: another system, where maxRSS is the process's own.
  }
  return process.resourceUsage().maxRSS * 1024;
}
