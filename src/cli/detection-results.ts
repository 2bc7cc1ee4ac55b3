/** Scoring another program's detections: the options, the work and what is said of it. */
import type { Command } from "commander";
import { leftOutText } from "../data/index.ts";
import { ConfigError } from "../errors.ts";
import { DETECTIONS_COUNTED, detectionJson } from "../metrics/index.ts";
import { detectionLines, evaluateResults } from "../rcnn/index.ts";
import { problemsJson } from "../train/index.ts";
import type { CommandContext, Outcome } from "./command.ts";
import { wholeNumber } from "./values.ts";

export interface ResultsOptions {
  results?: string;
  data?: string;
  max?: number;
  strict?: boolean;
}

export function addResultsOptions(command: Command): Command {
  return command
    .option(
      "--results <file>",
      "score another program's detections, COCO's results format, on --data; no run is needed",
    )
    .option(
      "--max <n>",
      `detections of a class that count in an image (default ${DETECTIONS_COUNTED})`,
      wholeNumber({ min: 1 }),
    );
}

/** Options that need a network, which results do not have. */
const ofRuns = ["name", "split", "use", "tile", "overlap", "threads", "device"] as const;

/** Scores the file of `--results`. @throws ConfigError for what does not go with it */
export async function evaluateResultsFile(
  { signal }: CommandContext,
  options: ResultsOptions & Partial<Record<(typeof ofRuns)[number], unknown>>,
  run: string | undefined,
): Promise<Outcome> {
  const { results, data, max, strict } = options;
  if (results === undefined || data === undefined) {
    throw new ConfigError("detect evaluate: --results needs --data, the data set that the detections are of");
  }
  if (run !== undefined) throw new ConfigError(`detect evaluate: --results is scored without a run; leave out ${run}`);
  const wrong = ofRuns.find((name) => options[name] !== undefined);
  if (wrong !== undefined) throw new ConfigError(`detect evaluate: --${wrong} is for runs, not for --results`);
  const { summary, dataset } = await evaluateResults(results, data, { max, signal, strict });
  const { problems } = dataset;
  const left = leftOutText(dataset);
  return {
    document: { ...detectionJson(summary), results, data, problems: problemsJson(problems) },
    text: [...detectionLines(summary), ...(left === "" ? [] : [`data         ${left}`])].join("\n"),
  };
}
