/** Data of the toy task, and the command line with the toy among its tasks. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A file of settings for `medvox train --task toy --config`. */
export function toyConfig(folder: string, data: string, more: object = {}): string {
  const path = join(folder, "toy.json");
  writeFileSync(path, JSON.stringify({ data, ...more }));
  return path;
}

/** Six cases whose numbers lie on the plane x − 2 y + 1, and problems as the list says them: `!rule,case,words`. */
export function writeToy(folder: string, problems: readonly string[] = []): string {
  mkdirSync(folder, { recursive: true });
  const cases = Array.from({ length: 6 }, (_, i) => ({ id: `c${i}`, x: Math.sin(i), y: Math.cos(3 * i) }));
  for (const { id, x, y } of cases) writeFileSync(join(folder, `${id}.txt`), `${x},${y}`);
  const parts = ["train", "train", "train", "watched", "test", "test"];
  const rows = cases.map(({ id, x, y }, i) => `${id},${x - 2 * y + 1},${parts[i]}`);
  writeFileSync(join(folder, "list.csv"), [...rows, ...problems, ""].join("\n"));
  return folder;
}
