/** Wall time, and the process's own time on the processor, over all sittings of a measurement that may be stopped and gone on with. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

export interface Clock {
  /** Notes the time down and gives it in seconds, so that a killed sitting loses no more than what came after. */
  save(): number;
  /** Seconds that all threads computed, likewise noted down: on a core shared with others less than the wall's. */
  cpuSeconds(): number;
}

export function startClock(path: string): Clock {
  const before = existsSync(path)
    ? (JSON.parse(readFileSync(path, "utf8")) as { seconds: number; cpuSeconds?: number })
    : { seconds: 0 };
  const began = performance.now();
  const used = process.cpuUsage();
  const save = (): { seconds: number; cpuSeconds: number } => {
    const { user, system } = process.cpuUsage(used);
    const seconds = before.seconds + (performance.now() - began) / 1000;
    const cpuSeconds = (before.cpuSeconds ?? 0) + (user + system) / 1e6;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${JSON.stringify({ seconds, cpuSeconds })}\n`);
    return { seconds, cpuSeconds };
  };
  return { save: () => save().seconds, cpuSeconds: () => save().cpuSeconds };
}
