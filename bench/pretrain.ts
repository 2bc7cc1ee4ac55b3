/**
 * `npm run pretrain -- free [--out FOLDER] [--fresh]`: one ResNet-10 encoder on many organ sets at once (Med3D §3).
 *
 * - free: hippocampus (MRI), head and neck (CT) and abdomen (MRI): the sets whose licences let weights be published and that no
 *   transfer experiment scores. The 40 hippocampi that `npm run accuracy -- hippocampus` scores and the 10 that
 *   `medvox demo` scores are never among its cases.
 *
 * Stopped at any moment, the same command goes on where it was; `--fresh` begins anew.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { SEGMENTATION_RECIPE } from "../src/cli/demo-segmentation.ts";
import { openDataset } from "../src/data/index.ts";
import {
  type PretrainingRequest,
  pretrain,
  resolveSegmentationConfig,
  resumePretraining,
  splitCases,
} from "../src/med3d/index.ts";
import type { EpochReport } from "../src/train/index.ts";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const DATA = "../shared/data";
const NAMES = ["free"] as const;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { out: { type: "string" }, fresh: { type: "boolean", default: false } },
});
const [name] = positionals;
if (positionals.length !== 1 || !(NAMES as readonly string[]).includes(name)) {
  console.error(`pretrain: name one of ${NAMES.join(", ")}, e.g. npm run pretrain -- free`);
  process.exit(2);
}
const { out = `runs/pretrain-${name}`, fresh } = values;
const stop = new AbortController();
process.once("SIGINT", () => stop.abort());
process.once("SIGTERM", () => stop.abort());

/** The hippocampi that other measurements score: no pre-training may see them. */
async function scoredHippocampi(): Promise<string[]> {
  const scored = async (data: string, recipe: object): Promise<string[]> => {
    const { heldOut } = splitCases(await openDataset(data), resolveSegmentationConfig({ ...recipe, data }));
    return heldOut.map(({ id }) => id);
  };
  const whole = join(DATA, "Task04_Hippocampus");
  const ofAccuracy = await scored(whole, JSON.parse(readFileSync("bench/recipes/hippocampus.json", "utf8")) as object);
  const ofDemo = await scored("samples/hippocampus", {
    ...SEGMENTATION_RECIPE,
    patch: [...SEGMENTATION_RECIPE.patch],
  });
  const known = new Set((await openDataset(whole)).cases.map(({ id }) => id));
  return [...new Set([...ofAccuracy, ...ofDemo.filter((id) => known.has(id))])];
}

/** The sets, each with what is decided for it by hand. Sizes of patches are [D, H, W]. */
async function request(): Promise<PretrainingRequest> {
  const recipe = JSON.parse(readFileSync(`bench/recipes/pretrain-${name}.json`, "utf8")) as Partial<PretrainingRequest>;
  return {
    ...recipe,
    sets: [
      {
        name: "hippocampus",
        data: join(DATA, "Task04_Hippocampus"),
        exclude: await scoredHippocampi(),
        plan: { patch: [40, 56, 40], batch: 4 },
        heldOut: 15,
      },
      {
        name: "head-neck",
        data: join(DATA, "head-neck-ct"),
        // The four organs that were drawn in every case.
        labels: { brainstem: [1], "spinal cord": [2], "right parotid": [3], "left parotid": [4] },
        plan: { patch: [48, 40, 48] },
        heldOut: 17,
      },
      {
        name: "abdomen",
        data: join(DATA, "chaos-mr"),
        // Slices stay 7.7 mm apart; in plane, two of the scan's 1.25 mm pixels are one.
        plan: { spacingMm: [2.5, 2.5, 7.7], patch: [24, 80, 80] },
        heldOut: 3,
      },
    ],
  };
}

const onEpoch = ({ epoch, epochs, trainLoss, seconds }: EpochReport): void =>
  console.error(`epoch ${epoch}/${epochs}  loss ${trainLoss.toFixed(4)}  ${seconds.toFixed(1)} s`);
if (fresh) rmSync(out, { recursive: true, force: true });
try {
  if (existsSync(join(out, "run.json"))) await resumePretraining(out, { onEpoch, signal: stop.signal });
  else await pretrain(await request(), { out, command: `npm run pretrain -- ${name}`, onEpoch, signal: stop.signal });
} catch (error) {
  if (!stop.signal.aborted) throw error;
  console.error("stopped; the same command goes on from here");
  process.exitCode = 130;
}
