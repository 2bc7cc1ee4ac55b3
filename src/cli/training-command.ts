/** A command that trains: its options make a request, its task makes a configuration of that, and the frame a run. */
import type { Command } from "commander";
import type { AnyTask } from "../train/index.ts";
import type { CommandModule } from "./command.ts";
import { sayDefaults } from "./defaults.ts";
import { type TrainOptions, train, trainingJson } from "./training.ts";

export interface TrainingCommand<Options, Request> {
  readonly task: AnyTask;
  readonly addOptions: (command: Command) => void;
  /** What the typed options and the file of `--config` ask for, over what is usual. */
  readonly request: (options: Options) => Promise<Request>;
  /** What the command has where nobody says anything, beside the task's defaults. @param from `null` for no weights */
  readonly usual?: (from: string | null) => Partial<Request>;
  /** The least that the task needs to be told. By default a data set. */
  readonly least?: Partial<Request>;
  /** Where the run goes, and which of its members are trained. */
  readonly place: (options: Options, request: Request) => TrainOptions;
  readonly examples: readonly string[];
  readonly details: string;
}

/** Makes the command; its help says the defaults that hold. */
export function trainingCommand<Options extends object, Request extends object>({
  task,
  addOptions,
  request,
  usual,
  least,
  place,
  examples,
  details,
}: TrainingCommand<Options, Request>): CommandModule {
  const usualConfig = (from: string | null): object =>
    task.resolve({ ...(least ?? { data: "DATA" }), ...usual?.(from), from });
  return {
    configure: (command) => {
      addOptions(command);
      sayDefaults(command, usualConfig);
    },
    examples,
    details,
    json: trainingJson,
    writes: true,
    settings: async (options: Options) => task.resolve(await request(options)),
    run: async (context, options: Options) => {
      const asked = await request(options);
      return train(context, task, asked, place(options, asked));
    },
  };
}
