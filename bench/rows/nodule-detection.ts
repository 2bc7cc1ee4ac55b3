/**
 * Nodules in whole CTs: each CT left out once, a detector trained on scenes of the others' lungs with nodules of other patients
 * pasted in, from random weights and from a backbone that `medvox pretrain` made.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import {
  type DetectionItem,
  type GroupedLesion,
  lesionScenes,
  openDetection,
  readLesionCrops,
  readLungs,
  type Scene,
  type SceneOptions,
} from "../../src/data/index.ts";
import { type PretrainingRequest, pretrain, resumePretraining } from "../../src/med3d/index.ts";
import { type FrocScan, froc, frocScan } from "../../src/metrics/index.ts";
import { type DetectionRequest, fasterRcnn, foundImage } from "../../src/rcnn/index.ts";
import { volumeBoxesPng } from "../../src/report/index.ts";
import { significant } from "../bounds.ts";
import { startClock } from "../clock.ts";
import { type Result, type Row, writeResult } from "../results.ts";
import { type DetectionMeasureOptions, trainedDetector } from "./detection-runs.ts";
import { lungsOf, scenesOnDisk } from "./scene-data.ts";

const COMMAND = "npm run accuracy -- nodule-detection";
const CLOCK = "results/work/accuracy-nodule-detection.json";

/** `bench/recipes/nodule-detection.json`. */
interface Recipe {
  /** The CTs, each of which is left out once, in this order. */
  readonly leftOut: readonly string[];
  /** A CT without readers' outlines: never trained on, and looked at rather than scored. */
  readonly unscored: string;
  readonly spacingMm: [number, number, number];
  readonly scenes: Pick<SceneOptions, "count" | "size" | "perScene" | "seed">;
  readonly pretraining: Omit<PretrainingRequest, "sets">;
  readonly detection: Omit<DetectionRequest, "data">;
}

/** A CT's grey values as the detector takes them. */
const CT_WINDOW = { kind: "ctWindow", low: -1000, high: 400 } as const;
/** By the numbers of TotalSegmentator, as the data's README has them. */
const ORGANS = { liver: [5], spleen: [1], lung: [10, 11, 14], vessel: [52, 63, 64] };
/** Marks in pictures have at least this score. */
const SHOWN = 0.5;
const CONDITIONS = ["random weights", "pre-trained"] as const;

export async function noduleDetection(options: DetectionMeasureOptions): Promise<Result> {
  const { data, recipe, out, fresh, say, signal } = options;
  const asked = JSON.parse(readFileSync(recipe, "utf8")) as Recipe;
  if (fresh) rmSync(CLOCK, { force: true });
  const clock = startClock(CLOCK);
  const cropFolder = join(dirname(data), "lidc-nodules");
  const dataset = await openDetection(data);
  const lungs = await readLungs(dataset);
  const crops = await readLesionCrops(cropFolder, asked.spacingMm);
  const backbone = join(out, "pretraining");
  let madeBackbone: Promise<void> | undefined;
  const scans = new Map<string, FrocScan[]>();
  const rows: Row[] = [];
  let result: Result | undefined;
  for (const left of [...asked.leftOut, asked.unscored]) {
    const scored = left !== asked.unscored;
    const scenes = join(out, left, "scenes");
    await scenesOnDisk(
      scenes,
      { left, ...asked.scenes, spacingMm: asked.spacingMm, lungs: asked.leftOut },
      () =>
        withoutPatient(
          left,
          crops,
          lesionScenes({ ...asked.scenes, lungs: lungsOf(lungs, asked.leftOut), lesions: crops, heldOut: [left] }),
        ),
      options,
    );
    for (const condition of CONDITIONS) {
      if (condition === "pre-trained") await (madeBackbone ??= pretrained(backbone, cropFolder, crops, asked, options));
      const run = join(out, left, condition.replace(" ", "-"));
      const request: DetectionRequest = {
        ...asked.detection,
        data: join(scenes, "boxes.csv"),
        heldOut: 0,
        ...(condition === "pre-trained" ? { backbone } : {}),
      };
      const began = clock.cpuSeconds();
      await trainedDetector(request, run, {
        fresh,
        signal,
        command: COMMAND,
        onEpoch: ({ epoch, epochs, trainLoss }) =>
          say(
            `${left}, ${condition}: epoch ${epoch}/${epochs}  loss ${trainLoss.toFixed(3)}  ${((clock.cpuSeconds() - began) / 60).toFixed(1)} min of a core`,
          ),
      });
      const item: ScoredItem = scored
        ? dataset.items.find(({ id }) => id === left)!
        : { id: left, image: join(data, "ct_2mm", `${left}_ct.nii.gz`), ...NOTHING };
      const { scan, seconds } = await detectedIn(
        run,
        item,
        asked,
        join(out, left, `${condition.replace(" ", "-")}.png`),
      );
      if (!scored) {
        say(
          `${left}, ${condition}: ${scan.marks.length} marks, the best ${scan.marks[0]?.score.toFixed(3)}; not scored`,
        );
        continue;
      }
      scans.set(condition, [...(scans.get(condition) ?? []), scan]);
      rows.push(rowOf(left, condition, [scan], seconds));
      say(Object.values(rows.at(-1)!).join("  "));
      // After each, so that one which is stopped later leaves the others' figures.
      result = written(asked, rows, scans, strangers(crops, asked.leftOut).length, clock.cpuSeconds());
    }
  }
  return result!;
}

