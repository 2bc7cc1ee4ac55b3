/// <reference lib="esnext.disposable" preserve="true" />
/**
 * A network being trained: its parameters live in the engine, its steps and evaluations are programs, one per shape.
 *
 * A model may have several branches: networks that share parameters by name, such as one encoder under several decoders
 * (Med3D §3.2). A step is one branch's: it reads and renews what that branch uses, and leaves everything else alone.
 */

import { ConfigError, WeightsError } from "../../errors.ts";
import {
  cleanUp,
  type Graph,
  joinWeights,
  type Lowered,
  lower,
  pieceNames,
  pieceShapes,
  splitWeights,
  type WeightLayout,
} from "../../graph/index.ts";
import { type Optimizer, refuseEmptyGroups } from "../../nn/index.ts";
import { random } from "../../random.ts";
import type { ArrayMessage, Engine, Feeds, RunResult } from "../../runtime/types.ts";
import { type Between, type Executable, plainExecutable, stagedExecutable, typesOf } from "./executable.ts";
import { type InputRule, inputRules, refuseStrangeLabels } from "./labels.ts";
import type { NamedGraph } from "./stages.ts";
import {
  type BuiltGraph,
  buildEvaluation,
  buildStep,
  encodeBuilt,
  type FeedType,
  type Loss,
  type Monitor,
  monitorName,
  type Network,
  ownScalarName,
  type StepDefinition,
} from "./step.ts";

/** Named arrays in PyTorch's layout, as checkpoints hold them. */
export type StateMap = Map<string, { readonly data: Float32Array; readonly shape: readonly number[] }>;

/** One of several networks that share parameters by name. */
export interface Branch {
  readonly network: Network;
  readonly loss: Loss;
  readonly monitor?: Monitor;
  /** What is decided in the middle of a step; the network's inputs are the batch's and these. */
  readonly between?: Between;
  /** Shapes and types of a batch as its steps will get it, without what only the decision sees. */
  readonly example: Readonly<Record<string, FeedType>>;
}

export interface ModelOptions extends UpdateOptions {
  readonly network: Network;
  readonly loss: Loss;
  readonly monitor?: Monitor;
  readonly between?: Between;
}

export interface BranchedModelOptions extends UpdateOptions {
  /** By name, in the order in which they are built. */
  readonly branches: Readonly<Record<string, Branch>>;
}

/** What a model that is trained takes, whatever its graph. */
export interface UpdateOptions {
  readonly engine: Engine;
  readonly optimizer: Optimizer;
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
  /** What the monitor measured, added up over the micro-batches. */
  readonly monitored?: Readonly<Record<string, Float32Array>>;
  /** Time in the engine. */
  readonly ms: number;
  /** The batches' buffers, to be filled again; none unless the step took them. */
  readonly feeds: readonly NonNullable<RunResult["feeds"]>[];
}

export interface StepOptions {
  /**
   * Take the batches' arrays instead of copying them, which is quicker. They are empty afterwards; their memory comes back in `feeds` of
   * the result. Off by default.
   */
  readonly takeArrays?: boolean;
}

/** Whose step it is, and how many updates that branch has had with it (from 1). */
export interface BranchTurn {
  readonly branch: string;
  readonly update: number;
}

