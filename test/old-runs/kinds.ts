/** What is done with each old run, and which data and runs it needs beside it. */

export interface Kind {
  readonly data: readonly string[];
  /** Runs that it started from. */
  readonly runs?: readonly string[];
  /** Folders of the run whose training had ended, so that they had a `model.onnx`, too. */
  readonly models?: readonly string[];
  /** Finished runs are scored, stopped ones are gone on with. */
  readonly next: "evaluate" | "resume";
  /** Further options of the evaluation. */
  readonly options?: readonly string[];
  /** A resume leaves every checkpoint as it is: there is nothing left to do. */
  readonly resumeLeaves?: boolean;
}

/** By the fixture's name. */
export const kinds: Readonly<Record<string, Kind>> = {
  "segmentation-finished": { data: ["organs"], next: "evaluate", models: ["."], resumeLeaves: true },
  "segmentation-stopped": { data: ["organs"], next: "resume" },
  "segmentation-begun": { data: ["organs"], runs: ["segmentation-finished"], next: "resume" },
  "cascade-finished": { data: ["liver"], next: "evaluate", models: [".", "coarse"] },
  "cascade-stopped": { data: ["liver"], next: "resume", models: ["coarse"] },
  "classification-finished": { data: ["lesions"], next: "evaluate", models: ["."], resumeLeaves: true },
  "classification-stopped": { data: ["lesions"], next: "resume" },
  "folds-finished": {
    data: ["lesions"],
    next: "evaluate",
    options: ["--positive", "4,5", "--negative", "1,2"],
    models: ["members/fold-1-seed-1", "members/fold-1-seed-2", "members/fold-2-seed-1", "members/fold-2-seed-2"],
    resumeLeaves: true,
  },
  "folds-stopped": { data: ["lesions"], next: "resume", models: ["members/fold-1-seed-1"] },
  "pretraining-finished": { data: ["lefts", "rights"], next: "evaluate", options: ["--set", "rights"] },
  "pretraining-stopped": { data: ["lefts", "rights"], next: "resume" },
  "detection-finished": { data: ["squares"], next: "evaluate", resumeLeaves: true },
  "detection-stopped": { data: ["squares"], next: "resume" },
  "alternating-finished": { data: ["squares"], next: "evaluate", resumeLeaves: true },
  "alternating-stopped": { data: ["squares"], next: "resume" },
  "volumes-finished": { data: ["blocks"], next: "evaluate", resumeLeaves: true },
  "volumes-stopped": { data: ["blocks"], next: "resume" },
};
