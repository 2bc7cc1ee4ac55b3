/**
 * What every run keeps, whatever its task: `run.json` (what was asked, and where it was done), `plan.json` (what follows from the
 * data), `problems.json` and `fingerprint.json` (what was wrong with the data, and what they were). Read once, and checked by the
 * task's own schemas, so that a file that was changed by hand is refused by name.
 */
import { z } from "zod";
import { checkDescription, checkedJson } from "../../data/lists/description.ts";
import { type Problem, problemEffects } from "../../data/problem.ts";
import { ConfigError, DataError } from "../../errors.ts";
import { machine, versions } from "../../machine.ts";
import { placeOf, type Store } from "../store/store.ts";
import type { AnyRun, AnyTask, DataFingerprint, Prepared, Run, RunRecord } from "./task.ts";

/** Where a run keeps what was asked and where it was done. */
export const RUN = "run.json";
/** Where a run keeps its plan. */
export const PLAN = "plan.json";
/** Where a run keeps what was wrong with its data. */
export const PROBLEMS = "problems.json";
/** Where a run keeps what its data were. */
export const FINGERPRINT = "fingerprint.json";
/** Where a run keeps its exported network. */
export const MODEL = "model.onnx";

const frameSchema = z.looseObject({
  format: z.literal(1),
  task: z.string(),
  config: z.unknown(),
  command: z.string().default(""),
  machine: z.looseObject({
    cpu: z.string(),
    cores: z.number(),
    memoryGb: z.number(),
    features: z.array(z.string()).default([]),
    os: z.string(),
  }),
  versions: z.looseObject({ medvox: z.string(), node: z.string(), onnxruntime: z.string() }),
  threads: z.number().int().min(0),
  begun: z.string(),
  credit: z.looseObject({ name: z.string(), licence: z.string().optional(), source: z.string().optional() }),
  splits: z.looseObject({
    train: z.array(z.unknown()),
    validation: z.array(z.unknown()),
    heldOut: z.array(z.unknown()),
  }),
});

const problemSchema = z.looseObject({
  severity: z.enum(["error", "warning"]),
  case: z.string(),
  rule: z.enum(Object.keys(problemEffects) as [keyof typeof problemEffects]),
  message: z.string(),
  box: z.number().optional(),
});

const fingerprintSchema = z.record(
  z.string(),
  z.looseObject({ image: z.string(), truth: z.string(), file: z.string().optional() }),
);

/** What `run.json` says whatever the task; configuration and cases as they stand there. */
export type RecordFrame = z.output<typeof frameSchema>;

/** Reads `run.json` alone, where the task does not matter. @throws ConfigError if the place is no run */
export async function readFrame(store: Store): Promise<RecordFrame> {
  const document = await readJson(store, RUN);
  refuseNewer(document, placeOf(store, RUN));
  return checkDescription(frameSchema, document, placeOf(store, RUN));
}

/** The format of runs that this medvox writes; it reads this one and all before. */
const FORMAT = 1;

/** @throws DataError for a run of a later medvox, naming both */
function refuseNewer(document: unknown, path: string): void {
  const { format, versions: by } = (document ?? {}) as { format?: unknown; versions?: { medvox?: unknown } };
  if (typeof format !== "number" || !(format > FORMAT)) return;
  const writer = typeof by?.medvox === "string" ? ` by medvox ${by.medvox}` : "";
  throw new DataError(
    `${path}: format: ${format}, written${writer}; this is medvox ${versions().medvox}, which reads runs up to format ${FORMAT}; use a newer medvox`,
  );
}

/** Reads `plan.json` by a schema of one's own. */
export async function readPlan<T extends z.ZodType>(store: Store, schema: T): Promise<z.output<T>> {
  return checkDescription(schema, await readJson(store, PLAN), placeOf(store, PLAN));
}

/** What of a task is needed to read its runs. */
type Readable = Pick<AnyTask, "name" | "schemas">;

