/**
 * The engine in Node: served by a worker thread, so that progress, Ctrl-C and data preparation go on while a step computes.
 */
import { availableParallelism } from "node:os";
import type { Worker } from "node:worker_threads";
import { spawnWorker } from "../../threads.ts";
import { connectEngine } from "../engine.ts";
import type { CallerPort, EngineOptions, ThreadStart, WorkerStart } from "../protocol.ts";
import type { Engine } from "../types.ts";
import { checkedLoad, requireDevice } from "./devices.ts";

/**
 * Starts an engine.
 * @throws DeviceError if the device or its library does not work here; on WebGPU, loading a network with a max-pool throws it, too
 */
export async function createEngine(options: EngineOptions = {}): Promise<Engine> {
  const start: WorkerStart = { device: options.device ?? "cpu", threads: options.threads ?? availableParallelism() };
  await requireDevice(start.device);
  const closed = new Int32Array(new SharedArrayBuffer(4));
  const worker = spawnWorker(import.meta.url, "./engine-worker", { ...start, closed } satisfies ThreadStart);
  const engine = await connectEngine(threadPort(worker, closed), start);
  return { ...engine, load: checkedLoad(start.device, engine.load) };
}

/** @param closed shared with the worker: it begins nothing more once this is 1 */
function threadPort(worker: Worker, closed: Int32Array): CallerPort {
  // The worker's first message, that it is ready, answers no question.
  let unanswered = 1;
  worker.on("message", () => unanswered--);
  return {
    onMessage: (listener) => void worker.on("message", listener),
    post: (question, transfer) => {
      worker.postMessage(question, transfer);
      unanswered++;
    },
    onDeath: (listener) => {
      worker.on("messageerror", (error) => listener(`a message could not be read: ${error.message}`));
      worker.on("error", (error) => listener(error instanceof Error ? error.message : String(error)));
      worker.on("exit", (code) => listener(`its thread ended with code ${code}`));
    },
    hold: (waits) => (waits ? worker.ref() : worker.unref()),
    close: async () => {
      // A thread that is ended while ONNX Runtime computes in it can take the whole process along: what runs is waited for.
      Atomics.store(closed, 0, 1);
      if (unanswered > 0 && worker.threadId !== -1)
        await new Promise<void>((resolve) => {
          worker.ref();
          worker.once("message", () => resolve());
          worker.once("exit", () => resolve());
        });
      await worker.terminate();
    },
  };
}
