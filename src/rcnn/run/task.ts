/** Detection as a task: from pictures or volumes with boxes to a Faster R-CNN that finds them. */

import { counted } from "../../data/counted.ts";
import { type DetectionItem, detectionInputs, fingerprintDetection } from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import { epochsOf, type Host, type Prepared, refuseSeen, type StateMap, type Task } from "../../train/index.ts";
import { readDetector } from "../detect/load.ts";
import { type DetectionFound, detectionPredictor } from "../detect/predictor.ts";
import { encodeDetector, exportCanvas } from "../export/export.ts";
import { withHead } from "../network/config.ts";
import { CUSTOM_HEAD, type RegionHead } from "../network/head.ts";
import { detectorShapes, readDetectorStart } from "../network/weights.ts";
import { joinedWeights, type Phase } from "../training/schedule.ts";
import {
  type DetectionConfig,
  type DetectionRequest,
  pictureAugmentationOf,
  resolveDetectionConfig,
  volumeAugmentationOf,
} from "./config.ts";
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

/**
 * Detection as a task; with a head of one's own, for runs whose `detector.regions.head` is `custom`. `run.json` cannot hold a function, so it
 * is given again to go on with such a run, to score it, to predict with it and to export it.
 */
export function detectionTask(head?: RegionHead): DetectionTask {
  return {
    ...plainDetection,
    resolve: (request) => resolvedWith(head, request as DetectionRequest),
    prepare: (config, host) => prepareDetection(config, host, head),
    session: (run, stage, beginning, host) => detectionSession(run, stage, beginning, host, head),
    encode: async ({ run, use }, options) => {
      const { canvas, score, max } = options as { canvas?: number[]; score?: number; max?: number };
      const { plan, weights } = await readDetector({ run, use, head }, { score, max });
      return encodeDetector(plan, weights, exportCanvas(plan, canvas));
    },
    open: (source, options) => detectionPredictor(source, options, head),
  };
}

/** @throws ConfigError for a head that is named and not given, or the reverse */
function resolvedWith(head: RegionHead | undefined, request: DetectionRequest): DetectionConfig {
  const config = resolveDetectionConfig(request);
  const { regions } = config.detector as { readonly regions?: { readonly head?: unknown } };
  if (typeof regions?.head === "function")
    throw new ConfigError(
      "detector.regions.head: is a function, which a run's files cannot keep; it is given beside: trainDetector(request, { head, out })",
    );
  if (regions?.head === CUSTOM_HEAD && head === undefined)
    throw new ConfigError(
      "detector.regions.head: custom stands for a function, which only a program can give: trainDetector(request, { head, out })",
    );
  return config;
}

async function prepareDetection(
  config: DetectionConfig,
  { signal, events }: Host,
  head: RegionHead | undefined,
): Promise<Prepared<DetectionPlan, DetectionCase>> {
  const dataset = await openDetectionFor(config, { signal });
  const splits = splitDetection(dataset, config);
  const plan = planDetection(dataset, splits, config);
  if (plan.axes === 2) pictureAugmentationOf(config);
  else volumeAugmentationOf(config);
  const detector = withHead(plan.detector, head, "detector");
  // A head that cannot be, and what cannot be started from, are told before anything is written.
  detectorShapes(detector);
  await readDetectorStart(config, detector);
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
}

/** What is the same whatever the head. */
const plainDetection: Omit<DetectionTask, "resolve" | "prepare" | "session" | "encode" | "open"> = {
  name: "detection",
  noun: "image",
  progressWords: { planning: "verify", predicting: "detecting", scoring: "detecting" },
  watched: ({ plan }) => (plan.axes === 3 ? "AP10" : "AP50"),
  schemas: detectionSchemas,
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
  join: (finished) => joinedWeights(finished as ReadonlyMap<Phase["name"], StateMap>),

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
  score: scoreDetection,
  scoreText: ({ found }) => counted(found.scores.length, "detection"),
  summarise: summariseDetection,
};

/** Detection as a task: `beginRun` and its like train, score and predict by it. */
export const detection: DetectionTask = detectionTask();
