/** What detection commands show while they work and say when they are done. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { counted } from "../data/counted.ts";
import { type DetectionSummary, sizeText } from "../metrics/index.ts";
import type { Progress } from "../progress.ts";
import {
  type DetectionEvaluation,
  type DetectionEvents,
  type DetectionRun,
  detectorText,
  type EvaluateDetectionOptions,
  evaluateDetectionRun,
  type Phase,
  phaseEpochs,
  resumeDetector,
} from "../rcnn/index.ts";
import { taskOfRun } from "../train/index.ts";
import type { CommandContext, Outcome } from "./command.ts";
import { stoppedAt } from "./segmentation-options.ts";
import type { Style } from "./style.ts";

/** Whether a path is the folder of a detection's run. */
export async function isDetectionRun(path: string): Promise<boolean> {
  return existsSync(join(path, "run.json")) && (await taskOfRun(path)) === "detection";
}

/** One live line a training, one line that stays an epoch. */
export function detectionEvents(progress: Progress): { events: DetectionEvents; close: () => void } {
  let run: DetectionRun | undefined;
  let current: Phase | undefined;
  let loss = Number.NaN;
  let score: number | undefined;
  const epochsIn = (phase: Phase): number => phaseEpochs(run!.record.config, phase);
  const epochLabel = (epoch: number, phase: Phase): string => {
    const of = String(epochsIn(phase));
    return `${phase.name === "joint" ? "" : `${phase.name}  `}epoch ${String(epoch).padStart(of.length)}/${of}`;
  };
  return {
    events: {
      onWeights: (report) => progress.note(report),
      onStart: (started) => {
        run = started;
        const { config, splits } = started.record;
        const { plan } = started;
        const watched = splits.validation.length > 0 ? ` · ${splits.validation.length} watched` : "";
        const skipped = started.leftOut ? ` · ${started.leftOut}` : "";
        progress.note(
          `${plan.dataset}  ${splits.train.length} train${watched} · ${splits.heldOut.length} held out · ${plan.classes.map(({ name }) => name).join(", ")}${skipped}`,
        );
        progress.note(
          `${detectorText(started)} · ${plan.canvas.join("×")} · batch ${config.batch} · ${config.optimizer} ${config.learningRate} · ${counted(started.threads, "thread")}`,
        );
      },
      onStep: ({ epoch, stepInEpoch, stepsPerEpoch, loss: now }, phase) => {
        if (current !== phase) {
          current = phase;
          loss = Number.NaN;
          score = undefined;
        }
        loss = Number.isNaN(loss) ? now : 0.9 * loss + 0.1 * now;
        const epochs = epochsIn(phase);
        progress.update({
          label: epochLabel(epoch, phase),
          fraction: (epoch - 1 + stepInEpoch / stepsPerEpoch) / epochs,
          details: [
            `loss ${loss.toFixed(3)}`,
            ...(score === undefined ? [] : [`${run?.plan.axes === 3 ? "AP10" : "AP50"} ${score.toFixed(3)}`]),
          ],
        });
      },
      onEpoch: ({ epoch, trainLoss, validation, seconds, waitingShare, best }, phase) => {
        score = validation?.score;
        const watched =
          validation === undefined
            ? ""
            : `  validation ${validation.loss.toFixed(3)}  ${run?.plan.axes === 3 ? "AP10" : "AP50"} ${validation.score.toFixed(3)}${best ? " (best)" : ""}`;
        progress.note(
          `${epochLabel(epoch, phase)}  loss ${trainLoss.toFixed(3)}${watched}  ${seconds.toFixed(1)} s, ${(waitingShare * 100).toFixed(1)} % waiting for data`,
        );
      },
    },
    close: () => progress.clear(),
  };
}

/** The keys of what `--json` prints of a finished detection training. */
export const detectionTrainingJson = {
  task: "detection",
  run: "the run's folder",
  classes: "names of the classes",
  train: "images trained on",
  validation: "images watched",
  heldOut: "images kept for the score",
};

