/** What every command that trains asks alike, and how options and a configuration file become a request. */
import type { Command } from "commander";
import { ConfigError } from "../errors.ts";
import type { SegmentationRequest } from "../med3d/index.ts";
import { over, readConfig } from "./config-file.ts";
import { deviceHelp, wholeNumber } from "./values.ts";

export interface TrainingOptions {
  data?: string;
  out?: string;
  config?: string;
  spacing?: number[];
  window?: number[];
  augmentation?: string;
  lr?: number;
  epochs?: number;
  batch?: number;
  heldOut?: number;
  validation?: number;
  patience?: number;
  use?: SegmentationRequest["use"];
  seed?: number;
  device?: SegmentationRequest["device"];
  threads?: number;
  workers?: number;
  from?: string;
  strict?: boolean;
}

/** Where the run goes, and the file of its settings. */
export function addRunOptions(command: Command): Command {
  return command
    .option("--out <folder>", "the run's folder (default runs/NAME_OF_THE_DATA)")
    .option("--config <file>", "JSON file with any of the keys that run.json shows under config; options go over it");
}

/** What ends a training, what is scored of it, and what computes it. */
export function addComputeOptions(command: Command): Command {
  return command
    .option("--patience <n>", "stop after so many epochs without a better watched score", wholeNumber({ min: 1 }))
    .option("--use <which>", "weights that are scored: last or best")
    .option("--seed <n>", "decides splits, first weights, sampling and augmentation", wholeNumber({ min: 0 }))
    .option("--device <name>", deviceHelp)
    .option("--threads <n>", "threads of the engine (default: all cores)", wholeNumber({ min: 1 }))
    .option("--workers <n>", "threads that prepare data", wholeNumber({ min: 1 }))
    .option("--strict", "refuse data that a file or a box has to be left out of");
}

/** What a command of its own kind asks beside {@link TrainingOptions}. */
export interface OwnKeys<Request> {
  /** Said where no data set is named, e.g. `name a data set, e.g. --data Task04_Hippocampus`. */
  readonly data: string;
  /** The request's keys that the command's own options stand for; `undefined` where one is not given. */
  keys(data: string): Partial<Request> | Promise<Partial<Request>>;
  /** What the command would have where nobody says anything. @param from the weights to start from; `null` for none */
  usual?(from: string | null | undefined): Partial<Request>;
}

/**
 * Options go over the configuration file, and that over what is usual.
 * @throws ConfigError where neither names a data set, or the file is not one
 */
export async function requestOf<Request extends object>(
  options: TrainingOptions,
  own: OwnKeys<Request>,
): Promise<Request> {
  const file = options.config === undefined ? {} : await readConfig(options.config);
  const data = options.data ?? (file.data as string | undefined);
  if (data === undefined) throw new ConfigError(`--data: is missing; ${own.data}`);
  const from = options.from === "none" ? null : (options.from ?? (file.from as string | null | undefined));
  const given = {
    data,
    spacingMm: options.spacing,
    window: options.window,
    augmentation: options.augmentation,
    learningRate: options.lr,
    epochs: options.epochs,
    batch: options.batch,
    heldOut: options.heldOut,
    validation: options.validation,
    patience: options.patience,
    use: options.use,
    seed: options.seed,
    device: options.device,
    threads: options.threads,
    workers: options.workers,
    strict: options.strict,
    from,
    ...(await own.keys(data)),
  };
  return over<Request>({ ...own.usual?.(from), ...file }, given);
}
