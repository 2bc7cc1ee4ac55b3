/** The runs of Med3D on disk: the tasks there are, and what each keeps in `run.json` and `plan.json`. */
import type { DataCase, Plan } from "../data/index.ts";
import { ConfigError } from "../errors.ts";
import { type Asked, type RecordOfRun, readRunRecord, writeRunRecord } from "../train/index.ts";
import type { ClassificationConfig } from "./classification-config.ts";
import type { ClassificationPlan } from "./classification-plan.ts";
import type { PretrainingConfig } from "./pretraining-config.ts";
import type { PretrainingCase, PretrainingPlan } from "./pretraining-sets.ts";
import type { SegmentationConfig } from "./segmentation-config.ts";

export { type DataCredit, planFile, runFile } from "../train/index.ts";

/** A case of the run's data, by absolute path, so that evaluation finds the very files again. */
export type RunCase = Omit<DataCase, "split" | "group">;

/** A case as a run remembers it. */
export function asRunCase({ split: _split, group: _group, ...files }: DataCase): RunCase {
  return files;
}

/** A case that has one class or rating; its `label` is the mask of the lesion. */
export interface ClassificationCase extends RunCase {
  readonly class?: number;
  readonly rating?: number;
  readonly auxiliary?: Readonly<Record<string, number>>;
  readonly group?: string;
}

/** What a task's run folder holds; a new task is one entry here. */
export interface RunTasks {
  readonly segmentation: { readonly config: SegmentationConfig; readonly plan: Plan; readonly case: RunCase };
  readonly classification: {
    readonly config: ClassificationConfig;
    readonly plan: ClassificationPlan;
    readonly case: ClassificationCase;
  };
  readonly pretraining: {
    readonly config: PretrainingConfig;
    readonly plan: PretrainingPlan;
    readonly case: PretrainingCase;
  };
}

export type Task = keyof RunTasks;

export interface RunRecord<T extends Task = "segmentation"> extends RecordOfRun {
  readonly task: T;
  readonly config: RunTasks[T]["config"];
  readonly splits: {
    readonly train: readonly RunTasks[T]["case"][];
    readonly validation: readonly RunTasks[T]["case"][];
    readonly heldOut: readonly RunTasks[T]["case"][];
  };
}

export interface Run<T extends Task = "segmentation"> {
  readonly record: RunRecord<T>;
  readonly plan: RunTasks[T]["plan"];
}

/** A run of any task, told apart by `task`. */
export type AnyRun = { readonly [T in Task]: Run<T> & { readonly task: T } }[Task];

/** Writes what was asked; refuses to replace another run unless `force` is set. */
export function writeRun<T extends Task>(
  folder: string,
  record: Asked<RunRecord<T>>,
  plan: RunTasks[T]["plan"],
  force: boolean,
): Promise<RunRecord<T>> {
  return writeRunRecord<RunRecord<T>>(folder, record, plan, force);
}

const tasks: Readonly<Record<Task, true>> = { segmentation: true, classification: true, pretraining: true };

/** Reads a run of whatever task. @throws ConfigError if the folder is none, DataError for a task or format unknown here */
export async function readAnyRun(folder: string): Promise<AnyRun> {
  const { record, plan } = await readRunRecord(folder, Object.keys(tasks));
  return { task: record.task, record, plan } as AnyRun;
}

/** Reads a run of one task. @throws ConfigError if the folder is no run, or one of another task */
export async function readRun<T extends Task = "segmentation">(
  folder: string,
  task: T = "segmentation" as T,
): Promise<Run<T>> {
  const run = await readAnyRun(folder);
  if ((run.task as Task) !== task) throw new ConfigError(`${folder}: is a ${run.task} run; a ${task} run is needed`);
  return run as unknown as Run<T>;
}
