/**
 * The worker's side of the engine: programs and banks over ONNX Runtime, whichever build of it the platform brings.
 *
 * Banks: parameters and optimizer state live here as two tensors per entry. A step reads one and writes the other
 * (outputs are preallocated), then they change places: nothing is copied, and a failed step leaves the values as they were.
 */
import type { InferenceSession, Tensor, TensorConstructor } from "onnxruntime-common";
import type { TensorData } from "../graph/index.ts";
import type { ArrayMessage, Request, RunResult, ServerPort } from "./protocol.ts";

export type LoadRequest = Extract<Request, { kind: "load" }>;

/** What differs between Node and a browser. */
export interface Platform {
  /** Either of onnxruntime-node and onnxruntime-web. */
  readonly ort: {
    readonly InferenceSession: {
      create(model: Uint8Array, options: InferenceSession.SessionOptions): Promise<InferenceSession>;
    };
    readonly Tensor: TensorConstructor;
  };
  sessionOptions(request: LoadRequest): InferenceSession.SessionOptions;
  /** Whether outputs may be written into tensors that are there; onnxruntime-web gives silent zeros then. */
  readonly preallocates: boolean;
  /** Memory in use, bytes. */
  memory(): number;
}

interface BankEntry {
  current: Tensor;
  spare?: Tensor;
}

/** Answers what comes over `port`, one request after another, and says first that it is ready. */
export function serveEngine(platform: Platform, port: ServerPort): void {
  const served = new ServedEngine(platform);
  // One at a time: an await inside `run` must not let the next request overtake.
  let queue: Promise<void> = Promise.resolve();
  port.onMessage(({ id, request }) => {
    queue = queue.then(async () => {
      if (port.isClosed?.()) return port.post({ id, ok: false, message: "it is closed" }, []);
      try {
        const { value, transfer = [] } = await served.answer(request);
        port.post({ id, ok: true, value }, transfer);
      } catch (error) {
        port.post({ id, ok: false, message: error instanceof Error ? error.message : String(error) }, []);
      }
    });
  });
  port.post({ id: -1, ok: true, value: "ready" }, []);
}

interface Answer {
  readonly value?: unknown;
  readonly transfer?: readonly ArrayBuffer[];
}

