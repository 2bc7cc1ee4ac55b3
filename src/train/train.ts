/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Training in one call, for a network of one's own: `train({ network, loss, optimizer, data, epochs })`. Below it lie
 * {@link createModel} and {@link runTraining}, for whoever wants to hold the parts.
 */
import { ConfigError } from "../errors.ts";
import type { Tensor } from "../graph/index.ts";
import type { Optimizer, ScheduleFunction, ScheduleSpec, Warmup } from "../nn/index.ts";
import { createEngine, type Engine, type EngineOptions } from "../runtime/index.ts";
import { type EpochReport, runTraining } from "./loop.ts";
import { encodePortable } from "./model/baked.ts";
import { createModel, type Model, type StateMap } from "./model/model.ts";
import { loadStart, type StartOptions } from "./model/start.ts";
import { buildEvaluation } from "./model/step.ts";
import { type NumberArray, openTrainingData, type TrainingData } from "./sources.ts";

/** What {@link train} is told. */
export interface TrainOptions {
  /** From the input to what the loss takes, e.g. class scores. Called once per shape, in training and in evaluation. */
  readonly network: (input: Tensor) => Tensor;
  /** The scalar to be made small. */
  readonly loss: (output: Tensor, target: Tensor) => Tensor;
  readonly optimizer: Optimizer;
  /**
   * A loader as `createLoader` makes it; or the batches of an epoch: an array, or a function of the epoch (from 0) that gives any (async)
   * iterable. A plain iterable can be read once only, so it serves one epoch. Batches are taken as they are needed, at most one ahead;
   * their arrays stay their owner's.
   */
  readonly data: TrainingData;
  /** Weights to begin with, their running statistics included. Without it the network begins with random values. */
  readonly start?: StartOptions;
  /** Parameters that stay as they are, by name; running statistics of their batch norms stay, too. */
  readonly freeze?: RegExp;
  /** 1 by default. */
  readonly epochs?: number;
  /** The factor on the optimizer's rate, from a name or as a function of epoch and step; half a cosine to 0 by default. */
  readonly schedule?: ScheduleSpec | ScheduleFunction;
  readonly warmup?: Warmup;
  /** Decides first values and dropped elements; 0 by default. */
  readonly seed?: number;
  /** Joint norm above which gradients are scaled down; none by default. */
  readonly clipNorm?: number;
  /** An engine, which stays open; or how to make one, which is closed with the model. */
  readonly engine?: Engine | EngineOptions;
  /** Ends the training: `train` rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  readonly onEpoch?: (report: TrainingReport) => void;
}

/** What is told after each epoch. */
export interface TrainingReport extends Omit<EpochReport, "trainLoss"> {
  /** Mean over the epoch's steps. */
  readonly loss: number;
}

/** Axes of an input by name: `batch` is the first, the last ones are `depth`, `height`, `width`. */
export type FreeAxis = "batch" | "depth" | "height" | "width";

/** What {@link TrainedModel.toOnnx} is told. */
export interface ToOnnxOptions {
  /** Of the input, [N, C, …]. */
  readonly shape: readonly number[];
  /** Axes that may have any size; none by default. */
  readonly free?: readonly FreeAxis[];
  /** Text stored with the model. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A network with its weights, ready to predict. */
export interface TrainedModel {
  /** The network's output in evaluation mode, for any shape that the network takes. */
  predict(input: NumberArray<Float32Array>): Promise<NumberArray<Float32Array>>;
  /** Parameters and buffers by name, in PyTorch's layout. */
  weights(): Promise<StateMap>;
  /**
   * Bytes of an ONNX model of standard operators, from `input` to `output`, weights inside.
   * @throws ShapeError where a size is fixed that is to be free, naming the node
   */
  toOnnx(options: ToOnnxOptions): Promise<Uint8Array>;
  readonly model: Model;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Trains a network and gives it back ready to predict.
 * @throws ConfigError if there is no data, or a pattern matches no parameter; DataError for labels that no class has and for numbers
 * that are not finite; WeightsError for weights that do not fit; the signal's reason
 */
export async function train(options: TrainOptions): Promise<TrainedModel> {
  options.signal?.throwIfAborted();
  const given = options.engine;
  if (given !== undefined && "load" in given) return trainOn(given, options);
  const engine = await createEngine(given ?? {});
  try {
    const trained = await trainOn(engine, options);
    const close = async (): Promise<void> => {
      await trained.close();
      await engine.close();
    };
    return { ...trained, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await engine.close();
    throw error;
  }
}

async function trainOn(engine: Engine, options: TrainOptions): Promise<TrainedModel> {
  const { network, loss, data, epochs = 1, onEpoch, signal } = options;
  const optimizer = withFrozen(options);
  const { source, types } = await openTrainingData(data, signal);
  const model = await createModel(
    {
      engine,
      network: ({ input }) => ({ output: network(input) }),
      loss: ({ output }, { target }) => loss(output, target),
      optimizer,
      seed: options.seed,
      clipNorm: options.clipNorm,
    },
    types,
  );
  try {
    if (options.start !== undefined) await loadStart(model, options.start);
    await runTraining({
      model,
      data: source,
      epochs,
      learningRate: optimizer.lr,
      schedule: options.schedule,
      warmup: options.warmup,
      signal,
      onEpoch: onEpoch && (({ trainLoss, ...report }) => onEpoch({ ...report, loss: trainLoss })),
    });
  } catch (error) {
    await model.close();
    throw signal?.aborted ? signal.reason : error;
  }
  return trainedModel(model, network);
}

/** The optimizer, with what is frozen in front of its groups. */
function withFrozen({ optimizer, freeze }: TrainOptions): Optimizer {
  return freeze === undefined
    ? optimizer
    : { ...optimizer, groups: [{ match: freeze, frozen: true }, ...optimizer.groups] };
}

function trainedModel(model: Model, network: (input: Tensor) => Tensor): TrainedModel {
  return {
    model,
    predict: async (input) => {
      const { outputs } = await model.evaluate({ input });
      return outputs.output as NumberArray<Float32Array>;
    },
    weights: () => model.weights(),
    toOnnx: async ({ shape, free = [], metadata }) => {
      const types = { input: { shape, dtype: "float32" } } as const;
      const anySize = free.length > 0;
      const built = buildEvaluation(({ input }) => ({ output: network(input) }), types, undefined, [], { anySize });
      const axes = Object.fromEntries(free.map((name) => [axisOf(name, shape.length), name]));
      return encodePortable(built, await model.weights(), { free: { input: axes }, metadata });
    },
    close: () => model.close(),
    [Symbol.asyncDispose]: () => model.close(),
  };
}

/** The place of a named axis in a shape. @throws ConfigError where there is none */
function axisOf(name: FreeAxis, rank: number): number {
  if (name === "batch") return 0;
  const axis = rank - 1 - ["width", "height", "depth"].indexOf(name);
  if (axis >= 2 && axis < rank) return axis;
  throw new ConfigError(
    `toOnnx: free: ${JSON.stringify(name)} is no axis of a shape of ${rank} sizes; there are batch and the last axes of [N, C, …]: depth, height, width`,
  );
}
