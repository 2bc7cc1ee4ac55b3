/**
 * Beginning a run and going on with one, for every task alike: the data are prepared and judged before anything is written, the
 * record is written before anything is trained, children come before what needs them, stages one after another.
 */

import { changedText } from "../../data/content-hash.ts";
import { type CaseCache, createCaseCache } from "../../data/index.ts";
import { countProblems, joinProblems, type Problem, refuseProblems } from "../../data/problem.ts";
import { ConfigError, DataError } from "../../errors.ts";
import { createEngine, type DeviceName, type EngineOptions } from "../../runtime/index.ts";
import { refuseMaxPool, requireDevice } from "../../runtime/node/devices.ts";
import type { RunEvents, RunPlace } from "../events.ts";
import { appendLog, LOG, readLog } from "../log.ts";
import { runTraining, stopReason } from "../loop.ts";
import type { StateMap } from "../model/model.ts";
import { LAST_CHECKPOINT, readWeights, writeCheckpoint } from "../store/checkpoint.ts";
import { folderStore } from "../store/folder-store.ts";
import type { Store } from "../store/store.ts";
import {
  FINGERPRINT,
  MODEL,
  type OpenedRun,
  PLAN,
  PROBLEMS,
  RUN,
  readFingerprint,
  readProblems,
  readRun,
  readRunOf,
  writeProblems,
  writeRun,
} from "./record.ts";
import type { AnyRun, AnyTask, Child, DataCredit, DataFingerprint, Host, Prepared, Run, Stage, Task } from "./task.ts";

export interface ResumeOptions extends RunEvents {
  /** Ends the training after its step, saved to be gone on with; the call is rejected with the signal's reason. */
  readonly signal?: AbortSignal;
  /** What earlier trainings left of the data in memory. */
  readonly cache?: CaseCache;
}

export interface BeginOptions extends ResumeOptions {
  /** The run's folder. */
  readonly out: string;
  /** Replace a run that is there; nothing of it is left. */
  readonly force?: boolean;
  /** The command line that asked for it, for the record. */
  readonly command?: string;
  /** Who made the data, where the data do not say it themselves. */
  readonly credit?: DataCredit;
  /**
   * Of a run with members, train only those of these titles (`fold-2`). A run that is there already and was asked for alike is gone on
   * with, so that several machines may begin its members one by one.
   */
  readonly only?: readonly string[];
}

/** The run type of a task. */
export type RunOf<T> = T extends Task<infer C, infer P, infer K, infer _T, infer _F, infer _S> ? Run<C, P, K> : never;

/** What the frame lends to a task on this machine. */
export function hostOf({ signal, cache = createCaseCache(), ...events }: ResumeOptions = {}): Host {
  return { signal, events, cache, engine: (options?: EngineOptions) => createEngine(options ?? {}) };
}

/**
 * Begins a run and trains it to its end.
 * @throws ConfigError for a wrong request or a folder that holds a run already, DataError for broken data; the signal's reason, with
 * everything saved
 */
export async function beginRun<T extends AnyTask>(task: T, request: object, options: BeginOptions): Promise<RunOf<T>> {
  const { out, force = false, command = "", credit, only } = options;
  const host = hostOf(options);
  const config = task.resolve(request);
  await refuseDevice(task, config.device);
  const store = folderStore(out);
  if (!force && only === undefined && (await store.has(RUN)))
    throw new ConfigError(`${out}: holds a run already; --force replaces it`);
  const start = { child: "", at: 1, of: 1 };
  const begin = async (claimed: Host): Promise<AnyRun> => {
    if (only !== undefined && !force && (await store.has(RUN))) {
      const there = await readRunOf(store, task);
      refuseOther(there, config);
      return there;
    }
    const prepared = await prepare(task, config, claimed, options);
    await clearRun(store);
    const asked = { command, prepared: { ...prepared, credit: credit ?? prepared.credit } };
    return recorded(task, config, store, asked, claimed);
  };
  // Members may be trained by several machines at once, each of which then owns its member alone.
  const whole = async (claimed: Host): Promise<AnyRun> => {
    const run = await begin(claimed);
    if (only === undefined) await trainRun(task, run, claimed, start);
    return run;
  };
  const run = await withClaim(store, host, whole);
  if (only !== undefined) await trainRun(task, run, host, start, only);
  return run as RunOf<T>;
}

