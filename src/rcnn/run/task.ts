/** Detection as a task: from pictures or volumes with boxes to a Faster R-CNN that finds them. */
import { counted } from "../../data/counted.ts";
import { type DetectionItem, detectionInputs, fingerprintDetection } from "../../data/index.ts";
import { epochsOf, refuseSeen, type StateMap, type Task } from "../../train/index.ts";
import { readDetector } from "../detect/load.ts";
import { type DetectionFound, detectionPredictor } from "../detect/predictor.ts";
import { encodeDetector, exportCanvas } from "../export/export.ts";
import { readDetectorStart } from "../network/weights.ts";
import { joinedWeights, type Phase } from "../training/schedule.ts";
import { type DetectionConfig, pictureAugmentationOf, resolveDetectionConfig, volumeAugmentationOf } from "./config.ts";
import {
  type DetectionCase,
  type DetectionPlan,
  itemsOfRun,
  openDetectionFor,
  planDetection,
  splitDetection,
} from "./data.ts";
import { detectionPhases } from "./history.ts";
import { type DetectionScore, scoreDetection, summariseDetection } from "./report.ts";
import { detectionSchemas } from "./schemas.ts";
import { detectionSession, keepItems, openedItems } from "./session.ts";
import { detectorText } from "./text.ts";

export type DetectionTask = Task<
  DetectionConfig,
  DetectionPlan,
  DetectionCase,
  DetectionItem,
  DetectionFound,
  DetectionScore
>;

/** Detection as a task. */
export const detection: DetectionTask = {
  name: "detection",
  noun: "image",
  progressWords: { planning: "verify", predicting: "detecting", scoring: "detecting" },
  watched: ({ plan }) => (plan.axes === 3 ? "AP10" : "AP50"),
  schemas: detectionSchemas,
  resolve: (request) => resolveDetectionConfig(request as Parameters<typeof resolveDetectionConfig>[0]),

  async prepare(config, { signal, events }) {
    const dataset = await openDetectionFor(config, { signal });
    const splits = splitDetection(dataset, config);
    const plan = planDetection(dataset, splits, config);
    if (plan.axes === 2) pictureAugmentationOf(config);
    else volumeAugmentationOf(config);
    // What cannot be started from is told before anything is written.
    await readDetectorStart(config, plan.detector);
    const { train, validation, heldOut } = splits;
    if (plan.axes === 3) await refuseSeen(heldOut, config.from ?? config.backbone, config.data, { signal });
    keepItems(plan, { train, validation, problems: dataset.problems });
    const fingerprint = await fingerprintDetection([...train, ...validation], plan.classes, {
      root: dataset.root,
      signal,
      onProgress: events.onPlanning,
    });
    const caseOf = ({ id, image }: DetectionItem): DetectionCase => ({ id, image });
    return {
      plan,
      splits: { train: train.map(caseOf), validation: validation.map(caseOf), heldOut: heldOut.map(caseOf) },
      credit: { name: dataset.name },
      problems: dataset.problems,
      fingerprint,
    };
  },

  async fingerprint(run, { signal, events }) {
    const { train, validation, problems } = await openedItems(run, signal);
    const options = { signal, onProgress: events.onPlanning };
    const fingerprint = await fingerprintDetection([...train, ...validation], run.plan.classes, options);
    return { fingerprint, problems };
  },

  children: () => [],
  stages: (config) =>
    detectionPhases(config).map(({ phase, title, epochs }) => ({
      name: phase.name === "joint" ? "" : phase.name,
      title,
      epochs,
    })),
  session: (run, stage, beginning, host) => detectionSession(run, stage, beginning, host),
  join: (finished) => joinedWeights(finished as ReadonlyMap<Phase["name"], StateMap>),

  async encode({ run, use }, options) {
    const { canvas, score, max } = options as { canvas?: number[]; score?: number; max?: number };
    const { plan, weights } = await readDetector({ run, use }, { score, max });
    return encodeDetector(plan, weights, exportCanvas(plan, canvas));
  },

  casesPerStep: ({ record: { config } }) => config.batch * config.accumulate,
  announce(run, threads) {
    const { record, plan } = run;
    const { config, splits } = record;
    const watched = splits.validation.length > 0 ? ` · ${splits.validation.length} watched` : "";
    return [
      `${plan.dataset}  ${splits.train.length} train${watched} · ${splits.heldOut.length} held out · ${plan.classes.map(({ name }) => name).join(", ")}`,
      `${detectorText(run)} · ${plan.canvas.join("×")} · batch ${config.batch} · ${config.optimizer} ${config.learningRate} · ${counted(threads, "thread")}`,
    ];
  },

  async describe(run) {
    const { record, plan, store } = run;
    const { config, splits } = record;
    const phases = await Promise.all(
      detectionPhases(config).map(async (one) => ({
        ...one,
        done: await epochsOf(one.phase.name === "joint" ? store : store.child(one.phase.name)),
      })),
    );
    const at = phases.findLast(({ done }) => done.length > 0);
    const last = at?.done.at(-1);
    return {
      lines: [
        `run       detection of ${plan.dataset}, begun ${record.begun.slice(0, 16).replace("T", " ")} with medvox ${record.versions.medvox}`,
        `network   ${detectorText(run)}, classes ${plan.classes.map(({ name }) => name).join(", ")}`,
        `plan      ${plan.axes === 2 ? "pictures" : "windows"} of ${plan.canvas.join("×")}, batch ${config.batch}, anchors ${plan.detector.anchors.sizes.map((sides) => sides.join(",")).join("/")}`,
        `images    ${splits.train.length} train, ${splits.validation.length} validation, ${splits.heldOut.length} held out`,
        at === undefined || last === undefined
          ? "progress  no epoch finished"
          : `progress  ${phases.length > 1 ? `${at.phase.name}, ` : ""}epoch ${last.epoch}/${at.epochs}, loss ${last.trainLoss.toFixed(3)}${last.validation ? `, ${plan.axes === 3 ? "AP10" : "AP50"} ${last.validation.score.toFixed(3)}` : ""}`,
      ],
      json: { epochs: phases.reduce((sum, { done }) => sum + done.length, 0) },
    };
  },

  outcome: ({ record: { splits }, plan }) => ({
    json: {
      classes: plan.classes.map(({ name }) => name),
      train: splits.train.length,
      validation: splits.validation.length,
      heldOut: splits.heldOut.length,
    },
    lines: [],
  }),

  async cases(run, from, _options, { signal }) {
    if ("split" in from) return itemsOfRun(run, run.record.splits[from.split], signal);
    const classes = run.plan.classes.map(({ name }) => name);
    const { items, problems } = await openDetectionFor(run.record.config, { path: from.data, classes, signal });
    return { cases: items, problems };
  },

  async inputs(path) {
    const { items, problems } = await detectionInputs(path);
    return { cases: items as DetectionItem[], problems };
  },
  open: (source, options) => detectionPredictor(source, options),
  score: scoreDetection,
  scoreText: ({ found }) => counted(found.scores.length, "detection"),
  summarise: summariseDetection,
};
