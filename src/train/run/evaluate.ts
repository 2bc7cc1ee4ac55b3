/**
 * Scoring a run, for every task alike: its cases are predicted by the networks that never saw them, scored one at a time, and what
 * comes of it is written as `evaluation.json`, tables, `predictions/` and `report.html`.
 */
import { join } from "node:path";
import { countProblems, joinProblems, type Problem, problemsText, refuseProblems } from "../../data/problem.ts";
import { ConfigError, DataError, GeometryError } from "../../errors.ts";
import { makeFolder, writeFileAtomic } from "../../files/index.ts";
import { appendLog, readLog } from "../log.ts";
import {
  EVALUATION,
  type EvaluationRecord,
  evaluationFolder,
  howText,
  listEvaluations,
  nameEvaluation,
  refuseOtherScores,
} from "./evaluations.ts";
import { checkedOptions } from "./options.ts";
import { type OpenedRun, readProblems, readRun } from "./record.ts";
import { hostOf, isFinished } from "./run.ts";
import type { AnyRun, AnyTask, Listed, PredictInput, Scored, ScoredPart, SplitName } from "./task.ts";

export interface EvaluateOptions {
  /** Which of the run's own cases; `heldOut` by default. */
  readonly split?: SplitName;
  /** Another data set, all its cases with a truth. */
  readonly data?: string;
  /** Other cases, already opened. */
  readonly cases?: readonly PredictInput[];
  /**
   * Names the evaluation, which then has the folder `evaluations/NAME` of the run. By default the held-out cases' scores stand in the
   * run's own folder, and others are named after the split or the data set.
   */
  readonly name?: string;
  /** Folder for what is written, instead. */
  readonly out?: string;
  /** Replace scores that are there and were made in another way. */
  readonly force?: boolean;
  /** Which weights; default: as the run says. */
  readonly use?: "last" | "best";
  /** Refuse to score where anything had to be left out. */
  readonly strict?: boolean;
  readonly signal?: AbortSignal;
  readonly onProblems?: (problems: readonly Problem[]) => void;
  /** Something that is allowed, and likely not meant. */
  readonly onNote?: (text: string) => void;
  readonly onCase?: (done: number, of: number, id: string, text: string) => void;
  /** What the task understands beside these: `mirror`, `overlap`, `threads`, … */
  readonly [option: string]: unknown;
}

export interface Evaluation<S = unknown, F = unknown> {
  readonly task: string;
  /** The figures as the task's own metrics give them. */
  readonly summary: F;
  /** The score of every case, in the order of the cases. */
  readonly scores: readonly S[];
  /** What `--json` prints. */
  readonly json: Readonly<Record<string, unknown>>;
  /** What a terminal shows. */
  readonly lines: readonly string[];
  readonly problems: readonly Problem[];
  readonly report: string;
  readonly predictions: string;
  readonly seconds: number;
}

/**
 * Predicts, scores and writes. Scores on other cases than the held-out ones get a folder of their own, so that they never replace
 * the run's; scores that were made with other options are not replaced either, unless `force` says so.
 * @throws ConfigError where scores would be replaced, there is nothing to be scored on or the run is not trained, DataError where figures would be wrong
 */
