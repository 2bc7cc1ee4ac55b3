/**
 * Predicting many images, for every task alike: what would be replaced or would not fit is refused before the first, one broken
 * image costs only itself, and what comes of all of them together is written last.
 */
import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { leavesOut, type Problem, refuseProblems } from "../../data/problem.ts";
import { ConfigError, DataError } from "../../errors.ts";
import { makeFolder, writeFileAtomic } from "../../files/index.ts";
import { readOnnx } from "../../graph/index.ts";
import { folderStore } from "../store/folder-store.ts";
import { membersOf, problemsJson, unreadable } from "./evaluate.ts";
import { checkedOptions } from "./options.ts";
import { readRun } from "./record.ts";
import { hostOf } from "./run.ts";
import type { AnyRun, AnyTask, PredictInput, Predictor, Source } from "./task.ts";

/** Finds a task by its name. */
export type TaskLookup = (name: string) => AnyTask | undefined;

/** A run or an exported model, with the task that it is of. */
export interface OpenedSource {
  readonly task: AnyTask;
  readonly source: Source<AnyRun>;
  readonly path: string;
  /** Further ones, whose predictions are averaged with those of the first. */
  readonly others?: readonly Source<AnyRun>[];
  /** The paths of all, the first included. */
  readonly paths?: readonly string[];
}

/**
 * Opens what `medvox predict` names, to be averaged where it is several.
 * @throws ConfigError for several of different tasks, or of one that averages none; as {@link openSource}
 */
export async function openSources(
  paths: readonly string[],
  taskOf: TaskLookup,
  use?: "last" | "best",
): Promise<OpenedSource> {
  const [first, ...others] = await Promise.all(paths.map((path) => openSource(path, taskOf, use)));
  if (others.length === 0) return first;
  const other = others.find(({ task }) => task.name !== first.task.name);
  if (other !== undefined)
    throw new ConfigError(
      `${other.path}: is a ${other.task.name} run, ${first.path} a ${first.task.name} run; only runs of one task are averaged`,
    );
  if (first.task.openSeveral === undefined)
    throw new ConfigError(
      `${others[0].path}: runs of a ${first.task.name} are predicted one at a time; only segmentations are averaged`,
    );
  return { ...first, others: others.map(({ source }) => source), paths };
}

/**
 * Opens what `medvox predict` names.
 * @throws ConfigError or DataError for what is neither a run nor a model that medvox wrote
 */
export async function openSource(path: string, taskOf: TaskLookup, use?: "last" | "best"): Promise<OpenedSource> {
  const isFile = (await stat(path).catch(() => undefined))?.isFile() ?? false;
  if (!isFile) {
    const opened = await readRun(folderStore(path), taskOf);
    const members = (await membersOf(opened)).map(({ run }) => run);
    return { task: opened.task, source: { run: opened.run, members, use }, path };
  }
  const model = await readFile(path);
  const { metadata } = readOnnx(model, path);
  if (metadata.plan === undefined && metadata.task === undefined)
    throw new DataError(`${path}: has no medvox plan in its metadata, so its preprocessing is unknown`);
  // Models of the first versions were segmentations and did not say so.
  const task = taskOf(metadata.task ?? "segmentation");
  if (task === undefined) throw new DataError(`${path}: task: ${metadata.task}; this medvox does not know it`);
  return { task, source: { model, path }, path };
}

/** The refusal of a task that predicts with runs and models of medvox alone. */
export function notOfWeights(file: string): ConfigError {
  return new ConfigError(`${file}: is a file of weights alone; name a run, or a model.onnx that medvox wrote`);
}

export interface PredictAllOptions {
  /** Where files go; without it nothing is written. */
  readonly out?: string;
  readonly force?: boolean;
  /** Leave out images whose files are all there: a prediction that was stopped goes on. Whatever made the files is taken for this. */
  readonly continue?: boolean;
  readonly strict?: boolean;
  readonly signal?: AbortSignal;
  /** Also write what was done as JSON. */
  readonly report?: string;
  /** Something that is allowed, and likely not meant. */
  readonly onNote?: (text: string) => void;
  readonly onProgress?: (share: number, at: number, of: number, id: string, detail: string) => void;
  /** What the task understands beside these: `mirror`, `overlap`, `threads`, … */
  readonly [option: string]: unknown;
}

export interface Failure {
  readonly case: string;
  /** Its path; undefined where it was left out when the images were listed. */
  readonly image?: string;
  readonly message: string;
}

export interface Predictions {
  /** What `--json` prints. */
  readonly json: Readonly<Record<string, unknown>>;
  readonly lines: readonly string[];
  /** The images that could not be predicted, and why. */
  readonly failed: readonly Failure[];
  readonly problems: readonly Problem[];
}

/**
 * Predicts what a path names.
 * @param input an image, a folder of images, a data set
 * @throws ConfigError for files that would be replaced or predictions that would not fit
 */
