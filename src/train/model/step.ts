/**
 * The graphs of training: one step (forward, loss, gradients, optimizer update) and evaluation, each for one shape of
 * its inputs. Everything a step changes leaves the graph as an output named `next:` and the entry it renews.
 */
import {
  add,
  cleanUp,
  encodeOnnx,
  type Graph,
  type GraphOptions,
  gradients,
  graph,
  mul,
  type Shape,
  type Tensor,
} from "../../graph/index.ts";
import { clipByNorm, groupOf, type Optimizer, statisticsStay } from "../../nn/index.ts";

/** An array's shape and element type. */
export interface FeedType {
  readonly shape: Shape;
  readonly dtype: "float32" | "int32";
}

/** From inputs by name to outputs by name. Called once per shape and mode, with a graph that is training or not. */
export type Network = (inputs: Readonly<Record<string, Tensor>>) => Record<string, Tensor>;

/** The scalar to be made small, from the network's outputs and the inputs. */
export type Loss = (outputs: Readonly<Record<string, Tensor>>, inputs: Readonly<Record<string, Tensor>>) => Tensor;

/** What is measured beside the loss, from the network's outputs and the inputs: float32 values by name. */
export type Monitor = (
  outputs: Readonly<Record<string, Tensor>>,
  inputs: Readonly<Record<string, Tensor>>,
) => Record<string, Tensor>;

export interface StepDefinition {
  readonly network: Network;
  readonly loss: Loss;
  readonly monitor?: Monitor;
  /** Outputs of the network that leave the graph, too, as {@link earlyName}s. */
  readonly early?: readonly string[];
  /** Parameters whose updates the optimizer counts apart: those of one branch, which not every step renews. */
  readonly ownClock?: (parameter: string) => boolean;
  readonly optimizer: Optimizer;
  readonly clipNorm?: number;
  /** Micro-batches whose gradients are averaged into one update. */
  readonly accumulate: number;
}

/** A graph with named outputs, ready to be written as ONNX. */
export interface BuiltGraph {
  readonly graph: Graph;
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** Bank entries the graph renews: entry → output. */
  readonly renew: Readonly<Record<string, string>>;
}

const nextName = (entry: string): string => `next:${entry}`;
/** The bank entry of an optimizer's state. */
const slotName = (slot: string, parameter: string): string => `optimizer.${slot}.${parameter}`;
/** The output of a monitored value. */
export const monitorName = (name: string): string => `monitor:${name}`;
/** The graph's output for a network's output that something is decided from while the step is under way. */
export const earlyName = (name: string): string => `early:${name}`;
/** The input of an optimizer's scalar for parameters with a clock of their own. */
export const ownScalarName = (scalar: string): string => `own:${scalar}`;
/** The bank entry of an accumulated gradient. */
const accumulatedName = (parameter: string): string => slotName("gradient", parameter);

function inputsOf(g: Graph, types: Readonly<Record<string, FeedType>>): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(types).map(([name, { shape, dtype }]) => [name, g.input(name, shape, dtype)]),
  );
}

/** The parameters an optimizer changes. */
function trainedParameters(g: Graph, optimizer: Optimizer): Tensor[] {
  return [...g.parameters].flatMap(([name, tensor]) =>
    tensor.source.kind === "parameter" && tensor.source.info.trainable && !groupOf(optimizer, name).frozen
      ? [tensor]
      : [],
  );
}

const nameOf = (parameter: Tensor): string => (parameter.source.kind === "parameter" ? parameter.source.info.name : "");

/**
 * One training step. With `accumulate` > 1 there are two kinds: `"collect"` adds the gradients to what was collected,
 * `"update"` also applies their mean and empties the collection.
 */
