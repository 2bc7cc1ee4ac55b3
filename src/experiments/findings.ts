import type { ReportChart, ReportTable } from "../report/index.ts";

/** The answer of an experiment. */
export interface Findings {
  readonly title: string;
  readonly charts: readonly ReportChart[];
  readonly table: ReportTable;
}
