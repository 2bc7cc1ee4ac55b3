/**
 * Memory of many short lives: makes a small model, trains it for a few steps, evaluates, closes it, again and again in one
 * engine, and watches the resident memory of the process (the engine's thread is part of it):
 *
 *     npx tsx bench/memory-cycles.ts [--cycles 500] [--threads 2] [--leak-mb 0]
 *
 * Flat means: the least that is resident in the last tenth of the cycles lies within {@link ALLOWED_MB} of the least in the tenth
 * after the warm-up. Ends with status 1 if it does not. `--leak-mb` keeps so much of every cycle, to see that a leak is found.
 *
 * What is measured is to be what is still held. So garbage is collected after every cycle (without it, 60 cycles end anywhere from
 * 10 to 40 MB above their beginning), and the process runs with one malloc arena that gives freed blocks back: as glibc comes, every
 * new thread may be given an arena of its own, and which cycle that happens in, by 10 to 30 MB at once, is chance.
 */
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";
import { globalAveragePool, relu, scope } from "../src/graph/index.ts";
import { adamW, batchNormLayer, convLayer, crossEntropy, linearLayer } from "../src/nn/index.ts";
import { random } from "../src/random.ts";
import { createEngine, type Engine, type Feeds } from "../src/runtime/index.ts";
import { createModel } from "../src/train/index.ts";

/** One model of these cycles, with its optimizer and its batch, is about 3 MB. */
const ALLOWED_MB = 10;
/** Allocators and the just-in-time compiler settle in the first half. */
const WARM_UP = 0.5;

/** Settings of glibc, which it reads when a process starts; other allocators ignore them. */
const HONEST_MALLOC = {
  MALLOC_ARENA_MAX: "1",
  MALLOC_MMAP_THRESHOLD_: "131072",
  MALLOC_TRIM_THRESHOLD_: "131072",
};

const INPUT = [2, 4, 16, 16, 16];

interface MemoryReport {
  readonly cycles: number;
  /** Resident memory after the warm-up and at the end, the least in a tenth of the cycles. */
  readonly warmMb: number;
  readonly endMb: number;
  readonly highestMb: number;
  /** Resident memory after each cycle. */
  readonly residentMb: readonly number[];
}

/** Trains and closes a model `cycles` times. */
async function memoryCycles(cycles: number, threads: number, leakMb: number): Promise<MemoryReport> {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error("memory-cycles: with MALLOC_ARENA_MAX set, it needs node --expose-gc, too");
  const engine = await createEngine({ threads });
  const residentMb: number[] = [];
  const kept: Float64Array[] = [];
  try {
    for (let cycle = 0; cycle < cycles; cycle++) {
      await trainAndClose(engine, cycle);
      if (leakMb > 0) kept.push(new Float64Array((leakMb * 2 ** 20) / 8).fill(cycle));
      gc();
      residentMb.push((await engine.memory()) / 2 ** 20);
    }
  } finally {
    await engine.close();
  }
  const tenth = Math.max(1, Math.round(cycles / 10));
  const warm = Math.round(cycles * WARM_UP);
  return {
    cycles,
    warmMb: Math.min(...residentMb.slice(warm, warm + tenth)),
    endMb: Math.min(...residentMb.slice(-tenth)),
    highestMb: Math.max(...residentMb),
    residentMb,
  };
}

/** A network of 100,000 parameters, three steps, one evaluation. */
async function trainAndClose(engine: Engine, seed: number): Promise<void> {
  const model = await createModel(
    {
      engine,
      network: ({ x }) => {
        const wide = { kernel: 3, padding: 1, bias: false } as const;
        let y = relu(batchNormLayer(convLayer(x, 32, scope("conv1"), wide), scope("bn1")));
        y = relu(batchNormLayer(convLayer(y, 96, scope("conv2"), { ...wide, stride: 2 }), scope("bn2")));
        return { scores: linearLayer(globalAveragePool(y), 3, scope("fc")) };
      },
      loss: ({ scores }, { target }) => crossEntropy(scores, target),
      optimizer: adamW({ lr: 1e-3 }),
      seed,
    },
    { x: { shape: INPUT, dtype: "float32" }, target: { shape: [INPUT[0]], dtype: "int32" } },
  );
  const numbers = random(seed, "batch");
  const batch = (): Feeds => ({
    x: { data: Float32Array.from({ length: INPUT.reduce((a, b) => a * b) }, () => numbers.normal()), shape: INPUT },
    target: { data: Int32Array.from({ length: INPUT[0] }, () => numbers.integer(3)), shape: [INPUT[0]] },
  });
  for (let step = 1; step <= 3; step++) await model.step([batch()], step, 1e-3);
  await model.evaluate({ x: batch().x });
  await model.state();
  await model.close();
}

if (process.env.MALLOC_ARENA_MAX === undefined) {
  const { status } = spawnSync(process.execPath, ["--expose-gc", "--import", "tsx", ...process.argv.slice(1)], {
    stdio: "inherit",
    env: { ...process.env, ...HONEST_MALLOC },
  });
  process.exit(status ?? 1);
}

const { values } = parseArgs({
  options: {
    cycles: { type: "string", default: "500" },
    threads: { type: "string", default: "2" },
    "leak-mb": { type: "string", default: "0" },
  },
});
const { residentMb, ...report } = await memoryCycles(
  Number(values.cycles),
  Number(values.threads),
  Number(values["leak-mb"]),
);
const growthMb = report.endMb - report.warmMb;
const step = Math.max(1, Math.floor(report.cycles / 10));
const curveMb = residentMb.filter((_, i) => (i + 1) % step === 0).map(Math.round);
console.log(JSON.stringify({ ...report, growthMb, allowedMb: ALLOWED_MB, curveMb }, null, 2));
if (growthMb > ALLOWED_MB) process.exitCode = 1;
