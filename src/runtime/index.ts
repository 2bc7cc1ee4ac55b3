/** @module medvox/runtime: runs graphs. Everything that touches ONNX Runtime is behind this door. */
export { createEngine } from "./node/engine.ts";
export { type DeviceReport, probeDevice, probeDevices } from "./node/probe.ts";
export type { ArrayMessage, DeviceName, EngineOptions, RunResult } from "./protocol.ts";
export type { Bank, Engine, Feeds, Program, ProgramOptions, RunOptions } from "./types.ts";
