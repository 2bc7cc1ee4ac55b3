/** What a task says where it has nothing of its own to say: one training, no runs within it, and counts for words. */
import { epochsOf } from "../run-log.ts";
import type { AnyTask, Run, RunCase, TaskConfig } from "./task.ts";

type PlainRun = Run<TaskConfig, object, RunCase>;

const countsOf = ({ record: { splits } }: PlainRun) => ({
  train: splits.train.length,
  validation: splits.validation.length,
  heldOut: splits.heldOut.length,
});

const countsText = (run: PlainRun): string => {
  const { train, validation, heldOut } = countsOf(run);
  return `${run.record.credit.name}  ${train} train · ${validation} watched · ${heldOut} held out`;
};

/** To be spread into a {@link Task}, which then says only what is its own. */
export const plainTask = {
  noun: "case",
  watched: () => "score",
  children: () => [],
  stages: ({ epochs }: TaskConfig) => [{ name: "", title: "training", epochs }],
  announce: (run: PlainRun) => [countsText(run)],
  casesPerStep: () => 1,
  describe: async (run: PlainRun) => {
    const epochs = (await epochsOf(run.store)).length;
    return {
      lines: [
        `run       ${run.record.task} of ${countsText(run)}`,
        `progress  epoch ${epochs}/${run.record.config.epochs}`,
      ],
      json: { epochs },
    };
  },
  outcome: (run: PlainRun) => ({ json: countsOf(run), lines: [] }),
} satisfies Partial<AnyTask>;
