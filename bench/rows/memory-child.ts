/** The process of one memory row: a few steps of a job given as JSON, then the peak on standard output. */
import { createEngine } from "../../src/runtime/index.ts";
import { inferenceRunner, type NetworkJob, type StepJob, stepRunner } from "../jobs.ts";
import { peakBytes } from "../peak.ts";

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
const emptyBytes = peakBytes()!;
const engine = await createEngine({ threads: job.threads });
const runner = "step" in job ? await stepRunner(engine, job.step) : await inferenceRunner(engine, job.inference);
for (let i = 0; i < job.steps; i++) await runner.step();
console.log(JSON.stringify({ peakBytes: peakBytes()!, emptyBytes } satisfies MemoryPeak));
await runner.close();
await engine.close();