/** Before data are prepared, which may take long. @throws DeviceError for a device that cannot train the task's network here */
async function refuseDevice({ name }: AnyTask, device: DeviceName): Promise<void> {
  refuseMaxPool(device, `the network of a ${name}`);
  await requireDevice(device);
}

/** Does what only one process may do with a run at a time. */
async function withClaim<T>(store: Store, host: Host, work: (host: Host) => Promise<T>): Promise<T> {
  const { lost, release } = await store.claim("is being trained");
  const signals = [host.signal, lost].filter((signal) => signal !== undefined);
  try {
    return await work({ ...host, signal: signals.length === 0 ? undefined : AbortSignal.any(signals) });
  } finally {
    await release();
  }
}

/**
 * Goes on with a run that was stopped; one that had ended is left as it is.
 * @throws DataError where the data are no longer those that the run was begun on
 */
export async function resumeRun({ task, run }: OpenedRun, options: ResumeOptions = {}): Promise<AnyRun> {
  if (await isFinished(run.store)) return run;
  await refuseDevice(task, run.record.config.device);
  const host = hostOf(options);
  await withClaim(run.store, host, async (claimed) => {
    await lookAgain(task, run, claimed);
    await trainRun(task, run, claimed, { child: "", at: 1, of: 1 });
  });
  return run;
}

/** Judges the data of a run that is gone on with as those of one that is begun: what was found then and what is found now. */
async function lookAgain(task: AnyTask, run: AnyRun, host: Host): Promise<void> {
  const { store, record } = run;
  const before = await readFingerprint(store);
  const found = await readProblems(store);
  const now = before === undefined ? undefined : await task.fingerprint(run, host);
  const problems = joinProblems(found, now?.problems ?? []);
  if (problems.length > 0) host.events.onProblems?.(problems);
  if (before === undefined || now === undefined) {
    // Runs of earlier versions, and members of a run, kept none.
    host.events.onNote?.(
      `${store.place}: has no ${FINGERPRINT}, so nobody can tell whether its data are still those it was begun on`,
    );
    return;
  }
  refuseChanged(before, now.fingerprint, run);
  refuseProblems(problems, record.credit.name, { strict: record.config.strict });
  await logProblems(store, problems.slice(found.length));
  if (problems.length > found.length) await writeProblems(store, problems);
}

/** Goes on with the run that lies in the folder; begins it where none does. */
export async function continueRun<T extends AnyTask>(
  task: T,
  request: object,
  options: BeginOptions,
): Promise<RunOf<T>> {
  const store = folderStore(options.out);
  if (!(await store.has(RUN))) return beginRun(task, request, { ...options, force: true });
  return (await resumeRun({ task, run: await readRunOf(store, task) }, options)) as RunOf<T>;
}

/** Whether a run was trained to its end. */
export async function isFinished(store: Store): Promise<boolean> {
  // Runs of earlier versions said it by their exported model alone.
  return (await store.has(MODEL)) || (await readLog(store)).some(({ event }) => event === "finished");
}

/** Prepares the data and says or refuses what is wrong with them. */
async function prepare(
  task: AnyTask,
  config: AnyRun["record"]["config"],
  host: Host,
  { out }: Pick<BeginOptions, "out">,
): Promise<Prepared<object, { id: string }>> {
  const prepared = await task.prepare(config, host);
  const { problems } = prepared;
  if (problems.length > 0) host.events.onProblems?.(problems);
  refuseProblems(problems, prepared.credit?.name ?? out, { strict: config.strict });
  return prepared;
}

interface Asked {
  readonly command: string;
  readonly prepared: Prepared<object, { id: string }>;
}

