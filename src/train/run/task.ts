/**
 * What a task is: all that segmentation, classification, pre-training and detection say differently. Everything else (folders,
 * `run.json`, the loop, checkpoints, resuming, the case loop of evaluation and prediction, files, reports) stands once, in the
 * frame beside this file, and asks a task only through this interface.
 *
 * C configuration · P plan · K a case as `run.json` keeps it · T a case with its truth · S the score of a case
 */
import type { ZodObject, ZodType } from "zod";
import type { CaseHashes } from "../../data/content-hash.ts";
import type { CaseCache } from "../../data/index.ts";
import type { Problem } from "../../data/problem.ts";
import type { Machine, Versions } from "../../machine.ts";
import type { Engine, EngineOptions } from "../../runtime/index.ts";
import type { SharedConfig } from "../config/shared-config.ts";
import type { RunEvents } from "../events.ts";
import type { EpochReport, LoopSettings } from "../loop.ts";
import type { Model, StateMap } from "../model/model.ts";
import type { Store } from "../store/store.ts";

/** What every configuration has, whatever the task. */
export type TaskConfig = Readonly<Pick<SharedConfig, "seed" | "device" | "threads" | "epochs" | "strict">>;

/** What every case of a run has. */
export interface RunCase {
  readonly id: string;
}

export interface Splits<K> {
  readonly train: readonly K[];
  /** Watched during training. */
  readonly validation: readonly K[];
  /** Kept for the score. */
  readonly heldOut: readonly K[];
}

export type SplitName = keyof Splits<unknown>;

/** A hash of each case's image and of its truth, by id. */
export type DataFingerprint = CaseHashes;

/** Where the data of a run come from. */
export interface DataCredit {
  readonly name: string;
  readonly licence?: string;
  readonly source?: string;
}

/** What `run.json` says. */
export interface RunRecord<C, K> {
  readonly format: 1;
  readonly task: string;
  readonly config: C;
  /** The command line that asked for it; empty where it was called from a program. */
  readonly command: string;
  readonly machine: Machine;
  readonly versions: Versions;
  /** Threads of the engine; 0 in a run that only holds others. */
  readonly threads: number;
  /** ISO date and time at which the run was begun. */
  readonly begun: string;
  readonly credit: DataCredit;
  readonly splits: Splits<K>;
}

/** What follows from the data and the configuration, before anything is trained. */
export interface Prepared<P, K> {
  readonly plan: P;
  readonly splits: Splits<K>;
  readonly credit: DataCredit;
  /** What was wrong with the data, whatever its rule costs. */
  readonly problems: readonly Problem[];
  /** Of the cases that are trained or watched on. */
  readonly fingerprint: DataFingerprint;
}

/** A run: what `run.json` and `plan.json` say, and where they stand. */
export interface Run<C = TaskConfig, P = object, K = RunCase> {
  readonly record: RunRecord<C, K>;
  readonly plan: P;
  readonly store: Store;
}

/** A run within a run. */
export interface Child<C, K> {
  /** Its folder below the parent's, e.g. `members/fold-2`. */
  readonly name: string;
  /** What people read, e.g. `fold-2`. */
  readonly title: string;
  /** `before`: the run itself needs it first (a cascade's coarse network). `member`: one of those the run consists of. */
  readonly role: "before" | "member";
  readonly config: C;
  /** Its cases, where the parent decides them. */
  readonly splits?: Splits<K>;
}

/** One training of a run: the only one, or one of the alternating steps. */
export interface Stage {
  /** Its folder below the run's; empty where the stage is the whole run. */
  readonly name: string;
  /** What people read. */
  readonly title: string;
  readonly epochs: number;
}

/** What a stage trains, ready to begin. */
export interface Session {
  readonly model: Model;
  readonly loop: LoopSettings;
  /** What of the weights to start from found its place, where it begins from any. */
  readonly startText?: string;
  close(): Promise<void>;
}

/** What the frame lends to a task. */
export interface Host {
  readonly signal?: AbortSignal;
  readonly events: RunEvents;
  /** What was read of the data so far, in bounded memory: every file is opened once where it has room. */
  readonly cache: CaseCache;
  /** An engine; whoever asks closes it. */
  engine(options?: EngineOptions): Promise<Engine>;
}

/** How a stage begins. */
export interface Beginning {
  /** What earlier stages of the run ended with, by name. */
  readonly finished: ReadonlyMap<string, StateMap>;
  /** It goes on from a checkpoint, so weights to start from are not needed. */
  readonly resumes: boolean;
  readonly engine: Engine;
}

/** Where a predictor's network comes from. */
export type Source<R> =
  | {
      readonly run: R;
      /** The trained runs whose predictions are averaged: the run itself, or its members. */
      readonly members: readonly R[];
      readonly use?: "last" | "best";
    }
  | { readonly model: Uint8Array; readonly path: string }
  /** Weights of another program, with what must be known of their network. */
  | { readonly weights: string; readonly settings: Options };

