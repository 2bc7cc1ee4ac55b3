/**
 * What every run on disk has, whatever its task: `run.json` (what was asked, and where it was done) and `plan.json` (what follows
 * from the data), written whole and read back with clear errors. A task adds its own configuration, plan and cases.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError, DataError } from "../errors.ts";
import { writeFileAtomic } from "../files/index.ts";
import { type Machine, machine, type Versions, versions } from "../machine.ts";

export interface DataCredit {
  readonly name: string;
  readonly licence?: string;
  readonly source?: string;
}

export interface RecordOfRun {
  readonly format: 1;
  readonly task: string;
  readonly config: object;
  readonly command: string;
  readonly machine: Machine;
  readonly versions: Versions;
  readonly threads: number;
  /** ISO date and time at which the run was begun. */
  readonly begun: string;
  readonly credit: DataCredit;
}

/** What whoever begins a run says; the rest is found out. */
export type Asked<R extends RecordOfRun> = Omit<R, "format" | "machine" | "versions" | "begun">;

/** Where a run keeps what was asked and where it was done. */
export const runFile = (folder: string): string => join(folder, "run.json");
/** Where a run keeps its plan. */
export const planFile = (folder: string): string => join(folder, "plan.json");

/** Writes what was asked; refuses to replace another run unless `force` is set. */
export async function writeRunRecord<R extends RecordOfRun>(
  folder: string,
  asked: Asked<R>,
  plan: object,
  force: boolean,
): Promise<R> {
  const record = {
    format: 1,
    ...asked,
    machine: machine(),
    versions: versions(),
    begun: new Date().toISOString(),
  } as unknown as R;
  await writeFileAtomic(planFile(folder), `${JSON.stringify(plan, null, 2)}\n`, { force });
  await writeFileAtomic(runFile(folder), `${JSON.stringify(record, null, 2)}\n`, { force });
  return record;
}

/**
 * Reads a run of one of these tasks.
 * @throws ConfigError if the folder is no run, DataError for a task or format unknown here
 */
export async function readRunRecord(
  folder: string,
  tasks: readonly string[],
): Promise<{ record: RecordOfRun; plan: object }> {
  const record = await readJson<RecordOfRun>(runFile(folder), folder);
  if (record.format !== 1 || !tasks.includes(record.task)) {
    throw new DataError(
      `${runFile(folder)}: task ${String(record.task)}, format ${String(record.format)}; this medvox reads ${tasks.join(", ")} runs of format 1`,
    );
  }
  return { record, plan: await readJson(planFile(folder), folder) };
}

/** The task that a run folder says it is for. @throws ConfigError if it is no run */
export async function taskOfRun(folder: string): Promise<string> {
  return String((await readJson<RecordOfRun>(runFile(folder), folder)).task);
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

/** The machine of a run as its report names it. @param seconds what the whole run took */
export function reportMachine({ machine: where, versions: of }: RecordOfRun, device: string, seconds: number) {
  return {
    cpu: where.cpu,
    cores: where.cores,
    memoryGb: where.memoryGb,
    device,
    system: where.os,
    versions: { ...of } as Record<string, string>,
    date: new Date().toISOString(),
    seconds,
  };
}
