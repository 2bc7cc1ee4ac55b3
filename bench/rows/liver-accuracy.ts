/**
 * The liver, coarse to fine, in the small CT of `organs-ct`. That CT is slices 83 to 112 of the other one, voxel for voxel, so a
 * network trained on the other has seen it: that score says what the cascade can fit, no more. The second one is of slices
 * that were kept away: trained on the lower 90 slices, scored on the upper 20.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { readVolume, writeVolume } from "../../src/files/index.ts";
import type { SegmentationRequest } from "../../src/med3d/index.ts";
import { cropOrPad } from "../../src/volume/index.ts";
import { significant } from "../bounds.ts";
import { startClock } from "../clock.ts";
import { type Result, type Row, writeResult } from "../results.ts";
import { type MeasureOptions, trainedAndScored } from "./segmentation-runs.ts";

const COMMAND = "npm run accuracy -- liver";
const CLOCK = "results/work/accuracy-liver.json";
const LIVER = 5;
/** Slices of the larger CT: below are trained on, two are left between, the rest is the test. */
const CUT = 90;
const GAP = 2;

export async function liverAccuracy(options: MeasureOptions): Promise<Result> {
  const { data, recipe, out, fresh, say } = options;
  if (fresh) rmSync(CLOCK, { force: true });
  const clock = startClock(CLOCK);
  const asked = JSON.parse(readFileSync(recipe, "utf8")) as Partial<SegmentationRequest>;
  const lists = await writeLists(join(out, "lists"), data);
  const rows: Row[] = [];
  for (const { name, figure, list } of lists) {
    const request = { ...asked, data: list } as SegmentationRequest;
    const { scores: cases } = await trainedAndScored(name, request, { ...options, command: COMMAND }, clock.save);
    const [{ classes }] = cases;
    const { dice, hd95Mm, assdMm } = classes[0];
    const cell = (value: number | null, digits: number): number | null => value && significant(value, digits);
    rows.push({ figure, dice: cell(dice, 4), hd95: cell(hd95Mm, 3), assd: cell(assdMm, 3) });
  }
  const minutes = clock.save() / 60;
  say(`${minutes.toFixed(1)} minutes`);
  return writeResult("accuracy-liver", rows, {
    command: COMMAND,
    columns: [
      { key: "figure", title: "trained on → scored on" },
      { key: "dice", title: "Dice", digits: 3 },
      { key: "hd95", title: "HD95, mm" },
      { key: "assd", title: "ASSD, mm" },
    ],
    notes: [
      "One patient only: organs-ct has no second CT with a liver, and its small CT is a part of the larger one, voxel for voxel. The first row is therefore of voxels that were trained on; the second is of slices that were not, of the same patient. Neither says how the cascade does on other patients.",
      `Labels are TotalSegmentator's output, not a reader's. ResNet-10, coarse at 6 mm, DenseASPP at 3 mm; ${minutes.toFixed(1)} minutes in all; the recipe is bench/recipes/liver.json.`,
    ],
  });
}

async function writeLists(folder: string, data: string): Promise<{ name: string; figure: string; list: string }[]> {
  mkdirSync(folder, { recursive: true });
  const image = await readVolume(join(data, "example_ct.nii.gz"));
  const label = await readVolume(join(data, "example_seg_fast_force_split.nii.gz"));
  const [nx, ny, nz] = image.size;
  const parts = [
    ["lower", 0, CUT],
    ["upper", CUT + GAP, nz],
  ] as const;
  for (const [part, from, to] of parts) {
    const box = { start: [0, 0, from], end: [nx, ny, to] } as const;
    for (const [kind, volume] of [["ct", image] as const, ["seg", label] as const])
      await writeVolume(join(folder, `${part}_${kind}.nii.gz`), cropOrPad(volume, box), { force: true });
  }
  const at = (name: string): string => relative(folder, join(data, name));
  const listOf = (name: string, cases: readonly object[]): string => {
    const path = join(folder, `${name}.json`);
    const list = { name: "organs-ct liver", modality: ["CT"], labels: { liver: [LIVER] }, cases };
    writeFileSync(path, `${JSON.stringify(list, null, 2)}\n`);
    return path;
  };
  return [
    {
      name: "small",
      figure: "whole CT → small CT, which is a part of it",
      list: listOf("small", [
        {
          case: "example_ct",
          image: at("example_ct.nii.gz"),
          label: at("example_seg_fast_force_split.nii.gz"),
          split: "train",
        },
        { case: "example_ct_sm", image: at("example_ct_sm.nii.gz"), label: at("example_seg.nii.gz"), split: "test" },
      ]),
    },
    {
      name: "slices",
      figure: `slices 1–${CUT} → slices ${CUT + GAP + 1}–${nz}`,
      list: listOf("slices", [
        { case: "lower", image: "lower_ct.nii.gz", label: "lower_seg.nii.gz", split: "train" },
        { case: "upper", image: "upper_ct.nii.gz", label: "upper_seg.nii.gz", split: "test" },
      ]),
    },
  ];
}
