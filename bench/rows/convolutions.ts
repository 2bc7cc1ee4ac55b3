/**
 * Where a training step's time goes, from ONNX Runtime's profile of every node.
 *
 * Lowered, a convolution is matrix products and the copying of rows around them (or a Conv), and the names of nodes do not tell which
 * layer they came from. So whole operator types are counted: `products` (Conv, MatMul, FusedMatMul, Gemm) and `arranging`
 * (Gather, Concat, Transpose, Reshape, Slice, Pad, Split, Expand, Sum, layout changes). Both together are an upper bound of the
 * convolutions' time: the up-sampling's small matrices and the loss's few copies are in it. The rate divides the multiply-adds
 * that the convolutions need (without those that meet padding) by that whole time, so it is a lower bound.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createEngine, type Engine } from "../../src/runtime/index.ts";
import { timesOf } from "../alternate.ts";
import { convolutionWork, matmulRate, type StepJob, stepRunner } from "../jobs.ts";
import type { Row } from "../results.ts";
import type { Bench } from "./row.ts";

const PRODUCTS = new Set(["Conv", "FusedConv", "NhwcFusedConv", "MatMul", "FusedMatMul", "Gemm", "FusedGemm"]);
const ARRANGING = new Set([
  "Gather",
  "Concat",
  "Transpose",
  "Reshape",
  "Slice",
  "Pad",
  "Split",
  "Expand",
  "Sum",
  "Squeeze",
  "Unsqueeze",
  "ReorderInput",
  "ReorderOutput",
]);
const WARM_UP = 2;
const STEPS = 6;

export const convolutionColumns = [
  { key: "what" },
  { key: "stepMs", title: "step, ms", digits: 0 },
  { key: "productsShare", title: "products, share", digits: 2 },
  { key: "arrangingShare", title: "arranging, share", digits: 2 },
  { key: "convolutionsShare", title: "convolutions, share", digits: 2 },
  { key: "gflops", title: "convolutions, GF/s", digits: 0 },
  { key: "nominalGflops", title: "GF/s counting padding", digits: 0 },
  { key: "matmulGflops", title: "matrix product 1024³, GF/s", digits: 0 },
  { key: "ofMatmul", title: "convolutions / matrix product", digits: 2 },
];

export const profileColumns = [
  { key: "what" },
  { key: "operator" },
  { key: "nodes", digits: 0 },
  { key: "ms", title: "ms per step", digits: 1 },
  { key: "share", digits: 3 },
];

interface ProfileEvent {
  readonly cat: string;
  readonly name: string;
  readonly ts: number;
  readonly dur: number;
  readonly args?: { readonly op_name?: string };
}

export function convolutionRow(id: string, what: string, job: StepJob): Bench {
  return {
    id,
    table: "bench-convolutions",
    run: async ({ threads }) => {
      const folder = mkdtempSync(join(tmpdir(), "medvox-profile-"));
      const plain = await createEngine({ threads });
      try {
        const before = await matmulRate(plain);
        const profiled: Engine = {
          ...plain,
          load: (model, options) => plain.load(model, { ...options, profile: join(folder, "step") }),
        };
        const runner = await stepRunner(profiled, job);
        const times: number[] = [];
        for (let i = 0; i < WARM_UP + STEPS; i++) times.push((await runner.step()).ms);
        await runner.close();
        const matmulGflops = Math.max(before, await matmulRate(plain));
        const byOperator = profileOf(folder);
        const sum = (set?: ReadonlySet<string>): number =>
          [...byOperator].reduce((ms, [name, entry]) => (set === undefined || set.has(name) ? ms + entry.ms : ms), 0);
        const all = sum();
        const products = sum(PRODUCTS);
        const arranging = sum(ARRANGING);
        const { needed, nominal } = convolutionWork(job);
        const gflops = needed / ((products + arranging) * 1e6);
        const row: Row = {
          what,
          stepMs: timesOf(times.slice(WARM_UP)).median,
          nodesMs: all,
          productsShare: products / all,
          arrangingShare: arranging / all,
          convolutionsShare: (products + arranging) / all,
          gflops,
          nominalGflops: nominal / ((products + arranging) * 1e6),
          productsOnlyGflops: needed / (products * 1e6),
          matmulGflops,
          ofMatmul: gflops / matmulGflops,
          neededGflop: needed / 1e9,
          nominalGflop: nominal / 1e9,
        };
        const most = [...byOperator].sort(([, a], [, b]) => b.ms - a.ms).slice(0, 12);
        return {
          rows: [row],
          versions: {},
          more: {
            "bench-profile": most.map(([operator, { ms, nodes }]) => ({
              what,
              operator,
              nodes: nodes / STEPS,
              ms,
              share: ms / all,
            })),
          },
        };
      } finally {
        await plain.close();
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}

/** Milliseconds and nodes per step by operator type, over the last steps of the profile. */
function profileOf(folder: string): Map<string, { ms: number; nodes: number }> {
  const [file] = readdirSync(folder).filter((name) => name.endsWith(".json"));
  const events = JSON.parse(readFileSync(join(folder, file), "utf8")) as ProfileEvent[];
  const runs = events.filter(({ cat, name }) => cat === "Session" && name === "model_run").slice(-STEPS);
  const from = runs[0].ts;
  const byOperator = new Map<string, { ms: number; nodes: number }>();
  for (const { cat, name, ts, dur, args } of events) {
    if (cat !== "Node" || ts < from || !name.endsWith("_kernel_time")) continue;
    const operator = args?.op_name ?? "unknown";
    const entry = byOperator.get(operator) ?? { ms: 0, nodes: 0 };
    entry.ms += dur / 1000 / runs.length;
    entry.nodes++;
    byOperator.set(operator, entry);
  }
  return byOperator;
}