/** Writes the record. The number of threads in it is the engine's, since another number gives other last bits. */
async function recorded(
  task: AnyTask,
  config: AnyRun["record"]["config"],
  store: Store,
  { command, prepared }: Asked,
  host: Host,
): Promise<AnyRun> {
  let threads = 0;
  if (task.stages(config).length > 0) {
    const engine = await host.engine({ device: config.device, threads: config.threads ?? undefined });
    threads = engine.threads;
    await engine.close();
  }
  const run = await writeRun(store, { task: task.name, config, command, threads }, prepared);
  await logProblems(store, prepared.problems);
  return run;
}

async function logProblems(store: Store, problems: readonly Problem[]): Promise<void> {
  if (problems.length === 0) return;
  await appendLog(store, {
    event: "problems",
    epoch: 0,
    count: problems.length,
    rules: countProblems(problems),
    problems,
  });
}

/** Where a training stands among those of the whole run. */
type Position = Pick<RunPlace, "child" | "at" | "of">;

/** All of a run that is not trained yet. */
async function trainRun(
  task: AnyTask,
  run: AnyRun,
  host: Host,
  position: Position,
  only?: readonly string[],
): Promise<void> {
  const children: readonly Child<AnyRun["record"]["config"], { id: string }>[] = task.children(run);
  const stages: readonly Stage[] = task.stages(run.record.config);
  const of = children.length + stages.length;
  // A child's own trainings are one of its parent's, whatever it consists of.
  const placeAt = (at: number): Position => (position.of > 1 ? position : { child: position.child, at, of });
  const before = children.filter(({ role }) => role === "before");
  const members = children.filter(({ role }) => role === "member");
  const unknown = only?.find((title) => !members.some((member) => member.title === title));
  if (unknown !== undefined)
    throw new ConfigError(
      `${unknown}: is no part of the run; ${members.length === 0 ? "it has none" : `there are ${members.map(({ title }) => title).join(", ")}`}`,
    );
  for (const [i, child] of before.entries()) await trainChild(task, run, child, host, placeAt(i + 1));
  await trainStages(task, run, stages, host, (i) => placeAt(before.length + i + 1));
  for (const [i, child] of members.entries())
    if (only?.includes(child.title) ?? true)
      await trainChild(task, run, child, host, placeAt(before.length + stages.length + i + 1));
  for (const { name } of members) if (!(await isFinished(run.store.child(name)))) return;
  await task.finish?.(run);
  const { length } = (await readLog(run.store)).filter(({ event }) => event === "epoch");
  if (!(await hasLine(run.store, "finished"))) await appendLog(run.store, { event: "finished", epoch: length });
}

async function trainChild(
  task: AnyTask,
  parent: AnyRun,
  child: Child<AnyRun["record"]["config"], { id: string }>,
  host: Host,
  position: Position,
): Promise<void> {
  const store = parent.store.child(child.name);
  if (await isFinished(store)) return;
  if (host.signal?.aborted) throw stopReason(host.signal, `stopped before ${child.title}`);
  const place = { ...position, child: child.title };
  await withClaim(store, host, (claimed) => trainClaimed(task, parent, child, claimed, place));
}

async function trainClaimed(
  task: AnyTask,
  parent: AnyRun,
  child: Child<AnyRun["record"]["config"], { id: string }>,
  host: Host,
  place: Position,
): Promise<void> {
  const store = parent.store.child(child.name);
  // Another process may have trained it while this one waited for its turn.
  if (await isFinished(store)) return;
  if (await store.has(RUN)) {
    const { run } = await readRun(store, () => task);
    await trainRun(task, run, host, place);
    return;
  }
  const { command, credit } = parent.record;
  const made = await task.prepare(child.config, host, { splits: child.splits, parent });
  // The parent's problems were said; the data are the same.
  const asked = { command, prepared: { ...made, credit, problems: [], fingerprint: {} } };
  await clearRun(store);
  await trainRun(task, await recorded(task, child.config, store, asked, host), host, place);
}

