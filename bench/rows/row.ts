/** A row of the speed tables: what `bench.ts` runs, keeps and puts together. */
import type { Row } from "../results.ts";

export interface BenchContext {
  /** Threads of each side. */
  readonly threads: number;
  readonly say: (line: string) => void;
}

export interface Finished {
  readonly rows: readonly Row[];
  /** Versions of the peers. */
  readonly versions: Readonly<Record<string, string>>;
  /** Sentences for the table this row is in. */
  readonly notes?: readonly string[];
  /** Share of a core that the waiting side used. */
  readonly idleShare?: number;
  /** Rows for further tables, by the table's name. */
  readonly more?: Readonly<Record<string, readonly Row[]>>;
}

export interface Bench {
  readonly id: string;
  /** `results/TABLE.json`. */
  readonly table: string;
  readonly run: (context: BenchContext) => Promise<Finished>;
}
