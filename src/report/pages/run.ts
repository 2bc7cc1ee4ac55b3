/**
 * What the reports of all runs have in common, whatever the task: the sentence on what was trained and scored, the epoch that
 * was scored, the machine, the command, whose data it was. A task adds its own figures and sections.
 */

import { counted } from "../../data/counted.ts";
import type { Problem } from "../../data/problem.ts";
import type { Machine, Versions } from "../../machine.ts";
import { commandLine } from "../../text/index.ts";
import type { EpochRecord, Json, ReportCredit, ReportFrame } from "./input.ts";

/** Which cases were scored: a part of the run's own data, every case by the folds' networks, or another data set's. */
export type ScoredPart = "heldOut" | "validation" | "train" | "folds" | "data";

/** What a report's first sentences say of a run. */
export interface RunLead {
  /** What was trained and from what, without a full stop: `MedicalNet ResNet-10 with a skip decoder, from random weights`. */
  readonly network: string;
  /** How many it was trained on, how many were scored. */
  readonly trained: number;
  readonly scored: number;
  /** What a case is called, in the singular: `case`, `picture`, `volume`. */
  readonly noun: string;
  readonly part: ScoredPart;
  /** Number of folds, where the run has any. */
  readonly folds?: number | null;
  /** How it was trained or predicted beside: `3 networks averaged`. */
  readonly ways?: readonly string[];
}

const scoredParts: Readonly<Record<Exclude<ScoredPart, "folds">, string>> = {
  heldOut: "it never saw",
  validation: "watched in training",
  train: "it was trained on",
  data: "of another data set",
};

/** `ResNet-18, from random weights. Trained on 28 cases, scored on 10 it never saw.` */
export function runLead({ network, trained, scored, noun, part, folds, ways = [] }: RunLead): string {
  const training = folds == null ? `Trained on ${counted(trained, noun)}` : `${counted(folds, "fold")}`;
  const how = [training, ...ways].join(", ");
  if (part === "folds")
    return `${network}. ${how}: each of the ${counted(scored, noun)} is scored by networks that never saw it.`;
  return `${network}. ${how}, scored on ${scored} ${scoredParts[part]}.`;
}

/** What a run's record says that its report repeats. */
export interface ReportedRun {
  readonly config: object;
  /** What was typed; empty where a program began the run. */
  readonly command: string;
  readonly machine: Machine;
  readonly versions: Versions;
  readonly credit: ReportCredit;
}

export interface RunFacts {
  readonly title: string;
  readonly lead: RunLead | string;
  readonly record: ReportedRun;
  /** What followed from the data; shown with what was asked. */
  readonly plan?: object;
  readonly device: string;
  /** Wall time of training and scoring. */
  readonly seconds: number;
  /** The words of a command that does the same, where none was typed. */
  readonly instead: readonly string[];
  /** Who is where: see {@link splitText}. */
  readonly split: string;
  /** What was wrong with the data that was trained or scored on. */
  readonly problems?: readonly Problem[];
  /** Every evaluation of the run, where there is more to tell than this one. */
  readonly evaluations?: ReportFrame["evaluations"];
}

/** A run's part of its report; a task puts its summary and what it shows beside it. */
export function runFrame(facts: RunFacts): ReportFrame {
  const { title, lead, record, plan, device, seconds, instead, split, problems, evaluations } = facts;
  const { config, command, credit, machine, versions } = record;
  return {
    title,
    lead: typeof lead === "string" ? lead : runLead(lead),
    asked: asJson({ ...config, ...(plan === undefined ? {} : { plan }) }),
    machine: reportMachine(machine, versions, seconds, device),
    command: command === "" ? commandLine(instead) : command,
    data: [{ ...credit, split }],
    problems,
    evaluations,
  };
}

/** Which machine did it, as of now. @param seconds wall time of the whole */
export function reportMachine(
  { cpu, cores, memoryGb, os: system }: Machine,
  versions: Versions,
  seconds: number,
  device?: string,
): ReportFrame["machine"] {
  const date = new Date().toISOString();
  return { cpu, cores, memoryGb, device, system, versions: { ...versions }, date, seconds };
}

/** `28 train · 2 watched · 10 held out`, or `843 cases in 5 folds`. Lists or their lengths; no list, no word. */
export function splitText(
  splits: Readonly<Partial<Record<"train" | "validation" | "heldOut", readonly unknown[]>>>,
  folds: number | null = null,
): string {
  const { train, validation, heldOut } = splits;
  if (folds !== null) return `${counted(heldOut?.length ?? 0, "case")} in ${counted(folds, "fold")}`;
  const said = [
    [train, "train"],
    [validation, "watched"],
    [heldOut, "held out"],
  ] as const;
  return said.flatMap(([list, name]) => (list === undefined ? [] : [`${list.length} ${name}`])).join(" · ");
}

/**
 * The epoch whose weights were scored, for the mark in the curves: the last that was better than all before it, where the best
 * weights were asked for. Undefined where the last weights were scored, or no case was watched.
 * @param use the weights that were scored: what the evaluation asked for, or else what the run says
 */
export function bestEpoch(history: readonly EpochRecord[], use: "last" | "best"): number | undefined {
  return use === "best" ? history.findLast(({ best }) => best === true)?.epoch : undefined;
}

/** Seconds of all epochs of one or more trainings. */
export function trainingSeconds(...histories: readonly (readonly EpochRecord[])[]): number {
  return histories.flat().reduce((sum, { seconds }) => sum + (seconds ?? 0), 0);
}

/** As run.json has it: what JSON does not know is gone or null. */
function asJson(value: object): { readonly [key: string]: Json } {
  return JSON.parse(JSON.stringify(value));
}
