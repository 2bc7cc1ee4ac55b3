/** A run on disk: `run.json` (what was asked and where it was done) and `plan.json`, read back with clear errors. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { DataCase, Plan } from "../data/index.ts";
import { ConfigError, DataError } from "../errors.ts";
import { writeFileAtomic } from "../files/index.ts";
import { type Machine, machine, type Versions, versions } from "../machine.ts";
import type { ClassificationConfig } from "./classification-config.ts";
import type { ClassificationPlan } from "./classification-plan.ts";
import type { PretrainingConfig } from "./pretraining-config.ts";
import type { PretrainingCase, PretrainingPlan } from "./pretraining-sets.ts";
import type { SegmentationConfig } from "./segmentation-config.ts";

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
  readonly group?: string;
}

export interface DataCredit {
  readonly name: string;
  readonly licence?: string;
  readonly source?: string;
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

export interface RunRecord<T extends Task = "segmentation"> {
  readonly format: 1;
  readonly task: T;
  readonly config: RunTasks[T]["config"];
  readonly command: string;
  readonly machine: Machine;
  readonly versions: Versions;
  readonly threads: number;
  /** ISO date and time at which the run was begun. */
  readonly begun: string;
  readonly credit: DataCredit;
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

export const runFile = (folder: string): string => join(folder, "run.json");
export const planFile = (folder: string): string => join(folder, "plan.json");

/** Writes what was asked; refuses to replace another run unless `force` is set. */
export async function writeRun<T extends Task>(
  folder: string,
  record: Omit<RunRecord<T>, "format" | "machine" | "versions" | "begun">,
  plan: RunTasks[T]["plan"],
  force: boolean,
): Promise<RunRecord<T>> {
  const full = {
    format: 1,
    ...record,
    machine: machine(),
    versions: versions(),
    begun: new Date().toISOString(),
  } as RunRecord<T>;
  await writeFileAtomic(planFile(folder), `${JSON.stringify(plan, null, 2)}\n`, { force });
  await writeFileAtomic(runFile(folder), `${JSON.stringify(full, null, 2)}\n`, { force });
  return full;
}

const tasks: Readonly<Record<Task, true>> = { segmentation: true, classification: true, pretraining: true };

/** Reads a run of whatever task. @throws ConfigError if the folder is none, DataError for a task or format unknown here */
export async function readAnyRun(folder: string): Promise<AnyRun> {
  const record = await readJson<RunRecord<Task>>(runFile(folder), folder);
  if (record.format !== 1 || !Object.hasOwn(tasks, record.task)) {
    throw new DataError(
      `${runFile(folder)}: task ${String(record.task)}, format ${String(record.format)}; this medvox reads ${Object.keys(tasks).join(", ")} runs of format 1`,
    );
  }
  return { task: record.task, record, plan: await readJson(planFile(folder), folder) } as AnyRun;
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

async function readJson<T>(path: string, folder: string): Promise<T> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR")
      throw new ConfigError(`${folder}: is no run of medvox (${path} is missing)`);
    throw error;
  });
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new DataError(`${path}: is not JSON (${(error as Error).message})`);
  }
}
