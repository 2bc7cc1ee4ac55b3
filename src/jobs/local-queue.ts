/**
 * A queue of jobs in one process, kept in a folder: what was enqueued, told and decided is on disk before anybody is told, so a server
 * that was killed finds it again. A folder has one such queue at a time.
 */
import { ConfigError } from "../errors.ts";
import { type FolderLock, lockFolder, makeFolder } from "../files/index.ts";
import { takingTurns } from "../turns.ts";
import {
  hasEnded,
  type Job,
  type JobEvent,
  type JobKind,
  jobIdPattern,
  jobRequest,
  MOST_DEATHS,
  newJobId,
  type Told,
} from "./job.ts";
import { type JobFiles, jobFiles } from "./job-files.ts";
import { cancelled, type JobQueue, type Lease, leaseLost } from "./queue.ts";

export interface LocalQueueOptions {
  /** After so long without a beat a lease is lost; a minute by default. */
  readonly silenceMs?: number;
}

/** A queue whose jobs' folders are known, for files that a job leaves beside its record. */
export interface LocalQueue extends JobQueue {
  /** The folder of a job. */
  folderOf(id: string): string;
}

interface Entry {
  job: Job;
  readonly events: JobEvent[];
  lease?: { readonly stop: AbortController; lastBeatMs: number };
  /** Changes of one job are written in their order. */
  readonly turns: ReturnType<typeof takingTurns>;
}

/**
 * Opens the queue in a folder. Jobs that ran when the last one ended wait again.
 * @throws ConfigError while another process has the folder, DataError for a record that was damaged
 */
