/**
 * Training in one call, for a network of one's own: `train({ network, loss, optimizer, data, epochs })`. Below it lie
 * {@link createModel} and {@link runTraining}, for whoever wants to hold the parts.
 */
import { ConfigError } from "../errors.ts";
import type { Tensor } from "../graph/index.ts";
import type { Optimizer, ScheduleSpec, Warmup } from "../nn/index.ts";
import { createEngine, type Engine, type EngineOptions } from "../runtime/index.ts";
import { type EpochReport, runTraining } from "./loop.ts";
import { createModel, type Model, type StateMap } from "./model/model.ts";

/** Numbers with a shape: `{ data, shape }`. */
export interface NumberArray<T extends Float32Array | Int32Array = Float32Array | Int32Array> {
  readonly data: T;
  readonly shape: readonly number[];
}

export interface TrainOptions {
  /** From the input to what the loss takes, e.g. class scores. */
  readonly network: (input: Tensor) => Tensor;
  readonly loss: (output: Tensor, target: Tensor) => Tensor;
  readonly optimizer: Optimizer;
  /**
   * The batches of an epoch: an array, or a function of the epoch (from 0) that gives any (async) iterable. A plain
   * iterable can be read once only, so it serves one epoch.
   */
  readonly data: Batches | ((epoch: number) => Batches);
  /** 1 by default. */
  readonly epochs?: number;
  readonly schedule?: ScheduleSpec;
  readonly warmup?: Warmup;
  readonly seed?: number;
  readonly clipNorm?: number;
  readonly engine?: Engine | EngineOptions;
  readonly signal?: AbortSignal;
  readonly onEpoch?: (report: { epoch: number; loss: number } & Omit<EpochReport, "trainLoss">) => void;
}

export interface LabelledBatch {
  readonly input: NumberArray<Float32Array>;
  readonly target: NumberArray;
}

export type Batches = Iterable<LabelledBatch> | AsyncIterable<LabelledBatch>;

export interface TrainedModel {
  /** The network's output in evaluation mode. */
  predict(input: NumberArray<Float32Array>): Promise<NumberArray<Float32Array>>;
  /** Parameters and buffers by name, in PyTorch's layout. */
  weights(): Promise<StateMap>;
  readonly model: Model;
  close(): Promise<void>;
}

/**
 * Trains a network and gives it back ready to predict.
 * @throws ConfigError if there is no data
 */
export async function train(options: TrainOptions): Promise<TrainedModel> {
  const given = options.engine;
  if (given !== undefined && "load" in given) return trainOn(given, options);
  const engine = await createEngine(given ?? {});
  try {
    const trained = await trainOn(engine, options);
    const close = async (): Promise<void> => {
      await trained.close();
      await engine.close();
    };
    return { ...trained, close };
  } catch (error) {
    await engine.close();
    throw error;
  }
}

async function trainOn(engine: Engine, options: TrainOptions): Promise<TrainedModel> {
  const { network, loss, optimizer, data, epochs = 1, onEpoch } = options;
  const epochOf = async (epoch: number): Promise<LabelledBatch[]> => {
    const batches: LabelledBatch[] = [];
    for await (const batch of typeof data === "function" ? data(epoch) : data) batches.push(batch);
    if (batches.length === 0)
      throw new ConfigError(`train: no batch in epoch ${epoch + 1}; give an array, or a function of the epoch`);
    return batches;
  };
  const first = await epochOf(0);
  const typeOf = ({ data: values, shape }: NumberArray) => ({
    shape,
    dtype: values instanceof Int32Array ? ("int32" as const) : ("float32" as const),
  });
  const model = await createModel(
    {
      engine,
      network: ({ input }) => ({ output: network(input) }),
      loss: ({ output }, { target }) => loss(output, target),
      optimizer: optimizer,
      seed: options.seed,
      clipNorm: options.clipNorm,
    },
    { input: typeOf(first[0].input), target: typeOf(first[0].target) },
  );
  const training = runTraining({
    model,
    data: {
      stepsPerEpoch: first.length,
      batches: async function* (epoch, fromStep) {
        const batches = epoch === 0 ? first : await epochOf(epoch);
        for (const { input, target } of batches.slice(fromStep)) {
          // The engine takes the buffers over; the caller's stay the caller's.
          const feeds = {
            input: { ...input, data: input.data.slice() },
            target: { ...target, data: target.data.slice() },
          };
          yield { feeds, waitedMs: 0, cases: [] };
        }
      },
    },
    epochs,
    learningRate: optimizer.lr,
    schedule: options.schedule ?? { kind: "constant" },
    warmup: options.warmup,
    signal: options.signal,
    onEpoch: onEpoch && (({ trainLoss, ...report }) => onEpoch({ ...report, loss: trainLoss })),
  });
  await training.catch(async (error: unknown) => {
    await model.close();
    throw error;
  });
  return {
    model,
    predict: async (input) => {
      const { outputs } = await model.evaluate({ input });
      return outputs.output as NumberArray<Float32Array>;
    },
    weights: () => model.weights(),
    close: () => model.close(),
  };
}
