/** `report.html` of a pre-training: loss and Dice of every set over the epochs, and what each set brought. */
import { join } from "node:path";
import type { Problem } from "../../data/index.ts";
import { type ReportChart, runFrame, splitText, trainingSeconds, writeChartsReport } from "../../report/index.ts";
import { type EpochReport, epochsOf } from "../../train/index.ts";
import { encoderName } from "../encoder/config.ts";
import type { SetEpoch } from "./scores.ts";
import type { PretrainingRun } from "./session.ts";

/** Writes the report anew. */
export async function writePretrainingReport(
  { record, plan, store }: PretrainingRun,
  problems: readonly Problem[],
): Promise<void> {
  const { config, splits } = record;
  const epochs = await epochsOf(store);
  const names = config.sets.map(({ name }) => name);
  const counted = (part: readonly { readonly set: string }[], name: string): number =>
    part.filter(({ set }) => set === name).length;
  const last = epochs.at(-1);
  await writeChartsReport(
    join(store.place, "report.html"),
    {
      ...runFrame({
        title: `Pre-training on ${names.length} sets`,
        lead: `One ${encoderName(config)} under ${names.length} decoders, trained on ${splits.train.length} cases for ${epochs.length} epochs.`,
        record,
        device: config.device,
        seconds: trainingSeconds(epochs),
        instead: ["medvox", "pretrain", "--config", "FILE", "--out", store.place],
        split: splitText({ train: splits.train, heldOut: splits.heldOut }),
        problems,
      }),
      charts: [
        curve("Dice on training patches, by set", names, epochs, ({ meanDice }) => meanDice),
        curve("Loss, by set", names, epochs, ({ loss }) => loss),
      ],
      table: {
        columns: [
          "set",
          "cases",
          "held out",
          "classes",
          "spacing, mm",
          "steps",
          "Dice, first epoch",
          "Dice, last epoch",
        ],
        rows: names.map((name) => {
          const told = epochs.flatMap((epoch) => setOf(epoch, name) ?? []);
          const { labels, preprocessing } = plan.sets[name];
          const classes = labels.filter(({ index }) => index !== 0).map((label) => label.name);
          return [
            name,
            String(counted(splits.train, name)),
            String(counted(splits.heldOut, name)),
            classes.join(", "),
            preprocessing.spacingMm?.map((mm) => Number(mm.toFixed(2))).join("×") ?? "as scanned",
            String(told.reduce((sum, { steps }) => sum + steps, 0)),
            told[0]?.meanDice?.toFixed(3) ?? "–",
            told.at(-1)?.meanDice?.toFixed(3) ?? "–",
          ];
        }),
      },
      notes: [
        "Dice here is that of the patches a branch was trained on, over all voxels of an epoch and in training mode: it says that the branch learns, not how well it would do on other cases.",
        ...(last === undefined ? [] : [`Mean Dice over sets in the last epoch: ${meanOver(names, last)}.`]),
      ],
    },
    { force: true },
  );
}

/** What the log says of a set's epoch. */
export function setOf({ branches }: EpochReport, name: string): SetEpoch | undefined {
  return branches?.[name] as SetEpoch | undefined;
}

function curve(
  title: string,
  names: readonly string[],
  epochs: readonly EpochReport[],
  pick: (epoch: SetEpoch) => number | null,
): ReportChart {
  const series = names.map((name, i) => ({
    name,
    color: i,
    // Eight colours, then the same ones dashed.
    dashed: i >= 8,
    points: epochs.flatMap((epoch) => {
      const told = setOf(epoch, name);
      const value = told === undefined ? null : pick(told);
      return value === null || !Number.isFinite(value) ? [] : [[epoch.epoch, value] as const];
    }),
  }));
  return { kind: "curve", title, xName: "epoch", series };
}

function meanOver(names: readonly string[], epoch: EpochReport): string {
  const values = names.flatMap((name) => setOf(epoch, name)?.meanDice ?? []);
  return values.length === 0 ? "–" : (values.reduce((a, b) => a + b, 0) / values.length).toFixed(3);
}
