/**
 * What the devices beside the processor cannot do yet. It is said before anything is computed, with the reason: a training must not
 * prepare its data for an hour and then fail at its first step. docs/how-to/gpu.md says the same at length.
 */
import { DeviceError } from "../../errors.ts";
import { poolsWithIndices } from "../../graph/onnx-read.ts";
import type { DeviceName } from "../protocol.ts";
import type { Program, ProgramOptions } from "../types.ts";
import { type DeviceReport, probeDevice } from "./probe.ts";

const PAGE = "docs/how-to/gpu.md";

const probed = new Map<DeviceName, Promise<DeviceReport>>();

/**
 * Refuses a device that does not work on this machine.
 * @param probe tries it; in a process of its own, once per device
 * @throws DeviceError with what the device itself says
 */
export async function requireDevice(device: DeviceName, probe = probeDevice): Promise<void> {
  if (device !== "webgpu" && device !== "cuda") return;
  if (!probed.has(device) || probe !== probeDevice) probed.set(device, probe(device));
  const { works, why } = await probed.get(device)!;
  if (!works) throw new DeviceError(`device ${device}: does not work here: ${why}; use cpu, or see ${PAGE}`);
}

/**
 * Refuses a device that cannot run a network with a max-pool, which all encoders and backbones of medvox have.
 * @param what has the max-pool, for the message
 * @throws DeviceError naming it
 */
export function refuseMaxPool(device: string, what: string): void {
  if (device === "webgpu")
    throw new DeviceError(
      `device webgpu: ${what} has a max-pool that says where its maxima stood, and ONNX Runtime's WebGPU cannot ("The Indices output is not supported"); use cpu, or see ${PAGE}`,
    );
}

/** Loads a program where its device can run it. @throws DeviceError naming the program */
export function checkedLoad(
  device: string,
  load: (model: Uint8Array, options?: ProgramOptions) => Promise<Program>,
): (model: Uint8Array, options?: ProgramOptions) => Promise<Program> {
  if (device !== "webgpu") return load;
  return async (model, options) => {
    if (poolsWithIndices(model) > 0) refuseMaxPool(device, options?.label ?? "program");
    return load(model, options);
  };
}
