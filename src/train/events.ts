/** What a run tells while it works. All of it is plain data, so that a server can pass it on as JSON. */
import type { Problem } from "../data/problem.ts";
import type { EpochReport, StepReport } from "./loop.ts";

/** Where in a run something happens. */
export interface RunPlace {
  /** Of a run within the run: `fold-2`, `coarse`; empty for the run itself. */
  readonly child: string;
  /** Of several trainings of one run: `rpn-1`; empty for the only one. */
  readonly stage: string;
  /** Which of the trainings it is, from 1, and how many there are. */
  readonly at: number;
  readonly of: number;
  /** Epochs of this training. */
  readonly epochs: number;
}

export interface StartReport extends RunPlace {
  readonly task: string;
  /** What people read: the data, the network. */
  readonly lines: readonly string[];
  readonly threads: number;
  /** Cases, or patches of them, that an update sees. */
  readonly casesPerStep: number;
  /** What the watched score is called. */
  readonly watched: string;
}

export interface RunEvents {
  /** Cases read for the plan. */
  readonly onPlanning?: (done: number, of: number) => void;
  /** What is wrong with the data; nothing of it is only said here. */
  readonly onProblems?: (problems: readonly Problem[]) => void;
  /** Something that is allowed, and likely not meant. */
  readonly onNote?: (text: string) => void;
  /** Awaited: what it throws ends the training before its first step. */
  readonly onStart?: (report: StartReport) => void | Promise<void>;
  /** What of the weights to start from found its place. */
  readonly onWeights?: (report: string) => void;
  readonly onStep?: (report: StepReport, place: RunPlace) => void;
  readonly onEpoch?: (report: EpochReport, place: RunPlace) => void;
}
