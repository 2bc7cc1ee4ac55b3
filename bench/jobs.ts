/** The medvox side of the speed rows: a training step and a forward pass, each as a thing with a `step`. */
import {
  cleanUp,
  encodeOnnx,
  graph,
  lower,
  matmul,
  pieceNames,
  splitWeights,
  type Tensor,
} from "../src/graph/index.ts";
import {
  adamW,
  convSeg,
  crossEntropy,
  diceCrossEntropy,
  type Optimizer,
  type ResNetDepth,
  resnet3d,
  sgd,
  skipDecoder,
} from "../src/nn/index.ts";
import { random } from "../src/random.ts";
import type { Engine, Feeds } from "../src/runtime/index.ts";
import { buildStep, createModel, type FeedType, type StateMap, type StepDefinition } from "../src/train/index.ts";
import type { WeightTensor } from "../src/weights/index.ts";

export interface NetworkJob {
  readonly network: "medicalnet" | "skip";
  readonly depth: ResNetDepth;
  readonly batch: number;
  /** D, H, W of the input. */
  readonly size: readonly [number, number, number];
  readonly classes: number;
}

export interface StepJob extends NetworkJob {
  readonly loss: "crossEntropy" | "diceCrossEntropy";
  readonly optimizer: "sgd" | "adamW";
  readonly clipNorm?: number;
}

export interface StepRunner {
  /** One update. */
  step(): Promise<{ ms: number; loss: number }>;
  /** Weights as they are now, input and target: what a peer needs to do the same. */
  tensors(): Promise<Map<string, WeightTensor>>;
  close(): Promise<void>;
}

const LEARNING_RATE = 1e-3;

function scoresOf(input: Tensor, { network, depth, classes }: NetworkJob): Tensor {
  const features = resnet3d(input, { depth });
  return network === "skip" ? skipDecoder(features, classes) : convSeg(features.out, classes);
}

function optimizerOf({ optimizer }: StepJob): Optimizer {
  if (optimizer === "sgd") return sgd({ lr: LEARNING_RATE, momentum: 0.9, weightDecay: 1e-3 });
  const groups = [{ match: /(^|\.)bn\d*\.|\.downsample\.1\.|\.bias$/, weightDecay: 0 }];
  return adamW({ lr: LEARNING_RATE, weightDecay: 1e-4, groups });
}

function definitionOf(job: StepJob): Omit<StepDefinition, "accumulate"> {
  return {
    network: ({ input }) => ({ scores: scoresOf(input, job) }),
    loss: ({ scores }, { target }) =>
      job.loss === "crossEntropy"
        ? crossEntropy(scores, target)
        : diceCrossEntropy(scores, target, { batch: true, includeBackground: false }),
    optimizer: optimizerOf(job),
    clipNorm: job.clipNorm,
  };
}

function typesOf({ network, batch, size }: NetworkJob): { input: FeedType; target: FeedType } {
  // conv_seg's scores are at a quarter of the input.
  const target = network === "skip" ? size : size.map((n) => n / 4);
  return {
    input: { shape: [batch, 1, ...size], dtype: "float32" },
    target: { shape: [batch, ...target], dtype: "int32" },
  };
}

const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** A made-up batch; the same numbers each time. */
function batchOf(job: NetworkJob): { input: Float32Array; target: Int32Array } {
  const types = typesOf(job);
  const stream = random(0, "bench batch");
  return {
    input: Float32Array.from({ length: count(types.input.shape) }, () => stream.normal()),
    target: Int32Array.from({ length: count(types.target.shape) }, () => stream.integer(job.classes)),
  };
}

export async function stepRunner(engine: Engine, job: StepJob): Promise<StepRunner> {
  const types = typesOf(job);
  const model = await createModel({ engine, ...definitionOf(job), seed: 0 }, types);
  let data = batchOf(job);
  let done = 0;
  return {
    step: async () => {
      const feeds: Feeds = {
        input: { data: data.input, shape: types.input.shape },
        target: { data: data.target, shape: types.target.shape },
      };
      const began = performance.now();
      const result = await model.step([feeds], ++done, LEARNING_RATE);
      const ms = performance.now() - began;
      data = result.feeds[0] as unknown as typeof data;
      return { ms, loss: result.loss };
    },
    tensors: async () => {
      const tensors = weightTensors(await model.weights());
      tensors.set("input", { dtype: "F32", shape: types.input.shape, data: data.input });
      tensors.set("target", { dtype: "I32", shape: types.target.shape, data: data.target });
      return tensors;
    },
    close: () => model.close(),
  };
}

export interface InferenceRunner {
  step(): Promise<{ ms: number; output: Float32Array }>;
  tensors(): Map<string, WeightTensor>;
  close(): Promise<void>;
}

