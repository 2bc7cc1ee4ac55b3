/**
 * Runs an experiment: all its trials, then table, charts and report. A folder holds one experiment; the same request goes on
 * where it was stopped.
 *
 * ```
 * OUT/experiment.json     what was asked
 * OUT/trials/NAME/        one run for every condition and seed, and its trial.json
 * OUT/results.json        every score, as JSON
 * OUT/table.csv  charts.svg  report.html
 * ```
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { ConfigError, DataError } from "../../errors.ts";
import { writeError, writeFileAtomic } from "../../files/index.ts";
import { machine, versions } from "../../machine.ts";
import { csv } from "../../metrics/index.ts";
import { chartsSvg, type Json, writeChartsReport } from "../../report/index.ts";
import type { EpochReport } from "../../train/index.ts";
import type { PretrainingRequest } from "../pretraining-config.ts";
import { pretrain, resumePretraining } from "../pretraining-train.ts";
import { runFile } from "../run-folder.ts";
import { type ExperimentConfig, type ExperimentKind, resolveExperimentConfig } from "./config.ts";
import type { Findings } from "./findings.ts";
import { magnitudeFindings, magnitudeTrials } from "./magnitude.ts";
import { refuseOverlap, transferFindings, transferTrials } from "./transfer.ts";
import { runTrials, type Trial, type TrialResult } from "./trial.ts";
import { varietyFindings, varietyTrials } from "./variety.ts";

export interface ExperimentOptions {
  /** The experiment's folder. */
  readonly out: string;
  /** Begin anew what the folder holds. */
  readonly force?: boolean;
  readonly signal?: AbortSignal;
  /** The command line that asked for it, for the record. */
  readonly command?: string;
  /** What it found out or cannot check, in a sentence. */
  readonly onNote?: (note: string) => void;
  readonly onTrial?: (trial: Trial, at: number, of: number) => void;
  readonly onEpoch?: (report: EpochReport) => void;
  readonly onScored?: (result: TrialResult) => void;
}

export interface Experiment {
  readonly kind: ExperimentKind;
  readonly findings: Findings;
  readonly trials: readonly TrialResult[];
  readonly report: string;
}

interface Kind<K extends ExperimentKind> {
  readonly trials: (config: ExperimentConfig<K>, options: ExperimentOptions) => Promise<readonly Trial[]>;
  readonly findings: (config: ExperimentConfig<K>, results: readonly TrialResult[]) => Findings;
  readonly notes: readonly string[];
}

const kinds: { readonly [K in ExperimentKind]: Kind<K> } = {
  magnitude: {
    trials: async (config) => magnitudeTrials(config),
    findings: magnitudeFindings,
    notes: [
      "Every training took the same number of steps, whatever its share of the cases; a smaller share lies in the larger ones.",
    ],
  },
  variety: {
    trials: async (config) => varietyTrials(config),
    findings: varietyFindings,
    notes: [
      "Every set was trained on alone and together with all others, with the same decoder, and scored on the same held-out cases.",
    ],
  },
  transfer: {
    trials: async (config, options) => {
      const from = await encoderOf(config, options);
      return transferTrials(config, from);
    },
    findings: transferFindings,
    notes: ["From scratch and pre-trained took the same number of steps on the same cases."],
  },
};

/**
 * @throws ConfigError for a wrong request or a folder that holds another experiment, DataError where test cases were trained on
 */