async function trainStages(
  task: AnyTask,
  run: AnyRun,
  stages: readonly Stage[],
  host: Host,
  positionOf: (i: number) => Position,
): Promise<void> {
  if (stages.length === 0) return;
  const { config, threads } = run.record;
  // Another number of threads would give other last bits.
  const engine = await host.engine({ device: config.device, threads });
  const finished = new Map<string, StateMap>();
  let announced = false;
  try {
    for (const [i, stage] of stages.entries()) {
      const store = stage.name === "" ? run.store : run.store.child(stage.name);
      if (stage.name !== "" && (await hasLine(store, "finished"))) {
        finished.set(stage.name, await readWeights(store));
        continue;
      }
      const place: RunPlace = { ...positionOf(i), stage: stage.name, epochs: stage.epochs };
      if (!announced)
        await host.events.onStart?.({
          ...place,
          task: task.name,
          threads,
          lines: task.announce(run, threads),
          casesPerStep: task.casesPerStep(run),
          watched: task.watched(run),
        });
      announced = true;
      finished.set(stage.name, await trainStage(task, run, stage, store, place, { engine, finished }, host));
    }
    // Of several stages each has its own folder; the run's holds what they make together.
    if (task.join !== undefined && stages.length > 1)
      await writeCheckpoint(run.store, LAST_CHECKPOINT, task.join(finished), {});
  } finally {
    await engine.close();
  }
}

async function trainStage(
  task: AnyTask,
  run: AnyRun,
  stage: Stage,
  store: Store,
  place: RunPlace,
  beginning: Pick<Parameters<AnyTask["session"]>[2], "engine" | "finished">,
  { signal, events, ...host }: Host,
): Promise<StateMap> {
  const resumes = await store.has(LAST_CHECKPOINT);
  const session = await task.session(run, stage, { ...beginning, resumes }, { signal, events, ...host });
  try {
    if (session.startText !== undefined) events.onWeights?.(session.startText);
    await runTraining({
      ...session.loop,
      model: session.model,
      store,
      resume: resumes || (await store.has(LOG)),
      signal,
      onStep: (report) => events.onStep?.(report, place),
      onEpoch: (report) => events.onEpoch?.(report, place),
    });
    if (stage.name === "") return new Map();
    await appendLog(store, { event: "finished", epoch: stage.epochs });
    return await session.model.weights();
  } finally {
    await session.close();
  }
}

/** @throws ConfigError where a run was asked for in another way than now */
function refuseOther({ record, store }: AnyRun, config: AnyRun["record"]["config"]): void {
  const [was, now]: Record<string, unknown>[] = [record.config, config];
  const key = Object.keys(now).find((name) => JSON.stringify(was[name]) !== JSON.stringify(now[name]));
  if (key !== undefined)
    throw new ConfigError(
      `${key}: ${JSON.stringify(now[key])}; ${store.place} was begun with ${JSON.stringify(was[key])}; its members must be alike`,
    );
}

async function hasLine(store: Store, event: string): Promise<boolean> {
  return (await readLog(store)).some((line) => line.event === event);
}

/**
 * All that a run of any task leaves in its folder. Other files of the folder are its owner's, so `--force` must not touch them.
 */
const LEAVINGS = [
  ...[RUN, PLAN, PROBLEMS, FINGERPRINT, LOG, MODEL],
  ...["report.html", "evaluation.json", "scores.csv", "summary.csv"],
  ...["checkpoints", "predictions", "evaluations", "branches", "members", "coarse"],
  ...["rpn-1", "detector-1", "rpn-2", "detector-2"],
];

async function clearRun(store: Store): Promise<void> {
  // An evaluation's tables have the names that its task gave them, and its log tells them.
  const lines = (await readLog(store)).filter(({ event }) => event === "evaluated");
  const tables = lines.flatMap(({ tables: names }) => (Array.isArray(names) ? names : []));
  const own = tables.filter((name) => typeof name === "string" && /^[^./\\][^/\\]*$/.test(name));
  for (const name of new Set([...own, ...LEAVINGS])) await store.remove(name);
}

/** @throws DataError that says which of a run's data changed since it was begun */
function refuseChanged(before: DataFingerprint, now: DataFingerprint, { record, store }: AnyRun): void {
  const changed = changedText(before, now, { image: "image", truth: "annotation file" });
  if (changed !== undefined)
    throw new DataError(
      `${record.credit.name}: is no longer what ${store.place} was begun on: ${changed}; put the data back, or begin anew`,
    );
}