export function buildStep(
  { network, loss, monitor, early = [], optimizer, clipNorm, accumulate, ownClock = () => false }: StepDefinition,
  types: Readonly<Record<string, FeedType>>,
  kind: "update" | "collect" = "update",
): BuiltGraph {
  const g = graph({ training: true, frozen: (name) => statisticsStay(optimizer, name) });
  const inputs = inputsOf(g, types);
  const made = network(inputs);
  const value = loss(made, inputs);
  const parameters = trainedParameters(g, optimizer);
  let slopes = gradients(value, parameters);
  const outputs: Record<string, Tensor> = { loss: value };
  for (const [name, tensor] of Object.entries(monitor?.(made, inputs) ?? {})) outputs[monitorName(name)] = tensor;
  for (const name of early) outputs[earlyName(name)] = made[name];
  const renew: Record<string, string> = {};
  const renewed = (entry: string, tensor: Tensor): void => {
    renew[entry] = nextName(entry);
    outputs[nextName(entry)] = tensor;
  };
  for (const [buffer, tensor] of g.updates) renewed(nameOf(buffer), tensor);

  if (accumulate > 1) {
    const collected = parameters.map((parameter) =>
      g.parameter(
        accumulatedName(nameOf(parameter)),
        parameter.shape,
        (shape) => new Float32Array(shape.reduce((a, b) => a * b, 1)),
        { trainable: false },
      ),
    );
    slopes = slopes.map((slope, i) => add(collected[i], slope));
    for (const [i, parameter] of parameters.entries()) {
      renewed(
        accumulatedName(nameOf(parameter)),
        kind === "collect" ? slopes[i] : g.constant(new Float32Array(parameter.size), parameter.shape),
      );
    }
    slopes = slopes.map((slope) => mul(slope, 1 / accumulate));
  }
  if (kind === "update") {
    if (clipNorm !== undefined) {
      const clipped = clipByNorm(slopes, clipNorm);
      slopes = clipped.gradients;
      outputs.gradientNorm = clipped.norm;
    }
    const scalarInputs = (nameOfScalar: (name: string) => string): Record<string, Tensor> =>
      Object.fromEntries(
        Object.keys(optimizer.scalars(1, optimizer.lr)).map((name) => [name, g.input(nameOfScalar(name), [])]),
      );
    const common = scalarInputs((name) => name);
    const own = parameters.some((parameter) => ownClock(nameOf(parameter))) ? scalarInputs(ownScalarName) : common;
    for (const [i, parameter] of parameters.entries()) {
      const name = nameOf(parameter);
      const { lrFactor, weightDecay } = groupOf(optimizer, name);
      const state = Object.fromEntries(
        optimizer.slots.map((slot) => [
          slot,
          g.parameter(
            slotName(slot, name),
            parameter.shape,
            (shape) => new Float32Array(shape.reduce((a, b) => a * b, 1)),
            { trainable: false },
          ),
        ]),
      );
      const scalars = ownClock(name) ? own : common;
      const next = optimizer.update({ parameter, gradient: slopes[i], state, scalars, lrFactor, weightDecay });
      renewed(name, next.parameter);
      for (const slot of optimizer.slots) renewed(slotName(slot, name), next.state[slot]);
    }
  }
  return { graph: g, outputs, renew };
}

/** Evaluation: the network's outputs, and the loss if there is a target to compare with. */
export function buildEvaluation(
  network: Network,
  types: Readonly<Record<string, FeedType>>,
  loss?: Loss,
  early: readonly string[] = [],
  { anySize }: Pick<GraphOptions, "anySize"> = {},
): BuiltGraph {
  const g = graph({ training: false, anySize });
  const inputs = inputsOf(g, types);
  const outputs = network(inputs);
  for (const name of early) outputs[earlyName(name)] = outputs[name];
  return { graph: g, outputs: loss === undefined ? outputs : { ...outputs, loss: loss(outputs, inputs) }, renew: {} };
}

/** ONNX bytes of a graph with named outputs, cleaned up. */
export function encodeBuilt(
  { graph: g, outputs }: { readonly graph: Graph; readonly outputs: Readonly<Record<string, Tensor>> },
  contrib: boolean,
): Uint8Array {
  const names = Object.keys(outputs);
  const clean = cleanUp(g, Object.values(outputs));
  return encodeOnnx(clean.graph, Object.fromEntries(names.map((name, i) => [name, clean.outputs[i]])), { contrib });
}
