/** From what a client asks, in names, to a job of the queue, in paths. */
import { join } from "node:path";
import { z } from "zod";
import { ConfigError } from "../errors.ts";
import { namedWeights } from "../files/index.ts";
import { type Job, type JobRequest, newJobId } from "../jobs/index.ts";
import { taskNamed, taskNames } from "../tasks.ts";
import { Refusal } from "./http/refusal.ts";
import { openServedRun } from "./runs.ts";
import type { ServerContext } from "./server-context.ts";

export interface TrainAsked {
  readonly task: string;
  readonly run: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly annotator: string;
}

/** Settings that name files of the machine, which no client may choose. */
export const OF_THE_SERVER: readonly string[] = ["data", "splits", "sets", "plan", "images", "codes"];
/** Settings that name weights to start from: a client gives the name of a run of this server. */
export const WEIGHTS: readonly string[] = ["from", "backbone"];

/** Enqueues a training; one that was stopped is gone on with. */
export async function askTraining(
  context: ServerContext,
  { task: name, run, config, annotator }: TrainAsked,
): Promise<Job> {
  const { queue, runs, set } = context;
  const task = taskNamed(name);
  if (task === undefined) throw new ConfigError(`task: ${name}; there are ${taskNames().join(", ")}`);
  const open = (await queue.list()).find(
    ({ state, request }) =>
      (state === "queued" || state === "running") && request.kind === "train" && request.run === join(runs, run),
  );
  if (open !== undefined) throw new Refusal(409, "E_TAKEN", `run ${run}: is being trained by job ${open.id}`);
  const there = await openServedRun(runs, run).catch(() => undefined);
  if (there?.finished) throw new Refusal(409, "E_TAKEN", `run ${run}: is trained to its end; choose another name`);
  const foreign = OF_THE_SERVER.find((key) => key in config);
  if (foreign !== undefined) throw new ConfigError(`config.${foreign}: is the server's to say; leave it out`);
  const id = newJobId("train");
  const asked = { ...config, ...(await startOf(context, config)) };
  if (there === undefined) task.resolve({ ...asked, data: set.root });
  const data = there === undefined ? await set.snapshot(join(queue.folderOf(id), "data"), annotator) : set.root;
  const request: JobRequest = { kind: "train", task: name, config: { ...asked, data }, run: join(runs, run) };
  return queue.enqueue(request, { id });
}

/** Weights to start from are those of a run of this server, or those that come with medvox. */
async function startOf({ runs }: ServerContext, config: TrainAsked["config"]): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const key of WEIGHTS) {
    const name = config[key];
    if (name === undefined || name === null) continue;
    if (typeof name === "string" && namedWeights(name) !== undefined) {
      found[key] = name;
      continue;
    }
    const { folder } = await openServedRun(runs, z.string().parse(name)).catch(() => {
      throw new ConfigError(`config.${key}: expected the name of a run of this server, or null`);
    });
    found[key] = folder;
  }
  return found;
}

export interface PredictAsked {
  readonly run: string;
  readonly cases: readonly string[];
  readonly options: Readonly<Record<string, unknown>>;
}

/** Enqueues a prediction; its files lie in the job's folder. */
export async function askPrediction(
  { queue, runs, set }: ServerContext,
  kind: "predict" | "detect",
  { run, cases, options }: PredictAsked,
): Promise<Job> {
  const { folder } = await openServedRun(runs, run);
  const id = newJobId(kind);
  const [first] = cases;
  // Every one is looked up before anything is written.
  for (const name of cases) set.case(name);
  const input = cases.length === 1 ? set.case(first).image : await set.listing(join(queue.folderOf(id), "data"), cases);
  return queue.enqueue({ kind, model: folder, input, out: outOf(queue, id), options: { ...options } }, { id });
}

/** Where the files of a prediction lie. */
export const outOf = (queue: ServerContext["queue"], id: string): string => join(queue.folderOf(id), "out");
