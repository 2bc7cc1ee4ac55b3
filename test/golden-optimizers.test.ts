/**
 * Optimizers over 20 steps of a small network, with groups, clipping and accumulation, and learning-rate schedules, against
 * PyTorch (`oracle/torch_optimizers.py`). The steps are the very graphs that training runs, as written and lowered.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { add, globalAveragePool, relu, scope, type Tensor } from "../src/graph/index.ts";
import {
  adam,
  adamW,
  batchNormLayer,
  convLayer,
  crossEntropy,
  linearLayer,
  type Optimizer,
  type ParameterGroup,
  type ScheduleSpec,
  scheduleFactor,
  sgd,
  type Warmup,
} from "../src/nn/index.ts";
import { createEngine, type Engine, type Feeds } from "../src/runtime/index.ts";
import { createModel } from "../src/train/model/model.ts";
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
  readonly network?: "wide";
  readonly optimizer: "sgd" | "adam" | "adamW";
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

const { runs, schedules } = readGolden<Fixture>("optimizers.json");
const STEPS = 20;
const INPUT = [4, 1, 6, 7, 5];

type Named = Readonly<Record<string, Tensor>>;
const three = { kernel: 3, padding: 1 } as const;

/** The networks of `oracle/torch_network.py`. */
const networks = {
  small: ({ x }: Named): Record<string, Tensor> => {
    let y = relu(batchNormLayer(convLayer(x, 4, scope("conv1"), { ...three, bias: false }), scope("bn1")));
    y = relu(convLayer(y, 6, scope("conv2"), { ...three, stride: 2 }));
    return { scores: linearLayer(globalAveragePool(y), 3, scope("fc")) };
  },
  wide: ({ x }: Named): Record<string, Tensor> => {
    let y = relu(batchNormLayer(convLayer(x, 32, scope("conv1"), { ...three, bias: false }), scope("bn1")));
    y = relu(convLayer(y, 32, scope("conv2"), three));
    const halved = batchNormLayer(convLayer(y, 40, scope("conv3"), { ...three, stride: 2, bias: false }), scope("bn3"));
    y = relu(add(halved, convLayer(y, 40, scope("down"), { stride: 2, bias: false })));
    y = relu(convLayer(y, 32, scope("conv4"), { kernel: 3, padding: 2, dilation: 2 }));
    return { scores: linearLayer(globalAveragePool(y), 3, scope("fc")) };
  },
};

function optimizerOf({ optimizer, groups = [], ...setting }: Setting): Optimizer {
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
  return { sgd, adam, adamW }[optimizer](options);
}

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ device: "cpu", threads: 1 });
});
afterAll(() => engine.close());

describe.each([
  ["as written", false],
  ["lowered", true],
] as const)("20 steps, %s", (_, lowering) => {
  test.each(runs.map((run) => [run.name, run] as const))("%s", async (_name, run) => {
    const { setting, losses, gradientNorms, state } = run;
    const optimizer = optimizerOf(setting);
    const { clipNorm, accumulate = 1 } = setting;
    const network = networks[setting.network ?? "small"];
    const loss = ({ scores }: Named, { y }: Named): Tensor => crossEntropy(scores, y);
    const options = { engine, network, loss, optimizer, clipNorm, accumulate, lowering };
    const model = await createModel(options, {
      x: { shape: INPUT, dtype: "float32" },
      y: { shape: [INPUT[0]], dtype: "int32" },
    });
    const shapes = new Map([...model.parameters].map(([name, { shape }]) => [name, shape]));
    expect([...shapes.keys()].sort(), "parameters and buffers").toEqual(Object.keys(state).sort());
    const start = parametersByFormula(shapes);
    await model.load(new Map([...start].map(([name, data]) => [name, { data, shape: shapes.get(name)! }])));
    for (let step = 0; step < STEPS; step++) {
      const batches = Array.from({ length: accumulate }, (_unused, micro) => batch(10 * step + micro));
      const rate = setting.lr * (setting.schedule ? scheduleFactor({ kind: setting.schedule }, step, STEPS) : 1);
      const result = await model.step(batches, step + 1, rate);
      expect(relativeError([result.loss], [losses[step]]), `loss of step ${step}`).toBeLessThanOrEqual(TOLERANCE);
      if (clipNorm !== undefined) {
        const apart = relativeError([result.gradientNorm!], [gradientNorms[step]]);
        expect(apart, `gradient norm of step ${step}`).toBeLessThanOrEqual(TOLERANCE);
      }
    }
    const ended = await model.weights();
    for (const [name, golden] of Object.entries(state)) expectGolden(name, ended.get(name)!, golden);
    await model.close();
  });
});

function batch(number: number): Feeds {
  const classes = Array.from(uniform(40_000 + number, INPUT[0]), (u) => Math.floor(3 * u));
  return {
    x: { data: formula(30_000 + number, countOf(INPUT)), shape: INPUT },
    y: { data: Int32Array.from(classes), shape: [INPUT[0]] },
  };
}

describe("schedules", () => {
  test.each(
    schedules.map((entry) => [JSON.stringify(entry.schedule) + JSON.stringify(entry.warmup ?? {}), entry] as const),
  )("%s", (_, { schedule, warmup, base, rates }) => {
    const found = rates.map((_rate, epoch) => base * scheduleFactor(schedule, epoch, STEPS, warmup));
    expect(relativeError(found, rates)).toBeLessThanOrEqual(1e-12);
  });
});