/** Evaluation with the weights written into the program, as `predict` runs it; class scores out. */
export async function inferenceRunner(engine: Engine, job: NetworkJob): Promise<InferenceRunner> {
  const { shape } = typesOf(job).input;
  const g = graph();
  const scores = scoresOf(g.input("input", shape), job);
  const weights: StateMap = new Map();
  for (const [name, { shape: own, source }] of g.parameters) {
    if (source.kind !== "parameter") continue;
    const stream = random(0, `bench ${name}`);
    // Running statistics away from 0 and 1, so that forgetting them would show.
    const data = name.endsWith("running_mean")
      ? Float32Array.from({ length: count(own) }, () => 0.2 * stream.normal())
      : name.endsWith("running_var")
        ? Float32Array.from({ length: count(own) }, () => stream.between(0.5, 1.5))
        : source.info.initialize(own, stream);
    weights.set(name, { data, shape: own });
  }
  const clean = cleanUp(g, [scores]);
  const lowered = lower(clean.graph, { scores: clean.outputs[0] });
  const values = new Map<string, Float32Array>();
  for (const [name, { data, shape: own }] of weights) {
    const layout = lowered.layouts.get(name);
    if (layout === undefined) values.set(name, data);
    else
      for (const [i, piece] of splitWeights(data, own, layout).entries())
        values.set(pieceNames(name, layout)[i], piece);
  }
  const final = cleanUp(lowered.graph, [lowered.outputs.scores]);
  const program = await engine.load(
    encodeOnnx(final.graph, { scores: final.outputs[0] }, { weights: values, contrib: true }),
    { label: "inference" },
  );
  let { input } = batchOf(job);
  return {
    step: async () => {
      const began = performance.now();
      const { outputs, feeds } = await program.run({ input: { data: input, shape } }, { recycle: true });
      const ms = performance.now() - began;
      input = feeds!.input as Float32Array;
      return { ms, output: outputs.scores.data as Float32Array };
    },
    tensors: () => weightTensors(weights).set("input", { dtype: "F32", shape, data: input }),
    close: () => program.close(),
  };
}

function weightTensors(weights: StateMap): Map<string, WeightTensor> {
  return new Map([...weights].map(([name, { data, shape }]) => [name, { dtype: "F32", shape, data }]));
}

/** Multiply-adds of a step's convolutions, all three passes, ×2. */
export interface ConvolutionWork {
  /** As the usual formula counts them: every tap at every position. */
  readonly nominal: number;
  /** Without those that meet padding. */
  readonly needed: number;
}

export function convolutionWork(job: StepJob): ConvolutionWork {
  const built = buildStep({ ...definitionOf(job), accumulate: 1 }, typesOf(job));
  const clean = cleanUp(built.graph, Object.values(built.outputs));
  let nominal = 0;
  let needed = 0;
  for (const node of clean.graph.nodes) {
    if (node.op !== "conv" && node.op !== "convTranspose" && node.op !== "convWeightGradient") continue;
    const [first, second] = node.inputs;
    const [output] = node.outputs;
    // The convolution x → y with weights w, whichever of its passes this is.
    const [x, w, y] =
      node.op === "conv"
        ? [first, second, output]
        : node.op === "convTranspose"
          ? [output, second, first]
          : [first, output, second];
    const { stride, padBegin, dilation } = node.attributes as {
      stride: readonly number[];
      padBegin: readonly number[];
      dilation: readonly number[];
    };
    const perAxis = x.shape.slice(2).map((size, axis) => {
      let pairs = 0;
      for (let o = 0; o < y.shape[axis + 2]; o++)
        for (let k = 0; k < w.shape[axis + 2]; k++) {
          const at = o * stride[axis] - padBegin[axis] + k * dilation[axis];
          if (at >= 0 && at < size) pairs++;
        }
      return pairs;
    });
    const channels = 2 * y.shape[0] * w.shape[0] * w.shape[1];
    nominal += channels * count(y.shape.slice(2)) * count(w.shape.slice(2));
    needed += channels * count(perAxis);
  }
  return { nominal, needed };
}

/** The engine's rate in a 1024³ matrix product, GF/s: the best of several runs, nothing copied. */
export async function matmulRate(engine: Engine): Promise<number> {
  const n = 1024;
  const g = graph();
  const filled = () => new Float32Array(n * n).fill(0.5);
  const a = g.parameter("a", [n, n], filled);
  const b = g.parameter("b", [n, n], filled);
  const program = await engine.load(encodeOnnx(g, { c: matmul(a, b) }), { label: "matrix product" });
  const bank = engine.bank();
  const shape = [n, n];
  await bank.write({ a: { data: filled(), shape }, b: { data: filled(), shape }, kept: { data: filled(), shape } });
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 30; i++) {
    const { ms } = await program.run({}, { bank, renew: { kept: "c" }, fetch: [] });
    best = Math.min(best, ms);
  }
  await program.close();
  await bank.close();
  return (2 * n ** 3) / (best * 1e6);
}