export async function evaluateRun<S = unknown, F = unknown>(
  { task, run }: OpenedRun,
  options: EvaluateOptions = {},
): Promise<Evaluation<S, F>> {
  const began = performance.now();
  const {
    split = "heldOut",
    data,
    cases: given,
    name: named,
    out,
    force = false,
    use,
    strict,
    signal,
    onProblems,
    onNote,
    onCase,
    ...rest
  } = options;
  const asked = checkedOptions(task, "evaluate", rest, run.store.place);
  const isOther = data !== undefined || given !== undefined;
  const on = given !== undefined ? "cases" : data !== undefined ? "data" : split;
  const name = nameEvaluation(named, { on, data }, task.evaluationName?.(run, asked) ?? "");
  const folder = out ?? join(run.store.place, evaluationFolder(name));
  const record = {
    name,
    on,
    ...(data === undefined ? {} : { data }),
    ...(use === undefined ? {} : { use }),
    options: asked,
  } as const;
  if (!force) await refuseOtherScores(folder, record);
  const listed =
    given === undefined
      ? await listedCases(task, run, { split, data }, asked, options)
      : { cases: given, problems: [] };
  const { cases } = listed;
  const problems: Problem[] = [...listed.problems];
  const judge = (): void => {
    try {
      refuseProblems(problems, data ?? run.store.place, { strict });
    } catch (error) {
      // All of them are told, though the error names the first.
      onProblems?.(problems);
      throw error;
    }
  };
  judge();
  if (cases.length === 0)
    throw new ConfigError(
      `${run.store.place}: the run held no ${task.noun} out to be scored on; name labelled ${task.noun}s with --data`,
    );
  const predictions = join(folder, "predictions");
  await makeFolder(predictions);
  const scored = new Map<PredictInput, S>();
  const rows = new Map<PredictInput, unknown>();
  const scoredBy = new Map<PredictInput, readonly string[]>();
  const part = isOther ? "data" : hasFolds(task, run) ? "folds" : split;
  let conclude: Awaited<ReturnType<AnyTask["open"]>>["conclude"] | undefined;
  for (const group of await groupsOf(task, run, cases, isOther ? undefined : split)) {
    const predictor = await task.open({ run, members: group.members, use }, asked, hostOf({ signal, onNote }));
    try {
      conclude ??= predictor.conclude;
      for (const item of group.cases) {
        signal?.throwIfAborted();
        try {
          const found = await predictor.predict(item, { signal });
          const score = await task.score(run, item, found, asked, (problem) => void problems.push(problem));
          const { files, row } = predictor.present(item, found);
          for (const file of files)
            if (!file.isPicture) await file.write(join(predictions, file.name), { force: true, signal });
          scored.set(item, score as S);
          if (part === "folds") scoredBy.set(item, group.titles);
          rows.set(item, row);
          onCase?.(scored.size, cases.length, item.id, task.scoreText(score));
        } catch (error) {
          // Whatever class its reason has, being stopped is no fault of the case.
          signal?.throwIfAborted();
          problems.push(unreadable(item, error));
        }
      }
    } finally {
      await predictor.close();
    }
  }
  judge();
  // What the run's own cases lost before it was trained belongs to its figures.
  if (!isOther) problems.splice(0, problems.length, ...joinProblems(await readProblems(run.store), problems));
  if (problems.length > 0) onProblems?.(problems);
  const inOrder = cases.filter((item) => scored.has(item));
  if (inOrder.length === 0)
    throw new DataError(`${run.store.place}: none of ${cases.length} could be scored: ${problems[0].message}`);
  const scores: Scored<PredictInput, S>[] = inOrder.map((item) => ({
    item,
    score: scored.get(item)!,
    scoredBy: scoredBy.get(item),
  }));
  const summary = task.summarise(run, scores, asked);
  const { tables } = conclude!(
    inOrder.map((item) => rows.get(item)),
    { folder: predictions, paths: [] },
  );
  const lines = summary.lines.map((line) => renamed(line, part));
  const evaluation: EvaluationRecord = { ...record, line: lines[0] ?? "" };
  const json = { ...summary.json, evaluation, problems: problemsJson(problems) };
  const write = (file: string, text: string): Promise<void> =>
    writeFileAtomic(join(folder, file), text, { force: true });
  await write(EVALUATION, `${JSON.stringify(json, null, 2)}\n`);
  for (const [file, text] of Object.entries(summary.tables)) await write(file, text);
  for (const [file, text] of Object.entries(tables)) await write(join("predictions", file), text);
  const seconds = (performance.now() - began) / 1000;
  const report = join(folder, "report.html");
  await summary.report(report, {
    seconds,
    part,
    problems,
    predictions,
    use,
    options: asked,
    evaluations: (await listEvaluations(run.store)).map((one) => ({
      name: one.name,
      how: howText(one),
      line: one.line,
      isThis: one.name === name && out === undefined,
    })),
  });
  await appendLog(run.store, {
    event: "evaluated",
    epoch: (await readLog(run.store)).filter(({ event }) => event === "epoch").length,
    folder,
    ...(folder === run.store.place ? { tables: Object.keys(summary.tables) } : {}),
    problems: problemsJson(problems),
  });
  return {
    task: task.name,
    summary: summary.figures as F,
    scores: scores.map(({ score }) => score),
    json,
    lines: [
      ...lines,
      ...(part === "folds" ? [`             every ${task.noun} is scored by the fold that has not seen it`] : []),
      ...(problems.length === 0 ? [] : [`problems     ${problemsText(problems)}`]),
    ],
    problems,
    report,
    predictions,
    seconds,
  };
}

