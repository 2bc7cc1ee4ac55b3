/// <reference lib="esnext.disposable" preserve="true" />
/** The engine as the rest of medvox sees it: programs (ONNX graphs) and banks (parameters), whatever machine is behind it. */
import type { ArrayMessage, RunResult } from "./protocol.ts";

export type { ArrayMessage, DeviceName, EngineOptions, RunResult } from "./protocol.ts";

export type Feeds = Readonly<Record<string, ArrayMessage>>;

export interface RunOptions {
  /** Outputs to bring back; all that do not renew the bank by default. */
  fetch?: readonly string[];
  bank?: Bank;
  /** Bank entries this run renews: entry → output. */
  renew?: Readonly<Record<string, string>>;
  /**
   * Arrays that outputs are written into instead of new ones. They are handed over, so they are empty afterwards; the result's
   * arrays have their memory.
   */
  into?: Feeds;
  /** Outputs that stay in the engine as bank entries, of any element type, for another program to read: entry → output. */
  keep?: Readonly<Record<string, string>>;
  /** Hand the feeds' buffers over instead of copying them; they come back in `feeds` of the result. */
  recycle?: boolean;
}

/** Named float32 arrays that live in the engine. */
export interface Bank {
  readonly id: number;
  write(entries: Readonly<Record<string, { data: Float32Array; shape: readonly number[] }>>): Promise<void>;
  /** Copies of the values, all by default. */
  read(names?: readonly string[]): Promise<Map<string, { data: Float32Array; shape: readonly number[] }>>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A loaded graph. */
export interface Program {
  readonly label: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /**
   * Computes the outputs. The feeds stay the caller's, unless `recycle` hands them over.
   * @throws ShapeError naming the array that has another number of values than its shape, or none left
   */
  run(feeds: Feeds, options?: RunOptions): Promise<RunResult>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface ProgramOptions {
  /** Names the program in errors. */
  label?: string;
  /** ONNX Runtime's own graph optimizations; on by default. */
  optimize?: boolean;
  /** Write a profile of every node to files with this prefix, when the program is closed. */
  profile?: string;
  /**
   * Values get memory when they are computed, instead of a place each in one block planned for the whole graph: less memory, and as
   * fast where few values are small. Off by default.
   */
  compact?: boolean;
}

export interface Engine {
  readonly device: string;
  readonly threads: number;
  load(model: Uint8Array, options?: ProgramOptions): Promise<Program>;
  bank(): Bank;
  /** Resident memory of the process, bytes. */
  memory(): Promise<number>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
