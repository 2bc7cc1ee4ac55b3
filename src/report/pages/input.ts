/** What a report is made from: plain data, plus a way to get at the volumes of the few cases it shows. */
import type { Problem } from "../../data/problem.ts";
import type { CaseScores, SegmentationSummary } from "../../metrics/index.ts";
import type { Volume } from "../../volume/types.ts";

/** One epoch, as `log.jsonl` has it. What was not measured is left out or `null`. */
export interface EpochRecord {
  readonly epoch: number;
  readonly trainLoss?: number | null;
  readonly validationLoss?: number | null;
  /** Of the validation cases: Dice by class name, or what the task is scored by. */
  readonly scores?: Readonly<Record<string, number | null>>;
  readonly learningRate?: number | null;
  readonly seconds?: number | null;
  /** The watched cases were scored better than in any epoch before. */
  readonly best?: boolean;
}

/** Which machine did it. */
export interface MachineInfo {
  readonly cpu: string;
  readonly cores: number;
  /** In GB (10⁹ bytes). */
  readonly memoryGb?: number;
  /** `cpu`, `cuda`, … */
  readonly device?: string;
  readonly system?: string;
  /** Name → version: medvox, node, onnxruntime, … */
  readonly versions: Readonly<Record<string, string>>;
  /** When it ended, as ISO 8601. */
  readonly date: string;
  /** Wall time of the whole run. */
  readonly seconds: number;
}

/** Where the data came from; shown with the report because most licences ask for it. */
export interface ReportCredit {
  readonly name: string;
  readonly licence?: string;
  /** Who made it, where it is published; an https address becomes a link. */
  readonly source?: string;
  readonly url?: string;
  /** For example `160 train · 40 held out`. */
  readonly split?: string;
}

/** A value of the resolved configuration. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** What every report says, whatever the task. */
export interface ReportFrame {
  readonly title: string;
  /** One or two sentences under the title. */
  readonly lead?: string;
  /** What was asked: the resolved configuration, as in `run.json`. */
  readonly asked: { readonly [key: string]: Json };
  readonly machine: MachineInfo;
  /** The command line that makes this again. */
  readonly command: string;
  readonly data: readonly ReportCredit[];
  /** What was wrong with the data; counted and listed. Left out or empty: no section. */
  readonly problems?: readonly Problem[];
  /** Every evaluation of the run: how it was made, its figures, and whether this page is of it. */
  readonly evaluations?: readonly {
    readonly name: string;
    readonly how: string;
    readonly line: string;
    readonly isThis: boolean;
  }[];
}

export interface ReportInput extends ReportFrame {
  readonly summary: SegmentationSummary;
  readonly cases: readonly CaseScores[];
  /** Left out or empty where nothing was trained. */
  readonly history?: readonly EpochRecord[];
  /** The epoch whose weights were scored. */
  readonly bestEpoch?: number;
  readonly convention?: Convention;
}

/**
 * `radiological`: the patient's right is on the left of the picture, as if one looked from the feet. `neurological`: it
 * is on the right.
 */
export type Convention = "radiological" | "neurological";

/** The volumes of one case, all on one grid. */
export interface CaseVolumes {
  readonly image: Volume;
  readonly truth: Volume;
  readonly prediction: Volume;
  /** Values shown as black and white, e.g. a CT window; from the percentiles of the image where left out. */
  readonly window?: readonly [low: number, high: number];
}

/** Reads the volumes of a case by the name it has in `cases`. Called for at most three of them, one after another. */
export type CaseLoader = (name: string) => Promise<CaseVolumes>;
