/**
 * For the record: one 3D convolution with both gradients in @tensorflow/tfjs-backend-wasm, the fastest engine that trains in
 * JavaScript without a download. It is installed into a temporary folder, since nothing in medvox needs it.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { conv, encodeOnnx, gradients, graph, lower, mul, sum, sumSquare } from "../../src/graph/index.ts";
import { createEngine, type Engine } from "../../src/runtime/index.ts";
import { alternate, type Side } from "../alternate.ts";
import { Peer } from "../peer.ts";
import type { Bench, Finished } from "./row.ts";

const VERSION = "4.22.0";
const BATCH = 2;
const CHANNELS = 64;
const SPATIAL = [16, 16, 16] as const;

export const tfjsColumns = [
  { key: "what" },
  { key: "medvoxMs", title: "medvox, ms", digits: 1 },
  { key: "tfjsMs", title: "tfjs wasm, ms", digits: 0 },
  { key: "ratio", title: "tfjs / medvox, medians", digits: 0 },
  { key: "minRatio", title: "at best", digits: 0 },
];

export const tfjsRow: Bench = {
  id: "tfjs",
  table: "bench-tfjs",
  run: async ({ threads, say }): Promise<Finished> => {
    const folder = mkdtempSync(join(tmpdir(), "medvox-tfjs-"));
    const what = "convolution 64→64, 3³, 16³ map, batch 2: forward and both gradients";
    try {
      if (!installed(folder)) {
        say("tfjs: cannot be installed here; skipped");
        return {
          rows: [{ what }],
          versions: {},
          notes: ["@tensorflow/tfjs-backend-wasm could not be installed, so it was not measured."],
        };
      }
      const engine = await createEngine({ threads });
      const peer = Peer.node("tfjs_conv.mjs", [folder]);
      try {
        const setup = await peer.ask({ cmd: "setup", batch: BATCH, size: SPATIAL, ci: CHANNELS, co: CHANNELS });
        const ours = await oneConvolution(engine);
        const { sums } = await peer.ask({ cmd: "step" });
        const off = (sums as number[]).map((theirs, i) => Math.abs(theirs / ours.sums[i] - 1));
        if (!(off[0] < 1e-3 && off[2] < 1e-3))
          throw new Error(`tfjs: sums of squares differ: ${ours.sums.join(", ")} and ${(sums as number[]).join(", ")}`);
        const measured = await alternate(
          ours.side,
          { pid: peer.pid, step: async () => Number((await peer.ask({ cmd: "step" })).ms) },
          { warmUp: 1, rounds: 3 },
        );
        return {
          rows: [
            {
              what,
              medvoxMs: measured.ours.median,
              tfjsMs: measured.theirs.median,
              ratio: measured.theirs.median / measured.ours.median,
              minRatio: measured.theirs.min / measured.ours.min,
            },
          ],
          versions: { tfjs: String(setup.tfjs) },
          idleShare: measured.idleShare,
          notes: [
            `For the record. tfjs ran with ${String(setup.threads)} thread(s), which is what its WebAssembly backend has in Node; medvox with ${threads}.`,
            ...(off[1] < 1e-3
              ? []
              : [
                  `Output and weights' gradient agree; tfjs's gradient of the input is another (its sum of squares by ${(100 * off[1]).toFixed(1)} %). ` +
                    "medvox's is held against PyTorch and finite differences in its tests.",
                ]),
          ],
        };
      } finally {
        await peer.close();
        await engine.close();
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

function installed(folder: string): boolean {
  writeFileSync(join(folder, "package.json"), '{ "private": true }');
  const packages = ["tfjs-core", "tfjs-backend-cpu", "tfjs-backend-wasm"].map(
    (name) => `@tensorflow/${name}@${VERSION}`,
  );
  try {
    execFileSync("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", ...packages], {
      cwd: folder,
      stdio: "ignore",
      timeout: 120_000,
    });
    return true;
  } catch {
    return false;
  }
}

/** The same on medvox; x, w and the output's gradient lie in the engine, as parameters do in training. */
async function oneConvolution(engine: Engine): Promise<{ side: Side; sums: number[] }> {
  const g = graph();
  const wave = (shape: readonly number[], toFirst: (i: number) => number): Float32Array => {
    const size = shape.reduce((a, b) => a * b, 1);
    return Float32Array.from({ length: size }, (_, i) => Math.sin(0.01 * toFirst(i)));
  };
  const map = [BATCH, CHANNELS, ...SPATIAL];
  const kernel = [CHANNELS, CHANNELS, 3, 3, 3];
  const positions = SPATIAL[0] * SPATIAL[1] * SPATIAL[2];
  // tfjs numbers its elements channels last; the same values here, channels first.
  const channelsLast = (i: number): number => {
    const position = i % positions;
    const channel = Math.floor(i / positions) % CHANNELS;
    return (Math.floor(i / positions / CHANNELS) * positions + position) * CHANNELS + channel;
  };
  const tapsFirst = (i: number): number => {
    const ci = Math.floor(i / 27) % CHANNELS;
    return ((i % 27) * CHANNELS + ci) * CHANNELS + Math.floor(i / 27 / CHANNELS);
  };
  const values = {
    x: { data: wave(map, channelsLast), shape: map },
    w: { data: wave(kernel, tapsFirst), shape: kernel },
    dy: { data: wave(map, channelsLast), shape: map },
  };
  const [x, w, dy] = Object.entries(values).map(([name, { data, shape }]) => g.parameter(name, shape, () => data));
  const y = conv(x, w, { padding: 1 });
  const [dx, dw] = gradients(sum(mul(y, dy)), [x, w]);
  // `relayout` off: the weights are here in PyTorch's layout, which is to medvox's disadvantage.
  const timed = lower(g, { y, dx, dw }, { relayout: false });
  const summed = { y: sumSquare(y), dx: sumSquare(dx), dw: sumSquare(dw) };
  const bank = engine.bank();
  const kept = Object.fromEntries(
    Object.entries({ y: map, dx: map, dw: kernel }).map(([name, shape]) => [
      `kept ${name}`,
      { data: new Float32Array(shape.reduce((a, b) => a * b, 1)), shape },
    ]),
  );
  await bank.write({ ...values, ...kept });
  const check = await engine.load(encodeOnnx(g, summed), { label: "sums" });
  const { outputs } = await check.run({}, { bank });
  await check.close();
  const program = await engine.load(encodeOnnx(timed.graph, timed.outputs, { contrib: true }), {
    label: "convolution",
  });
  const renew = { "kept y": "y", "kept dx": "dx", "kept dw": "dw" };
  return {
    sums: ["y", "dx", "dw"].map((name) => Number(outputs[name].data[0])),
    side: {
      pid: process.pid,
      step: async () => {
        const began = performance.now();
        await program.run({}, { bank, renew, fetch: [] });
        return performance.now() - began;
      },
    },
  };
}
