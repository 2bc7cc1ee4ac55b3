/**
 * A network being trained: its parameters live in the engine, its steps and evaluations are programs, one per shape.
 */

import { WeightsError } from "../errors.ts";
import {
  cleanUp,
  type Graph,
  joinWeights,
  type Lowered,
  lower,
  pieceNames,
  pieceShapes,
  splitWeights,
  type Tensor,
  type WeightLayout,
} from "../graph/index.ts";
import type { Optimiser } from "../nn/index.ts";
import { random } from "../random.ts";
import type { ArrayMessage, Bank, Engine, Feeds, Program, RunResult } from "../runtime/index.ts";
import {
  type BuiltGraph,
  buildEvaluation,
  buildStep,
  encodeBuilt,
  type FeedType,
  type Loss,
  type Network,
  type StepDefinition,
} from "./step.ts";

/** Named arrays in PyTorch's layout, as checkpoints hold them. */
export type StateMap = Map<string, { readonly data: Float32Array; readonly shape: readonly number[] }>;

export interface ModelOptions {
  readonly engine: Engine;
  readonly network: Network;
  readonly loss: Loss;
  readonly optimiser: Optimiser;
  /** Decides first values and dropped elements. */
  readonly seed?: number;
  /** Joint norm above which gradients are scaled down. */
  readonly clipNorm?: number;
  /** Micro-batches per update; 1 by default. */
  readonly accumulate?: number;
  /** Fast forms of operators; on by default. */
  readonly lowering?: boolean;
}

export interface StepResult {
  readonly loss: number;
  /** Before clipping; present with `clipNorm`. */
  readonly gradientNorm?: number;
  /** Time in the engine. */
  readonly ms: number;
  /** The batch's buffers, to be filled again. */
  readonly feeds?: RunResult["feeds"];
}

export interface Model {
  /** One update from as many batches as `accumulate` says. @param step from 1 @param lr learning rate of this step */
  step(batches: readonly Feeds[], step: number, lr: number): Promise<StepResult>;
  /** Outputs in evaluation mode; also `loss` if the feeds hold what the loss needs and `withLoss` is set. */
  evaluate(feeds: Feeds, options?: { withLoss?: boolean; fetch?: readonly string[] }): Promise<RunResult>;
  /** Parameters and buffers. */
  weights(): Promise<StateMap>;
  /** Parameters, buffers and optimiser state: all that a resumed training needs. */
  state(): Promise<StateMap>;
  /** Replaces values by name. @throws WeightsError on an unknown name or another shape */
  load(values: ReadonlyMap<string, { data: Float32Array; shape: readonly number[] }>): Promise<void>;
  /** Names and shapes of parameters and buffers, in the network's order. */
  readonly parameters: ReadonlyMap<string, { readonly shape: readonly number[]; readonly trainable: boolean }>;
  close(): Promise<void>;
}

interface Loaded {
  readonly program: Program;
  readonly renew: Readonly<Record<string, string>>;
}

/**
 * Builds the network for the shapes of `example` (a batch as `step` will get it) and fills its parameters.
 */
