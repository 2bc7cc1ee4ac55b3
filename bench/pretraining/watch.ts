/** The branches of a pre-training on their held-out cases, again and again while it goes on: one line of `held-out.jsonl` each time. */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { evaluateBranch, type PretrainingRun, pretraining } from "../../src/med3d/index.ts";
import { epochsOf, folderStore, readRunOf } from "../../src/train/index.ts";

/** A branch's mean Dice over its held-out cases, in all and class by class. */
export interface BranchDice {
  readonly cases: number;
  readonly dice: number | null;
  readonly interval: readonly number[] | null;
  readonly classes: Readonly<Record<string, number | null>>;
}

/** All branches after some epoch. */
export interface Watched {
  readonly epoch: number;
  readonly branches: Readonly<Record<string, BranchDice>>;
}

const fileOf = (run: string): string => join(run, "held-out.jsonl");

/** What was watched so far. */
export function watchedOf(run: string): Watched[] {
  if (!existsSync(fileOf(run))) return [];
  const lines = readFileSync(fileOf(run), "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as Watched);
}

/** Scores every branch with the weights that the run has now, once per epoch. */
export async function watchBranches(
  out: string,
  { say, signal }: { readonly say: (line: string) => void; readonly signal: AbortSignal },
): Promise<Watched> {
  const { record }: PretrainingRun = await readRunOf(folderStore(out), pretraining);
  const epoch = (await epochsOf(folderStore(out))).length;
  const known = watchedOf(out).find((one) => one.epoch === epoch);
  if (known !== undefined) return known;
  const branches: Record<string, BranchDice> = {};
  for (const { name } of record.config.sets) {
    const { summary } = await evaluateBranch(out, name, { signal, force: true });
    const { overall, classes, cases } = summary;
    branches[name] = {
      cases,
      dice: overall.dice.mean,
      interval: overall.dice.interval,
      classes: Object.fromEntries(classes.map((one) => [one.name, one.dice.mean])),
    };
    say(`held out after epoch ${epoch}: ${name} ${overall.dice.mean?.toFixed(3)}`);
  }
  const watched = { epoch, branches };
  appendFileSync(fileOf(out), `${JSON.stringify(watched)}\n`);
  return watched;
}
