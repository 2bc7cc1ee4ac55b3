/**
 * The worker thread that owns ONNX Runtime. `session.run` blocks its thread until it returns, in spite of its promise, so
 * it must not be the caller's thread. This file and `probe.ts` are the only ones that import onnxruntime-node.
 */
import { parentPort, workerData } from "node:worker_threads";
import { env, InferenceSession, Tensor } from "onnxruntime-node";
import type { ThreadStart } from "../protocol.ts";
import { serveEngine } from "../serve-engine.ts";

const { device, threads, closed } = workerData as ThreadStart;
// What fails comes back as an error that names the program; the library's own lines on standard error would say it twice.
env.logLevel = "fatal";

const port = parentPort!;
// A message that cannot be read has no number to answer to: the thread ends, so that whoever waits is told.
port.on("messageerror", (error) => {
  throw new Error(`a message to the engine could not be read: ${error.message}`);
});
serveEngine(
  {
    ort: { InferenceSession, Tensor },
    sessionOptions: ({ optimize, compact, profile }) => ({
      executionProviders: [device],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: "sequential",
      graphOptimizationLevel: optimize ? "all" : "basic",
      enableMemPattern: !compact,
      ...(profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: profile }),
      // Denormals (Adam's second moment, dead channels) cost a hundred times a normal number.
      extra: { session: { set_denormal_as_zero: "1" } },
    }),
    preallocates: true,
    memory: () => process.memoryUsage().rss,
  },
  {
    onMessage: (listener) => void port.on("message", listener),
    post: (reply, transfer) => port.postMessage(reply, transfer),
    isClosed: () => Atomics.load(closed, 0) === 1,
  },
);
