/**
 * The worker thread that owns ONNX Runtime. `session.run` blocks its thread until it returns, in spite of its promise, so
 * it must not be the caller's thread. This file and `probe.ts` are the only ones that import onnxruntime.
 *
 * Banks: parameters and optimiser state live here as two tensors per entry. A step reads one and writes the other
 * (outputs are preallocated), then they change places: nothing is copied, and a failed step leaves the values as they were.
 */
import { parentPort, workerData } from "node:worker_threads";
import { env, InferenceSession, Tensor } from "onnxruntime-node";
import type { TensorData } from "../graph/index.ts";
import type { ArrayMessage, Reply, Request, RunResult, WorkerStart } from "./protocol.ts";

interface Program {
  readonly session: InferenceSession;
  readonly label: string;
}

interface BankEntry {
  current: Tensor;
  spare?: Tensor;
}

const { device, threads } = workerData as WorkerStart;
const programs = new Map<number, Program>();
const banks = new Map<number, Map<string, BankEntry>>();
// What fails comes back as an error that names the program; the library's own lines on standard error would say it twice.
env.logLevel = "fatal";

function toTensor({ data, shape }: ArrayMessage): Tensor {
  if (data instanceof Float32Array) return new Tensor("float32", data, shape);
  if (data instanceof Int32Array) return new Tensor("int32", data, shape);
  if (data instanceof BigInt64Array) return new Tensor("int64", data, shape);
  if (data instanceof Uint32Array) return new Tensor("uint32", data, shape);
  return new Tensor("bool", data, shape);
}

function entryOf(bank: number, name: string): BankEntry {
  const entry = banks.get(bank)?.get(name);
  if (entry === undefined) throw new Error(`bank ${bank} has no entry ${name}`);
  return entry;
}

function bankOf(id: number): Map<string, BankEntry> {
  let bank = banks.get(id);
  if (bank === undefined) banks.set(id, (bank = new Map()));
  return bank;
}

/** What was kept under a name last time, to be written over, if the output is of that shape. */
function roomFor(session: InferenceSession, output: string, entry: BankEntry | undefined): Tensor | null {
  const about = session.outputMetadata.find(({ name }) => name === output);
  if (entry === undefined || !about?.isTensor) return null;
  const { dims, type } = entry.current;
  return about.type === type && about.shape.length === dims.length && about.shape.every((n, i) => n === dims[i])
    ? entry.current
    : null;
}

/** A tensor of the same kind to write into. */
function spareOf(entry: BankEntry): Tensor {
  entry.spare ??= new Tensor("float32", new Float32Array(entry.current.size), entry.current.dims);
  return entry.spare;
}

async function run(request: Extract<Request, { kind: "run" }>): Promise<RunResult> {
  const program = programs.get(request.program);
  if (program === undefined) throw new Error("the program is closed");
  const { session } = program;
  const feeds: Record<string, Tensor> = {};
  for (const name of session.inputNames) {
    const fed = request.feeds[name];
    if (fed !== undefined) feeds[name] = toTensor(fed);
    else if (request.bank !== undefined) feeds[name] = entryOf(request.bank, name).current;
    else throw new Error(`input ${name} is not fed`);
  }
  const fetches: Record<string, Tensor | null> = {};
  const renewed: BankEntry[] = [];
  const state = new Set<string>();
  for (const [entryName, output] of Object.entries(request.renew ?? {})) {
    const entry = entryOf(request.bank!, entryName);
    fetches[output] = spareOf(entry);
    renewed.push(entry);
    state.add(output);
  }
  const kept = Object.entries(request.keep ?? {});
  for (const [entryName, output] of kept) {
    fetches[output] = roomFor(session, output, banks.get(request.bank!)?.get(entryName));
    state.add(output);
  }
  const wanted = request.fetch ?? session.outputNames.filter((name) => !state.has(name));
  for (const name of wanted) {
    const place = request.into?.[name];
    fetches[name] = place === undefined ? null : toTensor(place);
  }
  const began = performance.now();
  const results = await session.run(feeds, fetches);
  const ms = performance.now() - began;
  for (const entry of renewed) {
    const { current } = entry;
    entry.current = entry.spare!;
    entry.spare = current;
  }
  for (const [entryName, output] of kept) bankOf(request.bank!).set(entryName, { current: results[output] });
  const outputs: Record<string, ArrayMessage> = {};
  for (const name of wanted) {
    const tensor = results[name];
    outputs[name] = { data: tensor.data as TensorData, shape: tensor.dims };
  }
  return {
    outputs,
    ms,
    feeds: request.recycle
      ? Object.fromEntries(Object.entries(request.feeds).map(([name, { data }]) => [name, data]))
      : undefined,
  };
}

async function handle(request: Request): Promise<{ value: unknown; transfer: ArrayBuffer[] }> {
  switch (request.kind) {
    case "load": {
      const session = await InferenceSession.create(request.model, {
        executionProviders: [device],
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        executionMode: "sequential",
        graphOptimizationLevel: request.optimise ? "all" : "basic",
        enableMemPattern: !request.compact,
        ...(request.profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: request.profile }),
        // Denormals (Adam's second moment, dead channels) cost a hundred times a normal number.
        extra: { session: { set_denormal_as_zero: "1" } },
      });
      programs.set(request.program, { session, label: request.label });
      return { value: { inputs: session.inputNames, outputs: session.outputNames }, transfer: [] };
    }
    case "unload": {
      const program = programs.get(request.program);
      programs.delete(request.program);
      if (program !== undefined) {
        (program.session as unknown as { endProfiling(): void }).endProfiling();
        await program.session.release();
      }
      return { value: undefined, transfer: [] };
    }
    case "run": {
      const result = await run(request);
      const transfer = Object.values(result.outputs).map(({ data }) => data.buffer as ArrayBuffer);
      for (const data of Object.values(result.feeds ?? {})) transfer.push(data.buffer as ArrayBuffer);
      return { value: result, transfer: [...new Set(transfer)] };
    }
    case "bankWrite": {
      const bank = bankOf(request.bank);
      for (const [name, array] of Object.entries(request.entries)) bank.set(name, { current: toTensor(array) });
      return { value: undefined, transfer: [] };
    }
    case "bankRead": {
      const names = request.names ?? [...(banks.get(request.bank)?.keys() ?? [])];
      const entries: Record<string, ArrayMessage> = {};
      for (const name of names) {
        const { current } = entryOf(request.bank, name);
        entries[name] = { data: (current.data as Float32Array).slice(), shape: current.dims };
      }
      return { value: entries, transfer: Object.values(entries).map(({ data }) => data.buffer as ArrayBuffer) };
    }
    case "bankClose":
      banks.delete(request.bank);
      return { value: undefined, transfer: [] };
    case "memory":
      return { value: process.memoryUsage().rss, transfer: [] };
  }
}

const port = parentPort!;
// One at a time: an await inside `run` must not let the next request overtake.
let queue: Promise<void> = Promise.resolve();
port.on("message", ({ id, request }: { id: number; request: Request }) => {
  queue = queue.then(async () => {
    try {
      const { value, transfer } = await handle(request);
      port.postMessage({ id, ok: true, value } satisfies Reply, transfer);
    } catch (error) {
      port.postMessage({
        id,
        ok: false,
        message: error instanceof Error ? error.message : String(error),
      } satisfies Reply);
    }
  });
});
port.postMessage({ id: -1, ok: true, value: "ready" } satisfies Reply);
