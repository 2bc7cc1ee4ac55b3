/** `medvox train --resume RUN`: goes on with a training that was stopped. */
import { ConfigError } from "../../errors.ts";
import { readAnyRun, resumeClassification, resumePretraining, resumeSegmentation } from "../../med3d/index.ts";
import { classificationEvents, classificationOutcome, classificationTrainingJson } from "../classification.ts";
import { defineCommand } from "../command.ts";
import { detectionTrainingJson, isDetectionRun, resumeDetection } from "../detection.ts";
import { pretrainingEvents, pretrainingJson, pretrainingOutcome } from "../pretraining.ts";
import { stoppedAt } from "../segmentation-options.ts";
import { trainingEvents, trainingJson, trainingOutcome } from "../training.ts";

export const command = defineCommand<{ resume?: string }>({
  configure: (command) => command.option("--resume <run>", "the folder of the run to go on with"),
  examples: ["medvox train --resume runs/hippocampus", "medvox train segmentation --help"],
  details:
    "A resumed training ends with the same weights, bit for bit, as one that was never stopped (same number of threads).",
  // What the training itself would have printed.
  json: {
    ...pretrainingJson,
    ...classificationTrainingJson,
    ...detectionTrainingJson,
    ...trainingJson,
    task: "segmentation, classification, pretraining or detection; the other keys follow it",
  },
  async run(context, { resume }) {
    const { signal, progress, style } = context;
    if (resume === undefined)
      throw new ConfigError("train: say what: medvox train segmentation --data DATASET, or medvox train --resume RUN");
    if (await isDetectionRun(resume)) return resumeDetection(context, resume);
    const { task } = await readAnyRun(resume);
    if (task === "classification") {
      const { events, close } = classificationEvents(progress);
      const run = await resumeClassification(resume, { signal, ...events }).catch(stoppedAt(resume));
      close();
      return classificationOutcome(resume, run, style);
    }
    if (task === "pretraining") {
      const { events, close } = pretrainingEvents(progress);
      const run = await resumePretraining(resume, { signal, ...events }).catch(stoppedAt(resume));
      close();
      return pretrainingOutcome(resume, run, style);
    }
    const { events, close } = trainingEvents(progress);
    const { record } = await resumeSegmentation(resume, { signal, ...events }).catch(stoppedAt(resume));
    close();
    return trainingOutcome(resume, record, style);
  },
});
