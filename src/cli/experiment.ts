/** `medvox experiment …`: the questions of the papers, each as one command. */

import { ConfigError } from "../errors.ts";
import type { Experiment, ExperimentOptions } from "../experiments/index.ts";
import { commandLine } from "../text/index.ts";
import type { CommandContext, CommandModule, Outcome } from "./command.ts";
import { defineCommand } from "./command.ts";
import { readConfig } from "./config-file.ts";
import { stoppedBefore } from "./stopped.ts";

interface Options {
  config: string;
  out?: string;
}

/** Runs one kind of experiment. */
type Run = (request: unknown, options: ExperimentOptions) => Promise<Experiment>;

/** One kind of experiment as a command. */
export function experimentCommand(kind: string, details: string, runExperiment: Run): CommandModule {
  return defineCommand<Options>({
    configure: (command) =>
      command
        .requiredOption("--config <file>", "JSON file that says what is trained; see docs/experiments.md")
        .option("--out <folder>", `the experiment's folder (default runs/${kind})`),
    examples: [
      `medvox experiment ${kind} --config ${kind}.json`,
      `medvox experiment ${kind} --config ${kind}.json --out runs/${kind} --json`,
    ],
    details: `${details}\nStopped, the same command goes on where it was; --force begins anew. Writes table.csv, charts.svg, results.json and report.html.`,
    json: {
      experiment: kind,
      folder: "the experiment's folder",
      report: "its report.html",
      columns: "of the table",
      rows: "of the table, as texts",
    },
    writes: true,
    run: (context, options) => run(kind, runExperiment, context, options),
  });
}

async function run(
  kind: string,
  runExperiment: Run,
  context: CommandContext,
  { config, out }: Options,
): Promise<Outcome> {
  const { signal, progress, style, force, typed } = context;
  const folder = out ?? `runs/${kind}`;
  const request = await readConfig(config);
  if ("kind" in request && request.kind !== kind)
    throw new ConfigError(`--config ${config}: is for medvox experiment ${String(request.kind)}`);
  const { kind: _kind, ...asked } = request as { kind?: string };
  let label = "";
  let share = 0;
  const made = await runExperiment(asked, {
    out: folder,
    force,
    signal,
    command: typed,
    onNote: (note) => progress.note(note),
    onTrial: ({ target, condition, seed }, at, of) => {
      label = `${at}/${of}  ${target} ${condition}, seed ${seed}`;
      share = (at - 1) / of;
      progress.update({ label, fraction: share });
    },
    onEpoch: ({ epoch, epochs, trainLoss }) =>
      progress.update({
        label,
        fraction: share,
        details: [`epoch ${epoch}/${epochs}`, `loss ${trainLoss.toFixed(3)}`],
      }),
    onScored: ({ target, condition, seed, seconds }) =>
      progress.note(`${target} ${condition}, seed ${seed}: trained in ${(seconds / 60).toFixed(1)} min, scored`),
  }).catch(
    stoppedBefore(
      `go on with the same command: ${commandLine(["medvox", "experiment", kind, "--config", config, "--out", folder])}`,
    ),
  );
  progress.clear();
  const { columns, rows } = made.findings.table;
  const widths = columns.map((column, i) => Math.max(column.length, ...rows.map((row) => row[i].length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]))
      .join("  ")
      .trimEnd();
  return {
    document: { experiment: kind, folder, report: made.report, columns, rows },
    text: [style.bold(line(columns)), ...rows.map(line), "", `report  ${made.report}`].join("\n"),
  };
}
