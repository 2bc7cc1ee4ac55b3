/**
 * Layers: operators that own their parameters. Two- or three-dimensional by their input. Parameter names are PyTorch's.
 */
import {
  add,
  batchNorm,
  batchNormInference,
  conv,
  convTranspose,
  dropout,
  type Graph,
  groupNorm,
  type Initializer,
  instanceNorm,
  linear,
  mul,
  type PerAxis,
  type Scope,
  type Tensor,
} from "../graph/index.ts";
import { biasUniform, kaimingUniform, ones, zeros } from "./initializers.ts";

export interface ConvLayerOptions {
  /** Window size; 1 by default. */
  kernel?: PerAxis;
  stride?: PerAxis;
  padding?: PerAxis;
  dilation?: PerAxis;
  groups?: number;
  /** On by default. */
  bias?: boolean;
  initialize?: Initializer;
  /** Of the bias; PyTorch's default else. */
  initializeBias?: Initializer;
}

function kernelOf(x: Tensor, kernel: PerAxis): number[] {
  return typeof kernel === "number" ? new Array<number>(x.rank - 2).fill(kernel) : [...kernel];
}

/** Convolution to `channels` channels: x [N, Ci, …] → [N, channels, …]. Parameters `weight`, `bias`. */
export function convLayer(x: Tensor, channels: number, scope: Scope, options: ConvLayerOptions = {}): Tensor {
  return sharedConvLayer([x], channels, scope, options)[0];
}

/** One convolution for several inputs, such as the levels of a pyramid. */
export function sharedConvLayer(
  inputs: readonly Tensor[],
  channels: number,
  scope: Scope,
  options: ConvLayerOptions = {},
): Tensor[] {
  const { kernel = 1, bias = true, initialize = kaimingUniform, initializeBias, groups = 1, ...window } = options;
  const [{ graph, shape: first }] = inputs;
  const shape = [channels, first[1] / groups, ...kernelOf(inputs[0], kernel)];
  const w = graph.parameter(scope.name("weight"), shape, initialize);
  const b = bias ? graph.parameter(scope.name("bias"), [channels], initializeBias ?? biasUniform(shape)) : undefined;
  return inputs.map((x) => conv(x, w, { ...window, groups, bias: b }));
}

export interface ConvTransposeLayerOptions extends ConvLayerOptions {
  outputPadding?: PerAxis;
}

/** Transposed convolution to `channels` channels. Parameters `weight` [Ci, Co, k…], `bias`. */
export function convTransposeLayer(
  x: Tensor,
  channels: number,
  scope: Scope,
  options: ConvTransposeLayerOptions = {},
): Tensor {
  const { kernel = 2, bias = true, initialize = kaimingUniform, groups = 1, ...window } = options;
  const shape = [x.shape[1], channels / groups, ...kernelOf(x, kernel)];
  const w = x.graph.parameter(scope.name("weight"), shape, initialize);
  const b = bias ? x.graph.parameter(scope.name("bias"), [channels], biasUniform(shape)) : undefined;
  return convTranspose(x, w, { ...window, groups, bias: b });
}

/** y = x·wᵀ + b: x [N, In] or [N, In, 1, …] → [N, units]. Parameters `weight`, `bias`. */
export function linearLayer(
  x: Tensor,
  units: number,
  scope: Scope,
  options: { bias?: boolean; initialize?: Initializer; initializeBias?: Initializer } = {},
): Tensor {
  const shape = [units, x.size / x.shape[0]];
  const w = x.graph.parameter(scope.name("weight"), shape, options.initialize ?? kaimingUniform);
  const initializeBias = options.initializeBias ?? biasUniform(shape);
  const b = (options.bias ?? true) ? x.graph.parameter(scope.name("bias"), [units], initializeBias) : undefined;
  return linear(x, w, b);
}

export interface BatchNormOptions {
  epsilon?: number;
  /** Share of the new batch in the running statistics: running ← (1 − momentum)·running + momentum·batch. */
  momentum?: number;
  /** Always use the running statistics, and train neither scale nor shift. */
  frozen?: boolean;
  /**
   * Where running statistics of one kind of input stand, beside the shared ones (`statistics.running_mean` under the norm's own path there).
   * A training graph renews both; any other reads these. For networks that share their weights but not their inputs' distribution
   * (Li et al. 2017, arXiv 1603.04779).
   */
  statistics?: Scope;
}

/**
 * Batch norm: batch statistics in a training graph, running ones else. The running variance is the unbiased one, as
 * PyTorch's. Parameters `weight`, `bias`; buffers `running_mean`, `running_var`.
 */