/** Options of an evaluation or a prediction, checked by the task's own schema. */
export type Options = Readonly<Record<string, unknown>>;

/** What is left of one image's prediction when the image itself is let go. */
export interface Prediction {
  /** Files to be written, by name below the output folder: `CASE.nii.gz`, `pictures/CASE.png`. */
  readonly files: readonly PredictedFile[];
  /** What tables, `--json` and the terminal are made of after the last image; small, unlike the image. */
  readonly row: unknown;
}

export interface PredictedFile {
  readonly name: string;
  /** A picture for people: an evaluation leaves it out, since its report has pictures of its own. */
  readonly isPicture?: boolean;
  write(path: string, options: { readonly force: boolean; readonly signal?: AbortSignal }): Promise<void>;
}

/** An image to predict. */
export interface PredictInput {
  readonly id: string;
  /** Path of the image. */
  readonly image: string;
}

/** A network that predicts, opened. Calls take turns. */
export interface Predictor<I extends PredictInput, F> {
  /** Refuses, before the first prediction, what could not be done. @throws ConfigError */
  check?(input: I): Promise<void>;
  predict(input: I, call: PredictCall): Promise<F>;
  present(input: I, found: F): Prediction;
  /** The names of the files that an image's prediction will be written to, to refuse what would be replaced. */
  fileNames(input: I): readonly string[];
  /** The names of the tables that {@link conclude} makes, likewise. */
  readonly tableNames: readonly string[];
  /** After the last image: tables of all, what `--json` prints, and the lines of the terminal. @param rows of {@link present} */
  conclude(rows: readonly unknown[], files: WrittenFiles): Conclusion;
  close(): Promise<void>;
}

/** What was written where. */
export interface WrittenFiles {
  /** The output folder; `undefined` where nothing is written. */
  readonly folder: string | undefined;
  /** Paths of the files of single images. */
  readonly paths: readonly string[];
}

export interface Conclusion {
  /** Written into the output folder. */
  readonly tables: Readonly<Record<string, string>>;
  readonly json: Readonly<Record<string, unknown>>;
  readonly lines: readonly string[];
}

export interface PredictCall {
  readonly signal?: AbortSignal;
  /** From 0 to 1, with a word about what is done. */
  readonly onProgress?: (share: number, detail: string) => void;
}

/** An evaluation's figures as files, `--json`, lines for a terminal and the report. */
export interface Summary {
  /** The figures as the task's own metrics give them, for programs. */
  readonly figures: unknown;
  readonly json: Readonly<Record<string, unknown>>;
  /** Files beside `evaluation.json`, by name. */
  readonly tables: Readonly<Record<string, string>>;
  /** What a terminal shows, without the paths. */
  readonly lines: readonly string[];
  /** Writes the task's report page. */
  report(path: string, frame: EvaluationFrame): Promise<void>;
}

/** Which cases were scored: a part of the run's own data, every case by the folds' networks, or another data set's. */
export type ScoredPart = SplitName | "folds" | "data";

/** What a report of every task is told of its evaluation. */
export interface EvaluationFrame {
  /** Seconds that evaluating took. */
  readonly seconds: number;
  readonly part: ScoredPart;
  /** What was wrong with the data that were trained or scored on. */
  readonly problems: readonly Problem[];
  /** Where the predictions were written. */
  readonly predictions: string;
  /** Which weights were asked for; else what the run says. */
  readonly use?: "last" | "best";
  /** What the evaluation was told beside. */
  readonly options: Options;
  /** Every evaluation of the run so far, this one among them. */
  readonly evaluations: readonly EvaluationLine[];
}

/** One evaluation of a run, as reports list it. */
export interface EvaluationLine {
  readonly name: string;
  /** What it was told: `no options`, or `--data other_lab/, mirror true`. */
  readonly how: string;
  /** Its figures in one line. */
  readonly line: string;
  /** Whether the report is of this one. */
  readonly isThis: boolean;
}

export interface Task<
  C extends TaskConfig = TaskConfig,
  P extends object = object,
  K extends RunCase = RunCase,
  T extends PredictInput = PredictInput,
  F = unknown,
  S = unknown,
