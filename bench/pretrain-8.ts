/**
 * `npx tsx bench/pretrain-8.ts [--out FOLDER] [--fresh]`: the paper's eight branches on the real voxels of ../shared/data: hippocampus and
 * brain MRI, the heart in a chest CT, and liver, spleen, pancreas, prostate and vessel picked out of one CT's label map. In the middle the training
 * is killed (SIGKILL) and gone on with. Writes `results/pretrain-8.json`: each branch's Dice on its training patches in the
 * first epoch and in the last. The 40 hippocampi that `npm run accuracy -- hippocampus` scores are not among the cases.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openDataset } from "../src/data/index.ts";
import {
  type PretrainingRequest,
  type PretrainingRun,
  pretrain,
  pretraining,
  resolveSegmentationConfig,
  resumePretraining,
  setOf,
  splitCases,
} from "../src/med3d/index.ts";
import { type EpochReport, epochsOf, folderStore, readRunOf } from "../src/train/index.ts";
import { writeResult } from "./results.ts";
import { writeTables } from "./tables.ts";

const COMMAND = "npx tsx bench/pretrain-8.ts";
process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const data = "../shared/data";
const { values } = parseArgs({
  options: {
    out: { type: "string", default: "runs/pretrain-8" },
    fresh: { type: "boolean", default: false },
    /** Internal: this process is the one that is killed. */
    victim: { type: "boolean", default: false },
  },
});
const { out, fresh, victim } = values;
if (!existsSync(data)) {
  console.error(`pretrain-8: ${data} is missing`);
  process.exit(1);
}

/** Organs of the CT's label map, by the numbers of TotalSegmentator as `../shared/data/README.md` has them. */
const organs = { liver: [5], spleen: [1], pancreas: [7], prostate: [22], vessel: [52, 63, 64] };

async function request(): Promise<PretrainingRequest> {
  const lists = join(out, "lists");
  mkdirSync(lists, { recursive: true });
  const at = (path: string): string => relative(lists, join(data, path));
  const list = (name: string, content: object): string => {
    const path = join(lists, `${name}.json`);
    writeFileSync(path, `${JSON.stringify(content, null, 2)}\n`);
    return path;
  };
  const hippocampus = join(data, "Task04_Hippocampus");
  const recipe = JSON.parse(readFileSync("bench/recipes/hippocampus.json", "utf8")) as object;
  const scored = splitCases(
    await openDataset(hippocampus),
    resolveSegmentationConfig({ ...recipe, data: hippocampus }),
  );
  const ct = list("organs", {
    name: "organs-ct",
    modality: ["CT"],
    cases: [
      {
        case: "example_ct",
        image: at("organs-ct/example_ct.nii.gz"),
        label: at("organs-ct/example_seg_fast_force_split.nii.gz"),
      },
    ],
  });
  const brain = list("brain", {
    name: "brain-nrrd",
    modality: ["MRI"],
    labels: { lesion: [1] },
    cases: ["brain1", "brain2"].map((name) => ({
      case: name,
      image: at(`brain-nrrd/${name}_image.nrrd`),
      label: at(`brain-nrrd/${name}_label.nrrd`),
    })),
  });
  const heart = list("heart", {
    name: "pulmonary-ct",
    modality: ["CT"],
    labels: { heart: [1] },
    cases: [
      {
        case: "pulmonary_ct",
        image: at("organs-ct/pulmonary_report/ct_cropped.nii.gz"),
        label: at("organs-ct/pulmonary_report/heart.nii.gz"),
      },
    ],
  });
  return {
    ...(JSON.parse(readFileSync("bench/recipes/pretrain-8.json", "utf8")) as Partial<PretrainingRequest>),
    sets: [
      { name: "hippocampus", data: hippocampus, exclude: scored.heldOut.map(({ id }) => id) },
      { name: "brain", data: brain },
      // Its label map lies on a larger grid.
      { name: "heart", data: heart, labelGrid: "own" },
      ...Object.entries(organs).map(([name, labels]) => ({ name, data: ct, labels: { [name]: labels } })),
    ],
    checkpointSeconds: 10,
  };
}

const say = ({ epoch, epochs, trainLoss, seconds }: EpochReport): void =>
  console.error(`epoch ${epoch}/${epochs}  loss ${trainLoss.toFixed(4)}  ${seconds.toFixed(1)} s`);
const train = async (): Promise<unknown> =>
  existsSync(join(out, "run.json"))
    ? resumePretraining(out, { onEpoch: say })
    : pretrain(await request(), { out, force: true, command: COMMAND, onEpoch: say });

if (victim) {
  await train();
} else {
  if (fresh) rmSync(out, { recursive: true, force: true });
  const epochs = (): Promise<EpochReport[]> => epochsOf(folderStore(out));
  const marker = join(out, "killed.json");
  if (!existsSync(marker)) {
    const child = spawn(process.execPath, ["--import", "tsx", "bench/pretrain-8.ts", "--out", out, "--victim"], {
      stdio: ["ignore", "inherit", "inherit"],
    });
    const ended = new Promise<void>((done) => child.once("close", () => done()));
    let killedAfter = 0;
    const watch = setInterval(async () => {
      const done = await epochs();
      if (done.length < 5 || killedAfter > 0) return;
      killedAfter = done.length;
      child.kill("SIGKILL");
    }, 1000);
    await ended;
    clearInterval(watch);
    if (killedAfter > 0) writeFileSync(marker, `${JSON.stringify({ epoch: killedAfter })}\n`);
    console.error(`killed after epoch ${killedAfter}, going on`);
  }
  await train();
  const { record, plan }: PretrainingRun = await readRunOf(folderStore(out), pretraining);
  const done = await epochs();
  const rows = record.config.sets.map(({ name }) => {
    const dice = done.map((epoch) => setOf(epoch, name)?.meanDice ?? null);
    const [first, last] = [dice[0], dice[dice.length - 1]];
    return {
      set: name,
      modality: plan.sets[name].modality.join(", "),
      cases: record.splits.train.filter(({ set }) => set === name).length,
      classes: plan.sets[name].labels.length - 1,
      first,
      last,
      verdict: first !== null && last !== null && last > first ? "rose" : "did not rise",
    };
  });
  const { epoch } = JSON.parse(readFileSync(marker, "utf8")) as { epoch: number };
  const minutes = done.reduce((sum, { seconds }) => sum + seconds, 0) / 60;
  writeResult("pretrain-8", rows, {
    command: COMMAND,
    columns: [
      { key: "set" },
      { key: "modality" },
      { key: "cases" },
      { key: "classes" },
      { key: "first", title: "Dice, first epoch", digits: 3 },
      { key: "last", title: "Dice, last epoch", digits: 3 },
      { key: "verdict", title: "" },
    ],
    notes: [
      `One encoder (ResNet-10), a 1×1×1 convolution and up-sampling for each set; ${done.length} epochs of ${record.config.updatesPerSet} steps a set, ${minutes.toFixed(1)} minutes; killed (SIGKILL) after epoch ${epoch} and gone on with. ` +
        "Dice is that of training patches in training mode: it says that every branch learns, no more. Five of the sets are organs of one and the same CT, filled up with augmented copies.",
    ],
  });
  writeTables();
  for (const row of rows)
    console.log(`${row.set.padEnd(12)} ${row.first?.toFixed(3)} → ${row.last?.toFixed(3)}  ${row.verdict}`);
}
