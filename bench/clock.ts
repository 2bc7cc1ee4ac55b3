/** Wall time over all sittings of a measurement that may be stopped and gone on with. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

export interface Clock {
  /** Notes the time down and gives it in seconds, so that a killed sitting loses no more than what came after. */
  save(): number;
}

export function startClock(path: string): Clock {
  const before = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as { seconds: number }).seconds : 0;
  const began = performance.now();
  return {
    save: () => {
      const seconds = before + (performance.now() - began) / 1000;
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, `${JSON.stringify({ seconds })}\n`);
      return seconds;
    },
  };
}
