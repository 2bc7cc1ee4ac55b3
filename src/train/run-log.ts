/** The epochs of a run, from its log. */
import { readLog } from "./log.ts";
import { type EpochReport, logFile } from "./loop.ts";

/** What a run's log says of its finished epochs. */
export async function epochsOf(folder: string): Promise<EpochReport[]> {
  const lines = await readLog(logFile(folder));
  return lines.filter(({ event }) => event === "epoch").map((line) => line as unknown as EpochReport);
}

/** As a report draws them. */
export async function epochRecordsOf(folder: string) {
  return (await epochsOf(folder)).map(({ epoch, trainLoss, validation, learningRate, seconds, best }) => ({
    epoch,
    trainLoss,
    validationLoss: validation?.loss,
    scores: validation?.details,
    learningRate,
    seconds,
    best,
  }));
}