export async function predictAll(
  opened: OpenedSource,
  input: string,
  options: PredictAllOptions = {},
): Promise<Predictions> {
  const { out, force = false, continue: goesOn = false, strict = false, ...more } = options;
  const { signal, report, onProgress, onNote, ...rest } = more;
  const { task, source, path, others = [] } = opened;
  const asked = checkedOptions(task, "predict", rest, path);
  const { cases, problems } = await task.inputs(input, source);
  const lost = problems.filter(leavesOut);
  if (strict) refuseProblems(lost, input, { strict });
  const host = hostOf({ signal, onNote });
  const predictor: Predictor<PredictInput, unknown> =
    others.length === 0
      ? await task.open(source, asked, host)
      : await task.openSeveral!([source, ...others], asked, host);
  const failed: Failure[] = lost.map(({ case: id, message }) => ({ case: id, message }));
  const rows: unknown[] = [];
  const paths: string[] = [];
  try {
    if (goesOn) refuseContinuing(predictor, { out, force, task: task.name });
    if (out !== undefined) refuseFiles(predictor, cases, out, force || goesOn);
    const kept = new Set(goesOn ? cases.filter((item) => isPredicted(predictor, item, out!)) : []);
    // All of them before the first: a night's predictions do not end in the middle.
    for (const item of cases)
      if (!kept.has(item)) await attempt(item, failed, async () => predictor.check?.(item), signal);
    const broken = new Set(failed.map(({ image }) => image));
    if (out !== undefined) await makeFolder(out);
    for (const [i, item] of cases.entries()) {
      signal?.throwIfAborted();
      if (broken.has(item.image) || kept.has(item)) continue;
      const tell = (share: number, detail: string): void =>
        onProgress?.((i + share) / cases.length, i + 1, cases.length, item.id, detail);
      tell(0, "");
      const found = await attempt(item, failed, () => predictor.predict(item, { signal, onProgress: tell }), signal);
      if (found === undefined) continue;
      const { files, row } = predictor.present(item, found);
      rows.push(row);
      for (const file of out === undefined ? [] : files) {
        const target = join(out as string, file.name);
        await makeFolder(dirname(target));
        await file.write(target, { force: force || goesOn, signal });
        paths.push(target);
      }
    }
    const { tables, json, lines } = predictor.conclude(rows, { folder: out, paths });
    for (const [name, text] of Object.entries(out === undefined ? {} : tables))
      await writeFileAtomic(join(out as string, name), text, { force });
    const document = {
      task: task.name,
      ...json,
      ...(goesOn && { kept: [...kept].map(({ id }) => id) }),
      failed,
      problems: problemsJson(problems),
    };
    if (report !== undefined)
      await writeFileAtomic(report, `${JSON.stringify(document, null, 2)}\n`, { force: force || goesOn });
    return {
      json: document,
      lines: [
        ...lines,
        ...(goesOn ? [`kept      ${kept.size} of ${cases.length} were there already`] : []),
        ...problems.filter((problem) => !leavesOut(problem)).map((problem) => `noted     ${named(problem)}`),
        ...failed.map((failure) => `failed    ${named(failure)}`),
      ],
      failed,
      problems,
    };
  } finally {
    await predictor.close();
  }
}

/** What is wrong, with the case's name in front, where the words do not begin with it. */
function named({ case: id, message }: Pick<Failure, "case" | "message">): string {
  return message.startsWith(id) ? message : `${id}: ${message}`;
}

/** Does it, or notes why an image cannot be predicted. @throws what is no fault of the image, the signal's reason before all */
async function attempt<T>(
  item: PredictInput,
  failed: Failure[],
  work: () => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    signal?.throwIfAborted();
    const { message } = unreadable(item, error);
    failed.push({ case: item.id, image: item.image, message });
    return undefined;
  }
}

/** @throws ConfigError where a prediction cannot be gone on with */
function refuseContinuing(
  { tableNames }: Predictor<PredictInput, unknown>,
  { out, force, task }: { readonly out: string | undefined; readonly force: boolean; readonly task: string },
): void {
  if (out === undefined) throw new ConfigError("--continue: nothing is written without --out, so nothing can be left");
  if (force) throw new ConfigError("--continue: leaves what is there, --force replaces it; leave one of them out");
  if (tableNames.length > 0)
    throw new ConfigError(
      `--continue: a ${task} writes ${tableNames[0]} of all images at its end, so one that was stopped leaves nothing to go on from; leave it out`,
    );
}

/** Whether all files of an image are there. They are written whole or not at all. */
function isPredicted(predictor: Predictor<PredictInput, unknown>, item: PredictInput, out: string): boolean {
  return predictor.fileNames(item).every((name) => existsSync(join(out, name)));
}

/** @throws ConfigError where two images would be written to one file, or a file is there already */
function refuseFiles(
  predictor: Predictor<PredictInput, unknown>,
  cases: readonly PredictInput[],
  out: string,
  force: boolean,
): void {
  const writers = new Map<string, PredictInput>();
  for (const item of cases) {
    for (const name of predictor.fileNames(item)) {
      const target = join(out, name);
      const first = writers.get(target);
      if (first !== undefined)
        throw new ConfigError(
          `${item.image}: would be written to ${target}, as ${first.image} would; give them names that differ`,
        );
      writers.set(target, item);
    }
  }
  const all = [...writers.keys(), ...predictor.tableNames.map((name) => join(out, name))];
  const there = all.filter((target) => existsSync(target));
  if (there.length > 0 && !force)
    throw new ConfigError(
      `${there[0]}: exists already${all.length > 1 ? ` (${there.length} of ${all.length})` : ""}; --force replaces it`,
    );
}