export function batchNormLayer(
  x: Tensor,
  scope: Scope,
  { epsilon = 1e-5, momentum = 0.1, frozen = false, statistics }: BatchNormOptions = {},
): Tensor {
  const { graph } = x;
  const channels = [x.shape[1]];
  const scale = graph.parameter(scope.name("weight"), channels, ones, { trainable: !frozen });
  const shift = graph.parameter(scope.name("bias"), channels, zeros, { trainable: !frozen });
  const runningMean = graph.parameter(scope.name("running_mean"), channels, zeros, { trainable: false });
  const runningVariance = graph.parameter(scope.name("running_var"), channels, ones, { trainable: false });
  const own = statistics && {
    mean: graph.parameter(statistics.name(scope.name("running_mean")), channels, zeros, { trainable: false }),
    variance: graph.parameter(statistics.name(scope.name("running_var")), channels, ones, { trainable: false }),
  };
  const still = frozen || graph.frozen(scope.name("running_mean"));
  if (!graph.training || still) {
    const { mean, variance } = own ?? { mean: runningMean, variance: runningVariance };
    return batchNormInference(x, scale, shift, mean, variance, epsilon);
  }
  const { output, mean, variance } = batchNorm(x, scale, shift, epsilon);
  const count = x.size / x.shape[1];
  const blend = (running: Tensor, batch: Tensor, factor: number): Tensor =>
    add(mul(running, 1 - momentum), mul(batch, momentum * factor));
  for (const running of [{ mean: runningMean, variance: runningVariance }, ...(own ? [own] : [])]) {
    graph.update(running.mean, blend(running.mean, mean, 1));
    graph.update(running.variance, blend(running.variance, variance, count / (count - 1)));
  }
  return output;
}

/** Each channel of each sample normalised on its own. Parameters `weight`, `bias`. */
export function instanceNormLayer(x: Tensor, scope: Scope, epsilon = 1e-5): Tensor {
  const { graph } = x;
  const scale = graph.parameter(scope.name("weight"), [x.shape[1]], ones);
  const shift = graph.parameter(scope.name("bias"), [x.shape[1]], zeros);
  return instanceNorm(x, scale, shift, epsilon);
}

/** Groups of channels of each sample normalised together. Parameters `weight`, `bias`. */
export function groupNormLayer(x: Tensor, groups: number, scope: Scope, epsilon = 1e-5): Tensor {
  const { graph } = x;
  const scale = graph.parameter(scope.name("weight"), [x.shape[1]], ones);
  const shift = graph.parameter(scope.name("bias"), [x.shape[1]], zeros);
  return groupNorm(x, groups, scale, shift, epsilon);
}

/** A norm with a name of its own in the network, whichever kind it is. */
export type Norm =
  | { readonly kind: "batch"; readonly frozen?: boolean; readonly epsilon?: number; readonly statistics?: Scope }
  | { readonly kind: "group"; readonly groups: number; readonly epsilon?: number };

/** The norm of a kind. */
export function normLayer(x: Tensor, scope: Scope, kind: Norm): Tensor {
  if (kind.kind === "group") return groupNormLayer(x, kind.groups, scope, kind.epsilon);
  return batchNormLayer(x, scope, { frozen: kind.frozen, epsilon: kind.epsilon, statistics: kind.statistics });
}

const streams = new WeakMap<Graph, number>();

/** The step's seed: an int32 scalar input named `seed`, made when the first dropout of a training graph asks for it. */
function stepSeed(graph: Graph): Tensor {
  return (
    graph.inputs.find(({ source }) => source.kind === "input" && source.name === "seed") ??
    graph.input("seed", [], "int32")
  );
}

/** Drops elements in training, nothing in evaluation; the step's seed decides which. */
export function dropoutLayer(x: Tensor, rate: number): Tensor {
  const { graph } = x;
  if (!graph.training) return x;
  const stream = streams.get(graph) ?? 0;
  streams.set(graph, stream + 1);
  return dropout(x, rate, stepSeed(graph), stream);
}

/** PyTorch's `dropout2d` and `dropout3d`: drops whole channels of a sample [N, C, …], since neighbouring positions tell the same. */
export function channelDropoutLayer(x: Tensor, rate: number): Tensor {
  if (!x.graph.training || rate === 0) return x;
  const [n, c, ...spatial] = x.shape;
  const ones = x.graph.constant(new Float32Array(n * c).fill(1), [n, c, ...spatial.map(() => 1)]);
  return mul(x, dropoutLayer(ones, rate));
}
