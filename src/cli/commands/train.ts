/** `medvox train`: goes on with a training that was stopped, or trains any task from a file of settings. */
import { ConfigError } from "../../errors.ts";
import { taskNamed, taskNames } from "../../tasks.ts";
import { defineCommand } from "../command.ts";
import { readConfig } from "../config-file.ts";
import { resume, train, trainingJson } from "../training.ts";

interface Options {
  resume?: string;
  task?: string;
  config?: string;
  out?: string;
}

export const command = defineCommand<Options>({
  configure: (command) =>
    command
      .option("--resume <run>", "the folder of the run to go on with")
      .option("--task <name>", `${taskNames().join(", ")}; with --config instead of a command of its own`)
      .option("--config <file>", "JSON file with the task's settings, data among them")
      .option("--out <folder>", "the run's folder (default runs/NAME_OF_THE_DATA)"),
  examples: [
    "medvox train --resume runs/hippocampus",
    "medvox train --task detection --config cells.json --out runs/cells",
    "medvox train segmentation --help",
  ],
  details:
    "A resumed training ends with the same weights, bit for bit, as one that was never stopped (same number of threads).\nIt is refused where images or annotations are no longer those that it was begun on.",
  json: trainingJson,
  writes: true,
  async run(context, { resume: run, task: name, config, out }) {
    if (run !== undefined) {
      if (name !== undefined || config !== undefined)
        throw new ConfigError("train: --resume goes on with what the run says; leave out --task and --config");
      return resume(context, run);
    }
    if (name === undefined || config === undefined)
      throw new ConfigError(
        "train: say what: medvox train segmentation --data DATASET, medvox train --task NAME --config FILE, or medvox train --resume RUN",
      );
    const task = taskNamed(name);
    if (task === undefined) throw new ConfigError(`--task ${name}: there are ${taskNames().join(", ")}`);
    return train(context, task, await readConfig(config), { out });
  },
});
