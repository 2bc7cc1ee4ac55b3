/** The {@link Engine} over a port: what it is asked becomes requests, and numbers stand for programs and banks. */
import { Connection } from "./connection.ts";
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
      return {
        label,
        ...names,
        run: (feeds, { fetch, bank, renew, keep, into, recycle = false } = {}) =>
          connection.ask(label, { kind: "run", program, feeds, fetch, bank: bank?.id, renew, keep, into, recycle }, [
            ...(recycle ? buffersOf(feeds) : []),
            ...(into === undefined ? [] : buffersOf(into)),
          ]) as Promise<RunResult>,
        close: async () => {
          await connection.ask(`closing ${label}`, { kind: "unload", program });
        },
      };
    },
    bank: () => {
      const id = banks++;
      return {
        id,
        write: async (entries) => {
          await connection.ask("writing parameters", { kind: "bankWrite", bank: id, entries });
        },
        read: async (names) => {
          const entries = (await connection.ask("reading parameters", { kind: "bankRead", bank: id, names })) as Record<
            string,
            { data: Float32Array; shape: readonly number[] }
          >;
          return new Map(Object.entries(entries));
        },
        close: async () => {
          await connection.ask("releasing parameters", { kind: "bankClose", bank: id });
        },
      };
    },
    memory: () => connection.ask("measuring memory", { kind: "memory" }) as Promise<number>,
    close: () => connection.close(),
  };
}

function buffersOf(feeds: Feeds): ArrayBuffer[] {
  return [...new Set(Object.values(feeds).map(({ data }) => data.buffer as ArrayBuffer))];
}
