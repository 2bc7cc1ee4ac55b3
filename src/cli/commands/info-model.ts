/** `medvox info` for ONNX models and for runs. */
import { readFile } from "node:fs/promises";
import { ConfigError } from "../../errors.ts";
import { readOnnx } from "../../graph/index.ts";
import { encoderName, isTrained, membersOf, type Run, readAnyRun, readRun, type SetEpoch } from "../../med3d/index.ts";
import { type DetectionRun, detectionPhases, detectorText, readDetectionRun } from "../../rcnn/index.ts";
import { epochsOf, logFile, readLog } from "../../train/index.ts";
import type { Outcome } from "../command.ts";
import { isDetectionRun } from "../detection.ts";

export async function describeModel(path: string): Promise<Outcome> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new ConfigError(`${path}: cannot be read (${error.code})`);
  });
  const model = readOnnx(bytes, path);
  const { metadata, ...document } = model;
  const shapes = (values: typeof model.inputs): string =>
    values.map(({ name, dtype, shape }) => `${name} ${dtype} [${shape.join(", ")}]`).join("; ");
  const lines = [
    `ONNX model by ${model.producer || "an unnamed program"}, ${(bytes.length / 1e6).toFixed(1)} MB, IR ${model.irVersion}`,
    `opsets    ${Object.entries(model.opsets)
      .map(([domain, version]) => `${domain} ${version}`)
      .join(", ")}`,
    `inputs    ${shapes(model.inputs)}`,
    `outputs   ${shapes(model.outputs)}`,
    `weights   ${model.values.toLocaleString("en-US")} numbers in ${model.initialisers} initialisers`,
    `nodes     ${model.nodes}: ${Object.entries(model.operators)
      .map(([name, n]) => `${name} ${n}`)
      .join(", ")}`,
    ...Object.entries(metadata).map(
      ([key, value]) => `metadata  ${key}: ${value.length > 160 ? `${value.slice(0, 157)}…` : value}`,
    ),
  ];
  return { document: { kind: "onnx", path, ...document, metadata }, text: lines.join("\n") };
}

export async function describeRun(path: string): Promise<Outcome> {
  if (await isDetectionRun(path)) return describeDetection(path, await readDetectionRun(path));
  const run = await readAnyRun(path);
  if (run.task === "classification") return describeClassification(path, run);
  if (run.task === "pretraining") return describePretraining(path, run);
  const { record, plan } = await readRun(path);
  const log = (await readLog(logFile(path))).filter(({ event }) => event === "epoch");
  const last = log.at(-1) as { epoch: number; trainLoss: number; validation?: { score: number } } | undefined;
  const { config, splits } = record;
  const lines = [
    `run       ${record.task} of ${plan.dataset}, begun ${record.begun.slice(0, 16).replace("T", " ")} with medvox ${record.versions.medvox}`,
    `network   ${encoderName(config)}, ${config.decoder} decoder, classes ${plan.labels.map(({ name }) => name).join(", ")}`,
    `plan      spacing ${plan.preprocessing.spacingMm?.join("×") ?? "as scanned"} mm, patch ${plan.patch.join("×")}, batch ${plan.batch}, intensities ${plan.preprocessing.intensity.kind}`,
    `cases     ${splits.train.length} train, ${splits.validation.length} validation, ${splits.heldOut.length} held out`,
    last === undefined
      ? "progress  no epoch finished"
      : `progress  epoch ${last.epoch}/${config.epochs}, loss ${last.trainLoss.toFixed(3)}${last.validation ? `, dice ${last.validation.score.toFixed(3)}` : ""}`,
  ];
  return { document: { kind: "run", path, record, plan, epochs: log.length }, text: lines.join("\n") };
}

