/** What a pre-training shows while it works and says when it is done. */
import { counted } from "../data/counted.ts";
import { encoderName, type PretrainingEvents, type PretrainingRun, type SetEpoch } from "../med3d/index.ts";
import type { Progress } from "../progress.ts";
import type { Outcome } from "./command.ts";
import type { Style } from "./style.ts";

export function pretrainingEvents(progress: Progress): { events: PretrainingEvents; close: () => void } {
  let epochs = 1;
  const losses = new Map<string, number>();
  return {
    events: {
      onFingerprint: (done, of) => progress.update({ label: `planning  ${done}/${of} cases`, fraction: done / of }),
      onWeights: (report) => progress.note(report),
      onStart: ({ record: { config, splits }, plan, threads }) => {
        epochs = config.epochs;
        progress.clear();
        for (const { name } of config.sets) {
          const count = (part: readonly { set: string }[]): number => part.filter(({ set }) => set === name).length;
          const { labels, patch, batch } = plan.sets[name];
          progress.note(
            `${name}  ${count(splits.train)} train · ${count(splits.heldOut)} held out · ${labels.length - 1} classes · patch ${patch.join("×")} · batch ${batch}`,
          );
        }
        progress.note(
          `${encoderName(config)}, ${config.decoder} decoders · ${config.optimizer} ${config.learningRate} · ${counted(threads, "thread")}`,
        );
      },
      onStep: ({ epoch, stepInEpoch, stepsPerEpoch, loss, branch = "" }) => {
        const before = losses.get(branch);
        losses.set(branch, before === undefined ? loss : 0.9 * before + 0.1 * loss);
        const mean = [...losses.values()].reduce((a, b) => a + b, 0) / losses.size;
        progress.update({
          label: `epoch ${String(epoch).padStart(String(epochs).length)}/${epochs}`,
          fraction: (epoch - 1 + stepInEpoch / stepsPerEpoch) / epochs,
          details: [`loss ${mean.toFixed(3)}`, branch],
        });
      },
      onEpoch: ({ epoch, trainLoss, branches = {}, seconds, waitingShare }) => {
        const sets = Object.entries(branches as Record<string, SetEpoch>);
        const dice = sets.map(([name, { meanDice }]) => `${name} ${meanDice?.toFixed(2) ?? "–"}`);
        const known = sets.flatMap(([, { meanDice }]) => meanDice ?? []);
        const mean = known.length === 0 ? "–" : (known.reduce((a, b) => a + b, 0) / known.length).toFixed(3);
        progress.note(
          `epoch ${String(epoch).padStart(String(epochs).length)}/${epochs}  loss ${trainLoss.toFixed(3)}  dice ${mean} (${dice.join(" · ")})  ${seconds.toFixed(1)} s, ${(waitingShare * 100).toFixed(1)} % waiting for data`,
        );
      },
    },
    close: () => progress.clear(),
  };
}

/** The keys of what `--json` prints of a finished pre-training. */
export const pretrainingJson = {
  task: "pretraining",
  run: "the run's folder",
  report: "its report.html",
  sets: "names of the sets",
  train: "cases trained on, of all sets",
  heldOut: "cases kept for the score, of all sets",
};

/** What a finished pre-training says. */
export function pretrainingOutcome(out: string, { record }: PretrainingRun, style: Style): Outcome {
  const { config, splits } = record;
  const [first] = config.sets;
  return {
    document: {
      task: record.task,
      run: out,
      report: `${out}/report.html`,
      sets: config.sets.map(({ name }) => name),
      train: splits.train.length,
      heldOut: splits.heldOut.length,
    },
    text: [
      `${style.bold("run")}     ${out}`,
      `report  ${out}/report.html`,
      `next    medvox transfer segmentation --data DATASET --from ${out}`,
      `        medvox evaluate ${out} --set ${first.name}`,
    ].join("\n"),
  };
}