export async function runExperiment<K extends ExperimentKind>(
  kind: K,
  request: unknown,
  options: ExperimentOptions,
): Promise<Experiment> {
  const { out, force = false } = options;
  const config = resolveExperimentConfig(kind, request);
  await mkdir(out, { recursive: true }).catch((error: unknown) => {
    throw writeError(out, error);
  });
  const asked = { kind, config: JSON.parse(JSON.stringify(config)) as object };
  if (force)
    for (const name of ["trials", "pretraining", "experiment.json"])
      await rm(join(out, name), { recursive: true, force });
  await refuseAnother(out, asked);
  const { trials: trialsOf, findings: findingsOf, notes } = kinds[kind];
  const planned = await trialsOf(config, options);
  await writeFileAtomic(join(out, "experiment.json"), `${JSON.stringify(asked, null, 2)}\n`, { force: true });
  const trials = await runTrials(planned, { ...options, folder: join(out, "trials"), keepRuns: config.keepRuns });
  const findings = findingsOf(config, trials);
  const report = await writeFindings(kind, asked, findings, trials, [...notes, intervalNote(config.seeds)], options);
  return { kind, findings, trials, report };
}

function intervalNote(seeds: number): string {
  const drawn =
    seeds === 1
      ? "cases are drawn with replacement (one seed: other seeds may move it further)"
      : `seeds (${seeds}) and cases are drawn with replacement`;
  return `Intervals are percentile bootstrap: ${drawn}, 2000 times.`;
}

/** A folder that holds something else is left as it is. */
async function refuseAnother(out: string, asked: object): Promise<void> {
  const path = join(out, "experiment.json");
  if (!existsSync(path)) return;
  const there = JSON.parse(await readFile(path, "utf8")) as object;
  if (!isDeepStrictEqual(there, asked))
    throw new ConfigError(
      `${out}: holds another experiment (experiment.json differs); --force begins anew, --out names another folder`,
    );
}

/** The encoder to transfer from; one that is to be pre-trained first lies in the experiment's folder. */
async function encoderOf(config: ExperimentConfig<"transfer">, options: ExperimentOptions): Promise<string> {
  const { signal, onEpoch, onNote, out } = options;
  const { from } = config;
  if (typeof from === "string") {
    const isRun = await stat(from).then(
      (found) => found.isDirectory(),
      () => {
        throw new DataError(`from: ${from} does not exist; name weights or a run`);
      },
    );
    if (isRun) await refuseOverlap(config, from, signal);
    else
      onNote?.(
        `${from}: a file of weights does not say what it was trained on; overlap with test cases was not checked`,
      );
    return from;
  }
  const folder = join(out, "pretraining");
  const events = { signal, onEpoch, onStart: () => refuseOverlap(config, folder, signal) };
  if (existsSync(runFile(folder))) await resumePretraining(folder, events);
  else await pretrain(from.pretraining as unknown as PretrainingRequest, { ...events, out: folder, force: true });
  return folder;
}

async function writeFindings(
  kind: ExperimentKind,
  asked: object,
  findings: Findings,
  trials: readonly TrialResult[],
  notes: readonly string[],
  { out, command = "" }: ExperimentOptions,
): Promise<string> {
  const { title, charts, table } = findings;
  const seconds = trials.reduce((sum, trial) => sum + trial.seconds, 0);
  const write = (name: string, text: string): Promise<void> => writeFileAtomic(join(out, name), text, { force: true });
  const made = { ...asked, machine: machine(), versions: versions(), date: new Date().toISOString(), seconds };
  await write("results.json", `${JSON.stringify({ ...made, table, notes, trials }, null, 2)}\n`);
  await write("table.csv", csv(table.columns, table.rows));
  await write("charts.svg", chartsSvg(charts, title));
  const report = join(out, "report.html");
  const { cpu, cores, memoryGb, os } = made.machine;
  await writeChartsReport(
    report,
    {
      title,
      lead: `medvox experiment ${kind}: ${trials.length} trainings.`,
      charts,
      table,
      notes,
      asked: asked as Record<string, Json>,
      machine: {
        cpu,
        cores,
        memoryGiB: memoryGb,
        system: os,
        versions: { ...made.versions },
        date: made.date,
        seconds,
      },
      command: command || `medvox experiment ${kind} --config FILE --out ${out}`,
      data: [],
    },
    { force: true },
  );
  return report;
}
