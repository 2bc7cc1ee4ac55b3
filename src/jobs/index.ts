/** @module jobs: trainings and predictions as jobs that child processes do, and that a server that was killed goes on with. */
export {
  hasEnded,
  type Job,
  type JobEvent,
  type JobKind,
  type JobRequest,
  jobIdPattern,
  jobStates,
  newJobId,
} from "./job.ts";
export { type LocalQueue, openLocalQueue } from "./local-queue.ts";
export type { JobQueue, Lease } from "./queue.ts";
export { type Supervisor, supervise } from "./supervisor.ts";
