/** What classification commands show while they work and say when they are done. */
import { commandLine } from "../command-line.ts";
import { counted } from "../data/counted.ts";
import {
  type ClassificationEvaluation,
  type ClassificationEvents,
  type ClassificationRequest,
  type Run,
  trainClassification,
} from "../med3d/index.ts";
import type { Progress } from "../progress.ts";
import type { CommandContext, Outcome } from "./command.ts";
import { refuseToOverwrite } from "./outputs.ts";
import { stoppedAt } from "./segmentation-options.ts";
import type { Style } from "./style.ts";

/** Trains as asked and says where the run is. */
export async function runClassification(
  { signal, progress, style, force, typed: command }: CommandContext,
  request: ClassificationRequest,
  out: string,
): Promise<Outcome> {
  refuseToOverwrite(out, force);
  const { events, close } = classificationEvents(progress);
  const run = await trainClassification(request, { out, force, signal, command, ...events }).catch(stoppedAt(out));
  close();
  return classificationOutcome(out, run, style);
}

/** One live line for all networks of a run, one line that stays for each epoch of a single one, or for each network. */
export function classificationEvents(progress: Progress): { events: ClassificationEvents; close: () => void } {
  let place = { at: 1, of: 1, name: "", epochs: 1 };
  let loss = Number.NaN;
  return {
    events: {
      onWeights: (report) => progress.note(report),
      onFingerprint: (done, of) => progress.update({ label: `planning  ${done}/${of} cases`, fraction: done / of }),
      onStart: ({ record: { config, splits }, plan, threads, member, at, of }) => {
        place = { at, of, name: member.name, epochs: config.epochs };
        loss = Number.NaN;
        progress.clear();
        const { train, validation, heldOut } = splits;
        const watched = validation.length > 0 ? ` · ${validation.length} watched` : "";
        const which = member.name === "" ? "" : `  ${member.name} (${at}/${of})`;
        progress.note(`${plan.dataset}${which}  ${train.length} train${watched} · ${heldOut.length} held out`);
        if (at > 1) return;
        const input = config.mask ? "image and mask" : "image";
        progress.note(
          `resnet${config.depth} on ${input}, ${[config.target, ...config.auxiliary].join(" + ")} · patch ${plan.patch.join("×")} · batch ${plan.batch} · ${config.optimizer} ${config.learningRate} · ${counted(threads, "thread")}`,
        );
      },
      onStep: ({ epoch, stepInEpoch, stepsPerEpoch, loss: now }) => {
        loss = Number.isNaN(loss) ? now : 0.9 * loss + 0.1 * now;
        const own = (epoch - 1 + stepInEpoch / stepsPerEpoch) / place.epochs;
        const which = place.of === 1 ? "" : `${place.name}  `;
        progress.update({
          label: `${which}epoch ${String(epoch).padStart(String(place.epochs).length)}/${place.epochs}`,
          fraction: (place.at - 1 + own) / place.of,
          details: [`loss ${loss.toFixed(3)}`],
        });
      },
      onEpoch: ({ epoch, trainLoss, validation, seconds, waitingShare, best }) => {
        if (place.of > 1 && epoch < place.epochs) return;
        const scores =
          validation === undefined
            ? ""
            : `  watched ${validation.loss.toFixed(3)}  score ${validation.score.toFixed(3)}${best ? " (best)" : ""}`;
        progress.note(
          `epoch ${String(epoch).padStart(String(place.epochs).length)}/${place.epochs}  loss ${trainLoss.toFixed(3)}${scores}  ${seconds.toFixed(1)} s, ${(waitingShare * 100).toFixed(1)} % waiting for data`,
        );
      },
    },
    close: () => progress.clear(),
  };
}

/** The keys of what `--json` prints of a finished classification training. */
export const classificationTrainingJson = {
  task: "classification",
  run: "the run's folder",
  model: "its model.onnx, where it is one network",
  classes: "names, in the order of the outputs",
  train: "cases trained on",
  validation: "cases watched",
  heldOut: "cases kept for the score; with folds, all of them",
  folds: "number of folds, or null",
  networks: "networks of the run: folds × seeds",
};

/** What a finished training says. */
export function classificationOutcome(
  out: string,
  { record: { config, splits }, plan }: Run<"classification">,
  style: Style,
): Outcome {
  const { folds, seeds } = config;
  const networks = (folds ?? 1) * seeds;
  const heldOut = splits.heldOut.length;
  const next =
    heldOut > 0
      ? commandLine(["medvox", "evaluate", out])
      : `${commandLine(["medvox", "predict", out])} --in FILE_OR_FOLDER --out FOLDER`;
  const model = networks === 1 ? { model: `${out}/model.onnx` } : {};
  return {
    document: {
      task: "classification",
      run: out,
      ...model,
      classes: plan.classes,
      train: splits.train.length,
      validation: splits.validation.length,
      heldOut,
      folds,
      networks,
    },
    text: [
      `${style.bold("run")}    ${out}`,
      networks === 1 ? `model  ${out}/model.onnx` : `models ${out}/members/*/model.onnx (${networks})`,
      `next   ${next}`,
    ].join("\n"),
  };
}

/** An evaluation in a few lines for a terminal. */
export function classificationText({ summary, report }: ClassificationEvaluation, style: Style): string {
  const { auc, aucInterval, accuracy, atHalf, youden, averagePrecision, calibrationError, brier, classes } = summary;
  const number = (value: number | null, digits = 3): string => value?.toFixed(digits) ?? "undefined";
  const interval = aucInterval === null ? "" : `  (95 % ${aucInterval.map((v) => v.toFixed(3)).join("–")})`;
  const at = (name: string, point: typeof atHalf): string[] =>
    point === null
      ? []
      : [
          `${name.padEnd(13)}sensitivity ${number(point.sensitivity.value)} · specificity ${number(point.specificity.value)} · accuracy ${number(point.accuracy.value)}`,
        ];
  return [
    `held out     ${style.bold(`AUC ${number(auc)}`)}${interval} · average precision ${number(averagePrecision)}   ${summary.cases} cases: ${classes.map((c) => `${c.cases} ${c.name}`).join(", ")}`,
    ...(atHalf === null ? [`accuracy     ${number(accuracy.value)}`] : at("at 0.5", atHalf)),
    ...at("at Youden’s", youden).map(
      (line) => `${line}  (threshold ${youden!.threshold.toFixed(3)}, chosen on these cases)`,
    ),
    `calibration  error ${number(calibrationError)} · Brier ${number(brier)}`,
    `report       ${report}`,
  ].join("\n");
}