/** Whether the left-out patient takes part is looked at in what was made, not only asked for. */
function* withoutPatient(left: string, crops: readonly GroupedLesion[], scenes: Iterable<Scene>): Generator<Scene> {
  const own = new Set(crops.filter(({ group }) => group === left).map(({ id }) => id));
  for (const scene of scenes) {
    const crop = scene.from.find((id) => own.has(id));
    if (scene.group === left || crop !== undefined)
      throw new Error(`${scene.id}: ${left} is left out, and ${crop ?? "its lung"} is in this scene`);
    yield scene;
  }
}

/** Nodules of patients that are never left out. */
const strangers = (crops: readonly GroupedLesion[], leftOut: readonly string[]): GroupedLesion[] =>
  crops.filter(({ group }) => !leftOut.includes(group));

/** The backbone of the second condition: outlines of nodules, and organs of another CT; no patient that is ever left out. */
async function pretrained(
  run: string,
  cropFolder: string,
  crops: readonly GroupedLesion[],
  { leftOut, pretraining }: Recipe,
  { data, fresh, say, signal, out }: DetectionMeasureOptions,
): Promise<void> {
  const events = {
    signal,
    command: COMMAND,
    onEpoch: ({ epoch, epochs, trainLoss }: { epoch: number; epochs: number; trainLoss: number }) =>
      say(`pre-training: epoch ${epoch}/${epochs}  loss ${trainLoss.toFixed(3)}`),
  };
  if (existsSync(join(run, "run.json")) && !fresh) {
    await resumePretraining(run, events);
    return;
  }
  const lists = join(out, "lists");
  mkdirSync(lists, { recursive: true });
  const list = (name: string, content: object): string => {
    const path = join(lists, `${name}.json`);
    writeFileSync(path, `${JSON.stringify({ name, modality: ["CT"], ...content }, null, 2)}\n`);
    return path;
  };
  const at = (...parts: string[]): string => relative(lists, join(...parts));
  const nodules = list("nodules", {
    labels: { nodule: [1] },
    cases: strangers(crops, leftOut).map(({ id, group }) => ({
      case: id,
      group,
      image: at(cropFolder, "images", `${id}.nii.gz`),
      label: at(cropFolder, "masks", `${id}.nii.gz`),
    })),
  });
  const organFolder = join(dirname(data), "organs-ct");
  const organs = list("organs", {
    cases: [
      {
        case: "example_ct",
        image: at(organFolder, "example_ct.nii.gz"),
        label: at(organFolder, "example_seg_fast_force_split.nii.gz"),
      },
    ],
  });
  await pretrain(
    {
      ...pretraining,
      sets: [
        { name: "nodules", data: nodules, plan: { intensity: CT_WINDOW, spacingMm: [2, 2, 2] } },
        { name: "organs", data: organs, labels: ORGANS, plan: { intensity: CT_WINDOW } },
      ],
    },
    { out: run, force: true, ...events },
  );
}

type ScoredItem = Pick<DetectionItem, "id" | "image" | "boxes" | "labels" | "difficult" | "crowd">;
const NOTHING = {
  boxes: new Float64Array(0),
  labels: new Int32Array(0),
  difficult: new Uint8Array(0),
  crowd: new Uint8Array(0),
};

