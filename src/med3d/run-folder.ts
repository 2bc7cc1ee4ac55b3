/** A run on disk: `run.json` (what was asked and where it was done) and `plan.json`, read back with clear errors. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Plan } from "../data/index.ts";
import { ConfigError, DataError } from "../errors.ts";
import { writeFileAtomic } from "../files/index.ts";
import { type Machine, machine, type Versions, versions } from "../machine.ts";
import type { SegmentationConfig } from "./segmentation-config.ts";

/** A case of the run's data, by absolute path, so that evaluation finds the very files again. */
export interface RunCase {
  readonly id: string;
  readonly image: string;
  readonly moreChannels?: readonly string[];
  readonly label?: string;
}

export interface DataCredit {
  readonly name: string;
  readonly licence?: string;
  readonly source?: string;
}

export interface RunRecord {
  readonly format: 1;
  readonly task: "segmentation";
  readonly config: SegmentationConfig;
  readonly command: string;
  readonly machine: Machine;
  readonly versions: Versions;
  readonly threads: number;
  /** ISO date and time at which the run was begun. */
  readonly begun: string;
  readonly credit: DataCredit;
  readonly splits: {
    readonly train: readonly RunCase[];
    readonly validation: readonly RunCase[];
    readonly heldOut: readonly RunCase[];
  };
}

export const runFile = (folder: string): string => join(folder, "run.json");
export const planFile = (folder: string): string => join(folder, "plan.json");

/** Writes what was asked; refuses to replace another run unless `force` is set. */
export async function writeRun(
  folder: string,
  record: Omit<RunRecord, "format" | "machine" | "versions" | "begun">,
  plan: Plan,
  force: boolean,
): Promise<RunRecord> {
  const full: RunRecord = {
    format: 1,
    ...record,
    machine: machine(),
    versions: versions(),
    begun: new Date().toISOString(),
  };
  await writeFileAtomic(planFile(folder), `${JSON.stringify(plan, null, 2)}\n`, { force });
  await writeFileAtomic(runFile(folder), `${JSON.stringify(full, null, 2)}\n`, { force });
  return full;
}

/** Reads a run. @throws ConfigError if the folder is none */
export async function readRun(folder: string): Promise<{ record: RunRecord; plan: Plan }> {
  const record = await readJson<RunRecord>(runFile(folder), folder);
  if (record.format !== 1 || record.task !== "segmentation") {
    throw new DataError(
      `${runFile(folder)}: task ${String(record.task)}, format ${String(record.format)}; this medvox reads segmentation runs of format 1`,
    );
  }
  return { record, plan: await readJson<Plan>(planFile(folder), folder) };
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
