/** `medvox plan DATASET…`: what a data set is like, and the choices that follow from it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { InvalidArgumentError } from "commander";
import {
  degenerateCases,
  type Fingerprint,
  fingerprintOf,
  makePlan,
  openDataset,
  type Plan,
} from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import { makeFolder, writeFileAtomic } from "../../files/index.ts";
import {
  type ClassificationPlan,
  encoderParameters,
  openClassificationFor,
  planChoicesOf,
  planClassification,
  resolveClassificationConfig,
  resolveSegmentationConfig,
  type SegmentationRequest,
  segmentationParameters,
  voxelsFor,
} from "../../med3d/index.ts";
import { encoderNames } from "../../nn/index.ts";
import { nameOf } from "../../text/index.ts";
import { defineCommand } from "../command.ts";
import { sayDefaults } from "../defaults.ts";
import { refuseToOverwrite } from "../outputs.ts";
import { archOf } from "../segmentation-options.ts";
import { decimal, decimals, lowHigh, sizes, wholeNumber } from "../values.ts";

interface Options {
  out?: string;
  intensity?: SegmentationRequest["intensity"];
  window?: number[];
  spacing?: number[];
  meanSpacing?: boolean;
  patch?: number[];
  batch?: number;
  memory?: number;
  arch?: string;
  task?: Task;
  label?: string;
  mask?: boolean;
}

type Task = "segmentation" | "classification";

/** What follows from one data set. */
interface Made {
  readonly data: string;
  readonly name: string;
  readonly fingerprint: Fingerprint;
  readonly plan: Plan | ClassificationPlan;
}

export const command = defineCommand<Options, [string[]]>({
  configure: (command) => {
    command
      .argument("<datasets...>", "data sets, as train segmentation or train classification takes them")
      .option("--out <file>", "write the plan (of several sets, a folder for NAME.json)")
      .option("--intensity <scheme>", "plan, percentile (the paper's), medicalnet or none; plan chooses by modality")
      .option("--window <low,high>", "CT window in HU, scaled to 0–1, e.g. --window=-200,250", lowHigh)
      .option("--spacing <x,y,z>", "voxel size in mm (default: the median)", decimals(3))
      .option("--mean-spacing", "the mean of the set instead of its median (the paper's liver recipe)")
      .option("--patch <d,h,w>", "patch size, multiples of 8", sizes(3))
      .option("--batch <n>", "patches a step", wholeNumber({ min: 1 }))
      .option("--arch <name>", `the network that --memory is for: ${encoderNames.join(", ")}`)
      .option(
        "--task <name>",
        "segmentation or classification (default: classification where labels.csv is there)",
        taskOf,
      )
      .option("--label <column>", "of a classification: the label's column")
      .option("--mask", "of a classification: plan for the mask as a further channel, too")
      .option(
        "--memory <gb>",
        "choose patch and batch for so much memory (default: about 3.3 GB)",
        decimal({ min: 2 }),
      );
    sayDefaults(command, () => resolveSegmentationConfig({ data: "DATA" }));
  },
  details:
    "The file may be changed by hand; medvox train segmentation|classification --plan FILE trains by it, and evaluation and prediction\nread the same one. --memory counts the network (--arch) and what was measured of training with the skip decoder.",
  examples: [
    "medvox plan Task09_Spleen",
    "medvox plan Task09_Spleen --out spleen.json --memory 8",
    "medvox plan Task03_Liver --window=-200,250 --mean-spacing --out liver.json",
    "medvox train segmentation --data Task09_Spleen --plan spleen.json",
    "medvox plan lidc-nodules --window=-1000,400 --patch 32,32,32 --out nodules.json",
  ],
  json: {
    data: "as given",
    "fingerprint.orientation": "axes that sizes and spacings are told along",
    "fingerprint.foreground": "intensities of the labelled voxels per channel: low, median, high, mean, sd",
    "fingerprint.cases": "per case: id, size, spacingMm, channels, intensity, labelVoxels, hash",
    plan: "the plan (docs/reference/formats.md)",
    problems: "per degenerate case: case, problem",
    plans: "of several data sets: a list of all of this",
  },
  writes: true,
  async run({ signal, progress, style, force }, options, datasets) {
    const { out } = options;
    const several = datasets.length > 1;
    if (out !== undefined) refuseToOverwrite(out, force);
    const made: object[] = [];
    const text: string[] = [];
    for (const data of datasets) {
      const reading = {
        onProgress: (done: number, of: number) =>
          progress.update({ label: `reading  ${done}/${of} cases`, fraction: done / of }),
        signal,
      };
      const planned = await ((options.task ?? usualTask(data)) === "classification"
        ? forClassification(data, options, reading)
        : forSegmentation(data, options, reading));
      progress.clear();
      const { name, fingerprint, plan } = planned;
      const problems = degenerateCases(fingerprint);
      made.push({ data, fingerprint: summaryOf(fingerprint), plan, problems });
      text.push(
        ...describe(name, fingerprint, plan, style.bold),
        ...problems.map((p) => `warning  ${p.case}: ${p.problem}`),
        "",
      );
      if (out === undefined) continue;
      if (several) await makeFolder(out);
      const path = several ? join(out, `${nameOf(data)}.json`) : out;
      await writeFileAtomic(path, `${JSON.stringify(plan, null, 2)}\n`, { force });
      text.push(`plan     ${path}`, `next     medvox train segmentation --data ${data} --plan ${path}`, "");
    }
    return { document: several ? { plans: made } : made[0], text: text.join("\n").trimEnd() };
  },
});

type Reading = Parameters<typeof fingerprintOf>[1];

