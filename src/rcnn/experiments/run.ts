/**
 * `medvox experiment rpn`: what the parts of the region proposal network bring (Faster R-CNN, arXiv:1506.01497, Tables 2 and 8), and what
 * sharing features does. Folder and files are those of `experiments/run.ts`; a trial is an ordinary detection run.
 */
import { type Experiment, type ExperimentOptions, runExperimentOf } from "../../experiments/index.ts";
import { openDetectionFor } from "../run/data.ts";
import { alternatingSchedule } from "../training/schedule.ts";
import { type RpnExperimentConfig, resolveRpnExperiment, trainingOf, trainingsOf } from "./config.ts";
import { rpnFindings } from "./findings.ts";
import { asTrained, testTimeConditions } from "./test-time.ts";
import { type RpnScores, type RpnTrial, rpnTrial } from "./trial.ts";

/** @throws ConfigError for a wrong request or a folder that holds another experiment */
export async function runRpnExperiment(
  request: unknown,
  options: ExperimentOptions<RpnScores>,
): Promise<Experiment<RpnScores>> {
  return runExperimentOf<RpnExperimentConfig, RpnScores>(
    {
      kind: "rpn",
      trials: rpnTrials,
      findings: rpnFindings,
      notes: [
        "AP50 is average precision at IoU 0.5 by Pascal VOC's area rule, the mean over classes; recall is the share of objects that some proposal overlaps, whatever the class.",
        "Anchors and schedules are trainings of their own. All else changes only the proposals of one trained detector, which then sees others than it was trained on. The paper takes a detector trained on selective search for that, with an RPN that shares nothing with it.",
      ],
      cases: "images",
      bulk: ["checkpoints", ...alternatingSchedule.map(({ name }) => `${name}/checkpoints`)],
    },
    resolveRpnExperiment(request),
    options,
  );
}

/** Every training, with the conditions that its detector is scored under. */
async function rpnTrials(
  config: RpnExperimentConfig,
  { signal }: Pick<ExperimentOptions, "signal">,
): Promise<RpnTrial[]> {
  const { seeds, conditions } = config;
  const { axes } = await openDetectionFor(trainingOf(config, "all", config.schedule, 0, 2), { signal });
  return trainingsOf(config).flatMap(({ variant, schedule }) =>
    Array.from({ length: seeds }, (_, seed) => {
      const isBase = variant === "all" && schedule === config.schedule;
      return rpnTrial(
        { target: variant, condition: schedule, seed },
        trainingOf(config, variant, schedule, seed, axes),
        isBase ? testTimeConditions(config, seed) : [asTrained],
        { unshared: variant === "all" && schedule === "alternating" && conditions.includes("sharing") },
      );
    }),
  );
}
