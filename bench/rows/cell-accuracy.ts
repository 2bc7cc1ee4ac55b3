/** Blood cells at half resolution, from random weights: one detection run that survives being stopped, and its figures. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import {
  type DetectionEvents,
  type DetectionRequest,
  evaluateDetectionRun,
  readDetectionRun,
  resolveDetectionConfig,
  resumeDetector,
  trainDetector,
} from "../../src/rcnn/index.ts";
import { epochsOf } from "../../src/train/index.ts";
import { judged, significant } from "../bounds.ts";
import { startClock } from "../clock.ts";
import { type Result, type Row, writeResult } from "../results.ts";

const COMMAND = "npm run accuracy -- cells";
const CLOCK = "results/work/accuracy-cells.json";

export interface CellOptions {
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

export async function cellAccuracy({ data, recipe, out, fresh, say, signal }: CellOptions): Promise<Result> {
  const request: DetectionRequest = { ...JSON.parse(readFileSync(recipe, "utf8")), data };
  const config = resolveDetectionConfig(request);
  const goesOn = existsSync(join(out, "run.json")) && !fresh;
  if (goesOn && !isDeepStrictEqual((await readDetectionRun(out)).record.config, JSON.parse(JSON.stringify(config))))
    throw new Error(`${out}: holds a run of another recipe; --fresh replaces it, --out names another folder`);
  if (fresh) rmSync(CLOCK, { force: true });
  const clock = startClock(CLOCK);
  const events: DetectionEvents = {
    onEpoch: ({ epoch, epochs, trainLoss, validation, seconds }) => {
      say(
        `epoch ${epoch}/${epochs}  loss ${trainLoss.toFixed(3)}  watched: loss ${validation?.loss.toFixed(3)}, AP50 ${validation?.score.toFixed(3)}  ` +
          `${seconds.toFixed(1)} s, ${(clock.save() / 60).toFixed(1)} min so far`,
      );
    },
  };
  const options = { signal, command: COMMAND, ...events };
  const { record, plan } = goesOn
    ? await resumeDetector(out, options)
    : await trainDetector(request, { out, force: true, ...options });
  clock.save();
  const { summary, seconds: scoring } = await evaluateDetectionRun(out, { signal });
  const seconds = clock.save();
  const epochs = await epochsOf(out);
  const rows: Row[] = [
    row("mean AP50, held-out images", summary.ap50, 4, { atLeast: 0.9 }),
    ...summary.classes.map(({ name, ap50 }) => row(`AP50, ${name}`, ap50, 4)),
    row("mean AP50 by Pascal VOC’s area rule", summary.voc.area, 4),
    row("AP, IoU 0.5 to 0.95", summary.ap, 4),
    row("held-out images", summary.images, 6),
    row("trained and watched images", record.splits.train.length + record.splits.validation.length, 6),
    row("epochs", epochs.length, 6),
    row("minutes in all", seconds / 60, 3, { atMost: 90 }),
    row("minutes of training", epochs.reduce((sum, epoch) => sum + epoch.seconds, 0) / 60, 3),
    row("minutes of scoring", scoring / 60, 3),
  ];
  const { minSide, maxSide } = plan.detector.input;
  const result = writeResult("accuracy-cells", rows, {
    command: COMMAND,
    columns: [{ key: "figure" }, { key: "value" }, { key: "bound" }, { key: "verdict", title: "" }],
    notes: [
      `BCCD at half resolution (${minSide?.join()}/${maxSide} pixels), preset ${config.preset}, ResNet-${plan.detector.backbone.depth} with a feature pyramid from random weights, ` +
        `batch ${config.batch}, seed ${config.seed}. Trained on the list train without ${record.splits.validation.length} watched images, scored once on the list val with the ${config.use} weights. ` +
        "The recipe is bench/recipes/cells.json.",
    ],
  });
  for (const { figure, value, bound, verdict } of result.rows)
    say(`${String(figure).padEnd(36)}${String(value).padEnd(16)}${bound === null ? "" : `${bound}  ${verdict}`}`);
  return result;
}

function row(figure: string, value: number | null, digits: number, bound?: Parameters<typeof judged>[1]): Row {
  return { figure, value: value === null ? null : significant(value, digits), ...judged(value, bound) };
}