export interface Model {
  /**
   * One update from as many batches as `accumulate` says. The batches' arrays stay the caller's, unless `takeArrays` hands them over.
   * @param step from 1
   * @param lr learning rate of this step
   * @param turn the branch, in a model that has several
   * @throws ShapeError naming the array that does not fill its shape; DataError naming a label that no class has
   */
  step(
    batches: readonly Feeds[],
    step: number,
    lr: number,
    turn?: BranchTurn,
    options?: StepOptions,
  ): Promise<StepResult>;
  /** Outputs in evaluation mode; also `loss` if the feeds hold what the loss needs and `withLoss` is set. */
  evaluate(
    feeds: Feeds,
    options?: { withLoss?: boolean; fetch?: readonly string[]; branch?: string },
  ): Promise<RunResult>;
  /** Parameters and buffers. */
  weights(): Promise<StateMap>;
  /** Parameters, buffers and optimizer state: all that a resumed training needs. */
  state(): Promise<StateMap>;
  /** Replaces values by name. @throws WeightsError on an unknown name or another shape */
  load(values: ReadonlyMap<string, { data: Float32Array; shape: readonly number[] }>): Promise<void>;
  /** Names and shapes of parameters and buffers, in the network's order. */
  readonly parameters: ReadonlyMap<string, { readonly shape: readonly number[]; readonly trainable: boolean }>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Builds the network for the shapes of `example` (a batch as `step` will get it) and fills its parameters.
 */
export async function createModel(
  { network, loss, monitor, between, ...common }: ModelOptions,
  example: Readonly<Record<string, FeedType>>,
): Promise<Model> {
  return createBranchedModel({ ...common, branches: { [ONLY]: { network, loss, monitor, between, example } } });
}

/** The branch of a model that has but one. */
const ONLY = "";

/**
 * Builds all branches for the shapes of their examples and fills the parameters. What two branches call alike is one.
 * @throws ConfigError where they want it in different shapes
 */
export async function createBranchedModel(options: BranchedModelOptions): Promise<Model> {
  const { engine, branches, optimizer, seed = 0, clipNorm, accumulate = 1, lowering = true } = options;
  const [first] = Object.keys(branches);
  const ownClock = ownParameters(branches);
  const definitionOf = ({ network, loss, monitor, between }: Branch): StepDefinition => {
    return { network, loss, monitor, early: between?.outputs, ownClock, optimizer, clipNorm, accumulate };
  };
  const contrib = lowering && engine.device === "cpu";
  const entries: Entries = new Map();
  const layouts = new Map<string, WeightLayout>();
  const programs = new Map<string, Promise<Executable>>();
  /** What a branch's loss expects of labels. */
  const rules = new Map<string, readonly InputRule[]>();

  const load = (label: string, graph: NamedGraph) => engine.load(encodeBuilt(graph, contrib), { label });
  const loadBuilt = async (label: string, built: BuiltGraph, lowered: Lowered | undefined): Promise<Executable> =>
    plainExecutable(await load(label, lowered ?? built), expandRenew(built.renew, layouts));
  const loadStaged = (label: string, between: Between, types: Types, build: (types: Types) => BuiltGraph) =>
    stagedExecutable({
      between,
      types,
      build: (all) => {
        const built = build(all);
        return { graph: lowerBuilt(built, lowering, layouts) ?? built, renew: expandRenew(built.renew, layouts) };
      },
      load: (graph, stage) => load(`${label}, ${stage}`, graph),
    });
  const keyOf = (branch: string, kind: string, types: Types): string => `${branch} ${kind} ${JSON.stringify(types)}`;
  const programFor = (
    kind: "update" | "collect" | "evaluate" | "evaluateWithLoss",
    feeds: Feeds,
    name: string,
  ): Promise<Executable> => {
    const branch = branches[name];
    if (branch === undefined) throw new ConfigError(`model: no branch ${name}; there are ${known(branches)}`);
    const { between, network, loss } = branch;
    const types = seenTypes(feeds, between);
    const key = keyOf(name, kind, types);
    let loaded = programs.get(key);
    if (loaded === undefined) {
      const build = (all: Types): BuiltGraph =>
        kind === "update" || kind === "collect"
          ? buildStep(definitionOf(branch), all, kind)
          : buildEvaluation(network, all, kind === "evaluateWithLoss" ? loss : undefined, between?.outputs);
      const label = kind === "update" ? labelOf(name) : kind;
      if (between !== undefined) loaded = loadStaged(label, between, types, build);
      else {
        const built = build(types);
        loaded = loadBuilt(label, built, lowerBuilt(built, lowering, layouts));
      }
      programs.set(key, loaded);
    }
    return loaded;
  };

  // The first step's graph that uses a weight decides how it is stored; everything else follows.
  const writes: BankWrites = {};
  let decisive: { built: BuiltGraph; lowered: Lowered | undefined } | undefined;
  for (const [name, branch] of Object.entries(branches)) {
    const built = buildStep(definitionOf(branch), wholeExample(branch));
    rules.set(name, inputRules(built.graph));
    const lowered = lowerBuilt(built, lowering, undefined);
    const fresh = newEntries(built.graph, entries, name);
    for (const [parameter, layout] of lowered?.layouts ?? []) if (fresh.has(parameter)) layouts.set(parameter, layout);
    for (const [entry, parameter] of fresh) entries.set(entry, parameter);
    fill(writes, built.graph, fresh, layouts, seed);
    decisive ??= { built, lowered };
  }
  if (decisive === undefined) throw new ConfigError("model: it has no branch");
  refuseEmptyGroups(
    optimizer,
    [...entries.keys()].filter((name) => !name.startsWith("optimizer.")),
  );
  const bank = engine.bank();
  await bank.write(writes);
  // The other branches' steps are loaded when their turn comes, and so is one in two stages.
  if (branches[first].between === undefined) {
    const firstLoaded = loadBuilt(labelOf(first), decisive.built, decisive.lowered);
    // Whoever takes the first step hears of a failure; until then nobody awaits it, and that must not end the process.
    firstLoaded.catch(() => {});
    programs.set(keyOf(first, "update", branches[first].example), firstLoaded);
  }

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

  const close = async (): Promise<void> => {
    for (const loaded of await Promise.allSettled(programs.values())) {
      if (loaded.status === "fulfilled") await loaded.value.close();
    }
    await bank.close();
  };
  return {
    step: async (batches, step, lr, turn = { branch: first, update: step }, { takeArrays = false } = {}) => {
      for (const batch of batches) refuseStrangeLabels(batch, rules.get(turn.branch) ?? [], `step ${step}`);
      const scalars: Record<string, ArrayMessage> = {};
      for (const [name, value] of Object.entries(optimizer.scalars(step, lr))) scalars[name] = scalarMessage(value);
      const ownScalars: Record<string, ArrayMessage> = {};
      for (const [name, value] of Object.entries(optimizer.scalars(turn.update, lr)))
        ownScalars[ownScalarName(name)] = scalarMessage(value);
      const monitored: Record<string, Float32Array> = {};
      let total = 0;
      let ms = 0;
      let last: RunResult | undefined;
      const recycled: NonNullable<RunResult["feeds"]>[] = [];
      for (const [i, batch] of batches.entries()) {
        const kind = i === batches.length - 1 ? "update" : "collect";
        const program = await programFor(kind, batch, turn.branch);
        const feeds: Record<string, ArrayMessage> = { ...batch };
        if (kind === "update") Object.assign(feeds, scalars);
        if (kind === "update" && Object.keys(ownScalars).some(program.reads)) Object.assign(feeds, ownScalars);
        if (program.reads("seed")) feeds.seed = { data: Int32Array.of(dropSeed(seed, step, i)), shape: [] };
        const fetch = (name: string): boolean =>
          name === "loss" || name === "gradientNorm" || name.startsWith(monitorName(""));
        last = await program.run(feeds, { bank, fetch, recycle: takeArrays, stream: `step ${step} batch ${i}` });
        total += Number(last.outputs.loss.data[0]);
        ms += last.ms;
        if (last.feeds !== undefined) recycled.push(last.feeds);
        for (const name of Object.keys(last.outputs).filter((output) => output.startsWith(monitorName("")))) {
          const values = last.outputs[name].data as Float32Array;
          const sums = (monitored[name.slice(monitorName("").length)] ??= new Float32Array(values.length));
          for (let j = 0; j < sums.length; j++) sums[j] += values[j];
        }
      }
      const norm = last?.outputs.gradientNorm?.data[0];
      return {
        loss: total / batches.length,
        gradientNorm: norm === undefined ? undefined : Number(norm),
        monitored,
        ms,
        feeds: recycled,
      };
    },
    evaluate: async (feeds, { withLoss = false, fetch, branch = first } = {}) => {
      if (withLoss) refuseStrangeLabels(feeds, rules.get(branch) ?? [], "evaluation");
      const program = await programFor(withLoss ? "evaluateWithLoss" : "evaluate", feeds, branch);
      return program.run(feeds, { bank, fetch: fetch && ((name) => fetch.includes(name)), stream: "evaluation" });
    },
    weights: () => readState((name) => !name.startsWith("optimizer.")),
    state: () => readState(() => true),
    load: async (values) => {
      const writes: BankWrites = {};
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
    close,
    [Symbol.asyncDispose]: close,
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

type BankWrites = Record<string, { data: Float32Array; shape: readonly number[] }>;
type Entries = Map<string, { readonly shape: readonly number[]; readonly trainable: boolean }>;

/** The entries of a graph that no branch before it has. */
function newEntries(g: Graph, entries: Entries, branch: string): Entries {
  const fresh: Entries = new Map();
  for (const [name, { shape, source }] of g.parameters) {
    const there = entries.get(name);
    if (there === undefined) {
      fresh.set(name, { shape, trainable: source.kind === "parameter" && source.info.trainable });
    } else if (there.shape.join() !== shape.join()) {
      throw new ConfigError(
        `model: branch ${branch} wants ${name} of shape [${shape.join(", ")}], another branch has it as [${there.shape.join(", ")}]`,
      );
    }
  }
  return fresh;
}

/**
 * Whether a parameter belongs to one branch alone. Adam's bias correction counts the updates of a parameter: of such a
 * one they are its branch's, of a shared one all steps.
 */
function ownParameters(branches: Readonly<Record<string, Branch>>): ((parameter: string) => boolean) | undefined {
  const all = Object.values(branches);
  if (all.length === 1) return undefined;
  const users = new Map<string, number>();
  for (const branch of all) {
    const { network } = branch;
    for (const name of buildEvaluation(network, wholeExample(branch)).graph.parameters.keys())
      users.set(name, (users.get(name) ?? 0) + 1);
  }
  return (parameter) => users.get(parameter) === 1;
}

const known = (branches: object): string => Object.keys(branches).join(", ");
const labelOf = (branch: string): string => (branch === ONLY ? "training step" : `training step of ${branch}`);
const scalarMessage = (value: number): ArrayMessage => ({ data: Float32Array.of(value), shape: [] });

/** First values of a graph's fresh entries. */
function fill(
  writes: BankWrites,
  g: Graph,
  fresh: Entries,
  layouts: ReadonlyMap<string, WeightLayout>,
  seed: number,
): void {
  for (const [name, tensor] of g.parameters) {
    if (tensor.source.kind !== "parameter" || !fresh.has(name)) continue;
    store(
      writes,
      name,
      tensor.source.info.initialize(tensor.shape, random(seed, `initialise ${name}`)),
      tensor.shape,
      layouts,
    );
  }
}

function store(
  writes: BankWrites,
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

type Types = Readonly<Record<string, FeedType>>;

/** Types of what the graph sees of a batch. */
function seenTypes(feeds: Feeds, between: Between | undefined): Types {
  const types = Object.entries(typesOf(feeds));
  return Object.fromEntries(types.filter(([name]) => !between?.takes.includes(name)));
}

/** An example with what is decided in the middle of its step. */
function wholeExample({ example, between }: Branch): Types {
  return { ...example, ...between?.types(example) };
}

function dropSeed(seed: number, step: number, micro: number): number {
  return random(seed, `dropout ${step} ${micro}`).integer(2 ** 31);
}