/** A run that was read, with the task that it says it is for. */
export interface OpenedRun<T extends Readable = AnyTask> {
  readonly task: T;
  readonly run: AnyRun;
}

/**
 * Reads a run.
 * @param taskOf finds a task by its name, `undefined` for one that is not known here
 * @throws ConfigError if the place is no run, DataError for a task, format or content unknown here
 */
export async function readRun<T extends Readable>(
  store: Store,
  taskOf: (name: string) => T | undefined,
): Promise<OpenedRun<T>> {
  const path = placeOf(store, RUN);
  const frame = await readFrame(store);
  const task = taskOf(frame.task);
  if (task === undefined) throw new DataError(`${path}: task: ${frame.task}; this medvox does not know it`);
  const { config, plan: planSchema, case: caseSchema } = task.schemas;
  const list = z.array(caseSchema);
  const checked = z.looseObject({
    config,
    splits: z.looseObject({ train: list, validation: list, heldOut: list }),
  });
  const record = { ...frame, ...checkDescription(checked, frame, path) } as AnyRun["record"];
  const plan: object = checkDescription(planSchema, await readJson(store, PLAN), placeOf(store, PLAN));
  return { task, run: { record, plan, store } };
}

/** Reads a run of one task. @throws ConfigError if the place is no run, or one of another task */
export async function readRunOf<T extends Readable>(store: Store, task: T): Promise<AnyRun> {
  const { run } = await readRun(store, (name) => {
    if (name === task.name) return task;
    throw new ConfigError(`${store.place}: is a ${name} run; a ${task.name} run is needed`);
  });
  return run;
}

/** Writes what was asked and what follows from the data. */
export async function writeRun<C, P extends object, K>(
  store: Store,
  asked: Pick<RunRecord<C, K>, "task" | "config" | "command" | "threads">,
  { plan, splits, credit, problems, fingerprint }: Prepared<P, K>,
): Promise<Run<C, P, K>> {
  const record: RunRecord<C, K> = {
    format: FORMAT,
    ...asked,
    credit,
    splits,
    machine: machine(),
    versions: versions(),
    begun: new Date().toISOString(),
  };
  if (Object.keys(fingerprint).length > 0) await writeJson(store, FINGERPRINT, fingerprint);
  if (problems.length > 0) await writeProblems(store, problems);
  await writeJson(store, PLAN, plan);
  // Last: a folder with `run.json` is a run, so everything that belongs to it must be there before.
  await writeJson(store, RUN, record);
  return { record, plan, store };
}

/** What was wrong with a run's data when it was begun. */
export async function readProblems(store: Store): Promise<readonly Problem[]> {
  if (!(await store.has(PROBLEMS))) return [];
  return checkDescription(z.array(problemSchema), await readJson(store, PROBLEMS), placeOf(store, PROBLEMS));
}

/** Keeps what is wrong with a run's data. */
export async function writeProblems(store: Store, problems: readonly Problem[]): Promise<void> {
  await writeJson(store, PROBLEMS, problems);
}

/** What a run's data were when it was begun; `undefined` where it was written before medvox kept this. */
export async function readFingerprint(store: Store): Promise<DataFingerprint | undefined> {
  if (!(await store.has(FINGERPRINT))) return undefined;
  return checkDescription(fingerprintSchema, await readJson(store, FINGERPRINT), placeOf(store, FINGERPRINT));
}

async function writeJson(store: Store, name: string, value: unknown): Promise<void> {
  await store.write(name, `${JSON.stringify(value, null, 2)}\n`);
}

async function readJson(store: Store, name: string): Promise<unknown> {
  const bytes = await store.read(name);
  if (bytes === undefined)
    throw new ConfigError(`${store.place}: is no run of medvox (${placeOf(store, name)} is missing)`);
  return checkedJson(z.unknown(), new TextDecoder().decode(bytes), placeOf(store, name));
}
