/**
 * What a training keeps of its files in memory: decoded volumes as the fingerprint read them, then, in their place, cases as a
 * network sees them. One bounded cache serves the fingerprint, the batches and the watched cases, so each file is read once
 * where the bound allows it. Everything lies in memory that all threads share, and is never written to again.
 *
 * What no longer fits is not taken in, rather than something else thrown out: every case is used once an epoch, and then
 * the first are as good as the last.
 */
import { readVolume } from "../../files/index.ts";
import type { LoadedVolume } from "../../volume/formats/header.ts";

/** A file's path to its voxels. */
export type ReadVolume = (path: string) => Promise<LoadedVolume>;

export interface CaseCache {
  /** Most that it holds. */
  readonly maxBytes: number;
  /** What it holds now. */
  bytes(): number;
  /** A decoded file. */
  file(path: string): LoadedVolume | undefined;
  /** Reads a file, or takes it from here; what was read stays here where there is room. */
  readonly read: ReadVolume;
  /** A prepared case, by everything that it was made from. */
  prepared(key: string): unknown;
  /**
   * Takes in a prepared case, where there is room once the files it was made from have gone. They go when nobody else who
   * said so will need them.
   */
  keep(key: string, source: unknown, bytes: number, files: readonly string[]): void;
  /** Says that a case will be made from these files, so that another one's preparation leaves them here. */
  expect(key: string, files: readonly string[]): void;
  /** Leaves files here after cases were prepared from them: another training will want them. */
  stay(files: readonly string[]): void;
  /** Gives up prepared cases. */
  forget(keys: readonly string[]): void;
  clear(): void;
}

/** A quarter of what the machine has free, at least 512 MiB. */
const defaultCacheBytes = (): number => Math.max(2 ** 29, process.availableMemory() / 4);

/** What was read of the data, kept in memory as far as it fits; what does not is read again. @param maxBytes by default a quarter of what is free */
export function createCaseCache(maxBytes: number = defaultCacheBytes()): CaseCache {
  const files = new Map<string, { readonly volume: LoadedVolume; readonly bytes: number }>();
  const sources = new Map<string, { readonly source: unknown; readonly bytes: number }>();
  /** Which cases are still to be made from a file. */
  const expected = new Map<string, Set<string>>();
  let total = 0;

  function keepFile(path: string, volume: LoadedVolume): LoadedVolume {
    const bytes = volume.data.byteLength;
    if (total + bytes > maxBytes) return volume;
    // Two that read the same file at once: the first one's stays.
    const known = files.get(path);
    if (known !== undefined) return known.volume;
    const kept = { ...volume, data: shared(volume.data) };
    files.set(path, { volume: kept, bytes });
    total += bytes;
    return kept;
  }

  return {
    maxBytes,
    bytes: () => total,
    file: (path) => files.get(path)?.volume,
    read: async (path) => files.get(path)?.volume ?? keepFile(path, await readVolume(path)),
    prepared: (key) => sources.get(key)?.source,
    keep(key, source, bytes, from) {
      if (sources.has(key)) return;
      const isLast = (path: string): boolean => [...(expected.get(path) ?? [])].every((other) => other === key);
      const spent = [...new Set(from)].filter((path) => files.has(path) && isLast(path));
      const freed = spent.reduce((sum, path) => sum + files.get(path)!.bytes, 0);
      if (total - freed + bytes > maxBytes) return;
      for (const path of spent) files.delete(path);
      for (const path of from) expected.get(path)?.delete(key);
      sources.set(key, { source, bytes });
      total += bytes - freed;
    },
    expect(key, from) {
      if (sources.has(key)) return;
      for (const path of from) expected.set(path, (expected.get(path) ?? new Set()).add(key));
    },
    stay(paths) {
      for (const path of paths) expected.set(path, (expected.get(path) ?? new Set()).add(""));
    },
    forget(keys) {
      for (const key of keys) {
        total -= sources.get(key)?.bytes ?? 0;
        sources.delete(key);
      }
    },
    clear() {
      files.clear();
      sources.clear();
      expected.clear();
      total = 0;
    },
  };
}

/** A copy in memory that all threads share. */
export function shared<T extends ArrayBufferView>(values: T): T {
  const { buffer, byteOffset, byteLength } = values;
  const memory = new SharedArrayBuffer(byteLength);
  new Uint8Array(memory).set(new Uint8Array(buffer, byteOffset, byteLength));
  return new (values.constructor as new (memory: SharedArrayBuffer) => T)(memory);
}
