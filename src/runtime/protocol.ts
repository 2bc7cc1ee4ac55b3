/** What the engine's two sides, the caller's thread and the worker that runs ONNX Runtime, say to each other, and over what. */
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
      readonly optimize: boolean;
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

export interface Question {
  readonly id: number;
  readonly request: Request;
}

/** What a thread of Node begins with. */
export interface ThreadStart extends WorkerStart {
  /** One number in shared memory: 1 once the caller has closed. */
  readonly closed: Int32Array;
}

/** The worker's end. */
export interface ServerPort {
  onMessage(listener: (question: Question) => void): void;
  /** @param transfer buffers that are handed over instead of copied */
  post(reply: Reply, transfer: readonly ArrayBuffer[]): void;
  /** Whether the caller has closed: what still waits is not begun. */
  isClosed?(): boolean;
}

/** The caller's end. */
export interface CallerPort {
  onMessage(listener: (reply: Reply) => void): void;
  /** @param transfer buffers that are handed over instead of copied */
  post(question: Question, transfer: readonly ArrayBuffer[]): void;
  /** Calls `listener` when no answer can come any more. */
  onDeath(listener: (reason: string) => void): void;
  /** Whether the process must wait for the other end; a browser's page waits for nobody. */
  hold?(waits: boolean): void;
  close(): Promise<void>;
}
