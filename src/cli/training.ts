/** Training a task from the command line: one live line a training, one line that stays an epoch, and what is said at the end. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Problem } from "../data/index.ts";
import { duration, type Progress } from "../progress.ts";
import { openRun } from "../tasks.ts";
import { commandLine, nameOf } from "../text/index.ts";
import {
  type AnyRun,
  type AnyTask,
  beginRun,
  problemsJson,
  problemsText,
  RUN,
  type RunEvents,
  type RunPlace,
  readProblems,
  resumeRun,
} from "../train/index.ts";
import type { CommandContext, Outcome } from "./command.ts";
import { refuseToOverwrite } from "./outputs.ts";
import { stoppedAt } from "./stopped.ts";
import { stepTimer, timeText } from "./training-time.ts";

export interface TrainOptions {
  /** The run's folder; by default named after the data. */
  readonly out?: string;
  /** Of a run of folds: only these members. */
  readonly only?: readonly string[];
}

/** Trains as asked and says where the run is. */
export async function train(
  context: CommandContext,
  task: AnyTask,
  request: object,
  { out: asked, only }: TrainOptions,
): Promise<Outcome> {
  const { signal, progress, force, typed: command } = context;
  const out =
    asked ?? `runs/${nameOf("data" in request && typeof request.data === "string" ? request.data : task.name)}`;
  // Members of one run may be begun one after another, or by several machines.
  if (only === undefined || !existsSync(join(out, RUN))) refuseToOverwrite(out, force);
  const events = trainingEvents(progress, task);
  const run: AnyRun = await beginRun(task, request, { out, force, only, signal, command, ...events }).catch(
    stoppedAt(out),
  );
  progress.clear();
  return trainingOutcome(context, task, run, out);
}

/** Goes on with a stopped training. */
export async function resume(context: CommandContext, folder: string): Promise<Outcome> {
  const { signal, progress } = context;
  const opened = await openRun(folder);
  const events = trainingEvents(progress, opened.task);
  const run = await resumeRun(opened, { signal, ...events }).catch(stoppedAt(folder));
  progress.clear();
  return trainingOutcome(context, opened.task, run, folder);
}

/** How many problems are named one by one; `--json`, the log and `medvox verify` have them all. */
const NAMED = 5;

/** What is wrong with data, on lines that stay. */
export function noteProblems(progress: Progress, problems: readonly Problem[]): void {
  progress.clear();
  progress.note(problemsText(problems));
  for (const { case: id, message } of problems.slice(0, NAMED))
    progress.note(`  ${message.startsWith(id) ? message : `${id}: ${message}`}`);
  if (problems.length > NAMED) progress.note(`  … and ${problems.length - NAMED} more; medvox verify lists them`);
}

/** After so many steps a training says how long it will take. */
const TIMED = 5;

