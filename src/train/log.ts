/** The log of a run: `log.jsonl`, one JSON object a line. A resumed run drops the lines its checkpoint does not know. */
import { z } from "zod";
import type { Store } from "./store/store.ts";

/** Where a run keeps its log. */
export const LOG = "log.jsonl";

export interface LogLine {
  /** `problems`, `epoch`, `stopped`, `finished` or `evaluated`. */
  readonly event: string;
  /** Epochs completed when the line was written. */
  readonly epoch: number;
  readonly [key: string]: unknown;
}

const lineSchema = z.looseObject({ event: z.string(), epoch: z.number() });

/** The lines of a log; a torn last line (the machine stopped while writing) is left out. */
export async function readLog(store: Store): Promise<LogLine[]> {
  const bytes = await store.read(LOG);
  const text = bytes === undefined ? "" : new TextDecoder().decode(bytes);
  return text.split("\n").flatMap((line) => {
    if (line.trim() === "") return [];
    try {
      const parsed = lineSchema.safeParse(JSON.parse(line));
      return parsed.success ? [parsed.data] : [];
    } catch {
      return [];
    }
  });
}

/** Appends a line. @throws DataError if it cannot be written */
export async function appendLog(store: Store, line: LogLine): Promise<void> {
  await store.append(LOG, JSON.stringify(line));
}

/** Keeps the lines of the first `epochs` epochs. */
export async function truncateLog(store: Store, epochs: number): Promise<void> {
  const known = (await readLog(store)).filter((line) => line.epoch <= epochs);
  await store.write(LOG, known.map((line) => `${JSON.stringify(line)}\n`).join(""));
}
