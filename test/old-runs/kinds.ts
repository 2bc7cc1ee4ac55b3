/** What is done with each old run, and which data and runs it needs beside it. */

export interface Kind {
  readonly data: readonly string[];
  /** Runs that it started from. */
  readonly runs?: readonly string[];
  /** Folders of the run whose training had ended, so that they had a `model.onnx`, too. */
  readonly models?: readonly string[];
  /** Finished runs are scored, stopped ones are gone on with. */
  readonly then: "evaluate" | "resume";
  /** Further options of the evaluation. */
  readonly options?: readonly string[];
  /** A resume leaves every checkpoint as it is: there is nothing left to do. */
  readonly resumeLeaves?: boolean;
}

/** By the fixture's name. */
export const kinds: Readonly<Record<string, Kind>> = {
  "segmentation-finished": { data: ["organs"], then: "evaluate", models: ["."], resumeLeaves: true },
  "segmentation-stopped": { data: ["organs"], then: "resume" },
  "segmentation-begun": { data: ["organs"], runs: ["segmentation-finished"], then: "resume" },
  "cascade-finished": { data: ["liver"], then: "evaluate", models: [".", "coarse"] },
  "cascade-stopped": { data: ["liver"], then: "resume", models: ["coarse"] },
  "classification-finished": { data: ["lesions"], then: "evaluate", models: ["."], resumeLeaves: true },
  "classification-stopped": { data: ["lesions"], then: "resume" },
  "folds-finished": {
    data: ["lesions"],
    then: "evaluate",
    options: ["--positive", "4,5", "--negative", "1,2"],
    models: ["members/fold-1-seed-1", "members/fold-1-seed-2", "members/fold-2-seed-1", "members/fold-2-seed-2"],
    resumeLeaves: true,
  },
  "folds-stopped": { data: ["lesions"], then: "resume", models: ["members/fold-1-seed-1"] },
  "pretraining-finished": { data: ["lefts", "rights"], then: "evaluate", options: ["--set", "rights"] },
  "pretraining-stopped": { data: ["lefts", "rights"], then: "resume" },
  "detection-finished": { data: ["squares"], then: "evaluate", resumeLeaves: true },
  "detection-stopped": { data: ["squares"], then: "resume" },
  "alternating-finished": { data: ["squares"], then: "evaluate", resumeLeaves: true },
  "alternating-stopped": { data: ["squares"], then: "resume" },
  "volumes-finished": { data: ["blocks"], then: "evaluate", resumeLeaves: true },
  "volumes-stopped": { data: ["blocks"], then: "resume" },
};
