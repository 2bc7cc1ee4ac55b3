/** Every task there is. This is the only file that knows them all: whoever has a run, a model or a request looks its task up here. */
import { classification, pretraining, segmentation } from "./med3d/index.ts";
import { detection } from "./rcnn/index.ts";
import { type AnyTask, folderStore, type OpenedRun, type OpenedSource, openSources, readRun } from "./train/index.ts";

/** Every task there is. */
export const tasks: readonly AnyTask[] = [segmentation, classification, pretraining, detection];

/** A task by its name, `undefined` where there is none. */
export function taskNamed(name: string): AnyTask | undefined {
  return tasks.find((task) => task.name === name);
}

/** The names of all tasks. */
export const taskNames = (): string[] => tasks.map(({ name }) => name);

/** Reads a run of any task. @throws ConfigError if the folder is no run */
export function openRun(folder: string): Promise<OpenedRun> {
  return readRun(folderStore(folder), taskNamed);
}

/** Opens a run or an exported model of any task for predicting; several, whose predictions are averaged. */
export function openForPrediction(paths: string | readonly string[], use?: "last" | "best"): Promise<OpenedSource> {
  return openSources([paths].flat(), taskNamed, use);
}