export async function createModel(options: ModelOptions, example: Readonly<Record<string, FeedType>>): Promise<Model> {
  const { engine, network, loss, optimiser, seed = 0, clipNorm, accumulate = 1, lowering = true } = options;
  const definition: StepDefinition = { network, loss, optimiser, clipNorm, accumulate };
  const contrib = lowering && engine.device === "cpu";

  // The first step's graph decides how weights are stored; everything else follows.
  const first = buildStep(definition, example);
  const layouts = new Map<string, WeightLayout>();
  const firstLowered = lowerBuilt(first, lowering, undefined);
  for (const [name, layout] of firstLowered?.layouts ?? []) layouts.set(name, layout);

  const bank = engine.bank();
  const entries = entriesOf(first.graph);
  await fill(bank, first.graph, layouts, seed);
  const programs = new Map<string, Promise<Loaded>>();

  const loadBuilt = async (label: string, built: BuiltGraph, lowered: Lowered | undefined): Promise<Loaded> => {
    const model = encodeBuilt(lowered ?? built, contrib);
    const program = await engine.load(model, { label });
    return { program, renew: expandRenew(built.renew, layouts) };
  };
  const programFor = (kind: "update" | "collect" | "evaluate" | "evaluateWithLoss", feeds: Feeds): Promise<Loaded> => {
    const types = typesOf(feeds);
    const key = `${kind} ${JSON.stringify(types)}`;
    let loaded = programs.get(key);
    if (loaded === undefined) {
      const built =
        kind === "update" || kind === "collect"
          ? buildStep(definition, types, kind)
          : buildEvaluation(network, types, kind === "evaluateWithLoss" ? loss : undefined);
      loaded = loadBuilt(kind === "update" ? "training step" : kind, built, lowerBuilt(built, lowering, layouts));
      programs.set(key, loaded);
    }
    return loaded;
  };
  const firstLoaded = loadBuilt("training step", first, firstLowered);
  // Whoever takes the first step hears of a failure; until then nobody awaits it, and that must not end the process.
  firstLoaded.catch(() => {});
  programs.set(`update ${JSON.stringify(example)}`, firstLoaded);

  const readState = async (keep: (name: string) => boolean): Promise<StateMap> => {
    const stored = await bank.read(
      [...entries].filter(([name]) => keep(name)).flatMap(([name]) => storedNames(name, layouts)),
    );
    const state: StateMap = new Map();
    for (const [name, { shape }] of entries) {
      if (!keep(name)) continue;
      const layout = layouts.get(parameterOf(name));
      const data =
        layout === undefined
          ? stored.get(name)!.data
          : joinWeights(
              pieceNames(name, layout).map((piece) => stored.get(piece)!.data),
              shape,
              layout,
            );
      state.set(name, { data, shape });
    }
    return state;
  };

  return {
    step: async (batches, step, lr) => {
      const scalars: Record<string, ArrayMessage> = {};
      for (const [name, value] of Object.entries(optimiser.scalars(step, lr)))
        scalars[name] = { data: Float32Array.of(value), shape: [] };
      let total = 0;
      let ms = 0;
      let last: RunResult | undefined;
      for (const [i, batch] of batches.entries()) {
        const kind = i === batches.length - 1 ? "update" : "collect";
        const { program, renew } = await programFor(kind, batch);
        const feeds: Record<string, ArrayMessage> = { ...batch };
        if (kind === "update") Object.assign(feeds, scalars);
        if (program.inputs.includes("seed")) feeds.seed = { data: Int32Array.of(dropSeed(seed, step, i)), shape: [] };
        const fetch = program.outputs.filter((name) => name === "loss" || name === "gradientNorm");
        last = await program.run(feeds, { bank, renew, fetch, recycle: true });
        total += Number(last.outputs.loss.data[0]);
        ms += last.ms;
      }
      const norm = last?.outputs.gradientNorm?.data[0];
      return {
        loss: total / batches.length,
        gradientNorm: norm === undefined ? undefined : Number(norm),
        ms,
        feeds: last?.feeds,
      };
    },
    evaluate: async (feeds, { withLoss = false, fetch } = {}) => {
      const { program } = await programFor(withLoss ? "evaluateWithLoss" : "evaluate", feeds);
      return program.run(feeds, { bank, fetch });
    },
    weights: () => readState((name) => !name.startsWith("optimizer.")),
    state: () => readState(() => true),
    load: async (values) => {
      const writes: Record<string, { data: Float32Array; shape: readonly number[] }> = {};
      for (const [name, { data, shape }] of values) {
        const entry = entries.get(name);
        if (entry === undefined) throw new WeightsError(`${name}: the network has no parameter of this name`);
        if (shape.join() !== entry.shape.join()) {
          throw new WeightsError(`${name}: shape [${shape.join(", ")}], the network's is [${entry.shape.join(", ")}]`);
        }
        store(writes, name, data, shape, layouts);
      }
      await bank.write(writes);
    },
    parameters: new Map([...entries].filter(([name]) => !name.startsWith("optimizer."))),
    close: async () => {
      for (const loaded of await Promise.allSettled(programs.values())) {
        if (loaded.status === "fulfilled") await loaded.value.program.close();
      }
      await bank.close();
    },
  };
}

