/**
 * Doing a job, through the contract of tasks: nothing here asks which task it is. What is done tells as plain data, which crosses to
 * the process that asked.
 */
import { rm } from "node:fs/promises";
import { ConfigError } from "../errors.ts";
import { openForPrediction, taskNamed, taskNames } from "../tasks.ts";
import {
  type AnyTask,
  continueRun,
  folderStore,
  predictAll,
  problemsJson,
  RUN,
  type RunEvents,
  readProblems,
  readRun,
  resumeRun,
} from "../train/index.ts";
import type { JobRequest, Told } from "./job.ts";

export interface PerformOptions {
  readonly signal: AbortSignal;
  readonly tell: (event: Told) => void;
  /** Finds a task by its name; those of medvox by default. */
  readonly taskOf?: (name: string) => AnyTask | undefined;
}

/**
 * Does what is asked. A training goes on from where it stands; a prediction is done anew.
 * @returns what the task's own command prints with `--json`
 * @throws the task's errors; the signal's reason, with everything saved
 */
export async function perform(request: JobRequest, options: PerformOptions): Promise<Record<string, unknown>> {
  return request.kind === "train" ? training(request, options) : prediction(request, options);
}

async function training(
  { task: name, config, run: out }: Extract<JobRequest, { kind: "train" }>,
  { signal, tell, taskOf = taskNamed }: PerformOptions,
): Promise<Record<string, unknown>> {
  const task = taskOf(name);
  if (task === undefined) throw new ConfigError(`task: ${name}; there are ${taskNames().join(", ")}`);
  const events = { signal, ...told(tell) };
  const store = folderStore(out);
  // A run that is there says itself what was asked.
  const run = (await store.has(RUN))
    ? await resumeRun(await readRun(store, taskOf), events)
    : await continueRun(task, config, { out, command: `serve: ${name}`, ...events });
  const { json } = task.outcome(run, out);
  return { task: name, run: out, ...json, problems: problemsJson(await readProblems(run.store)) };
}

/** Steps and shares come many times a second; so often they are passed on. */
const EVERY_MS = 500;

/** What a training tells, as events of a job. */
function told(tell: PerformOptions["tell"]): RunEvents {
  const often = sometimes();
  return {
    onPlanning: (done, of) => {
      if (done === of || often()) tell({ type: "planning", data: { done, of } });
    },
    onProblems: (problems) => tell({ type: "problems", data: { ...problemsJson(problems) } }),
    onNote: (text) => tell({ type: "note", data: { text } }),
    onWeights: (text) => tell({ type: "note", data: { text } }),
    onStart: (report) => tell({ type: "start", data: { ...report } }),
    onStep: (report, place) => {
      if (often()) tell({ type: "step", data: { ...place, ...report } });
    },
    onEpoch: (report, place) => tell({ type: "epoch", data: { ...place, ...report } }),
  };
}

async function prediction(
  { kind, model, input, out, options }: Extract<JobRequest, { kind: "predict" | "detect" }>,
  { signal, tell, taskOf }: PerformOptions,
): Promise<Record<string, unknown>> {
  const opened = await openForPrediction(model);
  const wanted = kind === "detect" ? (taskOf?.("detection") ?? taskNamed("detection")) : undefined;
  if (wanted !== undefined && opened.task.name !== wanted.name)
    throw new ConfigError(`${model}: is a ${opened.task.name}; to detect, name a run or model of a ${wanted.name}`);
  // What an earlier attempt left is half of something.
  await rm(out, { recursive: true, force: true });
  const often = sometimes();
  const { json, failed } = await predictAll(opened, input, {
    ...options,
    out,
    force: true,
    signal,
    onNote: (text) => tell({ type: "note", data: { text } }),
    onProgress: (share, at, of, id, detail) => {
      if (often()) tell({ type: "progress", data: { share, at, of, case: id, detail } });
    },
  });
  for (const { case: id, message } of failed) tell({ type: "note", data: { text: `${id}: ${message}` } });
  return { ...json };
}

/** True the first time, and then again once some time has passed. */
function sometimes(): () => boolean {
  let lastMs = Number.NEGATIVE_INFINITY;
  return () => {
    const nowMs = performance.now();
    if (nowMs - lastMs < EVERY_MS) return false;
    lastMs = nowMs;
    return true;
  };
}
