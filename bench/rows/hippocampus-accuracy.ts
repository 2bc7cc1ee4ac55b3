/** 160 hippocampi to train on, 40 to be scored on: one run that survives being stopped, and its figures. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import {
  evaluateSegmentationRun,
  resolveSegmentationConfig,
  resumeSegmentation,
  type SegmentationRequest,
  type SegmentationRun,
  segmentation,
  trainSegmentation,
} from "../../src/med3d/index.ts";
import type { CaseScores, SegmentationSummary } from "../../src/metrics/index.ts";
import {
  type EpochReport,
  type Evaluation,
  epochsOf,
  folderStore,
  type RunEvents,
  readRunOf,
} from "../../src/train/index.ts";
import { judged, significant } from "../bounds.ts";
import { startClock } from "../clock.ts";
import { type Result, type Row, writeResult } from "../results.ts";

const COMMAND = "npm run accuracy -- hippocampus";
const CLOCK = "results/work/accuracy-hippocampus.json";

export interface HippocampusOptions {
  /** Folder of the data set, relative to the repository. */
  readonly data: string;
  /** File of the recipe. */
  readonly recipe: string;
  /** The run's folder. */
  readonly out: string;
  readonly fresh: boolean;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

export async function hippocampusAccuracy({
  data,
  recipe,
  out,
  fresh,
  say,
  signal,
}: HippocampusOptions): Promise<Result> {
  const request: SegmentationRequest = { ...JSON.parse(readFileSync(recipe, "utf8")), data };
  const config = resolveSegmentationConfig(request);
  const begun = existsSync(join(out, "run.json"));
  if (begun && !fresh) {
    const { record }: SegmentationRun = await readRunOf(folderStore(out), segmentation);
    if (!isDeepStrictEqual(record.config, JSON.parse(JSON.stringify(config)))) {
      throw new Error(`${out}: holds a run of another recipe; --fresh replaces it, --out names another folder`);
    }
  }
  if (fresh) rmSync(CLOCK, { force: true });
  const clock = startClock(CLOCK);
  const events = plainProgress(say, clock.save);
  const options = { signal, command: COMMAND, ...events };
  const { record, plan } =
    begun && !fresh
      ? await resumeSegmentation(out, options)
      : await trainSegmentation(request, { out, force: true, ...options });
  clock.save();
  const evaluation = await evaluateSegmentationRun(out, {
    mirror: ["x"],
    signal,
    onCase: (done, of, id, text) => {
      if (done % 10 === 0) say(`scored ${done}/${of}, the last, ${id}, with ${text}`);
    },
  });
  const seconds = clock.save();
  const epochs = await epochsOf(folderStore(out));
  const result = writeResult("accuracy-hippocampus", figures(record, evaluation, epochs, seconds), {
    command: COMMAND,
    columns: [{ key: "figure" }, { key: "value" }, { key: "bound" }, { key: "verdict", title: "" }],
    notes: [
      `MedicalNet ResNet-${config.depth} with the ${config.decoder} decoder from random weights, patch ${plan.patch.join("×")}, batch ${plan.batch}, ` +
        `seed ${config.seed}; ${record.splits.train.length} cases trained on, ${record.splits.validation.length} watched, ${record.splits.heldOut.length} held out ` +
        "and predicted once directly, once mirrored. The recipe is bench/recipes/hippocampus.json.",
    ],
  });
  for (const { figure, value, bound, verdict } of result.rows)
    say(`${String(figure).padEnd(36)}${String(value).padEnd(16)}${bound === null ? "" : `${bound}  ${verdict}`}`);
  return result;
}

function figures(
  { splits }: SegmentationRun["record"],
  { summary, seconds: scoring }: Evaluation<CaseScores, SegmentationSummary>,
  epochs: readonly EpochReport[],
  seconds: number,
): Row[] {
  const training = epochs.reduce((sum, epoch) => sum + epoch.seconds, 0);
  const perEpoch = epochs.map((epoch) => epoch.seconds).sort((a, b) => a - b);
  const waiting = epochs.reduce((sum, epoch) => sum + epoch.waitingShare * epoch.seconds, 0) / training;
  const { dice, hd95Mm } = summary.overall;
  const interval = dice.interval?.map((end) => end.toFixed(3)).join("–") ?? null;
  const minutes = seconds / 60;
  return [
    row("mean Dice, held-out cases", dice.mean, 4, { atLeast: 0.89 }),
    { figure: "95 % bootstrap interval", value: interval, bound: null, verdict: null },
    ...summary.classes.map(({ name, dice: own }) => row(`Dice, ${name}`, own.mean, 4)),
    row("HD95, mm", hd95Mm.mean, 3),
    ...summary.classes.map(({ name, hd95Mm: own }) => row(`HD95, ${name}, mm`, own.mean, 3)),
    row("held-out cases", splits.heldOut.length, 6),
    row("trained and watched cases", splits.train.length + splits.validation.length, 6),
    row("epochs", epochs.length, 6),
    row("minutes in all", minutes, 3, { atMost: 60 }),
    row("minutes of training", training / 60, 3),
    row("minutes of scoring", scoring / 60, 3),
    row("seconds per epoch, median", perEpoch[perEpoch.length >> 1], 3),
    row("share of step time waiting for data", waiting, 2, { atMost: 0.05 }),
  ];
}

function row(figure: string, value: number | null, digits: number, bound?: Parameters<typeof judged>[1]): Row {
  return { figure, value: value === null ? null : significant(value, digits), ...judged(value, bound) };
}

/** A line for each epoch. */
function plainProgress(say: (line: string) => void, eachEpoch: () => number): RunEvents {
  return {
    onStart: ({ lines }) => lines.forEach(say),
    onEpoch: ({ epoch, epochs, trainLoss, validation, learningRate, seconds, waitingShare }) => {
      const total = eachEpoch() / 60;
      say(
        `epoch ${epoch}/${epochs}  loss ${trainLoss.toFixed(4)}  watched Dice ${validation?.score.toFixed(4) ?? "–"}  lr ${learningRate.toExponential(1)}  ` +
          `${seconds.toFixed(1)} s, ${(100 * waitingShare).toFixed(1)} % waiting, ${total.toFixed(1)} min so far`,
      );
    },
  };
}