/** Problems as `--json` has them: how many there are, by rule, and each of them. */
export function problemsJson(problems: readonly Problem[]) {
  return { count: problems.length, rules: countProblems(problems), list: problems };
}

async function listedCases(
  task: AnyTask,
  run: AnyRun,
  { split, data }: { readonly split: SplitName; readonly data?: string },
  asked: Readonly<Record<string, unknown>>,
  { signal, onProblems }: EvaluateOptions,
): Promise<Listed<PredictInput>> {
  return task.cases(run, data === undefined ? { split } : { data }, asked, hostOf({ signal, onProblems }));
}

interface Group {
  readonly titles: readonly string[];
  readonly members: readonly AnyRun[];
  readonly cases: readonly PredictInput[];
}

/**
 * Which networks predict which cases: all members together those of another data set; of the run's own cases each those that have
 * it in this split, so that no case is ever scored by a network that learned from it.
 */
async function groupsOf(
  task: AnyTask,
  run: AnyRun,
  cases: readonly PredictInput[],
  split: SplitName | undefined,
): Promise<Group[]> {
  const members = await membersOf({ task, run });
  if (members.length === 1 && members[0].run === run) return [{ titles: [], members: [run], cases }];
  if (split === undefined) return [{ titles: [], members: members.map((member) => member.run), cases }];
  const groups = new Map<string, { titles: string[]; members: AnyRun[]; cases: PredictInput[] }>();
  const idsOf = members.map((member) => new Set(member.run.record.splits[split].map(({ id }: { id: string }) => id)));
  for (const item of cases) {
    const those = members.filter((_, i) => idsOf[i].has(item.id));
    const titles = those.map(({ title }) => title);
    const key = titles.join();
    const group = groups.get(key) ?? { titles, members: those.map((member) => member.run), cases: [] };
    group.cases.push(item);
    groups.set(key, group);
  }
  const nobody = groups.get("");
  if (nobody !== undefined)
    throw new ConfigError(`${run.store.place}: no network of the run has ${nobody.cases[0].id} in its ${split} part`);
  return [...groups.values()];
}

/** The trained networks that a run consists of: itself, or its members. @throws ConfigError where one is not trained to its end */
export async function membersOf({ task, run }: OpenedRun): Promise<{ readonly title: string; readonly run: AnyRun }[]> {
  const children = task.children(run).filter(({ role }: { role: string }) => role === "member");
  if (children.length === 0) return [{ title: "", run }];
  const members = [];
  for (const { name, title } of children) {
    const store = run.store.child(name);
    if (!(await isFinished(store))) throw notTrained(run, title);
    members.push({ title, run: await openChild(task, run, name) });
  }
  return members;
}

/** A run within a run. */
export async function openChild(task: AnyTask, parent: AnyRun, name: string): Promise<AnyRun> {
  return (await readRun(parent.store.child(name), () => task)).run;
}

export function notTrained({ store }: AnyRun, title = ""): ConfigError {
  const what = title === "" ? "the run" : title;
  return new ConfigError(
    `${store.place}: ${what} is not trained to its end; go on with medvox train --resume ${store.place}`,
  );
}

/** Whether a run's networks each never saw another part of its cases. */
function hasFolds(task: AnyTask, run: AnyRun): boolean {
  const members = task.children(run).filter(({ role }: { role: string }) => role === "member");
  return (
    members.length > 0 &&
    run.record.splits.heldOut.length > 0 &&
    members[0].splits !== undefined &&
    members[0].splits.heldOut.length < run.record.splits.heldOut.length
  );
}

/** One broken image costs its own score only. @throws what is no fault of the image */
export function unreadable({ id }: PredictInput, error: unknown): Problem {
  const { syscall, path } = error as NodeJS.ErrnoException;
  const isFiles = error instanceof DataError || error instanceof GeometryError;
  if (!isFiles && (syscall === undefined || path === undefined)) throw error;
  return { severity: "error", case: id, rule: "unreadable", message: (error as Error).message };
}

/** The line that says whose scores they are, where they are not those of the cases held out. */
function renamed(line: string, part: ScoredPart): string {
  const word = {
    heldOut: "held out",
    validation: "watched",
    train: "trained on",
    folds: "out of fold",
    data: "held out",
  };
  return line.replace(/^held out\s+/, word[part].padEnd(13));
}
