/**
 * The engine in Node: served by a worker thread, so that progress, Ctrl-C and data preparation go on while a step computes.
 */
import { availableParallelism } from "node:os";
import type { Worker } from "node:worker_threads";
import { spawnWorker } from "../../threads.ts";
import { connectEngine } from "../engine.ts";
import type { CallerPort, EngineOptions, WorkerStart } from "../protocol.ts";
import type { Engine } from "../types.ts";
import { checkedLoad, requireDevice } from "./devices.ts";

/**
 * Starts an engine.
 * @throws DeviceError if the device or its library does not work here; on WebGPU, loading a network with a max-pool throws it, too
 */
export async function createEngine(options: EngineOptions = {}): Promise<Engine> {
  const start: WorkerStart = { device: options.device ?? "cpu", threads: options.threads ?? availableParallelism() };
  await requireDevice(start.device);
  const engine = await connectEngine(threadPort(spawnWorker(import.meta.url, "./engine-worker", start)), start);
  return { ...engine, load: checkedLoad(start.device, engine.load) };
}

function threadPort(worker: Worker): CallerPort {
  return {
    onMessage: (listener) => void worker.on("message", listener),
    post: (question, transfer) => worker.postMessage(question, transfer),
    onDeath: (listener) => {
      worker.on("messageerror", (error) => listener(`a message could not be read: ${error.message}`));
      worker.on("error", (error) => listener(error instanceof Error ? error.message : String(error)));
      worker.on("exit", (code) => listener(`its thread ended with code ${code}`));
    },
    hold: (waits) => (waits ? worker.ref() : worker.unref()),
    close: async () => void (await worker.terminate()),
  };
}
