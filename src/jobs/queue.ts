/**
 * The interface of a queue of jobs, from both sides: whoever wants work done enqueues, watches and cancels; whoever works takes
 * leases. Nothing in it needs one process or one machine, so that a broker can stand behind it as well as a folder.
 *
 * A lease is a promise to say often that one still lives. Who falls silent loses the job, and somebody else is given it.
 */
import type { Job, JobEvent, JobFailure, JobKind, JobRequest, Told } from "./job.ts";

export interface JobQueue {
  /**
   * Adds a job at the end.
   * @param options.id of a job that is there already: nothing is added, and that job is returned
   * @throws ConfigError for an id that looks otherwise than {@link jobIdPattern} says
   */
  enqueue(request: JobRequest, options?: { readonly id?: string }): Promise<Job>;
  /** `undefined` where there is none of that id. */
  get(id: string): Promise<Job | undefined>;
  /** All of them, the newest first. */
  list(): Promise<readonly Job[]>;
  /** Ends a job that waits, and asks one that runs to end; one that has ended stays as it is. */
  cancel(id: string): Promise<Job | undefined>;
  /**
   * What a job told after event `after`, and whatever it tells until it ends; none of a job that there is not.
   * @param signal ends the waiting
   */
  events(id: string, after?: number, signal?: AbortSignal): AsyncIterable<JobEvent>;
  /**
   * The next job of one of these kinds, as soon as there is one.
   * @returns `undefined` once the signal is given or the queue is closed
   */
  take(kinds: readonly JobKind[], signal: AbortSignal): Promise<Lease | undefined>;
  /** Lets go of what the queue holds. Jobs that wait or run are there when it is opened again. */
  close(): Promise<void>;
}

/** A job in the hands of who works at it. */
export interface Lease {
  readonly job: Job;
  /** Which beginning of the work this is, from 1. */
  readonly attempt: number;
  /** Aborts where the job is cancelled (its reason is {@link cancelled}) or was given to somebody else ({@link leaseLost}). */
  readonly stop: AbortSignal;
  /** After so long without {@link beat} the lease is lost. */
  readonly silenceMs: number;
  /** Says that the work still goes on. */
  beat(): Promise<void>;
  tell(event: Told): Promise<void>;
  /** The work is done. */
  done(result: Readonly<Record<string, unknown>>): Promise<void>;
  /** The work cannot be done, however often it is tried. */
  failed(failure: JobFailure): Promise<void>;
  /** What worked died. The job waits again, or has failed where that was its third death. */
  died(reason: string): Promise<void>;
  /** The work was stopped as the cancelling asked. */
  cancelled(): Promise<void>;
  /** Gives the job back, to be begun again or gone on with: no attempt that counts. */
  giveBack(): Promise<void>;
}

/** Why a lease's signal is given. */
export const cancelled = "the job was cancelled";
export const leaseLost = "the lease was lost";
