/** Lines about a run that read alike for every task of Med3D. */
import { counted } from "../data/counted.ts";
import type { Preprocessing } from "../data/index.ts";
import type { EpochReport, RunRecord, Splits } from "../train/index.ts";

export const runLines = {
  /** `Task04_Hippocampus  28 train · 2 watched · 10 held out`. */
  data: (dataset: string, { train, validation, heldOut }: Splits<unknown>): string => {
    const watched = validation.length > 0 ? ` · ${validation.length} watched` : "";
    return `${dataset}  ${train.length} train${watched} · ${heldOut.length} held out`;
  },
  threads: (threads: number): string => counted(threads, "thread"),
  begun: ({ task, begun, versions }: Pick<RunRecord<unknown, unknown>, "task" | "begun" | "versions">, data: string) =>
    `run       ${task} of ${data}, begun ${begun.slice(0, 16).replace("T", " ")} with medvox ${versions.medvox}`,
  plan: ({
    preprocessing: { spacingMm, intensity },
    patch,
    batch,
  }: {
    readonly preprocessing: Preprocessing;
    readonly patch: readonly number[];
    readonly batch: number;
  }): string =>
    `plan      spacing ${spacingMm?.join("×") ?? "as scanned"} mm, patch ${patch.join("×")}, batch ${batch}, intensities ${intensity.kind}`,
  cases: ({ train, validation, heldOut }: Splits<unknown>): string =>
    `cases     ${train.length} train, ${validation.length} validation, ${heldOut.length} held out`,
  progress: (last: EpochReport | undefined, epochs: number, score: string): string =>
    last === undefined
      ? "progress  no epoch finished"
      : `progress  epoch ${last.epoch}/${epochs}, loss ${last.trainLoss.toFixed(3)}${last.validation ? `, ${score} ${last.validation.score.toFixed(3)}` : ""}`,
};

/** The last of the finished epochs. */
export const lastOf = (epochs: readonly EpochReport[]): EpochReport | undefined => epochs.at(-1);