/** Progress from a training's events. @param nowMs the clock, for tests */
export function trainingEvents(
  progress: Progress,
  task: Pick<AnyTask, "epochText" | "progressWords">,
  nowMs: () => number = () => performance.now(),
): RunEvents {
  const { planning = "planning" } = task.progressWords ?? {};
  let current = "";
  let loss = Number.NaN;
  let lastLoss: number | undefined;
  let score: string | undefined;
  let began = nowMs();
  let timer: ReturnType<typeof stepTimer> | undefined = stepTimer(nowMs);
  let isFirstEpoch = true;
  let steps = 0;
  let casesPerStep = 1;
  let scoreName = "score";
  const labelOf = (epoch: number, { child, stage, epochs }: RunPlace): string => {
    const where = [child, stage].filter((part) => part !== "");
    const number = `epoch ${String(epoch).padStart(String(epochs).length)}/${epochs}`;
    return [...where, number].join("  ");
  };
  return {
    onPlanning: (done, of) => progress.update({ label: `${planning} ${done}/${of}`, fraction: done / of }),
    onProblems: (problems) => noteProblems(progress, problems),
    onNote: (text) => {
      progress.clear();
      progress.note(text);
    },
    onWeights: (report) => progress.note(report),
    onStart: (report) => {
      progress.clear();
      const which = report.child === "" ? "" : `${report.child} (${report.at}/${report.of})  `;
      // Of several trainings only the first says what is the same for all.
      const lines = report.at === 1 ? report.lines : report.lines.slice(0, 1);
      for (const [i, line] of lines.entries()) progress.note(i === 0 ? `${which}${line}` : line);
      ({ casesPerStep, watched: scoreName } = report);
      began = nowMs();
      steps = 0;
      [timer, isFirstEpoch] = [stepTimer(nowMs), true];
    },
    onStep: ({ epoch, stepInEpoch, stepsPerEpoch, loss: now }, place) => {
      const key = `${place.child}/${place.stage}`;
      if (key !== current) [current, loss, lastLoss, score] = [key, Number.NaN, undefined, undefined];
      steps++;
      loss = Number.isNaN(loss) ? now : 0.9 * loss + 0.1 * now;
      const rate = (steps * casesPerStep) / ((nowMs() - began) / 1000);
      // Said once: of several trainings alike the first tells enough.
      timer?.step({ stepsPerEpoch }, place);
      const time = timer?.time();
      if (time !== undefined && (time.measured === TIMED || steps === stepsPerEpoch)) {
        if (place.at === 1) progress.note(`time     ${timeText(time)}`);
        timer = undefined;
      }
      const share = (epoch - 1 + stepInEpoch / (stepsPerEpoch ?? Number.POSITIVE_INFINITY)) / place.epochs;
      progress.update({
        label: labelOf(epoch, place),
        fraction: (place.at - 1 + share) / place.of,
        details: [
          `loss ${loss.toFixed(3)}${arrow(lastLoss, loss)}`,
          ...(score === undefined ? [] : [score]),
          `${rate.toFixed(1)} cases/s`,
        ],
      });
    },
    onEpoch: (report, place) => {
      const { epoch, trainLoss, validation, seconds, waitingShare, best } = report;
      // The live line shows a running mean, which lags behind the epoch's own; it is compared with itself.
      lastLoss = loss;
      score = validation && `${scoreName} ${validation.score.toFixed(3)}`;
      // Of many small trainings one line each is enough.
      if (place.of > 1 && place.stage === "" && epoch < place.epochs) return;
      const watched =
        validation === undefined
          ? ""
          : `  validation ${validation.loss.toFixed(3)}  ${scoreName} ${validation.score.toFixed(3)}${best ? " (best)" : ""}`;
      // An epoch's own time has the scoring of watched cases in it; only what an epoch began with is known to be whole.
      const left = isFirstEpoch ? seconds * (place.epochs - epoch) : 0;
      isFirstEpoch = false;
      progress.note(
        `${labelOf(epoch, place)}  loss ${trainLoss.toFixed(3)}${watched}${task.epochText?.(report) ?? ""}  ${seconds.toFixed(1)} s, ${(waitingShare * 100).toFixed(1)} % waiting for data${left > 0 ? `  about ${duration(left)} left` : ""}`,
      );
    },
  };
}

function arrow(before: number | undefined, now: number): string {
  return before === undefined ? "" : now < before ? " ↓" : " ↑";
}

/** The keys of what `--json` prints of any finished training. */
export const trainingJson = {
  task: "segmentation, classification, pretraining or detection; the keys below follow it",
  run: "the run's folder",
  train: "cases (images, of all sets) trained on",
  validation: "cases watched",
  heldOut: "cases kept for the score; with folds, all of them",
  model: "its model.onnx, where it is one network",
  report: "of a pre-training: its report.html",
  sets: "of a pre-training: names of the sets",
  classes: "of a classification or detection: names, in the order of the outputs",
  folds: "number of folds, where there are any; null for a classification without",
  networks: "of a classification: folds × seeds",
  "problems.count": "what is wrong with the data",
  "problems.rules": "how often each rule was broken",
  "problems.list": "each of them: severity, case, rule, message",
};

/** What a finished training says. */
async function trainingOutcome({ style }: CommandContext, task: AnyTask, run: AnyRun, out: string): Promise<Outcome> {
  const { json, lines, next } = task.outcome(run, out);
  const problems = await readProblems(run.store);
  const usual =
    run.record.splits.heldOut.length > 0
      ? commandLine(["medvox", "evaluate", out])
      : `${commandLine(["medvox", "predict", out])} --in FILE_OR_FOLDER --out FOLDER`;
  return {
    document: { task: task.name, run: out, ...json, problems: problemsJson(problems) },
    text: [
      `${style.bold("run")}    ${out}`,
      ...lines,
      ...(problems.length === 0 ? [] : [`data   ${problemsText(problems)}`]),
      ...(next ?? [usual]).map((line: string, i: number) => `${i === 0 ? "next" : "    "}   ${line}`),
    ].join("\n"),
  };
}
