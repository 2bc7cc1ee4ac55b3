/** The log of a run: `log.jsonl`, one JSON object a line. A resumed run drops the lines its checkpoint does not know. */
import { open, readFile } from "node:fs/promises";
import { writeError, writeFileAtomic } from "../files/index.ts";

export interface LogLine {
  readonly event: string;
  /** Epochs completed when the line was written. */
  readonly epoch: number;
  readonly [key: string]: unknown;
}

/** The lines of a log; a torn last line (the machine stopped while writing) is left out. */
export async function readLog(path: string): Promise<LogLine[]> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  return text.split("\n").flatMap((line) => {
    if (line.trim() === "") return [];
    try {
      return [JSON.parse(line) as LogLine];
    } catch {
      return [];
    }
  });
}

/** Appends a line. @throws DataError if the disk is full */
export async function appendLog(path: string, line: LogLine): Promise<void> {
  try {
    const file = await open(path, "a");
    try {
      await file.writeFile(`${JSON.stringify(line)}\n`);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw writeError(path, error);
  }
}

/** Keeps the lines of the first `epochs` epochs. */
export async function truncateLog(path: string, epochs: number): Promise<void> {
  const kept = (await readLog(path)).filter((line) => line.epoch <= epochs);
  await writeFileAtomic(path, kept.map((line) => `${JSON.stringify(line)}\n`).join(""), { force: true });
}
