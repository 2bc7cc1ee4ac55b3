/** What all routes of a server share. */
import type { LocalQueue } from "../jobs/index.ts";
import type { ServedSet } from "./data/served-set.ts";
import type { Access } from "./http/access.ts";

export interface ServerContext {
  readonly set: ServedSet;
  readonly queue: LocalQueue;
  readonly access: Access;
  /** Absolute path of the folder of runs. */
  readonly runs: string;
  readonly limits: Limits;
}

/** Most bytes of what a client may send. */
export interface Limits {
  readonly imageBytes: number;
  readonly labelBytes: number;
  readonly jsonBytes: number;
}
