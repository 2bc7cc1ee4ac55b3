/** Brings the tables of README.md and docs/ up to date after a measurement. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { documents } from "../scripts/readme-tables.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

export function writeTables(): void {
  for (const { path, now, wanted } of documents(ROOT)) {
    if (now !== wanted) writeFileSync(join(ROOT, path), wanted);
  }
}
