/**
 * Runs an experiment of any kind: all its trials, then table, charts and report. A folder holds one experiment; the same request goes
 * on where it was stopped.
 *
 * ```
 * OUT/experiment.json     what was asked
 * OUT/trials/NAME/        one run for every condition and seed, and its trial.json
 * OUT/results.json        every score, as JSON
 * OUT/table.csv  charts.svg  report.html
 * ```
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { checkedJson } from "../data/index.ts";
import { ConfigError } from "../errors.ts";
import { writeError, writeFileAtomic } from "../files/index.ts";
import { machine, versions } from "../machine.ts";
import { csv } from "../metrics/index.ts";
import { chartsSvg, type Json, reportMachine, writeChartsReport } from "../report/index.ts";
import { commandLine } from "../text/index.ts";
import type { EpochReport } from "../train/index.ts";
import type { Findings } from "./findings.ts";
import { runTrials, type Trial, type TrialResult, type TrialScores } from "./trial.ts";

export interface ExperimentOptions<S extends TrialScores = TrialScores> {
  /** The experiment's folder. */
  readonly out: string;
  /** Begin anew what the folder holds. */
  readonly force?: boolean;
  readonly signal?: AbortSignal;
  /** The command line that asked for it, for the record. */
  readonly command?: string;
  /** What it found out or cannot check, in a sentence. */
  readonly onNote?: (note: string) => void;
  readonly onTrial?: (trial: Trial<S>, at: number, of: number) => void;
  readonly onEpoch?: (report: EpochReport) => void;
  readonly onScored?: (result: TrialResult<S>) => void;
}

export interface Experiment<S extends TrialScores = TrialScores> {
  readonly kind: string;
  readonly findings: Findings;
  readonly trials: readonly TrialResult<S>[];
  /** How it was measured, in sentences. */
  readonly notes: readonly string[];
  readonly report: string;
}

/** What every experiment's configuration has. */
interface CommonConfig {
  readonly seeds: number;
  readonly keepRuns: boolean;
}

/** A kind of experiment: what it trains, and what it makes of the scores. */
export interface ExperimentDefinition<C extends CommonConfig, S extends TrialScores> {
  readonly kind: string;
  readonly trials: (config: C, options: ExperimentOptions<S>) => Promise<readonly Trial<S>[]>;
  readonly findings: (config: C, results: readonly TrialResult<S>[]) => Findings;
  readonly notes: readonly string[];
  /** What is drawn again for intervals, beside seeds: `cases`. */
  readonly cases: string;
  /** Names in a trial's folder that go when it is scored, unless `keepRuns` is set. */
  readonly bulk: readonly string[];
}

/**
 * @param config resolved
 * @throws ConfigError for a folder that holds another experiment, and what the trials throw
 */
export async function runExperimentOf<C extends CommonConfig, S extends TrialScores>(
  { kind, bulk, cases, ...definition }: ExperimentDefinition<C, S>,
  config: C,
  options: ExperimentOptions<S>,
): Promise<Experiment<S>> {
  const { out, force = false } = options;
  await mkdir(out, { recursive: true }).catch((error: unknown) => {
    throw writeError(out, error);
  });
  const asked = { kind, config: JSON.parse(JSON.stringify(config)) as object };
  if (force)
    for (const name of ["trials", "pretraining", "experiment.json"])
      await rm(join(out, name), { recursive: true, force });
  await refuseAnother(out, asked);
  const planned = await definition.trials(config, options);
  await writeFileAtomic(join(out, "experiment.json"), `${JSON.stringify(asked, null, 2)}\n`, { force: true });
  const { keepRuns, seeds } = config;
  const trials = await runTrials(planned, { ...options, folder: join(out, "trials"), keepRuns, bulk });
  const findings = definition.findings(config, trials);
  const notes = [...definition.notes, intervalNote(seeds, cases)];
  const report = await writeFindings(kind, asked, findings, trials, notes, options);
  return { kind, findings, trials, notes, report };
}

function intervalNote(seeds: number, cases: string): string {
  const drawn =
    seeds === 1
      ? `${cases} are drawn with replacement (one seed: other seeds may move it further)`
      : `seeds (${seeds}) and ${cases} are drawn with replacement`;
  return `Intervals are percentile bootstrap: ${drawn}, 2000 times.`;
}

/** A folder that holds something else is left as it is. */
async function refuseAnother(out: string, asked: object): Promise<void> {
  const path = join(out, "experiment.json");
  if (!existsSync(path)) return;
  const there = checkedJson(z.looseObject({}), await readFile(path, "utf8"), path);
  if (!isDeepStrictEqual(there, asked))
    throw new ConfigError(
      `${out}: holds another experiment (experiment.json differs); --force begins anew, --out names another folder`,
    );
}

async function writeFindings(
  kind: string,
  asked: object,
  findings: Findings,
  trials: readonly TrialResult<TrialScores>[],
  notes: readonly string[],
  { out, command = "" }: Pick<ExperimentOptions, "out" | "command">,
): Promise<string> {
  const { title, charts, table } = findings;
  const seconds = trials.reduce((sum, trial) => sum + trial.seconds, 0);
  const write = (name: string, text: string): Promise<void> => writeFileAtomic(join(out, name), text, { force: true });
  const made = { ...asked, machine: machine(), versions: versions(), date: new Date().toISOString(), seconds };
  await write("results.json", `${JSON.stringify({ ...made, table, notes, trials }, null, 2)}\n`);
  await write("table.csv", csv(table.columns, table.rows));
  await write("charts.svg", chartsSvg(charts, title));
  const report = join(out, "report.html");
  await writeChartsReport(
    report,
    {
      title,
      lead: `medvox experiment ${kind}: ${trials.length} trainings.`,
      charts,
      table,
      notes,
      asked: asked as Record<string, Json>,
      machine: { ...reportMachine(made.machine, made.versions, seconds), date: made.date },
      command: command || commandLine(["medvox", "experiment", kind, "--config", "FILE", "--out", out]),
      data: [],
    },
    { force: true },
  );
  return report;
}