/** Marks in a whole CT, tile by tile, and a picture of them. */
async function detectedIn(
  run: string,
  item: ScoredItem,
  { detection }: Recipe,
  picture: string,
): Promise<{ scan: FrocScan; seconds: number }> {
  const detector = await fasterRcnn.load(run, { threads: detection.threads ?? undefined });
  try {
    const began = performance.now();
    const { found, opened } = await detector.detectFile(item);
    const seconds = (performance.now() - began) / 1000;
    const marks = foundImage(item, found, opened);
    const png = volumeBoxesPng(opened.volume!, marks, {
      classes: detector.classes.map(({ name }) => name),
      truth: item,
      minScore: SHOWN,
      window: [CT_WINDOW.low, CT_WINDOW.high],
      focus: focusOf(item),
    });
    writeFileSync(picture, png);
    return { scan: frocScan(item.id, item, marks, opened.affine!), seconds };
  } finally {
    await detector.close();
  }
}

/** The middle of the largest nodule that counts; where there is none, what the picture chooses. */
function focusOf({ boxes, difficult }: ScoredItem): [number, number, number] | undefined {
  const volumes = Array.from(difficult, (excluded, i) => {
    if (excluded === 1) return 0;
    const [x, y, z, u, v, w] = boxes.subarray(6 * i, 6 * i + 6);
    return (u - x) * (v - y) * (w - z);
  });
  if (volumes.length === 0) return undefined;
  const i = volumes.indexOf(Math.max(...volumes));
  return [0, 1, 2].map((axis) => (boxes[6 * i + axis] + boxes[6 * i + 3 + axis]) / 2) as [number, number, number];
}

function rowOf(ct: string, weights: string, scans: readonly FrocScan[], seconds: number | null): Row {
  const { findings, found, cpm, sensitivityAt, irrelevant, falsePositives } = froc(scans, { resamples: 0 });
  const at = (rate: number): number | null => {
    const value = sensitivityAt.find((entry) => entry.falsePositives === rate)!.sensitivity;
    return value === null ? null : significant(value, 3);
  };
  return {
    ct,
    weights,
    nodules: findings,
    found,
    cpm: cpm === null ? null : significant(cpm, 3),
    at1: at(1),
    at4: at(4),
    at8: at(8),
    falsePositives,
    excluded: irrelevant,
    seconds: seconds === null ? null : significant(seconds, 3),
  };
}

function written(
  { leftOut, unscored, scenes, detection }: Recipe,
  rows: readonly Row[],
  scans: ReadonlyMap<string, readonly FrocScan[]>,
  outlines: number,
  cpuSeconds: number,
): Result {
  const pooled = [...scans].map(([condition, own]) =>
    rowOf(own.map(({ scan }) => scan).join(", "), condition, own, null),
  );
  const steps = (detection.epochs ?? 0) * (detection.stepsPerEpoch ?? 0);
  return writeResult("accuracy-nodule-detection", [...pooled, ...rows], {
    command: COMMAND,
    columns: [
      { key: "ct", title: "CT left out" },
      { key: "weights", title: "backbone from" },
      { key: "nodules" },
      { key: "found", title: "found at all" },
      { key: "cpm", title: "CPM" },
      { key: "at1", title: "sensitivity at 1 false positive" },
      { key: "at4", title: "at 4" },
      { key: "at8", title: "at 8" },
      { key: "falsePositives", title: "false marks" },
      { key: "excluded", title: "marks on excluded nodules" },
      { key: "seconds", title: "s a CT" },
    ],
    notes: [
      `Whole chest CTs of LIDC-IDRI at 2 mm, in overlapping tiles, by detectors that never saw them: trained on ${scenes.count} scenes of the other CTs' lungs (${scenes.size.map((n) => 2 * n).join("×")} mm) with their own nodules and ${scenes.perScene!.join(" to ")} of ` +
        `lidc-nodules, of which those of the CT left out took no part. Nodules are those that at least three readers outlined; others count neither way. A mark is right within a nodule's radius of its centre (LUNA16). ${steps} steps of ${detection.batch} windows for each detector.`,
      `So few nodules (${pooled[0]?.nodules} in ${scans.values().next().value?.length} CTs) that one of them moves every figure by ${significant(100 / Number(pooled[0]?.nodules ?? 1), 2)} points: they say that it works, not how well, and do not tell the two backbones apart. No intervals are given for that reason. ` +
        `The pooled lines rank marks of different detectors together. ${leftOut.at(-1)} and ${unscored} excepted, every CT has a nodule that counts; ${unscored} has no reader's outline and is looked at only.`,
      `Pre-trained: a backbone that medvox pretrain made from outlines of the other ${outlines} nodules and organs of one more CT. Computed in ${significant(cpuSeconds / 60, 3)} minutes of one core, all sittings. The recipe is bench/recipes/nodule-detection.json.`,
    ],
  });
}
