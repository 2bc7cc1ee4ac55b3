import type { ExperimentChart, ExperimentTable } from "../../report/index.ts";

/** The answer of an experiment. */
export interface Findings {
  readonly title: string;
  readonly charts: readonly ExperimentChart[];
  readonly table: ExperimentTable;
}