export async function openLocalQueue(
  folder: string,
  { silenceMs = 60_000 }: LocalQueueOptions = {},
): Promise<LocalQueue> {
  await makeFolder(folder);
  const lock = await lockFolder(folder, "is the queue of a server that runs");
  try {
    const files = jobFiles(folder);
    const entries = new Map<string, Entry>();
    for (const { job, events } of await files.readAll()) entries.set(job.id, entryOf(job, events));
    const queue = new Queue(files, entries, lock, silenceMs);
    await queue.recover();
    return queue;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

const entryOf = (job: Job, events: JobEvent[] = []): Entry => ({
  job,
  events,
  turns: takingTurns({ name: job.id, mostWaiting: Number.POSITIVE_INFINITY }),
});

class Queue implements LocalQueue {
  readonly #files: JobFiles;
  readonly #entries: Map<string, Entry>;
  readonly #lock: FolderLock;
  readonly #silenceMs: number;
  readonly #watchers = new Set<() => void>();
  #closed = false;

  constructor(files: JobFiles, entries: Map<string, Entry>, lock: FolderLock, silenceMs: number) {
    this.#files = files;
    this.#entries = entries;
    this.#lock = lock;
    this.#silenceMs = silenceMs;
  }

  folderOf(id: string): string {
    return this.#files.folderOf(id);
  }

  /** What ran when the server was killed is begun again, except where it had been asked to end. */
  async recover(): Promise<void> {
    for (const entry of this.#entries.values()) {
      const { state, cancelAsked } = entry.job;
      if (state === "running") await this.#change(entry, { state: cancelAsked ? "cancelled" : "queued" });
    }
  }

  async enqueue(given: Job["request"], { id = newJobId(given.kind) }: { readonly id?: string } = {}): Promise<Job> {
    if (this.#closed) throw new ConfigError("the queue is closed; open it again");
    if (!jobIdPattern.test(id)) throw new ConfigError(`${id}: is no id of a job; expected ${jobIdPattern.source}`);
    const there = this.#entries.get(id);
    if (there !== undefined) return there.job;
    const entry = entryOf({
      format: 1,
      id,
      request: jobRequest.parse(given),
      state: "queued",
      created: new Date().toISOString(),
      attempts: 0,
      deaths: 0,
      cancelAsked: false,
    });
    this.#entries.set(id, entry);
    try {
      await this.#files.write(entry.job);
      await this.#tell(entry, { type: "state", data: { state: "queued" } });
    } catch (error) {
      this.#entries.delete(id);
      throw error;
    }
    return entry.job;
  }

  async get(id: string): Promise<Job | undefined> {
    return this.#entries.get(id)?.job;
  }

  async list(): Promise<readonly Job[]> {
    return [...this.#entries.values()].map(({ job }) => job).sort((a, b) => byTime(b, a));
  }

  async cancel(id: string): Promise<Job | undefined> {
    const entry = this.#entries.get(id);
    if (entry === undefined || hasEnded(entry.job)) return entry?.job;
    if (entry.job.state === "queued") await this.#change(entry, { state: "cancelled", cancelAsked: true });
    else {
      await this.#change(entry, { cancelAsked: true });
      entry.lease?.stop.abort(new Error(cancelled));
    }
    return entry.job;
  }

  async *events(id: string, after = 0, signal?: AbortSignal): AsyncIterable<JobEvent> {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    let next = Math.max(0, after);
    while (!signal?.aborted) {
      while (next < entry.events.length) {
        if (signal?.aborted) return;
        yield entry.events[next++];
      }
      if (hasEnded(entry.job) || this.#closed) return;
      await this.#changed(signal);
    }
  }

  async take(kinds: readonly JobKind[], signal: AbortSignal): Promise<Lease | undefined> {
    while (!signal.aborted && !this.#closed) {
      await this.#takeFromSilent();
      const [entry] = [...this.#entries.values()]
        .filter(({ job, lease }) => job.state === "queued" && lease === undefined && kinds.includes(job.request.kind))
        .sort((a, b) => byTime(a.job, b.job));
      if (entry !== undefined) return this.#lease(entry);
      await this.#changed(signal, this.#silenceMs);
    }
    return undefined;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const { lease } of this.#entries.values()) lease?.stop.abort(new Error(leaseLost));
    this.#notify();
    for (const { turns } of this.#entries.values()) await turns.take(async () => {});
    await this.#lock.release();
  }

  async #lease(entry: Entry): Promise<Lease> {
    const held = { stop: new AbortController(), lastBeatMs: Date.now() };
    entry.lease = held;
    const attempt = entry.job.attempts + 1;
    await this.#change(entry, { state: "running", attempts: attempt, started: entry.job.started ?? now() });
    // What a lost lease still wants to say is not heard.
    const isMine = (): boolean => entry.lease === held && !this.#closed;
    const end = async (changes: Partial<Job>): Promise<void> => {
      if (!isMine()) return;
      entry.lease = undefined;
      await this.#change(entry, changes);
    };
    return {
      job: entry.job,
      attempt,
      stop: held.stop.signal,
      silenceMs: this.#silenceMs,
      beat: async () => {
        held.lastBeatMs = Date.now();
      },
      tell: async (told) => {
        if (isMine()) await this.#tell(entry, told);
      },
      done: (result) => end({ state: "done", result: { ...result } }),
      failed: (error) => end({ state: "failed", error }),
      died: (reason) => {
        const deaths = entry.job.deaths + 1;
        if (deaths < MOST_DEATHS) return end({ state: entry.job.cancelAsked ? "cancelled" : "queued", deaths });
        const message = `its process died ${deaths} times, the last time so: ${reason}`;
        return end({ state: "failed", deaths, error: { code: "E_DIED", message } });
      },
      cancelled: () => end({ state: "cancelled" }),
      giveBack: () => end({ state: entry.job.cancelAsked ? "cancelled" : "queued" }),
    };
  }

  /** Jobs whose holders fell silent wait again. */
  async #takeFromSilent(): Promise<void> {
    const latestMs = Date.now() - this.#silenceMs;
    for (const entry of this.#entries.values()) {
      const { lease } = entry;
      if (lease === undefined || lease.lastBeatMs > latestMs) continue;
      entry.lease = undefined;
      lease.stop.abort(new Error(leaseLost));
      await this.#change(entry, { state: entry.job.cancelAsked ? "cancelled" : "queued" });
    }
  }

  /** Writes a job's new record, tells its new state, and then wakes who waits. */
  async #change(entry: Entry, changes: Partial<Job>): Promise<void> {
    await entry.turns.take(async () => {
      const job = { ...entry.job, ...changes };
      if (hasEnded(job) && job.ended === undefined) job.ended = now();
      await this.#files.write(job);
      // The event stands before the state is seen: who reads events to the end of a job has read this one.
      if (job.state !== entry.job.state) {
        const { state, error, attempts } = job;
        await this.#append(entry, { type: "state", data: { state, attempts, ...(error && { error }) } });
      }
      entry.job = job;
    });
    this.#notify();
  }

  async #tell(entry: Entry, told: Told): Promise<void> {
    await entry.turns.take(() => this.#append(entry, told));
    this.#notify();
  }

  async #append(entry: Entry, { type, data }: Told): Promise<void> {
    const event = { n: entry.events.length + 1, at: now(), type, data };
    await this.#files.append(entry.job.id, event);
    entry.events.push(event);
  }

  #notify(): void {
    for (const wake of [...this.#watchers]) wake();
  }

  /** Waits for any change, the signal, or a time. */
  #changed(signal?: AbortSignal, mostMs?: number): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", wake);
        this.#watchers.delete(wake);
        resolve();
      };
      const timer = mostMs === undefined ? undefined : setTimeout(wake, mostMs);
      timer?.unref();
      signal?.addEventListener("abort", wake, { once: true });
      this.#watchers.add(wake);
    });
  }
}

const now = (): string => new Date().toISOString();

const byTime = (a: Job, b: Job): number =>
  a.created < b.created ? -1 : a.created > b.created ? 1 : a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
