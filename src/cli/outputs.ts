/** Nothing that exists is overwritten unless asked: commands that write check their outputs before they start working. */
import { readdirSync, type Stats, statSync } from "node:fs";
import { ConfigError } from "../errors.ts";

/** Throws `ConfigError` where `path` is a file, or a folder with something in it, and `force` was not given. */
export function refuseToOverwrite(path: string, force: boolean): void {
  if (force) return;
  const stat = statOf(path);
  if (stat === undefined) return;
  if (!stat.isDirectory()) throw new ConfigError(`${path}: exists already; --force replaces it`);
  // Locks and temporaries are nobody's work.
  if (readdirSync(path).some((name) => !name.startsWith(".medvox-")))
    throw new ConfigError(`${path}: is a folder with files in it; --force writes into it`);
}

/** What is there; nothing below a file or in a folder that cannot be read either: writing will say why it cannot. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
