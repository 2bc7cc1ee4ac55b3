/** `medvox demo`: the whole way on bundled MRI: train, score, predict, report. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ConfigError } from "../../errors.ts";
import { bestFeature, machine, versions } from "../../machine.ts";
import { evaluateRun, trainSegmentation } from "../../med3d/index.ts";
import { defineCommand } from "../command.ts";
import { evaluationKeys, evaluationText } from "../evaluation.ts";
import { refuseToOverwrite } from "../outputs.ts";
import { stoppedAt } from "../segmentation-options.ts";
import { trainingEvents } from "../training.ts";
import { wholeNumber } from "../values.ts";

const SAMPLE = fileURLToPath(new URL("../../../samples/hippocampus", import.meta.url));

/** Small enough for five minutes on two cores, and enough to see the outlines settle. */
const RECIPE = {
  depth: 10,
  decoder: "skip",
  epochs: 26,
  batch: 4,
  patch: [40, 56, 40],
  learningRate: 2e-3,
  augmentation: "light",
  heldOut: 10,
  validation: 2,
  checkpointSeconds: 60,
} as const;

export const command = defineCommand<{ out: string; epochs: number; threads?: number }>({
  configure: (command) =>
    command
      .option("--out <folder>", "the run's folder", "runs/demo")
      .option("--epochs <n>", "passes over the training cases", wholeNumber({ min: 1 }), RECIPE.epochs)
      .option("--threads <n>", "threads of the engine (default: all cores)", wholeNumber({ min: 1 })),
  examples: ["medvox demo", "medvox demo --out runs/first --json"],
  details:
    "40 hippocampus MRI cases come with medvox (Medical Segmentation Decathlon Task04, CC BY-SA 4.0): 28 to train on, 2 watched, 10 held out. A demo run that is there already is replaced.",
  json: {
    ...evaluationKeys,
    run: "the run's folder",
    report: "its report.html",
    seconds: "of training and scoring",
    train: "cases trained on",
  },
  writes: true,
  async run({ signal, progress, style, force }, { out, epochs, threads }) {
    const began = performance.now();
    if (!existsSync(SAMPLE)) throw new ConfigError(`${SAMPLE}: the bundled cases are missing; reinstall medvox`);
    // The demo's own folder is there to be made again; another one is not touched unasked.
    const own = out === "runs/demo";
    if (!own) refuseToOverwrite(out, force);
    const { cpu, cores, features } = machine();
    const { medvox, onnxruntime } = versions();
    progress.note(
      `medvox ${medvox} · ${cores} cores${bestFeature(features) ? `, ${bestFeature(features)}` : ` (${cpu})`} · onnxruntime ${onnxruntime} (cpu)`,
    );
    const { events, close } = trainingEvents(progress);
    const { record } = await trainSegmentation(
      { ...RECIPE, patch: [...RECIPE.patch], epochs, threads: threads ?? null, data: SAMPLE },
      { out, force: true, signal, command: `medvox demo${own ? "" : ` --out ${out}`}`, ...events },
    ).catch(stoppedAt(out));
    close();
    const evaluation = await evaluateRun(out, {
      signal,
      threads,
      onCase: (done, of) => progress.update({ label: `scoring  ${done}/${of}`, fraction: done / of }),
    });
    progress.clear();
    const seconds = (performance.now() - began) / 1000;
    return {
      document: { ...evaluation.json, run: out, report: evaluation.report, seconds, train: record.splits.train.length },
      text: [
        evaluationText(evaluation, style),
        `model        ${out}/model.onnx`,
        "next         medvox verify YOUR_DATASET && medvox train segmentation --data YOUR_DATASET",
      ].join("\n"),
    };
  },
});
