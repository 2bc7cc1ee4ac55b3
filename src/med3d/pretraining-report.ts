/** `report.html` of a pre-training: loss and Dice of every set over the epochs, and what each set brought. */
import { join } from "node:path";
import { type Json, type ReportChart, writeChartsReport } from "../report/index.ts";
import { type EpochReport, epochsOf } from "../train/index.ts";
import { encoderName } from "./encoder-config.ts";
import type { SetEpoch } from "./pretraining-scores.ts";
import type { Run } from "./run-folder.ts";

/** Writes the report anew. */
export async function writePretrainingReport(folder: string, { record, plan }: Run<"pretraining">): Promise<void> {
  const { config, splits, credit, versions, machine } = record;
  const epochs = await epochsOf(folder);
  const names = config.sets.map(({ name }) => name);
  const counted = (part: readonly { readonly set: string }[], name: string): number =>
    part.filter(({ set }) => set === name).length;
  const last = epochs.at(-1);
  await writeChartsReport(
    join(folder, "report.html"),
    {
      title: `Pre-training on ${names.length} sets`,
      lead: `One ${encoderName(config)} under ${names.length} decoders, trained on ${splits.train.length} cases for ${epochs.length} epochs.`,
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
          const own = epochs.flatMap((epoch) => setOf(epoch, name) ?? []);
          const { labels, preprocessing } = plan.sets[name];
          const classes = labels.filter(({ index }) => index !== 0).map((label) => label.name);
          return [
            name,
            String(counted(splits.train, name)),
            String(counted(splits.heldOut, name)),
            classes.join(", "),
            preprocessing.spacingMm?.map((mm) => Number(mm.toFixed(2))).join("×") ?? "as scanned",
            String(own.reduce((sum, { steps }) => sum + steps, 0)),
            own[0]?.meanDice?.toFixed(3) ?? "–",
            own.at(-1)?.meanDice?.toFixed(3) ?? "–",
          ];
        }),
      },
      notes: [
        "Dice here is that of the patches a branch was trained on, over all voxels of an epoch and in training mode: it says that the branch learns, not how well it would do on other cases.",
        ...(last === undefined ? [] : [`Mean Dice over sets in the last epoch: ${meanOver(names, last)}.`]),
      ],
      asked: { ...(config as unknown as Record<string, Json>) },
      machine: {
        cpu: machine.cpu,
        cores: machine.cores,
        memoryGb: machine.memoryGb,
        device: config.device,
        system: machine.os,
        versions: { ...versions } as Record<string, string>,
        date: new Date().toISOString(),
        seconds: epochs.reduce((sum, { seconds }) => sum + seconds, 0),
      },
      command: record.command || `medvox pretrain --config FILE --out ${folder}`,
      data: [{ ...credit, split: `${splits.train.length} train · ${splits.heldOut.length} held out` }],
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
      const own = setOf(epoch, name);
      const value = own === undefined ? null : pick(own);
      return value === null || !Number.isFinite(value) ? [] : [[epoch.epoch, value] as const];
    }),
  }));
  return { kind: "curve", title, xName: "epoch", series };
}

function meanOver(names: readonly string[], epoch: EpochReport): string {
  const values = names.flatMap((name) => setOf(epoch, name)?.meanDice ?? []);
  return values.length === 0 ? "–" : (values.reduce((a, b) => a + b, 0) / values.length).toFixed(3);
}
