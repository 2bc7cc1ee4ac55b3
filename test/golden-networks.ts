/** Whole networks with weights by formula, and the gradients that one step of plain SGD with momentum leaves behind. */
import { expect } from "vitest";
import { add, type Tensor } from "../src/graph/index.ts";
import { type SgdOptions, sgd, zeros } from "../src/nn/index.ts";
import type { Engine, Feeds } from "../src/runtime/index.ts";
import { createModel, type Model, type ModelOptions } from "../src/train/model/model.ts";
import type { FeedType } from "../src/train/model/step.ts";
import { parametersByFormula, TOLERANCE } from "./golden-values.ts";

export const LEARNING_RATE = 0.01;

export interface FilledModelOptions {
  readonly engine: Engine;
  readonly network: ModelOptions["network"];
  readonly loss: ModelOptions["loss"];
  readonly lowering: boolean;
  readonly types: Readonly<Record<string, FeedType>>;
  /** Names of transposed convolutions' weights whose fan the formula takes from the first axis. */
  readonly transposed?: ReadonlySet<string>;
  /** Added to the bias of every norm. */
  readonly shift?: number;
  readonly weightDecay?: SgdOptions["weightDecay"];
}

export interface FilledModel {
  readonly model: Model;
  /** Weights and running statistics it starts with. */
  readonly start: ReadonlyMap<string, Float32Array>;
  /** After the first step alone: norm of the gradient by name, `x` for the input's. */
  readonly gradientNorms: () => Promise<(name: string) => number>;
}

/** The parameter of {@link withInputGradient}. */
const INPUT = "shown";

export async function filledModel(options: FilledModelOptions): Promise<FilledModel> {
  const { transposed, shift = 0, weightDecay = 0, types, ...rest } = options;
  const optimizer = sgd({ lr: LEARNING_RATE, momentum: 0.9, weightDecay });
  const model = await createModel({ ...rest, optimizer }, types);
  const shapes = new Map([...model.parameters].map(([name, { shape }]) => [name, shape]));
  const filled = new Map([...shapes].filter(([name]) => name !== INPUT));
  const start = parametersByFormula(filled, transposed);
  // The norms are what has running statistics.
  for (const [name, values] of start)
    if (name.endsWith(".bias") && start.has(name.replace(/bias$/, "running_var")))
      for (let i = 0; i < values.length; i++) values[i] += shift;
  await model.load(new Map([...start].map(([name, data]) => [name, { data, shape: shapes.get(name)! }])));
  const gradientNorms = async () => {
    // After the first step the momentum is the gradient and the decay.
    const state = await model.state();
    return (asked: string): number => {
      const name = asked === "x" ? INPUT : asked;
      const weights = start.get(name);
      const momentum = state.get(`optimizer.momentum.${name}`)!.data;
      return norm(momentum.map((v, i) => v - weightDecay * (weights?.[i] ?? 0)));
    };
  };
  return { model, start, gradientNorms };
}

/** x itself, in training with a parameter of zeros added, whose gradient is x's. */
export function withInputGradient(x: Tensor): Tensor {
  return add(x, x.graph.parameter(INPUT, x.shape, zeros));
}

/** One step from one batch. */
export function step(model: Model, batch: Feeds, number = 1) {
  return model.step([batch], number, LEARNING_RATE);
}

export function norm(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i] ** 2;
  return Math.sqrt(total);
}

/** Fails, naming them, where norms differ from the wanted by more than `tolerance` of these. */
export function expectNorms(
  found: (name: string) => number,
  wanted: Readonly<Record<string, number>>,
  tolerance = TOLERANCE,
): void {
  const apart = Object.entries(wanted)
    .map(([name, value]) => ({ name, error: Math.abs(found(name) - value) / value }))
    .filter(({ error }) => !(error <= tolerance));
  expect(apart).toEqual([]);
}
