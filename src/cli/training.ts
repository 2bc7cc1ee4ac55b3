/** What the commands that train show while they work and say when they are done. */
import { commandLine } from "../command-line.ts";
import { counted } from "../data/counted.ts";
import {
  encoderName,
  type RunRecord,
  type SegmentationEvents,
  type SegmentationRequest,
  trainSegmentation,
} from "../med3d/index.ts";
import type { Progress } from "../progress.ts";
import type { CommandContext, Outcome } from "./command.ts";
import { nameOf } from "./names.ts";
import { refuseToOverwrite } from "./outputs.ts";
import { stoppedAt } from "./segmentation-options.ts";
import type { Style } from "./style.ts";

/** Trains as asked and says where the run is. */
export async function runSegmentationTraining(
  { signal, progress, style, force, typed: command }: CommandContext,
  request: SegmentationRequest,
  folder: string | undefined,
): Promise<Outcome> {
  const out = folder ?? `runs/${nameOf(request.data)}`;
  refuseToOverwrite(out, force);
  const { events, close } = trainingEvents(progress);
  const done = await trainSegmentation(request, { out, force, signal, command, ...events }).catch(stoppedAt(out));
  close();
  return trainingOutcome(out, done.record, style);
}

/** Progress from a training's events: one live line a training, one line that stays an epoch. */
export function trainingEvents(progress: Progress): { events: SegmentationEvents; close: () => void } {
  let epochs = 1;
  let casesAStep = 1;
  let lastLoss: number | undefined;
  let validationDice: number | undefined;
  let loss = Number.NaN;
  let began = performance.now();
  let steps = 0;
  return {
    events: {
      onWeights: (report) => progress.note(report),
      onFingerprint: (done, of) => progress.update({ label: `planning  ${done}/${of} cases`, fraction: done / of }),
      onStart: ({ record: { config, splits }, plan, threads }) => {
        epochs = config.epochs;
        casesAStep = plan.batch * config.accumulate;
        progress.clear();
        const { train, validation, heldOut } = splits;
        const watched = validation.length > 0 ? ` · ${validation.length} watched` : "";
        progress.note(`${plan.dataset}  ${train.length} train${watched} · ${heldOut.length} held out`);
        progress.note(
          `${encoderName(config)}, ${config.decoder} decoder · patch ${plan.patch.join("×")} · batch ${plan.batch} · ${config.optimizer} ${config.learningRate} · ${counted(threads, "thread")}`,
        );
        began = performance.now();
      },
      onStep: ({ epoch, stepInEpoch, stepsPerEpoch, loss: now }) => {
        steps++;
        loss = Number.isNaN(loss) ? now : 0.9 * loss + 0.1 * now;
        const rate = (steps * casesAStep) / ((performance.now() - began) / 1000);
        const details = [`loss ${loss.toFixed(3)}${arrow(lastLoss, loss)}`];
        if (validationDice !== undefined) details.push(`dice ${validationDice.toFixed(3)}`);
        details.push(`${rate.toFixed(1)} cases/s`);
        progress.update({
          label: `epoch ${String(epoch).padStart(String(epochs).length)}/${epochs}`,
          fraction: (epoch - 1 + stepInEpoch / stepsPerEpoch) / epochs,
          details,
        });
      },
      onEpoch: ({ epoch, trainLoss, validation, seconds, waitingShare, best }) => {
        // The live line shows a running mean, which lags behind the epoch's own; it is compared with itself.
        lastLoss = loss;
        validationDice = validation?.score;
        const scores =
          validation === undefined
            ? ""
            : `  validation ${validation.loss.toFixed(3)}  dice ${validation.score.toFixed(3)}${best ? " (best)" : ""}`;
        progress.note(
          `epoch ${String(epoch).padStart(String(epochs).length)}/${epochs}  loss ${trainLoss.toFixed(3)}${scores}  ${seconds.toFixed(1)} s, ${(waitingShare * 100).toFixed(1)} % waiting for data`,
        );
      },
    },
    close: () => progress.clear(),
  };
}

function arrow(before: number | undefined, now: number): string {
  return before === undefined ? "" : now < before ? " ↓" : " ↑";
}

/** The keys of what `--json` prints of a finished segmentation training. */
export const trainingJson = {
  task: "segmentation",
  run: "the run's folder",
  model: "its model.onnx",
  train: "cases trained on",
  validation: "cases watched",
  heldOut: "cases kept for the score",
};

/** What a finished training says. */
export function trainingOutcome(out: string, record: RunRecord, style: Style): Outcome {
  const { train, validation, heldOut } = record.splits;
  const lines = [`${style.bold("run")}    ${out}`, `model  ${out}/model.onnx`];
  lines.push(
    heldOut.length > 0
      ? `next   ${commandLine(["medvox", "evaluate", out])}`
      : `next   ${commandLine(["medvox", "predict", out])} --in FILE_OR_FOLDER --out FOLDER`,
  );
  return {
    document: {
      task: record.task,
      run: out,
      model: `${out}/model.onnx`,
      train: train.length,
      validation: validation.length,
      heldOut: heldOut.length,
    },
    text: lines.join("\n"),
  };
}
