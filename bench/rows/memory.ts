/** Peak resident memory: each side in a process of its own that does nothing else. */
import { fileURLToPath } from "node:url";
import type { NetworkJob, StepJob } from "../jobs.ts";
import { findPython, Peer } from "../peer.ts";
import { measuredApart } from "../process.ts";
import type { Row } from "../results.ts";
import type { MemoryJob, MemoryPeak } from "./memory-child.ts";
import type { Bench, Finished } from "./row.ts";

const STEPS = 4;
const CHILD = fileURLToPath(new URL("./memory-child.ts", import.meta.url));

export const memoryColumns = [
  { key: "what" },
  { key: "medvoxMb", title: "medvox, MB", digits: 0 },
  { key: "medvoxEmptyMb", title: "of it before", digits: 0 },
  { key: "pytorchMb", title: "PyTorch, MB", digits: 0 },
  { key: "pytorchEmptyMb", title: "of it before", digits: 0 },
  { key: "ratio", title: "medvox / PyTorch", digits: 2 },
];

export function memoryRow(id: string, what: string, job: { step: StepJob } | { inference: NetworkJob }): Bench {
  return {
    id,
    table: "bench-memory",
    run: async ({ threads, say }): Promise<Finished> => {
      const ours = await measuredApart<MemoryJob, MemoryPeak>(CHILD, { ...job, threads, steps: STEPS });
      const row: Row = { what, medvoxMb: ours.peakBytes / 1e6, medvoxEmptyMb: ours.emptyBytes / 1e6 };
      const python = findPython(["torch"]);
      if (python === undefined) {
        say(`${id}: no Python with torch; medvox alone is measured`);
        return { rows: [row], versions: {}, notes: ["PyTorch was not there, so only medvox was measured."] };
      }
      const training = "step" in job;
      const peer = Peer.python(python, training ? "torch_step.py" : "torch_infer.py");
      try {
        const setup = await peer.ask({ cmd: "setup", ...(training ? job.step : job.inference), threads });
        for (let i = 0; i < STEPS; i++) await peer.ask({ cmd: "step" });
        const { peakBytes } = await peer.ask({ cmd: "memory" });
        const theirs = Number(peakBytes);
        return {
          rows: [
            {
              ...row,
              pytorchMb: theirs / 1e6,
              pytorchEmptyMb: Number(setup.baseBytes) / 1e6,
              ratio: ours.peakBytes / theirs,
            },
          ],
          versions: { pytorch: String(setup.torch) },
        };
      } finally {
        await peer.close();
      }
    },
  };
}

export const stepMemoryColumns = [
  { key: "what" },
  { key: "voxels", title: "voxels a batch" },
  { key: "peakMb", title: "peak, MB", digits: 0 },
];

/** medvox alone: what the rule of `medvox plan --memory` is held against (src/med3d/encoder/step-memory.ts). */
export function stepMemoryRow(id: string, step: StepJob): Bench {
  const { depth, batch, size } = step;
  return {
    id,
    table: "bench-step-memory",
    run: async ({ threads }): Promise<Finished> => {
      const { peakBytes } = await measuredApart<MemoryJob, MemoryPeak>(CHILD, { step, threads, steps: STEPS });
      const what = `ResNet-${depth}, skip decoder, batch ${batch}, ${size.join("×")}`;
      const voxels = batch * size[0] * size[1] * size[2];
      return { rows: [{ what, depth, voxels, peakMb: peakBytes / 1e6 }], versions: {} };
    },
  };
}
