/**
 * `npm run experiments -- magnitude|variety|transfer|rpn [--out FOLDER]`: the papers' questions on the real data of ../shared/data, sized
 * for two cores by `bench/experiments/*.json`. It is `medvox experiment …` itself; what it found goes to `results/experiment-*.json`, the
 * pictures to `docs/experiments/`, and from there into docs/experiments.md. Stopped, the same command goes on where it was.
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Experiment, ExperimentOptions } from "../src/experiments/index.ts";
import { runExperiment } from "../src/med3d/index.ts";
import { runRpnExperiment } from "../src/rcnn/index.ts";
import { writeResult } from "./results.ts";
import { writeTables } from "./tables.ts";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const kinds: Readonly<Record<string, (request: unknown, options: ExperimentOptions) => Promise<Experiment>>> = {
  magnitude: (request, options) => runExperiment("magnitude", request, options),
  variety: (request, options) => runExperiment("variety", request, options),
  transfer: (request, options) => runExperiment("transfer", request, options),
  rpn: runRpnExperiment,
};
const { values, positionals } = parseArgs({ allowPositionals: true, options: { out: { type: "string" } } });
const [kind] = positionals;
if (positionals.length !== 1 || !(kind in kinds)) {
  console.error(`experiments: name one of ${Object.keys(kinds).join(", ")}`);
  process.exit(2);
}
if (!existsSync("../shared/data")) {
  console.error("experiments: ../shared/data is missing");
  process.exit(1);
}

const config = `bench/experiments/${kind}.json`;
const { kind: _, ...asked } = JSON.parse(readFileSync(config, "utf8")) as { kind: string };
const out = values.out ?? `runs/experiments/${kind}`;
const stop = new AbortController();
process.once("SIGINT", () => stop.abort());
const { findings, trials, notes } = await kinds[kind](asked, {
  out,
  signal: stop.signal,
  command: `medvox experiment ${kind} --config ${config}`,
  onNote: (note) => console.error(note),
  onTrial: ({ target, condition, seed }, at, of) => console.error(`${at}/${of}  ${target} ${condition}, seed ${seed}`),
  onScored: ({ seconds }) => console.error(`  trained in ${(seconds / 60).toFixed(1)} min, scored`),
});

const { columns, rows } = findings.table;
const minutes = trials.reduce((sum, { seconds }) => sum + seconds, 0) / 60;
writeResult(
  `experiment-${kind}`,
  rows.map((row) => Object.fromEntries(columns.map((column, i) => [column, row[i]]))),
  {
    command: `npm run experiments -- ${kind}`,
    notes: [...notes, `${trials.length} trainings, ${minutes.toFixed(0)} minutes of training in all; ${config}.`],
  },
);
mkdirSync("docs/experiments", { recursive: true });
copyFileSync(join(out, "charts.svg"), `docs/experiments/${kind}.svg`);
writeTables();
