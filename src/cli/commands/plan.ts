/** `medvox plan DATASET…`: what a data set is like, and the choices that follow from it. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import {
  degenerateCases,
  type Fingerprint,
  fingerprintOf,
  makePlan,
  openDataset,
  type Plan,
} from "../../data/index.ts";
import { writeFileAtomic } from "../../files/index.ts";
import { planChoicesOf, resolveSegmentationConfig, type SegmentationRequest } from "../../med3d/index.ts";
import { defineCommand } from "../command.ts";
import { nameOf } from "../names.ts";
import { refuseToOverwrite } from "../outputs.ts";
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
}

/**
 * Resident memory of a training step, measured by `npm run bench` (docs/performance.md): ResNet-10 with the skip decoder takes 3.3 GB for
 * 590,000 voxels a batch, of which about 1.4 GB do not depend on the voxels. Deeper networks take more.
 */
const BASE_GB = 1.4;
const GB_PER_VOXEL = 3.3e-6;

export const command = defineCommand<Options, [string[]]>({
  configure: (command) =>
    command
      .argument("<datasets...>", "data sets, as train segmentation takes them")
      .option("--out <file>", "write the plan (of several sets, a folder for NAME.json)")
      .option("--intensity <scheme>", "plan, percentile (the paper's), medicalnet or none (default plan: by modality)")
      .option("--window <low,high>", "CT window in HU, scaled to 0–1, e.g. --window=-200,250", lowHigh)
      .option("--spacing <x,y,z>", "voxel size in mm (default: the median)", decimals(3))
      .option("--mean-spacing", "the mean of the set instead of its median (the paper's liver recipe)")
      .option("--patch <d,h,w>", "patch size, multiples of 8", sizes(3))
      .option("--batch <n>", "patches a step", wholeNumber({ min: 1 }))
      .option(
        "--memory <gb>",
        "choose patch and batch for so much memory (default: about 3.3 GB)",
        decimal({ min: 2 }),
      ),
  details:
    "The file may be changed by hand; medvox train segmentation --plan FILE trains by it, and evaluation and prediction read the\nsame one. --memory is a guide measured with ResNet-10 and the skip decoder.",
  examples: [
    "medvox plan Task09_Spleen",
    "medvox plan Task09_Spleen --out spleen.json --memory 8",
    "medvox plan Task03_Liver --window=-200,250 --mean-spacing --out liver.json",
    "medvox train segmentation --data Task09_Spleen --plan spleen.json",
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
    const made: { data: string; fingerprint: object; plan: Plan; problems: ReturnType<typeof degenerateCases> }[] = [];
    const text: string[] = [];
    for (const data of datasets) {
      const config = resolveSegmentationConfig({
        data,
        intensity: options.intensity,
        window: options.window as [number, number] | undefined,
        spacingMm: options.spacing as [number, number, number] | undefined,
        spacing: options.meanSpacing ? "mean" : undefined,
        patch: options.patch as [number, number, number] | undefined,
        batch: options.batch,
      });
      const dataset = await openDataset(data);
      const cases = dataset.cases.filter(({ label }) => label !== undefined);
      const fingerprint = await fingerprintOf(
        { ...dataset, cases: cases.length > 0 ? cases : dataset.cases },
        {
          onProgress: (done, of) => progress.update({ label: `reading  ${done}/${of} cases`, fraction: done / of }),
          signal,
        },
      );
      progress.clear();
      const plan = makePlan(dataset, fingerprint, { ...planChoicesOf(config), ...roomFor(options.memory) });
      const problems = degenerateCases(fingerprint);
      made.push({ data, fingerprint: summaryOf(fingerprint), plan, problems });
      text.push(
        ...describe(dataset.name, fingerprint, plan, style.bold),
        ...problems.map((p) => `warning  ${p.case}: ${p.problem}`),
        "",
      );
      if (out === undefined) continue;
      if (several) await mkdir(out, { recursive: true });
      const path = several ? join(out, `${nameOf(data)}.json`) : out;
      await writeFileAtomic(path, `${JSON.stringify(plan, null, 2)}\n`, { force });
      text.push(`plan     ${path}`, `next     medvox train segmentation --data ${data} --plan ${path}`, "");
    }
    return { document: several ? { plans: made } : made[0], text: text.join("\n").trimEnd() };
  },
});

/** The largest patch of which two fit. */
function roomFor(memory: number | undefined): { maxPatchVoxels?: number; voxelsPerBatch?: number } {
  if (memory === undefined) return {};
  const voxels = Math.max(32 ** 3, Math.floor((memory - BASE_GB) / GB_PER_VOXEL));
  return { maxPatchVoxels: Math.floor(voxels / 2), voxelsPerBatch: voxels };
}

function summaryOf({ orientation, cases, foreground }: Fingerprint): object {
  return { orientation, foreground, cases };
}

function describe(
  name: string,
  { orientation, cases, foreground }: Fingerprint,
  plan: Plan,
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
  const { preprocessing, labels, patch, batch, medianSize } = plan;
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
    `classes  ${labels.map(({ index, name: label }) => `${label} ${index === 0 ? "" : share(index)}`.trim()).join(", ")}`,
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
