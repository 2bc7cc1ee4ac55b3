/**
 * What a measurement leaves in `results/NAME.json`: the numbers, the command that made them, the machine, the versions
 * and the date. The tables in README.md and docs/ are generated from these files (`npm run tables`), never typed.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Machine, machine, type Versions, versions } from "../src/machine.ts";

export { type Machine, machine, type Versions, versions };

export type Cell = string | number | boolean | null;
export type Row = Readonly<Record<string, Cell>>;

/** How a table shows one key of the rows. */
export interface Column {
  readonly key: string;
  /** Heading, with the unit. Default the key. */
  readonly title?: string;
  /** Digits after the point for numbers; the file keeps all of them. */
  readonly digits?: number;
}

export interface Result {
  /** File name without `.json`; the table marked `table:NAME` shows it. */
  name: string;
  /** The command, run in the repository, that made it. */
  command: string;
  /** ISO date and time (UTC) it was finished. */
  date: string;
  machine: Machine;
  /** medvox, node, onnxruntime, and the peers that were measured. */
  versions: Versions & Record<string, string>;
  /** Columns of the table, in order; default every key of the first row. */
  columns?: readonly Column[];
  rows: readonly Row[];
  /** Sentences printed under the table. */
  notes?: readonly string[];
}

export interface ResultOptions {
  command: string;
  columns?: readonly Column[];
  notes?: readonly string[];
  /** Versions of peers, e.g. `{ pytorch: "2.9.0" }`. */
  versions?: Readonly<Record<string, string>>;
  /** Folder written to. Default `results/` of the repository. */
  folder?: string;
}

const RESULTS = fileURLToPath(new URL("../results", import.meta.url));

/** Writes `results/NAME.json`, replacing it. Returns what was written. */
export function writeResult(name: string, rows: readonly Row[], options: ResultOptions): Result {
  const { folder = RESULTS, command, columns, notes } = options;
  const result: Result = {
    name,
    command,
    date: new Date().toISOString(),
    machine: machine(),
    versions: { ...versions(), ...options.versions },
    ...(columns && { columns }),
    rows,
    ...(notes && { notes }),
  };
  const path = join(folder, `${name}.json`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(result, null, 2)}\n`);
  return result;
}

/** Reads a result, checking that it is one. Throws an `Error` naming the file and the missing key. */
export function readResult(path: string): Result {
  const result = JSON.parse(readFileSync(path, "utf8")) as Result;
  for (const key of ["name", "command", "date", "machine", "versions", "rows"] as const) {
    if (result[key] === undefined) throw new Error(`${path}: a result must have '${key}'`);
  }
  return result;
}
