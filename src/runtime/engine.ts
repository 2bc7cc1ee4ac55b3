/// <reference lib="esnext.disposable" preserve="true" />
/** The {@link Engine} over a port: what it is asked becomes requests, and numbers stand for programs and banks. */
import { Connection } from "./connection.ts";
import { checkedArrays } from "./message.ts";
import type { CallerPort, RunResult, WorkerStart } from "./protocol.ts";
import type { Engine, Feeds } from "./types.ts";

/**
 * The engine that is served at the other end of `port`.
 * @throws DeviceError if it does not start
 */
export async function connectEngine(port: CallerPort, start: WorkerStart): Promise<Engine> {
  const connection = new Connection(port);
  await connection.ready;
  let programs = 0;
  let banks = 0;
  return {
    device: start.device,
    threads: start.threads,
    load: async (model, { label = "program", optimize = true, profile, compact = false } = {}) => {
      const program = programs++;
      const names = (await connection.ask(`loading ${label} on ${start.device}`, {
        kind: "load",
        program,
        model,
        label,
        optimize,
        profile,
        compact,
      })) as {
        inputs: readonly string[];
        outputs: readonly string[];
      };
      const unload = async (): Promise<void> => {
        await connection.ask(`closing ${label}`, { kind: "unload", program });
      };
      return {
        label,
        ...names,
        run: async (given, { fetch, bank, renew, keep, into: places, recycle = false } = {}) => {
          const feeds = checkedArrays(label, given);
          const into = places && checkedArrays(label, places);
          return connection.ask(
            label,
            { kind: "run", program, feeds, fetch, bank: bank?.id, renew, keep, into, recycle },
            [...(recycle ? buffersOf(feeds) : []), ...(into === undefined ? [] : buffersOf(into))],
          ) as Promise<RunResult>;
        },
        close: unload,
        [Symbol.asyncDispose]: unload,
      };
    },
    bank: () => {
      const id = banks++;
      const release = async (): Promise<void> => {
        await connection.ask("releasing parameters", { kind: "bankClose", bank: id });
      };
      return {
        id,
        write: async (given) => {
          const entries = checkedArrays("writing parameters", given);
          await connection.ask("writing parameters", { kind: "bankWrite", bank: id, entries });
        },
        read: async (names) => {
          const entries = (await connection.ask("reading parameters", { kind: "bankRead", bank: id, names })) as Record<
            string,
            { data: Float32Array; shape: readonly number[] }
          >;
          return new Map(Object.entries(entries));
        },
        close: release,
        [Symbol.asyncDispose]: release,
      };
    },
    memory: () => connection.ask("measuring memory", { kind: "memory" }) as Promise<number>,
    close: () => connection.close(),
    [Symbol.asyncDispose]: () => connection.close(),
  };
}

function buffersOf(feeds: Feeds): ArrayBuffer[] {
  return [...new Set(Object.values(feeds).map(({ data }) => data.buffer as ArrayBuffer))];
}
