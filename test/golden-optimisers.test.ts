/**
 * Optimisers over 20 steps of a small network, with groups, clipping and accumulation, and learning-rate schedules, against
 * PyTorch (`oracle/torch_optimisers.py`). The steps are the very graphs that training runs.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Graph, globalAveragePool, relu, scope, type Tensor } from "../src/graph/index.ts";
import {
  adam,
  adamW,
  batchNorm,
  conv,
  crossEntropy,
  linear,
  type Optimiser,
  type ParameterGroup,
  type ScheduleSpec,
  scheduleFactor,
  sgd,
  type Warmup,
} from "../src/nn/index.ts";
import { createEngine, type Engine } from "../src/runtime/index.ts";
import { buildStep, encodeBuilt } from "../src/train/step.ts";
import {
  countOf,
  expectGolden,
  formula,
  type GoldenArray,
  parametersByFormula,
  readGolden,
  relativeError,
  TOLERANCE,
  uniform,
} from "./golden-values.ts";

interface Setting {
  readonly optimiser: "sgd" | "adam" | "adamW";
  readonly lr: number;
  readonly momentum?: number;
  readonly nesterov?: boolean;
  readonly weightDecay?: number;
  readonly betas?: [number, number];
  readonly epsilon?: number;
  readonly clipNorm?: number;
  readonly accumulate?: number;
  readonly schedule?: "cosine";
  readonly groups?: readonly { parameters: string[]; lrFactor?: number; weightDecay?: number; frozen?: boolean }[];
}

interface Fixture {
  readonly runs: readonly {
    readonly name: string;
    readonly setting: Setting;
    readonly losses: readonly number[];
    readonly gradientNorms: readonly number[];
    readonly state: Readonly<Record<string, GoldenArray>>;
  }[];
  readonly schedules: readonly {
    readonly schedule: ScheduleSpec;
    readonly warmup?: Warmup;
    readonly base: number;
    readonly rates: readonly number[];
  }[];
}

const { runs, schedules } = readGolden<Fixture>("optimisers.json");
const STEPS = 20;
const INPUT = [4, 1, 6, 7, 5];

/** `SmallNetwork` of `oracle/torch_network.py`. */
function smallNetwork({ x }: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  let y = relu(batchNorm(conv(x, 4, scope("conv1"), { kernel: 3, padding: 1, bias: false }), scope("bn1")));
  y = relu(conv(y, 6, scope("conv2"), { kernel: 3, stride: 2, padding: 1 }));
  return { scores: linear(globalAveragePool(y), 3, scope("fc")) };
}

function optimiserOf({ optimiser, groups = [], ...setting }: Setting): Optimiser {
  const options = {
    ...setting,
    weightDecay: setting.weightDecay ?? 0,
    groups: groups.map(
      ({ parameters, ...treatment }): ParameterGroup => ({
        match: new RegExp(`^(${parameters.join("|").replaceAll(".", "\\.")})$`),
        ...treatment,
      }),
    ),
  };
  return { sgd, adam, adamW }[optimiser](options);
}

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ device: "cpu", threads: 1 });
});
afterAll(() => engine.close());

describe("20 steps", () => {
  test.each(runs.map((run) => [run.name, run] as const))("%s", async (_, { setting, losses, gradientNorms, state }) => {
    const optimiser = optimiserOf(setting);
    const { clipNorm, accumulate = 1 } = setting;
    const definition = {
      network: smallNetwork,
      loss: ({ scores }: Readonly<Record<string, Tensor>>, { y }: Readonly<Record<string, Tensor>>) =>
        crossEntropy(scores, y),
      optimiser,
      clipNorm,
      accumulate,
    };
    const types = { x: { shape: INPUT, dtype: "float32" }, y: { shape: [INPUT[0]], dtype: "int32" } } as const;
    const update = buildStep(definition, types);
    const collect = buildStep(definition, types, "collect");
    const updateProgram = await engine.load(encodeBuilt(update, true), { label: "update" });
    const collectProgram = await engine.load(encodeBuilt(collect, true), { label: "collect" });
    const bank = engine.bank();
    await bank.write(startOf(update.graph, Object.keys(state)));
    for (let step = 0; step < STEPS; step++) {
      let total = 0;
      for (let micro = 0; micro < accumulate; micro++) {
        const x = { data: formula(30_000 + 10 * step + micro, countOf(INPUT)), shape: INPUT };
        const classes = Array.from(uniform(40_000 + 10 * step + micro, INPUT[0]), (u) => Math.floor(3 * u));
        const y = { data: Int32Array.from(classes), shape: [INPUT[0]] };
        const last = micro === accumulate - 1;
        const rate = setting.lr * (setting.schedule ? scheduleFactor({ kind: setting.schedule }, step, STEPS) : 1);
        const scalars = Object.entries(optimiser.scalars(step + 1, rate)).map(
          ([name, value]) => [name, { data: Float32Array.of(value), shape: [] }] as const,
        );
        const { outputs } = last
          ? await updateProgram.run({ x, y, ...Object.fromEntries(scalars) }, { bank, renew: update.renew })
          : await collectProgram.run({ x, y }, { bank, renew: collect.renew });
        total += Number(outputs.loss.data[0]) / accumulate;
        if (last && clipNorm !== undefined) {
          const norm = Number(outputs.gradientNorm.data[0]);
          expect(relativeError([norm], [gradientNorms[step]]), `gradient norm of step ${step}`).toBeLessThanOrEqual(
            TOLERANCE,
          );
        }
      }
      expect(relativeError([total], [losses[step]]), `loss of step ${step}`).toBeLessThanOrEqual(TOLERANCE);
    }
    const ended = await bank.read(Object.keys(state));
    for (const [name, golden] of Object.entries(state)) expectGolden(name, ended.get(name)!, golden);
    await Promise.all([updateProgram.close(), collectProgram.close(), bank.close()]);
  });
});

/** The network's parameters and buffers by formula, everything else (optimiser state) zero. */
function startOf(
  graph: Graph,
  names: readonly string[],
): Record<string, { data: Float32Array; shape: readonly number[] }> {
  const shapes = new Map([...graph.parameters].map(([name, { shape }]) => [name, shape]));
  const values = parametersByFormula(new Map(names.map((name) => [name, shapes.get(name)!])));
  return Object.fromEntries(
    [...shapes].map(([name, shape]) => [name, { data: values.get(name) ?? new Float32Array(countOf(shape)), shape }]),
  );
}

describe("schedules", () => {
  test.each(
    schedules.map((entry) => [JSON.stringify(entry.schedule) + JSON.stringify(entry.warmup ?? {}), entry] as const),
  )("%s", (_, { schedule, warmup, base, rates }) => {
    const found = rates.map((_rate, epoch) => base * scheduleFactor(schedule, epoch, STEPS, warmup));
    expect(relativeError(found, rates)).toBeLessThanOrEqual(1e-12);
  });
});
