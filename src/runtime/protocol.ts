/** What the engine's two sides, the caller's thread and the worker that runs ONNX Runtime, say to each other. */
import type { TensorData } from "../graph/index.ts";

export type DeviceName = "cpu" | "webgpu" | "cuda";

export interface EngineOptions {
  /** Where the graph runs; `cpu` by default. Nothing falls back to another device by itself. */
  device?: DeviceName;
  /** Threads of the CPU device; all cores by default. Another count may give other last bits. */
  threads?: number;
}

export interface ArrayMessage {
  readonly data: TensorData;
  readonly shape: readonly number[];
}

export type Request =
  | {
      readonly kind: "load";
      readonly program: number;
      readonly model: Uint8Array;
      readonly label: string;
      readonly optimise: boolean;
      readonly profile?: string;
      readonly compact: boolean;
    }
  | { readonly kind: "unload"; readonly program: number }
  | {
      readonly kind: "run";
      readonly program: number;
      readonly feeds: Readonly<Record<string, ArrayMessage>>;
      /** Outputs to send back; all that are not state by default. */
      readonly fetch?: readonly string[];
      /** A bank whose values stand for inputs of the same names. */
      readonly bank?: number;
      /** Bank entries that this run renews: entry name → output name. */
      readonly renew?: Readonly<Record<string, string>>;
      /** Arrays that these outputs are written into. */
      readonly into?: Readonly<Record<string, ArrayMessage>>;
      /** Outputs that stay here as bank entries, for another program to read: entry name → output name. */
      readonly keep?: Readonly<Record<string, string>>;
      /** Give the feeds' buffers back, so that they can be filled again. */
      readonly recycle: boolean;
    }
  | { readonly kind: "bankWrite"; readonly bank: number; readonly entries: Readonly<Record<string, ArrayMessage>> }
  | { readonly kind: "bankRead"; readonly bank: number; readonly names?: readonly string[] }
  | { readonly kind: "bankClose"; readonly bank: number }
  | { readonly kind: "memory" };

export interface RunResult {
  readonly outputs: Readonly<Record<string, ArrayMessage>>;
  /** Time inside ONNX Runtime, milliseconds. */
  readonly ms: number;
  /** The feeds, if they were asked back. */
  readonly feeds?: Readonly<Record<string, TensorData>>;
}

export type Reply =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly message: string };

export interface WorkerStart {
  readonly device: DeviceName;
  readonly threads: number;
}