/** What a finished training says. */
export function detectionOutcome(out: string, { record, plan }: DetectionRun, style: Style): Outcome {
  const { train, validation, heldOut } = record.splits;
  const next = heldOut.length > 0 ? `medvox evaluate ${out}` : `medvox predict ${out} --in FILE_OR_FOLDER --out FOLDER`;
  return {
    document: {
      task: "detection",
      run: out,
      classes: plan.classes.map(({ name }) => name),
      train: train.length,
      validation: validation.length,
      heldOut: heldOut.length,
    },
    text: [`${style.bold("run")}    ${out}`, `next   ${next}`].join("\n"),
  };
}

/** Goes on with a stopped training. */
export async function resumeDetection({ signal, progress, style }: CommandContext, run: string): Promise<Outcome> {
  const { events, close } = detectionEvents(progress);
  const done = await resumeDetector(run, { signal, ...events }).catch(stoppedAt(run));
  close();
  return detectionOutcome(run, done, style);
}

/** The keys of what `--json` prints of a detection's scores. */
export const detectionEvaluationJson = {
  task: "detection",
  axes: "2 for pictures, 3 for volumes",
  images: "how many were scored",
  maxDetections: "detections of a class that count in an image",
  ap50: "average precision at IoU 0.5, mean over classes",
  ap: "COCO's average precision, IoU 0.5 to 0.95; in 3D 0.1 to 0.5",
  ap10: "in 3D: average precision at IoU 0.1",
  ar: "average recall of all detections",
  cpm: "in 3D: mean sensitivity at 1/8 to 8 false positives a scan (LUNA16)",
  cpmInterval: "its 95 % bootstrap interval over scans",
  sensitivityAt: "in 3D: sensitivity by false positives a scan",
  sensitivityIntervals: "their 95 % bootstrap intervals",
  findings: "in 3D: total, found, scans, irrelevantMarks",
  classes: "by name: positives, detections, ap, ap50, ap75 (3D: ap10), ar, voc",
  coco: "in 2D: COCO's twelve figures",
  voc: "Pascal VOC's average precision at IoU 0.5: area, elevenPoint",
  perImage: "per image: image, truth, found, missed, falsePositives at score 0.5",
  run: "the run's folder",
  report: "the report's file",
  results: "of another program's results: their file; then there is no run, report or folder",
  data: "and the data set they were scored on",
  problems: "what is wrong with the data: severity, case, rule, message",
  predictions: "folder with detections.json, and detections.csv of volumes",
};

/** Scores a run. */
export async function evaluateDetections(
  { signal, progress, style }: CommandContext,
  options: EvaluateDetectionOptions,
  run: string,
): Promise<Outcome> {
  const evaluation = await evaluateDetectionRun(run, {
    ...options,
    signal,
    onImage: (done, of, id) =>
      progress.update({ label: `detecting  ${done}/${of}`, fraction: done / of, details: [id] }),
  });
  progress.clear();
  return {
    document: { ...evaluation.json, run, report: evaluation.report, predictions: evaluation.predictions },
    text: detectionText(evaluation, style),
  };
}

/** A detection's scores in a few lines for a terminal. */
export function detectionText({ summary, report, predictions }: DetectionEvaluation, style: Style): string {
  return [...detectionLines(summary, style), `detections   ${predictions}`, `report       ${report}`].join("\n");
}

/** The figures of it. */
export function detectionLines(summary: DetectionSummary, style: Style): string[] {
  const { axes, ap, ap50, ap10, classes, images, voc, froc } = summary;
  const number = (value: number | null | undefined): string => value?.toFixed(3) ?? "undefined";
  const [name, mean, at] = axes === 2 ? ["AP50", ap50, "ap50" as const] : ["AP10", ap10, "ap10" as const];
  return [
    `scored       ${classes.map((one) => `${one.name} ${number(one[at])}`).join(" · ")} · ${style.bold(`mean ${name} ${number(mean)}`)}   ${counted(images, axes === 2 ? "picture" : "volume")}`,
    `             AP ${number(ap)} (IoU ${axes === 2 ? "0.5 to 0.95" : "0.1 to 0.5"}) · VOC ${number(voc.area)}`,
    ...(froc === undefined ? [] : [`CPM          ${number(froc.cpm)}   ${counted(froc.findings, "finding")}`]),
    ...(froc === undefined || froc.bySize.length === 0
      ? []
      : [
          `found        ${froc.bySize.map((size) => `${size.found} of ${size.findings} ${sizeText(size)}`).join(" · ")}   at 1 false positive a scan`,
        ]),
  ];
}
