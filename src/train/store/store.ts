/**
 * Where a training keeps what it must not lose: named pieces of bytes in a place that may be a folder, a browser's storage or
 * memory. Names are paths with forward slashes below that place, e.g. `checkpoints/last.safetensors`.
 */

/** Text (UTF-8), bytes, or pieces of bytes that are written one after another. */
export type StoreContent = string | Uint8Array | readonly Uint8Array[] | AsyncIterable<Uint8Array>;

export interface Store {
  /** The place as messages name it, e.g. `runs/spleen`. */
  readonly place: string;
  /** Makes the place and clears away what a killed process left half written. @throws DataError where that cannot be done */
  ready(): Promise<void>;
  /** The bytes of a name; `undefined` where there is none. */
  read(name: string): Promise<Uint8Array | undefined>;
  has(name: string): Promise<boolean>;
  /** Written whole or not at all; what was there is replaced. @throws DataError where it cannot be written */
  write(name: string, content: StoreContent): Promise<void>;
  /** Adds a line of text. @throws DataError where it cannot be written */
  append(name: string, line: string): Promise<void>;
  /** Removes a name and everything below it; nothing happens where there is none. */
  remove(name: string): Promise<void>;
  /** The names directly in this place, without what was left half written. */
  names(): Promise<readonly string[]>;
  /**
   * Takes the place for oneself, so that nobody else writes to it meanwhile.
   * @param does what is done with it, for messages: `is being trained`
   * @throws ConfigError while another process, of this machine or another, has it
   */
  claim(does: string): Promise<Claim>;
  /** A place within this one; it is made when something is written to it. */
  child(name: string): Store;
}

/** A place that nobody else writes to until it is let go. */
export interface Claim {
  /** Aborts where somebody else has taken the place, as they may after a long silence. */
  readonly lost?: AbortSignal;
  release(): Promise<void>;
}

/** How messages name something in a store. */
export const placeOf = (store: Store, name: string): string =>
  store.place === "" ? name : `${store.place.replace(/\/$/, "")}/${name}`;

/** A store that is gone when the process ends: for tests, and for trainings whose result is handed on at once. */
export function memoryStore(place = ""): Store {
  return memoryPlace(new Map(), place, "");
}

function memoryPlace(all: Map<string, Uint8Array>, place: string, prefix: string): Store {
  const below = (name: string): string[] =>
    [...all.keys()].filter((key) => key === prefix + name || key.startsWith(`${prefix}${name}/`));
  return {
    place,
    ready: async () => {},
    read: async (name) => all.get(prefix + name),
    has: async (name) => below(name).length > 0,
    write: async (name, content) => {
      all.set(prefix + name, await joined(content));
    },
    append: async (name, line) => {
      const before = all.get(prefix + name) ?? new Uint8Array(0);
      all.set(prefix + name, await joined([before, new TextEncoder().encode(`${line}\n`)]));
    },
    remove: async (name) => {
      for (const key of below(name)) all.delete(key);
    },
    names: async () => [
      ...new Set(
        [...all.keys()].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length).split("/")[0]),
      ),
    ],
    claim: async () => ({ release: async () => {} }),
    child: (name) => memoryPlace(all, place === "" ? name : `${place}/${name}`, `${prefix}${name}/`),
  };
}

/** All pieces as one. */
async function joined(content: StoreContent): Promise<Uint8Array> {
  if (typeof content === "string") return new TextEncoder().encode(content);
  if (content instanceof Uint8Array) return content.slice();
  const pieces: Uint8Array[] = [];
  for await (const piece of content) pieces.push(piece.slice());
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