async function forSegmentation(data: string, options: Options, reading: Reading): Promise<Made> {
  if (options.label !== undefined || options.mask)
    throw new ConfigError(`${options.mask ? "--mask" : "--label"}: is for classifications; say --task classification`);
  const config = resolveSegmentationConfig({
    data,
    ...choicesIn(options),
    spacing: options.meanSpacing ? "mean" : undefined,
  });
  const dataset = await openDataset(data);
  const labelled = dataset.cases.filter(({ label }) => label !== undefined);
  const fingerprint = await fingerprintOf({ cases: labelled.length > 0 ? labelled : dataset.cases }, reading);
  const room = roomFor(options.memory, () =>
    segmentationParameters(config, fingerprint.cases[0].channels, dataset.labels.length),
  );
  const plan = makePlan(dataset, fingerprint, { ...planChoicesOf(config), ...room });
  return { data, name: dataset.name, fingerprint, plan };
}

async function forClassification(data: string, options: Options, reading: Reading): Promise<Made> {
  const { mask = false, label: labelColumn, intensity } = options;
  const { intensity: _, ...choices } = choicesIn(options);
  const config = resolveClassificationConfig({ data, labelColumn, mask, ...choices });
  const dataset = await openClassificationFor(config);
  const cases = dataset.cases.map((item) => (mask ? item : { ...item, label: undefined }));
  const fingerprint = await fingerprintOf({ cases }, reading);
  const planning = {
    ...config,
    ...planChoicesOf(resolveSegmentationConfig({ data, intensity })),
    patch: config.patch,
    batch: config.batch,
    spacingMm: config.spacingMm,
    spacingRule: options.meanSpacing ? ("mean" as const) : undefined,
    ...roomFor(options.memory, () =>
      encoderParameters(
        { ...config, shortcut: config.shortcut ?? undefined },
        fingerprint.cases[0].channels + (mask ? 1 : 0),
      ),
    ),
  };
  return { data, name: dataset.name, fingerprint, plan: planClassification(dataset, fingerprint, planning) };
}

/** A list of classes is what train classification takes a folder for. */
function usualTask(data: string): Task {
  const lists = ["labels.csv", "labels.tsv", "labels.json"];
  const isOfClasses = /\.npz$/i.test(data) || lists.some((name) => existsSync(join(data, name)));
  return isOfClasses ? "classification" : "segmentation";
}

function taskOf(text: string): Task {
  if (text === "segmentation" || text === "classification") return text;
  throw new InvalidArgumentError("must be segmentation or classification");
}

/** Keys that both configurations have. */
function choicesIn({ intensity, window, spacing, patch, batch, arch }: Options) {
  return {
    intensity,
    window: window as [number, number] | undefined,
    spacingMm: spacing as [number, number, number] | undefined,
    patch: patch as [number, number, number] | undefined,
    batch,
    ...(arch === undefined ? {} : archOf(arch)),
  };
}

/** The largest patch of which two fit. */
function roomFor(
  memory: number | undefined,
  parameters: () => number,
): { maxPatchVoxels?: number; voxelsPerBatch?: number } {
  if (memory === undefined) return {};
  const voxels = voxelsFor(memory * 1e9, parameters());
  return { maxPatchVoxels: Math.floor(voxels / 2), voxelsPerBatch: voxels };
}

function summaryOf({ orientation, cases, foreground }: Fingerprint): object {
  return { orientation, foreground, cases };
}

function describe(
  name: string,
  { orientation, cases, foreground }: Fingerprint,
  plan: Plan | ClassificationPlan,
  bold: (text: string) => string,
): string[] {
  const range = (pick: (axis: 0 | 1 | 2) => number[], digits: number): string =>
    ([0, 1, 2] as const)
      .map((axis) => {
        const values = pick(axis).sort((a, b) => a - b);
        const [low, high] = [values[0], values[values.length - 1]].map((value) => Number(value.toFixed(digits)));
        return low === high ? String(low) : `${low}–${high}`;
      })
      .join(" × ");
  const { preprocessing, patch, batch, medianSize } = plan;
  const share = (index: number): string => {
    const voxels = cases.map(({ labelVoxels }) => labelVoxels[index] ?? 0);
    const all = cases.reduce((sum, { size }) => sum + size[0] * size[1] * size[2], 0);
    return `${((100 * voxels.reduce((a, b) => a + b, 0)) / all).toPrecision(2)} %`;
  };
  return [
    bold(name),
    `cases    ${cases.length}, ${preprocessing.channels} channel${preprocessing.channels === 1 ? "" : "s"}, oriented ${orientation}`,
    `size     ${range((axis) => cases.map(({ size }) => size[axis]), 0)} voxels`,
    `spacing  ${range((axis) => cases.map(({ spacingMm }) => spacingMm[axis]), 3)} mm → ${preprocessing.spacingMm?.join(" × ") ?? "as scanned"}`,
    "labels" in plan
      ? `classes  ${plan.labels.map(({ index, name: label }) => `${label} ${index === 0 ? "" : share(index)}`.trim()).join(", ")}`
      : `classes  ${plan.classes.join(", ")}`,
    ...(foreground.length > 0
      ? [
          `values   foreground ${foreground.map(({ low, median, high }) => `${short(low)} to ${short(high)}, median ${short(median)}`).join("; ")}`,
        ]
      : []),
    `plan     intensities ${JSON.stringify(preprocessing.intensity)}`,
    `         patch ${patch.join("×")} (D×H×W) of a median ${medianSize.join("×")} (x×y×z), batch ${batch}`,
  ];
}

/** Four digits, without exponents. */
function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}