class ServedEngine {
  readonly #platform: Platform;
  readonly #programs = new Map<number, InferenceSession>();
  readonly #banks = new Map<number, Map<string, BankEntry>>();

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  async answer(request: Request): Promise<Answer> {
    switch (request.kind) {
      case "load": {
        const { ort, sessionOptions } = this.#platform;
        const session = await ort.InferenceSession.create(request.model, sessionOptions(request));
        this.#programs.set(request.program, session);
        return { value: { inputs: [...session.inputNames], outputs: [...session.outputNames] } };
      }
      case "unload": {
        const session = this.#programs.get(request.program);
        this.#programs.delete(request.program);
        if (session !== undefined) {
          session.endProfiling();
          await session.release();
        }
        return {};
      }
      case "run": {
        const result = await this.#run(request);
        const arrays = [...Object.values(result.outputs).map(({ data }) => data), ...Object.values(result.feeds ?? {})];
        return { value: result, transfer: [...new Set(arrays.map(({ buffer }) => buffer as ArrayBuffer))] };
      }
      case "bankWrite": {
        const bank = this.#bank(request.bank);
        for (const [name, array] of Object.entries(request.entries)) bank.set(name, { current: this.#tensor(array) });
        return {};
      }
      case "bankRead": {
        const entries: Record<string, ArrayMessage> = {};
        for (const name of request.names ?? [...(this.#banks.get(request.bank)?.keys() ?? [])]) {
          const { current } = this.#entry(request.bank, name);
          entries[name] = { data: ((await current.getData()) as Float32Array).slice(), shape: current.dims };
        }
        return { value: entries, transfer: Object.values(entries).map(({ data }) => data.buffer as ArrayBuffer) };
      }
      case "bankClose":
        this.#banks.delete(request.bank);
        return {};
      case "memory":
        return { value: this.#platform.memory() };
    }
  }

  async #run(request: Extract<Request, { kind: "run" }>): Promise<RunResult> {
    const session = this.#programs.get(request.program);
    if (session === undefined) throw new Error("the program is closed");
    const { preallocates } = this.#platform;
    const feeds: Record<string, Tensor> = {};
    for (const name of session.inputNames) {
      const fed = request.feeds[name];
      if (fed !== undefined) feeds[name] = this.#tensor(fed);
      else if (request.bank !== undefined) feeds[name] = this.#entry(request.bank, name).current;
      else throw new Error(`input ${name} is not fed`);
    }
    const fetches: Record<string, Tensor | null> = {};
    const renewed = Object.entries(request.renew ?? {}).map(([name, output]) => {
      const entry = this.#entry(request.bank!, name);
      fetches[output] = preallocates ? this.#spare(entry) : null;
      return { entry, output };
    });
    const stays = Object.entries(request.keep ?? {});
    for (const [name, output] of stays) {
      const before = this.#banks.get(request.bank!)?.get(name);
      fetches[output] = preallocates ? roomFor(session, output, before) : null;
    }
    const wanted = request.fetch ?? session.outputNames.filter((name) => !Object.hasOwn(fetches, name));
    for (const name of wanted) {
      const place = request.into?.[name];
      fetches[name] = place === undefined || !preallocates ? null : this.#tensor(place);
    }
    const began = performance.now();
    const results = await session.run(feeds, fetches);
    const ms = performance.now() - began;
    for (const { entry, output } of renewed) {
      const { current } = entry;
      entry.current = results[output];
      if (preallocates) entry.spare = current;
      else current.dispose();
    }
    for (const [name, output] of stays) {
      const bank = this.#bank(request.bank!);
      if (!preallocates) bank.get(name)?.current.dispose();
      bank.set(name, { current: results[output] });
    }
    const outputs: Record<string, ArrayMessage> = {};
    for (const name of wanted) {
      outputs[name] = { data: (await results[name].getData()) as TensorData, shape: results[name].dims };
    }
    const fed = Object.entries(request.feeds).map(([name, { data }]) => [name, data] as const);
    return { outputs, ms, feeds: request.recycle ? Object.fromEntries(fed) : undefined };
  }

  #tensor({ data, shape }: ArrayMessage): Tensor {
    const { Tensor: Made } = this.#platform.ort;
    if (data instanceof Float32Array) return new Made("float32", data, shape);
    if (data instanceof Int32Array) return new Made("int32", data, shape);
    if (data instanceof BigInt64Array) return new Made("int64", data, shape);
    if (data instanceof Uint32Array) return new Made("uint32", data, shape);
    return new Made("bool", data, shape);
  }

  /** A tensor of the same kind to write into. */
  #spare(entry: BankEntry): Tensor {
    entry.spare ??= this.#tensor({ data: new Float32Array(entry.current.size), shape: entry.current.dims });
    return entry.spare;
  }

  #entry(bank: number, name: string): BankEntry {
    const entry = this.#banks.get(bank)?.get(name);
    if (entry === undefined) throw new Error(`bank ${bank} has no entry ${name}`);
    return entry;
  }

  #bank(id: number): Map<string, BankEntry> {
    let bank = this.#banks.get(id);
    if (bank === undefined) this.#banks.set(id, (bank = new Map()));
    return bank;
  }
}

/** What stayed under a name last time, to be written over, if the output is of that shape. */
function roomFor(session: InferenceSession, output: string, entry: BankEntry | undefined): Tensor | null {
  const described = session.outputMetadata.find(({ name }) => name === output);
  if (entry === undefined || !described?.isTensor) return null;
  const { dims, type } = entry.current;
  const same = described.shape.length === dims.length && described.shape.every((n, i) => n === dims[i]);
  return same && described.type === type ? entry.current : null;
}
