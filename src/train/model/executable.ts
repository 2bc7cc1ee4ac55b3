/**
 * What a model runs: one program, or the two of a network that decides something between its stages (`stages.ts`).
 */
import { ShapeError } from "../../errors.ts";
import { checkedArrays, kindOf } from "../../runtime/message.ts";
import type { ArrayMessage, Bank, Feeds, Program, RunResult } from "../../runtime/types.ts";
import { type NamedGraph, type Stages, splitStages } from "./stages.ts";
import { earlyName, type FeedType } from "./step.ts";

/**
 * What is decided while a step is under way, from the network's own outputs: a detector's regions from its proposals. The network
 * gets it as inputs; no gradient passes through the decision.
 */
export interface Between {
  /** Outputs of the network that the decision is made from. */
  readonly outputs: readonly string[];
  /** What of a batch only the decision sees. */
  readonly takes: readonly string[];
  /** The decided inputs' types, for a batch of these. May grow from step to step. */
  types(batch: Readonly<Record<string, FeedType>>): Readonly<Record<string, FeedType>>;
  /**
   * @param outputs those named above
   * @param batch all that was fed
   * @param stream names the random choices of this step
   */
  decide(
    outputs: Readonly<Record<string, ArrayMessage>>,
    batch: Feeds,
    stream: string,
  ): Readonly<Record<string, ArrayMessage>>;
}

export interface ExecutableRun {
  readonly bank: Bank;
  /** Which outputs come back, of those there are. */
  readonly fetch?: (output: string) => boolean;
  readonly recycle?: boolean;
  readonly stream: string;
}

export interface Executable {
  /** Whether an input of this name is read. */
  reads(input: string): boolean;
  run(feeds: Feeds, options: ExecutableRun): Promise<RunResult>;
  close(): Promise<void>;
}

/** A program with the entries it renews. */
export function plainExecutable(program: Program, renew: Readonly<Record<string, string>>): Executable {
  return {
    reads: (input) => program.inputs.includes(input),
    run: (feeds, { bank, fetch, recycle }) =>
      program.run(feeds, { bank, renew, fetch: fetched(program, fetch, renew), recycle }),
    close: () => program.close(),
  };
}

function fetched(
  program: Program,
  fetch: ((output: string) => boolean) | undefined,
  renew: Readonly<Record<string, string>>,
): string[] | undefined {
  if (fetch === undefined) return undefined;
  const renewing = new Set(Object.values(renew));
  return program.outputs.filter((output) => !renewing.has(output) && fetch(output));
}

export interface StagedSource {
  readonly between: Between;
  /** Types of the batch, without what only the decision sees. */
  readonly types: Readonly<Record<string, FeedType>>;
  /** The whole graph for these types, decided inputs included. */
  build(types: Readonly<Record<string, FeedType>>): { graph: NamedGraph; renew: Readonly<Record<string, string>> };
  load(graph: NamedGraph, stage: string): Promise<Program>;
}

/** Two programs and the decision between them. */
export async function stagedExecutable({ between, types, build, load }: StagedSource): Promise<Executable> {
  const early = between.outputs.map(earlyName);
  const cut = (late: Readonly<Record<string, FeedType>>): Stages & { renew: Readonly<Record<string, string>> } => {
    const { graph, renew } = build({ ...types, ...late });
    return { ...splitStages(graph, early), renew };
  };
  const seconds = new Map<string, Promise<{ program: Program; renew: Readonly<Record<string, string>> }>>();
  const loadSecond = ({ second, renew }: ReturnType<typeof cut>) =>
    load(second, "second stage").then((program) => ({ program, renew }));
  const initial = between.types(types);
  const stages = cut(initial);
  const banked = Object.fromEntries(stages.banked.map((name) => [name, name]));
  const expected = describe(stages);
  const first = await load(stages.first, "first stage");
  seconds.set(keyOf(initial), loadSecond(stages));
  await seconds.get(keyOf(initial));
  const readBySecond = new Set((await seconds.get(keyOf(initial))!).program.inputs);

  const secondFor = (late: Readonly<Record<string, FeedType>>) => {
    const key = keyOf(late);
    let loaded = seconds.get(key);
    if (loaded === undefined) {
      const others = cut(late);
      if (describe(others) !== expected)
        throw new Error("stages: the first stage depends on what is decided after it; it must not");
      seconds.set(key, (loaded = loadSecond(others)));
    }
    return loaded;
  };
  return {
    reads: (input) => first.inputs.includes(input) || readBySecond.has(input),
    run: async (feeds, { bank, fetch, recycle, stream }) => {
      const earlyFeeds = Object.fromEntries(Object.entries(feeds).filter(([name]) => first.inputs.includes(name)));
      const one = await first.run(earlyFeeds, { bank, fetch: early, keep: banked });
      const outputs = Object.fromEntries(between.outputs.map((name) => [name, one.outputs[earlyName(name)]]));
      const late = between.decide(outputs, feeds, stream);
      const { program, renew } = await secondFor(typesOf(late));
      const two = await program.run(
        { ...feeds, ...late },
        { bank, renew, fetch: fetched(program, fetch, renew), recycle },
      );
      return { ...two, ms: one.ms + two.ms };
    },
    close: async () => {
      await first.close();
      for (const { program } of await Promise.all(seconds.values())) await program.close();
    },
  };
}

/** What the second stage reads of the first, as text. */
function describe({ first, banked }: Stages): string {
  return banked.map((name) => `${name} ${first.outputs[name].dtype} ${first.outputs[name].shape.join("×")}`).join();
}

function keyOf(types: Readonly<Record<string, FeedType>>): string {
  return JSON.stringify(Object.entries(types).map(([name, { shape, dtype }]) => [name, dtype, ...shape]));
}

/**
 * Types of arrays that are fed.
 * @throws ShapeError naming the array that is of another kind, or does not fill its shape
 */
export function typesOf(feeds: Feeds): Record<string, FeedType> {
  return Object.fromEntries(
    Object.entries(checkedArrays("batch", feeds)).map(([name, { data, shape }]) => {
      if (data instanceof Int32Array) return [name, { shape, dtype: "int32" }];
      if (data instanceof Float32Array) return [name, { shape, dtype: "float32" }];
      throw new ShapeError(
        `batch: ${name}: its data are ${kindOf(data)}; expected a Float32Array, or an Int32Array for whole numbers such as labels`,
      );
    }),
  );
}
