/**
 * `npm run accuracy [-- hippocampus | nodules | lungs | liver | cells | cells-paper | lesions | nodule-detection | left-atrium | demo | demo-detect] [--data FOLDER] [--fresh]`: what medvox reaches on data it never trained on.
 *
 * - hippocampus: 160 cases of the Medical Segmentation Decathlon's Task04 to train on (4 of them watched), 40 held out by a
 *   fixed seed, the recipe in `bench/recipes/hippocampus.json`; mean Dice ≥ 0.89 in at most 60 minutes on two cores.
 *   Stopped at any moment, the same command goes on where it was; `--fresh` begins anew.
 * - nodules: 101 nodules of lidc-nodules in five folds, benign or malignant by two rules, beside the mask's volume alone; the
 *   recipe in `bench/recipes/nodules.json`; a better AUC than the volume's in both, in at most 60 minutes. Goes on likewise.
 * - lungs: four CTs, each left out once; mean Dice ≥ 0.95. Goes on likewise.
 * - liver: the cascade on the one patient there is; reported. Goes on likewise.
 * - cells: 205 blood-cell images of BCCD to learn from (8 of them watched), 87 held out by its own list; the recipe in
 *   `bench/recipes/cells.json`; mean AP50 ≥ 0.90 in at most 90 minutes. Goes on likewise.
 * - cells-paper: the same by the preset `paper` in the four steps of alternating training; mean AP50 ≥ 0.85 in at most 90 minutes.
 * - lesions: made-up lesions in the texture of real lungs, 3D; the recipe and the scenes in `bench/recipes/lesions.json`;
 *   sensitivity ≥ 0.90 at 1 false positive a scan, in at most 30 minutes of one core. Goes on likewise.
 * - nodule-detection: whole chest CTs, each left out once, 3D; reported, the nodules are few. Goes on likewise.
 * - left-atrium: 8 left atria to learn from, from random weights and from the encoder that comes with medvox; reported. Goes on likewise.
 * - demo: `npm run demo` as a newcomer types it; mean Dice ≥ 0.80 in at most 300 seconds.
 * - demo-detect: `npm run demo -- --detect`, too; mean AP50 ≥ 0.75 in at most 600 seconds.
 *
 * Writes `results/accuracy-*.json`, then the tables of README.md and docs/.
 */
import { existsSync } from "node:fs";
import { relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { cellAccuracy, paperCellAccuracy } from "./rows/cell-accuracy.ts";
import { demoAccuracy, detectionDemoAccuracy } from "./rows/demo-accuracy.ts";
import { hippocampusAccuracy } from "./rows/hippocampus-accuracy.ts";
import { leftAtriumAccuracy } from "./rows/left-atrium-accuracy.ts";
import { lesionAccuracy } from "./rows/lesion-accuracy.ts";
import { liverAccuracy } from "./rows/liver-accuracy.ts";
import { lungAccuracy } from "./rows/lung-accuracy.ts";
import { noduleAccuracy } from "./rows/nodule-accuracy.ts";
import { noduleDetection } from "./rows/nodule-detection.ts";
import { writeTables } from "./tables.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const NAMES = [
  "hippocampus",
  "nodules",
  "lungs",
  "liver",
  "cells",
  "cells-paper",
  "lesions",
  "nodule-detection",
  "left-atrium",
  "demo",
  "demo-detect",
] as const;
const USUAL = {
  hippocampus: { data: "../shared/data/Task04_Hippocampus", measure: hippocampusAccuracy },
  lungs: { data: "../shared/data/lidc-ct", measure: lungAccuracy },
  liver: { data: "../shared/data/organs-ct", measure: liverAccuracy },
  cells: { data: "../shared/data/BCCD", measure: cellAccuracy },
  "cells-paper": { data: "../shared/data/BCCD", measure: paperCellAccuracy },
  lesions: { data: "../shared/data/lidc-ct", measure: lesionAccuracy },
  "nodule-detection": { data: "../shared/data/lidc-ct", measure: noduleDetection },
  "left-atrium": { data: "../shared/data/left-atrium", measure: leftAtriumAccuracy },
  nodules: { data: "../shared/data/lidc-nodules", measure: noduleAccuracy },
} as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: "string" },
    recipe: { type: "string" },
    out: { type: "string" },
    fresh: { type: "boolean", default: false },
  },
});
const wrong = positionals.find((name) => !(NAMES as readonly string[]).includes(name));
if (wrong !== undefined) {
  console.error(`accuracy: ${wrong} is unknown; there are ${NAMES.join(", ")}`);
  process.exit(2);
}
const wanted = positionals.length === 0 ? NAMES : NAMES.filter((name) => positionals.includes(name));
if (wanted.length > 1 && [values.data, values.recipe, values.out].some((value) => value !== undefined)) {
  console.error(
    "accuracy: --data, --recipe and --out are for one measurement; name it, e.g. npm run accuracy -- nodules",
  );
  process.exit(2);
}
process.chdir(ROOT);

const stop = new AbortController();
process.once("SIGINT", () => stop.abort());
process.once("SIGTERM", () => stop.abort());
const say = (line: string): void => console.error(line);

try {
  for (const name of wanted) {
    if (name === "demo" || name === "demo-detect") {
      const demo = name === "demo" ? demoAccuracy : detectionDemoAccuracy;
      await demo({ say, signal: stop.signal });
      writeTables();
      continue;
    }
    const { measure, data: usual } = USUAL[name];
    // As seen from the repository: a run must not carry paths of a machine.
    const data = relative(ROOT, resolve(values.data ?? usual));
    if (!existsSync(data)) {
      say(`${name}: ${data} is missing; name its folder with --data`);
      process.exitCode = 1;
      continue;
    }
    const { recipe = `bench/recipes/${name}.json`, out = `runs/accuracy-${name}`, fresh } = values;
    await measure({ data, recipe, out, fresh, say, signal: stop.signal });
    writeTables();
  }
} catch (error) {
  if (!stop.signal.aborted) throw error;
  say("stopped; the same command goes on from here");
  process.exitCode = 130;
}