> {
  readonly name: string;
  /** What its cases are called: `case`, `picture`, `volume`. */
  readonly noun: string;
  /** What lines of progress call its work, where the words (`planning`, `predicting`, `scoring`) of other tasks do not fit. */
  readonly progressWords?: { readonly planning?: string; readonly predicting?: string; readonly scoring?: string };
  /** The file formats of `run.json`'s configuration and cases and of `plan.json`. */
  readonly schemas: {
    readonly config: ZodType<C>;
    readonly plan: ZodType<P>;
    readonly case: ZodType<K>;
    /** What evaluating and predicting may be told beside what every task understands ({@link commonOptions}). */
    readonly evaluate: ZodObject;
    readonly predict: ZodObject;
    /** What exporting its graph may be told. */
    readonly export: ZodObject;
  };
  /** Checks a request and fills in defaults. @throws ConfigError naming the key */
  resolve(request: object): C;

  /** Opens, splits and plans the data. @throws ConfigError for a request that cannot be met, DataError for broken data */
  prepare(
    config: C,
    host: Host,
    child?: { readonly splits?: Splits<K>; readonly parent: Run<C, P, K> },
  ): Promise<Prepared<P, K>>;
  /** Hashes of the images and truths, as they are now, of the cases that a run trains or watches on, and what is wrong with them. */
  fingerprint(run: Run<C, P, K>, host: Host): Promise<Pick<Prepared<P, K>, "fingerprint" | "problems">>;
  /** Runs that this one consists of. */
  children(run: Run<C, P, K>): readonly Child<C, K>[];
  /** Its trainings in their order; none of a run that consists of members. */
  stages(config: C): readonly Stage[];
  session(run: Run<C, P, K>, stage: Stage, beginning: Beginning, host: Host): Promise<Session>;
  /** Of several stages: what they make together. */
  join?(finished: ReadonlyMap<string, StateMap>): StateMap;
  /** After the last stage: the exported model, a report. */
  finish?(run: Run<C, P, K>): Promise<void>;

  /** The network of a run for other programs, as ONNX. @throws ConfigError where a run has no single one */
  encode(source: { readonly run: Run<C, P, K>; readonly use?: "last" | "best" }, options: Options): Promise<Uint8Array>;

  /** What is said when a training begins: one line of data, one of the network. */
  announce(run: Run<C, P, K>, threads: number): readonly string[];
  /** Cases, or patches of them, that an update sees. */
  casesPerStep(run: Run<C, P, K>): number;
  /** What an epoch's line says beside loss and watched score. */
  epochText?(report: EpochReport): string;
  /** The score that is watched, as the live line names it: `dice`, `AP50`. */
  watched(run: Run<C, P, K>): string;
  /** `medvox info` of a run. */
  describe(run: Run<C, P, K>): Promise<{ readonly lines: readonly string[]; readonly json: object }>;
  outcome(run: Run<C, P, K>, folder: string): Outcome;

  /** Cases with their truth: of the run's own split, or of another data set. */
  cases(
    run: Run<C, P, K>,
    from: { readonly split: SplitName } | { readonly data: string },
    options: Options,
    host: Host,
  ): Promise<Listed<T>>;
  /** What a path names that shall be predicted by a network: an image, a folder, a data set. */
  inputs(path: string, source?: Source<Run<C, P, K>>): Promise<Listed<T>>;
  /** Opens a run or an exported model for predicting. */
  open(source: Source<Run<C, P, K>>, options: Options, host: Host): Promise<Predictor<T, F>>;
  /** Opens several for predicting as one, where the task can average them. @throws ConfigError where they do not fit together */
  openSeveral?(sources: readonly Source<Run<C, P, K>>[], options: Options, host: Host): Promise<Predictor<T, F>>;
  /** @param report takes what is wrong with the truth of this case */
  score(run: Run<C, P, K>, item: T, found: F, options: Options, report: (problem: Problem) => void): Promise<S>;
  /** How a case's score is told while others are still scored. */
  scoreText(score: S): string;
  /** Names evaluations with these options apart from the run's own: part of their folder's name; empty for the run's own. */
  evaluationName?(run: Run<C, P, K>, options: Options): string;
  /** @throws ConfigError where there is nothing to be scored by */
  summarise(run: Run<C, P, K>, scored: readonly Scored<T, S>[], options: Options): Summary;
}

/** What a finished training says beside its folder. */
export interface Outcome {
  readonly json: object;
  readonly lines: readonly string[];
  /** Command lines that go on from here, where they are not those of every task. */
  readonly next?: readonly string[];
}

export interface Listed<T> {
  readonly cases: readonly T[];
  readonly problems: readonly Problem[];
}

export interface Scored<T, S> {
  readonly item: T;
  readonly score: S;
  /** Of a run of folds whose own cases are scored: the networks that never saw this case, e.g. `["fold-2"]`. */
  readonly scoredBy?: readonly string[];
}

/** Any task: for lists of them, and for the frame, which hands a task's own values back to it. */
// biome-ignore lint/suspicious/noExplicitAny: the types inside differ from task to task, and only the task itself looks into them.
export type AnyTask = Task<any, any, any, any, any, any>;
// biome-ignore lint/suspicious/noExplicitAny: as above.
export type AnyRun = Run<any, any, any>;
