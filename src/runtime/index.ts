/** @module medvox/runtime: runs graphs. Everything that touches ONNX Runtime is behind this door. */
export {
  type Bank,
  createEngine,
  type Engine,
  type Feeds,
  type LoadOptions,
  type Program,
  type RunOptions,
} from "./engine.ts";
export { type DeviceReport, probeDevice, probeDevices } from "./probe.ts";
export type { ArrayMessage, DeviceName, EngineOptions, RunResult } from "./protocol.ts";