function lowerBuilt(
  built: BuiltGraph,
  lowering: boolean,
  layouts: ReadonlyMap<string, WeightLayout> | undefined,
): Lowered | undefined {
  if (!lowering) return undefined;
  const clean = cleanUp(built.graph, Object.values(built.outputs));
  const outputs = Object.fromEntries(Object.keys(built.outputs).map((name, i) => [name, clean.outputs[i]]));
  const renews = Object.fromEntries(Object.entries(built.renew).map(([entry, output]) => [output, entry]));
  return lower(clean.graph, outputs, { layouts, storedLike: parameterOf, renews });
}

/** The parameter an entry is shaped like: `optimizer.mean.conv1.weight` → `conv1.weight`. */
function parameterOf(entry: string): string {
  return entry.startsWith("optimizer.") ? entry.split(".").slice(2).join(".") : entry;
}

function storedNames(name: string, layouts: ReadonlyMap<string, WeightLayout>): string[] {
  const layout = layouts.get(parameterOf(name));
  return layout === undefined ? [name] : pieceNames(name, layout);
}

function expandRenew(
  renew: Readonly<Record<string, string>>,
  layouts: ReadonlyMap<string, WeightLayout>,
): Record<string, string> {
  const expanded: Record<string, string> = {};
  for (const [entry, output] of Object.entries(renew)) {
    const layout = layouts.get(parameterOf(entry));
    if (layout === undefined) expanded[entry] = output;
    else for (const [i, piece] of pieceNames(entry, layout).entries()) expanded[piece] = pieceNames(output, layout)[i];
  }
  return expanded;
}

function entriesOf(g: Graph): Map<string, { shape: readonly number[]; trainable: boolean }> {
  return new Map(
    [...g.parameters].map(([name, tensor]: [string, Tensor]) => [
      name,
      { shape: tensor.shape, trainable: tensor.source.kind === "parameter" && tensor.source.info.trainable },
    ]),
  );
}

async function fill(bank: Bank, g: Graph, layouts: ReadonlyMap<string, WeightLayout>, seed: number): Promise<void> {
  const writes: Record<string, { data: Float32Array; shape: readonly number[] }> = {};
  for (const [name, tensor] of g.parameters) {
    if (tensor.source.kind !== "parameter") continue;
    store(
      writes,
      name,
      tensor.source.info.initialise(tensor.shape, random(seed, `initialise ${name}`)),
      tensor.shape,
      layouts,
    );
  }
  await bank.write(writes);
}

function store(
  writes: Record<string, { data: Float32Array; shape: readonly number[] }>,
  name: string,
  data: Float32Array,
  shape: readonly number[],
  layouts: ReadonlyMap<string, WeightLayout>,
): void {
  const layout = layouts.get(parameterOf(name));
  if (layout === undefined) {
    writes[name] = { data, shape };
    return;
  }
  const shapes = pieceShapes(shape, layout);
  for (const [i, piece] of splitWeights(data, shape, layout).entries()) {
    writes[pieceNames(name, layout)[i]] = { data: piece, shape: shapes[i] };
  }
}

function typesOf(feeds: Feeds): Record<string, FeedType> {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, { data, shape }]) => [
      name,
      { shape, dtype: data instanceof Int32Array ? "int32" : "float32" },
    ]),
  );
}

function dropSeed(seed: number, step: number, micro: number): number {
  return random(seed, `dropout ${step} ${micro}`).integer(2 ** 31);
}
