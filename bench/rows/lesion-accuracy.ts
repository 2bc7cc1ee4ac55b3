/**
 * A generated benchmark: hundreds of ellipsoids like lesions in the texture of real lungs, whose boxes are known exactly. The test's
 * lungs are those of a CT that no scene of the training is cut from.
 */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { lesionScenes, openDetection, readLungs, type SceneOptions } from "../../src/data/index.ts";
import { sizeText } from "../../src/metrics/index.ts";
import { type DetectionRequest, evaluateDetectionRun } from "../../src/rcnn/index.ts";
import { epochsOf } from "../../src/train/index.ts";
import { judged, significant } from "../bounds.ts";
import { startClock } from "../clock.ts";
import { type Result, type Row, writeResult } from "../results.ts";
import { type DetectionMeasureOptions, trainedDetector } from "./detection-runs.ts";
import { lungsOf, scenesOnDisk } from "./scene-data.ts";

const COMMAND = "npm run accuracy -- lesions";
const CLOCK = "results/work/accuracy-lesions.json";

type Drawn = Pick<SceneOptions, "count" | "size" | "perScene" | "seed"> & { readonly lungs: readonly string[] };

/** `bench/recipes/lesions.json`. */
interface Recipe {
  /** Lengths in voxels of the scenes, intensities in HU. */
  readonly lesions: Extract<SceneOptions["lesions"], { radius: unknown }>;
  readonly train: Drawn;
  readonly test: Drawn;
  readonly detection: Omit<DetectionRequest, "data">;
}

export async function lesionAccuracy(options: DetectionMeasureOptions): Promise<Result> {
  const { data, recipe, out, fresh, say, signal } = options;
  const { lesions, train, test, detection } = JSON.parse(readFileSync(recipe, "utf8")) as Recipe;
  const shared = train.lungs.filter((name) => test.lungs.includes(name));
  if (shared.length > 0) throw new Error(`${recipe}: ${shared.join(", ")} stands in train and test`);
  if (fresh) rmSync(CLOCK, { force: true });
  const clock = startClock(CLOCK);
  const lungs = await readLungs(await openDetection(data));
  const folders = { train: join(out, "train"), test: join(out, "test") };
  const written = (folder: string, { lungs: names, ...drawn }: Drawn, own: SceneOptions["own"]): Promise<void> =>
    scenesOnDisk(
      folder,
      { names, ...drawn, own, lesions },
      () => lesionScenes({ ...drawn, own, lesions, lungs: lungsOf(lungs, names) }),
      options,
    );
  // Nodules of the test's own lungs are neither right nor wrong: the ellipsoids are what is asked for.
  await written(folders.train, train, "objects");
  await written(folders.test, test, "difficult");
  clock.save();
  const run = join(out, "run");
  const request: DetectionRequest = { ...detection, data: join(folders.train, "boxes.csv"), heldOut: 0 };
  const { plan } = await trainedDetector(request, run, {
    fresh,
    signal,
    command: COMMAND,
    onEpoch: ({ epoch, epochs, trainLoss, seconds }) =>
      say(
        `epoch ${epoch}/${epochs}  loss ${trainLoss.toFixed(3)}  ${seconds.toFixed(1)} s, ` +
          `${(clock.cpuSeconds() / 60).toFixed(1)} min of a core so far`,
      ),
  });
  const trained = clock.cpuSeconds();
  say("scoring");
  const { summary } = await evaluateDetectionRun(run, {
    data: join(folders.test, "boxes.csv"),
    threads: detection.threads ?? undefined,
    signal,
  });
  const minutes = clock.save() / 60;
  const free = summary.froc!;
  const at = (rate: number) => free.sensitivityAt.find(({ falsePositives }) => falsePositives === rate)!;
  const rows: Row[] = [
    row("sensitivity at 1 false positive a scan", at(1).sensitivity, 4, at(1).interval, { atLeast: 0.9 }),
    row("at 1/8 false positive a scan", at(0.125).sensitivity, 4, at(0.125).interval),
    row("at 8 false positives a scan", at(8).sensitivity, 4, at(8).interval),
    ...free.bySize.map((size) =>
      row(`at 1, ${sizeText(size)}: ${size.found} of ${size.findings}`, size.found / size.findings, 3),
    ),
    row("CPM", free.cpm, 4, free.cpmInterval),
    row("AP at IoU 0.1", summary.ap10!, 4),
    row("AP at IoU 0.5", summary.ap50, 4),
    row("scans scored", free.scans, 6),
    row("lesions in them", free.findings, 6),
    row("training scans", train.count, 6),
    row("epochs", (await epochsOf(run)).length, 6),
    row("minutes of one core, scenes and training", trained / 60, 3, null, { atMost: 30 }),
    row("minutes of one core, all", clock.cpuSeconds() / 60, 3),
    row("minutes by the clock, all", minutes, 3),
  ];
  for (const { figure, value, interval, bound, verdict } of rows)
    say(
      `${String(figure).padEnd(44)}${String(value).padEnd(10)}${[interval, bound, verdict].filter(Boolean).join("  ")}`,
    );
  const { kind, depth, levels, pyramidChannels } = plan.detector.backbone;
  const mm = (voxels: number): number => significant(2 * voxels, 3);
  const stretch = Math.sqrt(lesions.elongation);
  return writeResult("accuracy-lesions", rows, {
    command: COMMAND,
    columns: [
      { key: "figure" },
      { key: "value" },
      { key: "interval", title: "95 %, of scans" },
      { key: "bound" },
      { key: "verdict", title: "" },
    ],
    notes: [
      `A scan is a window of ${test.size.map(mm).join("×")} mm cut from real lungs at 2 mm, with ${test.perScene!.join(" to ")} ellipsoids; axes of ` +
        `${mm((2 * lesions.radius[0]) / stretch).toFixed(0)} to ${mm(2 * lesions.radius[1] * stretch).toFixed(0)} mm, turned at random, edges of ${lesions.edge.map(mm).join(" to ")} mm, ` +
        `${lesions.value.join(" to ")} HU (from ground glass to solid). Training scans are cut from ${train.lungs.join(" and ")}, test scans from ${test.lungs.join(" and ")}, ` +
        "which training never saw; nodules that its readers outlined count neither way. A mark is right where it lies within the lesion's radius of its centre, as LUNA16 counts.",
      `Faster R-CNN (modern) in 3D, ${kind === "resnet" ? "ResNet" : kind}-${depth} with a pyramid of ${pyramidChannels} channels on ${levels.join(", ")}, from random weights, ${plan.canvas.join("×")} windows at 2 mm. ` +
        "The recipe, scenes included, is bench/recipes/lesions.json.",
      "Minutes of one core are what all threads of the process computed together: the core was shared with other work, so the clock ran longer.",
    ],
  });
}

function row(
  figure: string,
  value: number | null,
  digits: number,
  interval: readonly [number, number] | null = null,
  bound?: Parameters<typeof judged>[1],
): Row {
  return {
    figure,
    value: value === null ? null : significant(value, digits),
    interval: interval === null ? null : interval.map((end) => end.toFixed(3)).join("–"),
    ...judged(value, bound),
  };
}
