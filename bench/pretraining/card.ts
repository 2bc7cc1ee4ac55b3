/** What is told of a pre-training: the card in the weights' metadata, and `results/pretrain-NAME.json`. */
import { type PretrainingRun, pretraining } from "../../src/med3d/index.ts";
import { epochsOf, folderStore, readRunOf } from "../../src/train/index.ts";
import { type Row, writeResult } from "../results.ts";
import type { Watched } from "./watch.ts";

/** What the sets of `free` are, and under which licence. */
const CREDITS = [
  "hippocampus: Medical Segmentation Decathlon Task04 (Simpson et al. 2019), CC BY-SA 4.0",
  "head and neck: OpenKBP (Babier et al. 2021), MIT; its CTs from The Cancer Imaging Archive, CC BY 3.0",
  "abdomen: CHAOS (Kavur et al. 2021), CC BY-SA 4.0",
].join("; ");

interface Told {
  readonly name: string;
  readonly out: string;
  readonly command: string;
  readonly watched: readonly Watched[];
}

async function factsOf({ out, watched }: Told) {
  const { record, plan }: PretrainingRun = await readRunOf(folderStore(out), pretraining);
  const epochs = await epochsOf(folderStore(out));
  const last = watched.at(-1);
  if (last === undefined) throw new Error(`${out}: no branch was scored on its held-out cases`);
  return { record, plan, epochs, last, minutes: epochs.reduce((sum, { seconds }) => sum + seconds, 0) / 60 };
}

const digits = (dice: number | null): string => dice?.toFixed(3) ?? "undefined";

/** The card of weights that ship. */
export async function cardOf(told: Told): Promise<Record<string, string>> {
  const { record, plan, epochs, last, minutes } = await factsOf(told);
  const trained = (set: string): number => record.splits.train.filter((item) => item.set === set).length;
  const branches = Object.entries(last.branches).map(
    ([set, { dice, cases, classes }]) =>
      `${set} ${digits(dice)} on ${cases} held-out cases, ${trained(set)} trained on (${Object.entries(classes)
        .map(([name, value]) => `${name} ${digits(value)}`)
        .join(", ")})`,
  );
  const steps = epochs.length * record.config.updatesPerSet! * record.config.sets.length;
  return {
    about: "Med3D's encoder, pre-trained on three public sets of MRI and CT at once",
    licence: "CC BY-SA 4.0",
    data: CREDITS,
    recipe: `${record.config.decoder} decoders, ${steps} steps in ${minutes.toFixed(0)} minutes on 2 cores, patches ${record.config.sets
      .map(({ name }) => `${plan.sets[name].patch.join("×")} (${name})`)
      .join(
        ", ",
      )}, ${record.config.optimizer} ${record.config.learningRate}, seed ${record.config.seed}; bench/recipes/pretrain.json`,
    dice: branches.join("; "),
    "not for": "diagnosis or treatment; scores on the cases that it has learned from",
    command: told.command,
  };
}

/** Writes the result: each branch's Dice on its held-out cases, every time that they were looked at. */
export async function writePretraining(told: Told): Promise<void> {
  const { record, epochs, minutes } = await factsOf(told);
  const rows = record.config.sets.flatMap(({ name }): Row[] => {
    const of = (part: typeof record.splits.train): number => part.filter(({ set }) => set === name).length;
    const curve = told.watched.map(({ epoch, branches }) => [`epoch${epoch}`, branches[name].dice] as const);
    const { interval, classes } = told.watched.at(-1)!.branches[name];
    return [
      {
        set: name,
        trained: of(record.splits.train),
        heldOut: of(record.splits.heldOut),
        ...Object.fromEntries(curve),
        interval: interval?.map((end) => end.toFixed(3)).join("–") ?? null,
        classes: Object.entries(classes)
          .map(([label, value]) => `${label} ${digits(value)}`)
          .join(", "),
      },
    ];
  });
  writeResult(`pretrain-${told.name}`, rows, {
    command: told.command,
    columns: [
      { key: "set" },
      { key: "trained", title: "cases trained on" },
      { key: "heldOut", title: "held out" },
      ...told.watched.map(({ epoch }) => ({ key: `epoch${epoch}`, title: `Dice after ${epoch} epochs`, digits: 3 })),
      { key: "interval", title: "95 % interval" },
      { key: "classes", title: "by class" },
    ],
    notes: [
      `ResNet-${record.config.depth} under a ${record.config.decoder} decoder a set; ${epochs.length} epochs of ${record.config.updatesPerSet} steps a set, ${minutes.toFixed(0)} minutes on a computer that other work shared, seed ${record.config.seed}. Mean Dice over the held-out cases of each set, on their own grid.`,
    ],
  });
}
