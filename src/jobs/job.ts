/**
 * What a job is: a typed request to train or to predict, as plain JSON, so that it can lie in a file, cross a process boundary, or
 * stand in a broker. Paths are those of whoever enqueues it; a server makes them from ids and never takes them from its clients.
 */
import { randomBytes } from "node:crypto";
import { z } from "zod";

const path = z.string().min(1);

/** A training: begun where the folder holds no run, else gone on with. */
const trainRequest = z.strictObject({
  kind: z.literal("train"),
  /** The task's name: `segmentation`, `detection`, … */
  task: z.string().min(1),
  /** What the task's configuration says over its defaults. */
  config: z.record(z.string(), z.unknown()),
  /** The run's folder. */
  run: path,
});

const predictionKeys = {
  /** A run's folder or an exported model. */
  model: path,
  /** An image, a folder of images or a data set. */
  input: path,
  /** Where the files go. */
  out: path,
  /** What the task understands beside: `mirror`, `overlap`, … */
  options: z.record(z.string(), z.unknown()).default({}),
};

/** A prediction with a run or model of any task. */
const predictRequest = z.strictObject({ kind: z.literal("predict"), ...predictionKeys });
/** A prediction that must be one of a detector. */
const detectRequest = z.strictObject({ kind: z.literal("detect"), ...predictionKeys });

export const jobRequest = z.discriminatedUnion("kind", [trainRequest, predictRequest, detectRequest]);
export type JobRequest = z.output<typeof jobRequest>;
export type JobKind = JobRequest["kind"];

/** `done`, `failed` and `cancelled` are ends. */
export const jobStates = ["queued", "running", "done", "failed", "cancelled"] as const;

/** Why a job failed, in words for people. */
export const jobFailure = z.strictObject({ code: z.string(), message: z.string() });
export type JobFailure = z.output<typeof jobFailure>;

/** A job as it is kept. */
export const jobRecord = z.strictObject({
  format: z.literal(1),
  id: z.string(),
  request: jobRequest,
  state: z.enum(jobStates),
  /** ISO dates and times. */
  created: z.string(),
  started: z.string().optional(),
  ended: z.string().optional(),
  /** How often its work was begun. */
  attempts: z.number().int().min(0),
  /** How often the process that worked at it died. */
  deaths: z.number().int().min(0),
  /** It was asked to end; while it runs it still finishes its step. */
  cancelAsked: z.boolean().default(false),
  error: jobFailure.optional(),
  /** What the work left, as the task's own commands print it with `--json`. */
  result: z.record(z.string(), z.unknown()).optional(),
});
export type Job = z.output<typeof jobRecord>;

/** A line of what a job tells; numbered from 1 without a gap. */
export const jobEvent = z.strictObject({
  n: z.number().int().min(1),
  /** ISO date and time. */
  at: z.string(),
  /** `state`, `process`, `planning`, `start`, `step`, `epoch`, `progress`, `note`, `problems`. */
  type: z.string(),
  data: z.record(z.string(), z.unknown()),
});
export type JobEvent = z.output<typeof jobEvent>;

/** An event before it has its number. */
export type Told = Pick<JobEvent, "type" | "data">;

/** What ids of jobs look like. Everything that takes an id from outside asks this first. */
export const jobIdPattern = /^(?:train|predict|detect)-[0-9a-z]{9}-[0-9a-f]{12}$/;

/** An id that sorts by time and cannot be guessed. */
export function newJobId(kind: JobKind, nowMs: number = Date.now()): string {
  return `${kind}-${nowMs.toString(36).padStart(9, "0")}-${randomBytes(6).toString("hex")}`;
}

/** Whether nothing more will happen to a job. */
export const hasEnded = ({ state }: Pick<Job, "state">): boolean =>
  state === "done" || state === "failed" || state === "cancelled";

/** After so many deaths of its process a job has failed. */
export const MOST_DEATHS = 3;
