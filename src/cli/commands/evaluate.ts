/** `medvox evaluate RUN`: predicts the held-out cases, scores them, writes the report. */
import { openDataset } from "../../data/index.ts";
import { evaluateRun } from "../../med3d/index.ts";
import { defineCommand } from "../command.ts";
import { evaluationText } from "../evaluation.ts";
import { decimal, wholeNumber } from "../values.ts";

interface Options {
  data?: string;
  split?: "heldOut" | "validation" | "train";
  use?: "last" | "best";
  mirror?: boolean;
  overlap?: number;
  threads?: number;
}

export const command = defineCommand<Options, [string]>({
  configure: (command) =>
    command
      .argument("<run>", "the run's folder")
      .option("--data <path>", "score on all labelled cases of this data set instead of the run's own held-out ones")
      .option("--split <which>", "heldOut, validation or train (default heldOut)")
      .option("--use <which>", "weights: last or best (default: as the run says)")
      .option("--mirror", "average with the prediction of the mirrored image")
      .option(
        "--overlap <share>",
        "what neighbouring windows have in common (default 0.5)",
        decimal({ min: 0, max: 0.95 }),
      )
      .option("--threads <n>", "threads of the engine (default: all cores)", wholeNumber({ min: 1 })),
  details:
    "Scores on --data or another --split go to evaluations/ in the run's folder; the held-out ones to the folder itself.",
  examples: ["medvox evaluate runs/hippocampus", "medvox evaluate runs/hippocampus --data other_hospital/ --json"],
  async run({ signal, progress, style }, { data, ...options }, run) {
    const dataset = data === undefined ? undefined : await openDataset(data);
    const cases = dataset && [...dataset.cases, ...dataset.test].filter(({ label }) => label !== undefined);
    const evaluation = await evaluateRun(run, {
      ...options,
      cases,
      signal,
      onCase: (done, of, { case: name, meanDice }) =>
        progress.update({
          label: `scoring  ${done}/${of}`,
          fraction: done / of,
          details: [`${name}  dice ${meanDice?.toFixed(3) ?? "undefined"}`],
        }),
    });
    progress.clear();
    return {
      document: { ...evaluation.json, run, report: evaluation.report },
      text: evaluationText(evaluation, style),
    };
  },
});
