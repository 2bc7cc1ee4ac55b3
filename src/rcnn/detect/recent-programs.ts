/** Programs of the sizes met last. A program holds its weights and buffers, so that a folder of pictures of all sizes would fill the memory. */
import type { Engine, Program } from "../../runtime/types.ts";

export interface RecentPrograms {
  /** The program of this name, loaded if it is not there; the one unused for longest goes if that makes too many. */
  get(name: string, encode: () => Uint8Array): Promise<Program>;
  /** Names of those held, the least recently used first. */
  readonly names: readonly string[];
  close(): Promise<void>;
}

/** Calls must follow one another: a program that is still running must not be the one that goes. */
export function recentPrograms(engine: Pick<Engine, "load">, limit: number): RecentPrograms {
  // A map lists its keys in the order they were put in.
  const held = new Map<string, Program>();
  return {
    get names() {
      return [...held.keys()];
    },
    get: async (name, encode) => {
      const known = held.get(name);
      held.delete(name);
      // Before the new one is loaded: memory must do for `limit` programs, not for one more.
      for (const [oldest, program] of [...held].slice(0, Math.max(held.size - limit + 1, 0))) {
        held.delete(oldest);
        await program.close();
      }
      const program = known ?? (await engine.load(encode(), { label: name }));
      held.set(name, program);
      return program;
    },
    close: async () => {
      const all = [...held.values()];
      held.clear();
      for (const program of all) await program.close();
    },
  };
}
