/**
 * Calls that take turns: one works, the others wait in the order in which they came, and only so many may wait. For whatever can do one
 * thing at a time and is asked by many at once, such as a network in a server.
 */
import { ConfigError } from "./errors.ts";

export interface TurnOptions {
  /** Names the whole in errors, e.g. `segmenter`. */
  readonly name: string;
  /** How many calls may wait beside the one that works; one more is refused. */
  readonly mostWaiting: number;
}

export interface Turns {
  /**
   * Does the work when its turn has come.
   * @param signal while the call waits, it leaves the queue and is rejected with the signal's reason at once
   * @throws ConfigError at once where too many wait already
   */
  take<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Calls that wait. */
  readonly waiting: number;
}

interface Waiting {
  begin(): void;
}

/** @throws ConfigError where the number that may wait is none */
export function takingTurns({ name, mostWaiting }: TurnOptions): Turns {
  if (!(mostWaiting >= 0)) throw new ConfigError(`${name}: mostWaiting ${mostWaiting}; it must be 0 or more`);
  const queue = new Set<Waiting>();
  let working = false;
  const next = (): void => {
    const [first] = queue;
    working = first !== undefined;
    if (first === undefined) return;
    queue.delete(first);
    first.begin();
  };
  const turn = (signal: AbortSignal | undefined): Promise<void> => {
    if (!working) {
      working = true;
      return Promise.resolve();
    }
    if (queue.size >= mostWaiting)
      throw new ConfigError(
        `${name}: ${queue.size} calls wait already, which is the most that may (mostWaiting); ask again later, or allow more`,
      );
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        queue.delete(own);
        reject(signal!.reason);
      };
      const own: Waiting = {
        begin: () => {
          signal?.removeEventListener("abort", leave);
          resolve();
        },
      };
      signal?.addEventListener("abort", leave, { once: true });
      queue.add(own);
    });
  };
  return {
    take: async (work, signal) => {
      signal?.throwIfAborted();
      await turn(signal);
      try {
        return await work();
      } finally {
        next();
      }
    },
    get waiting() {
      return queue.size;
    },
  };
}