async function describePretraining(path: string, { record, plan }: Run<"pretraining">): Promise<Outcome> {
  const { config, splits } = record;
  const log = (await readLog(logFile(path))).filter(({ event }) => event === "epoch");
  const last = log.at(-1) as { epoch: number; trainLoss: number; branches?: Record<string, SetEpoch> } | undefined;
  const width = Math.max(...config.sets.map(({ name }) => name.length));
  const lines = [
    `run       pretraining on ${config.sets.length} sets, begun ${record.begun.slice(0, 16).replace("T", " ")} with medvox ${record.versions.medvox}`,
    `network   ${encoderName(config)}, ${config.decoder} decoders`,
    `cases     ${splits.train.length} train, ${splits.heldOut.length} held out`,
    last === undefined
      ? "progress  no epoch finished"
      : `progress  epoch ${last.epoch}/${config.epochs}, loss ${last.trainLoss.toFixed(3)}`,
    ...config.sets.map(({ name }) => {
      const { labels, patch, batch, preprocessing } = plan.sets[name];
      const classes = labels.filter(({ index }) => index !== 0).map((label) => label.name);
      const dice = last?.branches?.[name]?.meanDice;
      return `  ${name.padEnd(width)}  ${classes.join(", ")}; spacing ${preprocessing.spacingMm?.join("×") ?? "as scanned"} mm, patch ${patch.join("×")}, batch ${batch}${dice == null ? "" : `, dice ${dice.toFixed(3)}`}`;
    }),
  ];
  return { document: { kind: "run", path, record, plan, epochs: log.length }, text: lines.join("\n") };
}

async function describeClassification(path: string, { record, plan }: Run<"classification">): Promise<Outcome> {
  const { config, splits } = record;
  const members = membersOf(path, config);
  const trained = members.filter(isTrained).length;
  const epochs = (await Promise.all(members.map(({ folder }) => readLog(logFile(folder))))).map(
    (lines) => lines.filter(({ event }) => event === "epoch").length,
  );
  const rule = plan.ratings && `, ratings ${plan.ratings.scale.join(", ")}`;
  const lines = [
    `run       classification of ${plan.dataset}, begun ${record.begun.slice(0, 16).replace("T", " ")} with medvox ${record.versions.medvox}`,
    `network   ${encoderName(config)} on ${config.mask ? "image and mask" : "image"}, classes ${plan.classes.join(", ")}${rule ?? ""}`,
    `plan      spacing ${plan.preprocessing.spacingMm?.join("×") ?? "as scanned"} mm, patch ${plan.patch.join("×")}, batch ${plan.batch}, intensities ${plan.preprocessing.intensity.kind}`,
    config.folds === null
      ? `cases     ${splits.train.length} train, ${splits.validation.length} validation, ${splits.heldOut.length} held out`
      : `cases     ${splits.heldOut.length} in ${config.folds} folds`,
    `progress  ${trained} of ${members.length} networks trained, ${epochs.reduce((a, b) => a + b, 0)} of ${members.length * config.epochs} epochs`,
  ];
  return { document: { kind: "run", path, record, plan, epochs, trained }, text: lines.join("\n") };
}

async function describeDetection(path: string, run: DetectionRun): Promise<Outcome> {
  const { record, plan } = run;
  const { config, splits } = record;
  const phases = await Promise.all(
    detectionPhases(path, config).map(async (one) => ({ ...one, done: await epochsOf(one.folder) })),
  );
  const epochs = phases.reduce((sum, { done }) => sum + done.length, 0);
  const at = phases.findLast(({ done }) => done.length > 0);
  const last = at?.done.at(-1);
  const lines = [
    `run       detection of ${plan.dataset}, begun ${record.begun.slice(0, 16).replace("T", " ")} with medvox ${record.versions.medvox}`,
    `network   ${detectorText(run)}, classes ${plan.classes.map(({ name }) => name).join(", ")}`,
    `plan      ${plan.axes === 2 ? "pictures" : "windows"} of ${plan.canvas.join("×")}, batch ${config.batch}, anchors ${plan.detector.anchors.sizes.map((sides) => sides.join(",")).join("/")}`,
    `images    ${splits.train.length} train, ${splits.validation.length} validation, ${splits.heldOut.length} held out`,
    at === undefined || last === undefined
      ? "progress  no epoch finished"
      : `progress  ${phases.length > 1 ? `${at.phase.name}, ` : ""}epoch ${last.epoch}/${at.epochs}, loss ${last.trainLoss.toFixed(3)}${last.validation ? `, AP ${last.validation.score.toFixed(3)}` : ""}`,
  ];
  return { document: { kind: "run", path, record, plan, epochs }, text: lines.join("\n") };
}
