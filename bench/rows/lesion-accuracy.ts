/**
 * A generated benchmark: hundreds of ellipsoids like lesions in the texture of real lungs, whose boxes are known exactly. The test's
 * lungs are those of a CT that no scene of the training is cut from.
 */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { lesionScenes, openDetection, readLungs, type SceneOptions } from "../../src/data/index.ts";
import { type DetectionSummary, type Froc, frocSizeText } from "../../src/metrics/index.ts";
import { type DetectionRequest, evaluateDetectionRun } from "../../src/rcnn/index.ts";
import { epochsOf, folderStore } from "../../src/train/index.ts";
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
  /** Other lesions in windows of the test's kind, smaller and fainter than training had: reported, not judged. */
  readonly harder: Pick<Recipe, "lesions"> & { readonly seed: number };
  readonly detection: Omit<DetectionRequest, "data">;
}

export async function lesionAccuracy(options: DetectionMeasureOptions): Promise<Result> {
  const { data, recipe, out, fresh, say, signal } = options;
  const { lesions, train, test, harder, detection } = JSON.parse(readFileSync(recipe, "utf8")) as Recipe;
  const shared = train.lungs.filter((name) => test.lungs.includes(name));
  if (shared.length > 0) throw new Error(`${recipe}: ${shared.join(", ")} stands in train and test`);
  if (fresh) rmSync(CLOCK, { force: true });
  const clock = startClock(CLOCK);
  const lungs = await readLungs(await openDetection(data));
  const folders = { train: join(out, "train"), test: join(out, "test"), harder: join(out, "test-harder") };
  const written = (
    folder: string,
    { lungs: names, ...drawn }: Drawn,
    own: SceneOptions["own"],
    kind = lesions,
  ): Promise<void> =>
    scenesOnDisk(
      folder,
      { names, ...drawn, own, lesions: kind },
      () => lesionScenes({ ...drawn, own, lesions: kind, lungs: lungsOf(lungs, names) }),
      options,
    );
  // Nodules of the test's own lungs are neither right nor wrong: the ellipsoids are what is asked for.
  await written(folders.train, train, "objects");
  await written(folders.test, test, "difficult");
  await written(folders.harder, { ...test, seed: harder.seed }, "difficult", harder.lesions);
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
  const scored = async (folder: string): Promise<DetectionSummary> => {
    const asked = { data: join(folder, "boxes.csv"), threads: detection.threads ?? undefined, signal };
    return (await evaluateDetectionRun(run, asked)).summary;
  };
  // Judged last, so that its report is the run's.
  const hard = (await scored(folders.harder)).froc!;
  const summary = await scored(folders.test);
  const minutes = clock.save() / 60;
  const free = summary.froc!;
  const rows: Row[] = [
    ...atOne(free, "", { atLeast: 0.9 }),
    row("at 1/8 false positive a scan", ...at(free, 0.125)),
    row("at 8 false positives a scan", ...at(free, 8)),
    row("CPM", free.cpm, 4, free.cpmInterval),
    row("AP at IoU 0.1", summary.ap10!, 4),
    row("AP at IoU 0.5", summary.ap50, 4),
    row("scans scored", free.scans, 6),
    row("lesions in them", free.findings, 6),
    ...atOne(hard, "harder: "),
    row("harder: CPM", hard.cpm, 4, hard.cpmInterval),
    row("training scans", train.count, 6),
    row("epochs", (await epochsOf(folderStore(run))).length, 6),
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
  const described = ({ radius, elongation, edge, value }: Recipe["lesions"]): string => {
    const [least, most] = [2 * radius[0], 2 * radius[1]].map((axis, i) => axis * elongation ** (i - 0.5));
    return `axes of ${mm(least).toFixed(0)} to ${mm(most).toFixed(0)} mm, edges of ${edge.map(mm).join(" to ")} mm, ${value.join(" to ")} HU`;
  };
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
      `A scan is a window of ${test.size.map(mm).join("×")} mm cut from real lungs at 2 mm, with ${test.perScene!.join(" to ")} ellipsoids turned at random; ${described(lesions)} ` +
        `(from part-solid to solid). Training scans are cut from ${train.lungs.join(" and ")}, test scans from ${test.lungs.join(" and ")}, ` +
        "which training never saw; nodules that its readers outlined count neither way. A mark is right where it lies within the lesion's radius of its centre, as LUNA16 counts.",
      `Harder: also smaller, fainter and softer ones than training had, reported only: ${described(harder.lesions)} (from ground glass on). An earlier recipe was trained and judged on such.`,
      `Faster R-CNN (modern) in 3D, ${kind === "resnet" ? "ResNet" : kind}-${depth} with a pyramid of ${pyramidChannels} channels on ${levels.join(", ")}, from random weights, ${plan.canvas.join("×")} windows at 2 mm. ` +
        "The recipe, scenes included, is bench/recipes/lesions.json.",
      "Minutes of one core are what all threads of the process computed together: the core was shared with other work, so the clock ran longer.",
    ],
  });
}

/** Sensitivity at a rate as a row takes it. */
function at({ sensitivityAt }: Froc, rate: number): [number | null, number, readonly [number, number] | null] {
  const { sensitivity, interval } = sensitivityAt.find(({ falsePositives }) => falsePositives === rate)!;
  return [sensitivity, 4, interval];
}

/** At one false positive a scan, in all and by size. @param before what the figures' names begin with */
function atOne(of: Froc, before: string, bound?: Parameters<typeof judged>[1]): Row[] {
  return [
    row(`${before}sensitivity at 1 false positive a scan`, ...at(of, 1), bound),
    ...of.bySize.map((size) =>
      row(`${before}${frocSizeText(size)}: ${size.found} of ${size.findings}`, size.found / size.findings, 3),
    ),
  ];
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
