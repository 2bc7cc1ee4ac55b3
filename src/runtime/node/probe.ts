/**
 * What this machine's devices can do. Each device is tried in a process of its own with a graph of one node, for a broken
 * driver can take its whole process down.
 */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { graph, relu } from "../../graph/index.ts";
import type { DeviceName } from "../protocol.ts";

export interface DeviceReport {
  readonly name: DeviceName;
  readonly works: boolean;
  /** Why it does not. */
  readonly why?: string;
  /** What it cannot do although it works: webgpu and cuda are experimental. */
  readonly experimental?: string;
}

const DEVICES: readonly DeviceName[] = ["cpu", "webgpu", "cuda"];

/** What is to be known of devices that medvox is not tested on with whole trainings. */
const EXPERIMENTAL: Partial<Record<DeviceName, string>> = {
  webgpu: "experimental: runs no network with a max-pool, which all of medvox's have",
  cuda: "experimental: needs ONNX Runtime's CUDA library, and is not tested with whole trainings",
};

/** Tries every device, one after another. */
export async function probeDevices(): Promise<DeviceReport[]> {
  const reports: DeviceReport[] = [];
  for (const name of DEVICES) {
    const experimental = EXPERIMENTAL[name];
    reports.push({ ...(await probeDevice(name)), ...(experimental === undefined ? {} : { experimental }) });
  }
  return reports;
}

/** Runs one node on a device in a process of its own. */
export function probeDevice(name: DeviceName, timeoutMs = 20_000): Promise<DeviceReport> {
  return new Promise((resolve) => {
    const fromSource = import.meta.url.endsWith(".ts");
    const child = fork(fileURLToPath(import.meta.url), ["--probe", name], {
      execArgv: fromSource ? ["--import", import.meta.resolve("tsx")] : [],
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    let answer: DeviceReport | undefined;
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    child.on("message", (report: DeviceReport) => {
      answer = report;
      child.kill();
    });
    child.on("error", (error) => {
      answer ??= { name, works: false, why: error.message };
    });
    child.on("exit", (code, signal) => {
      clearTimeout(timer);
      resolve(
        answer ?? {
          name,
          works: false,
          why: `its process ended with ${signal ?? `code ${code}`} when the device was first used`,
        },
      );
    });
  });
}

async function probe(name: DeviceName): Promise<DeviceReport> {
  const { env, InferenceSession, listSupportedBackends, Tensor } = await import("onnxruntime-node");
  env.logLevel = "fatal";
  const backend = listSupportedBackends().find((candidate) => candidate.name === name);
  if (backend === undefined) return { name, works: false, why: "this build of onnxruntime does not know it" };
  try {
    const g = graph();
    const model = g.toOnnx({ y: relu(g.input("x", [2])) });
    const session = await InferenceSession.create(model, { executionProviders: [name] });
    const { y } = await session.run({ x: new Tensor("float32", Float32Array.of(-1, 2), [2]) });
    const [a, b] = (await y.getData()) as Float32Array;
    return a === 0 && b === 2
      ? { name, works: true }
      : { name, works: false, why: `it computed relu([-1, 2]) as [${a}, ${b}]` };
  } catch (error) {
    const [why] = (error instanceof Error ? error.message : String(error)).split("\n");
    return { name, works: false, why: backend.bundled ? why : `its library is not part of the npm package (${why})` };
  }
}

const asked = process.argv.indexOf("--probe");
if (asked >= 0 && process.send !== undefined) {
  process.send(await probe(process.argv[asked + 1] as DeviceName));
}
