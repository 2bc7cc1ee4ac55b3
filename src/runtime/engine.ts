/**
 * The engine as the rest of medvox sees it: programs (ONNX graphs) and banks (parameters), served by a worker thread, so
 * that progress, Ctrl-C and data preparation go on while a step computes. If the worker dies, everything pending and
 * everything asked later fails with an error that names what ran; nothing hangs.
 */
import { availableParallelism } from "node:os";
import type { Worker } from "node:worker_threads";
import { DeviceError } from "../errors.ts";
import type { TensorData } from "../graph/index.ts";
import { spawnWorker } from "../threads.ts";
import type { ArrayMessage, EngineOptions, Reply, Request, RunResult, WorkerStart } from "./protocol.ts";

export type Feeds = Readonly<Record<string, ArrayMessage>>;

export interface RunOptions {
  /** Outputs to bring back; all that do not renew the bank by default. */
  fetch?: readonly string[];
  bank?: Bank;
  /** Bank entries this run renews: entry → output. */
  renew?: Readonly<Record<string, string>>;
  /**
   * Arrays that outputs are written into instead of new ones. They are handed over, so they are empty afterwards; the result's
   * arrays have their memory.
   */
  into?: Feeds;
  /** Outputs that stay in the engine as bank entries, of any element type, for another program to read: entry → output. */
  keep?: Readonly<Record<string, string>>;
  /** Hand the feeds' buffers over instead of copying them; they come back in `feeds` of the result. */
  recycle?: boolean;
}

/** Named float32 arrays that live in the engine. */
export interface Bank {
  readonly id: number;
  write(entries: Readonly<Record<string, { data: Float32Array; shape: readonly number[] }>>): Promise<void>;
  /** Copies of the values, all by default. */
  read(names?: readonly string[]): Promise<Map<string, { data: Float32Array; shape: readonly number[] }>>;
  close(): Promise<void>;
}

/** A loaded graph. */
export interface Program {
  readonly label: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  run(feeds: Feeds, options?: RunOptions): Promise<RunResult>;
  close(): Promise<void>;
}

export interface LoadOptions {
  /** Names the program in errors. */
  label?: string;
  /** ONNX Runtime's own graph optimisations; on by default. */
  optimise?: boolean;
  /** Write a profile of every node to files with this prefix, when the program is closed. */
  profile?: string;
  /**
   * Values get memory when they are computed, instead of a place each in one block planned for the whole graph: less memory, and as
   * fast where few values are small. Off by default.
   */
  compact?: boolean;
}

export interface Engine {
  readonly device: string;
  readonly threads: number;
  load(model: Uint8Array, options?: LoadOptions): Promise<Program>;
  bank(): Bank;
  /** Resident memory of the process, bytes. */
  memory(): Promise<number>;
  close(): Promise<void>;
}

interface Pending {
  readonly what: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Starts an engine.
 * @throws DeviceError if the device or its library does not work here
 */
export async function createEngine(options: EngineOptions = {}): Promise<Engine> {
  const start: WorkerStart = { device: options.device ?? "cpu", threads: options.threads ?? availableParallelism() };
  const connection = new Connection(spawnWorker(import.meta.url, "./engine-worker", start));
  await connection.ready;
  let programs = 0;
  let banks = 0;
  return {
    device: start.device,
    threads: start.threads,
    load: async (model, { label = "program", optimise = true, profile, compact = false } = {}) => {
      const program = programs++;
      const names = (await connection.ask(`loading ${label} on ${start.device}`, {
        kind: "load",
        program,
        model,
        label,
        optimise,
        profile,
        compact,
      })) as {
        inputs: readonly string[];
        outputs: readonly string[];
      };
      return {
        label,
        ...names,
        run: (feeds, { fetch, bank, renew, keep, into, recycle = false } = {}) =>
          connection.ask(label, { kind: "run", program, feeds, fetch, bank: bank?.id, renew, keep, into, recycle }, [
            ...(recycle ? buffersOf(feeds) : []),
            ...(into === undefined ? [] : buffersOf(into)),
          ]) as Promise<RunResult>,
        close: async () => {
          await connection.ask(`closing ${label}`, { kind: "unload", program });
        },
      };
    },
    bank: () => {
      const id = banks++;
      return {
        id,
        write: async (entries) => {
          await connection.ask("writing parameters", { kind: "bankWrite", bank: id, entries });
        },
        read: async (names) => {
          const entries = (await connection.ask("reading parameters", { kind: "bankRead", bank: id, names })) as Record<
            string,
            { data: Float32Array; shape: readonly number[] }
          >;
          return new Map(Object.entries(entries));
        },
        close: async () => {
          await connection.ask("releasing parameters", { kind: "bankClose", bank: id });
        },
      };
    },
    memory: () => connection.ask("measuring memory", { kind: "memory" }) as Promise<number>,
    close: () => connection.close(),
  };
}

function buffersOf(feeds: Feeds): ArrayBuffer[] {
  return [...new Set(Object.values(feeds).map(({ data }: { data: TensorData }) => data.buffer as ArrayBuffer))];
}

/** Questions and answers over a worker's port. */
class Connection {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #next = 0;
  #dead: DeviceError | undefined;
  #closing = false;
  readonly ready: Promise<unknown>;

  constructor(worker: Worker) {
    this.#worker = worker;
    this.ready = new Promise((resolve, reject) =>
      this.#pending.set(-1, { what: "starting the engine", resolve, reject }),
    );
    worker.on("message", (reply: Reply) => this.#answer(reply));
    worker.on("messageerror", (error) => this.#die(`a message could not be read: ${error.message}`));
    worker.on("error", (error) => this.#die(error instanceof Error ? error.message : String(error)));
    worker.on("exit", (code) => this.#die(`its thread ended with code ${code}`));
  }

  ask(what: string, request: Request, transfer: readonly ArrayBuffer[] = []): Promise<unknown> {
    if (this.#dead) return Promise.reject(this.#dead);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { what, resolve, reject });
      this.#worker.ref();
      try {
        this.#worker.postMessage({ id, request }, transfer as ArrayBuffer[]);
      } catch (error) {
        this.#settle(id);
        reject(new DeviceError(`engine: ${what}: the request could not be sent: ${(error as Error).message}`));
      }
    });
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#worker.terminate();
  }

  #answer(reply: Reply): void {
    const pending = this.#settle(reply.id);
    if (pending === undefined) return;
    if (reply.ok) pending.resolve(reply.value);
    else pending.reject(new DeviceError(`engine: ${pending.what}: ${reply.message}`));
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    // An idle engine must not keep a finished program alive; a pending question does.
    if (this.#pending.size === 0) this.#worker.unref();
    return pending;
  }

  #die(reason: string): void {
    if (this.#dead) return;
    const running = [...this.#pending.values()].map(({ what }) => what);
    const doing = running.length === 0 ? "" : ` while ${running[0]}`;
    this.#dead = new DeviceError(
      this.#closing ? "engine: it is closed" : `engine: the worker failed${doing}: ${reason}`,
    );
    for (const { reject } of this.#pending.values()) reject(this.#dead);
    this.#pending.clear();
  }
}
