/** Blood cells at reduced resolution, from random weights: detection runs that survive being stopped, and their figures. */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { counted } from "../../src/data/counted.ts";
import {
  type DetectionRequest,
  detectionPhases,
  detectorText,
  evaluateDetectionRun,
  resolveDetectionConfig,
} from "../../src/rcnn/index.ts";
import { epochsOf, folderStore, type RunEvents } from "../../src/train/index.ts";
import { judged, significant } from "../bounds.ts";
import { startClock } from "../clock.ts";
import { type Result, type Row, writeResult } from "../results.ts";
import { type DetectionMeasureOptions, trainedDetector } from "./detection-runs.ts";

/** `modern` as one joint training. */
export const cellAccuracy = (options: DetectionMeasureOptions): Promise<Result> => measure("cells", 0.9, options);

/** `paper`, trained in its four steps. */
export const paperCellAccuracy = (options: DetectionMeasureOptions): Promise<Result> =>
  measure("cells-paper", 0.85, options);

async function measure(
  name: "cells" | "cells-paper",
  bound: number,
  { data, recipe, out, fresh, say, signal }: DetectionMeasureOptions,
): Promise<Result> {
  const command = `npm run accuracy -- ${name}`;
  const clockFile = `results/work/accuracy-${name}.json`;
  const request: DetectionRequest = { ...JSON.parse(readFileSync(recipe, "utf8")), data };
  const config = resolveDetectionConfig(request);
  if (fresh) rmSync(clockFile, { force: true });
  const clock = startClock(clockFile);
  const events: RunEvents = {
    onEpoch: ({ epoch, epochs, trainLoss, validation, seconds }, { stage }) => {
      const watched =
        validation && `  watched: loss ${validation.loss.toFixed(3)}, AP50 ${validation.score.toFixed(3)}`;
      say(
        `${stage || "joint"}: epoch ${epoch}/${epochs}  loss ${trainLoss.toFixed(3)}${watched ?? ""}  ` +
          `${seconds.toFixed(1)} s, ${(clock.save() / 60).toFixed(1)} min so far`,
      );
    },
  };
  const { record, plan } = await trainedDetector(request, out, { fresh, signal, command, ...events });
  clock.save();
  const { summary, seconds: scoring } = await evaluateDetectionRun(out, { signal });
  const seconds = clock.save();
  const phases = detectionPhases(config);
  const epochs = await Promise.all(
    phases.map(({ phase }) => epochsOf(folderStore(phases.length === 1 ? out : join(out, phase.name)))),
  );
  const training = epochs.flat().reduce((sum, epoch) => sum + epoch.seconds, 0);
  const rows: Row[] = [
    row("mean AP50, held-out images", summary.ap50, 4, { atLeast: bound }),
    ...summary.classes.map(({ name, ap50 }) => row(`AP50, ${name}`, ap50, 4)),
    row("mean AP50 by Pascal VOC’s area rule", summary.voc.area, 4),
    row("AP, IoU 0.5 to 0.95", summary.ap, 4),
    row("held-out images", summary.images, 6),
    row("trained and watched images", record.splits.train.length + record.splits.validation.length, 6),
    { figure: "epochs", value: epochs.map(({ length }) => length).join(" + "), bound: null, verdict: null },
    row("minutes in all", seconds / 60, 3, { atMost: 90 }),
    row("minutes of training", training / 60, 3),
    row("minutes of scoring", scoring / 60, 3),
  ];
  const { input, backbone, regions } = plan.detector;
  const steps = phases.length > 1 ? `the four steps of alternating training, one after the other, ` : "";
  const result = writeResult(`accuracy-${name}`, rows, {
    command,
    columns: [{ key: "figure" }, { key: "value" }, { key: "bound" }, { key: "verdict", title: "" }],
    notes: [
      `BCCD (640×480) brought to ${input.maxSide}×${input.minSide?.join()} pixels; ${detectorText({ record, plan })}, features of ${backbone.levels.join(", ")}, from random weights, ${steps}` +
        `${regions.sampleCount} regions of an image, batch ${config.batch}, seed ${config.seed}, ${counted(record.threads, "thread")}. Trained on the list train without ${record.splits.validation.length} watched images, scored once on the list val with the ${config.use} weights. ` +
        `The recipe is bench/recipes/${name}.json.`,
    ],
  });
  for (const { figure, value, bound, verdict } of result.rows)
    say(`${String(figure).padEnd(36)}${String(value).padEnd(16)}${bound === null ? "" : `${bound}  ${verdict}`}`);
  return result;
}

function row(figure: string, value: number | null, digits: number, bound?: Parameters<typeof judged>[1]): Row {
  return { figure, value: value === null ? null : significant(value, digits), ...judged(value, bound) };
}
