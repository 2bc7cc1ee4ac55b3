/** Classes that somebody asks for by name, against those that a data set has. */

import { ConfigError } from "../../errors.ts";
import { closest } from "../../text/index.ts";
import type { DetectionDataset } from "./types.ts";

/**
 * Refuses names of classes that a data set does not have: nothing could be learnt for them.
 * @throws ConfigError naming the first of them and the classes there are
 */
export function requireClasses(
  { declared, source }: Pick<DetectionDataset, "declared" | "source">,
  asked: readonly string[],
): void {
  const known = declared.map((name) => ({ name }));
  const absent = asked.find((name) => !declared.includes(name));
  if (absent !== undefined) throw new ConfigError(absentClassText(absent, known, source));
}

/** What is said of a class that is not there. */
export function absentClassText(name: string, known: readonly { readonly name: string }[], source: string): string {
  const names = known.map((one) => one.name);
  const near = closest(name, names);
  const hint = near === undefined ? "" : `; did you mean ${near}?`;
  return `classes: ${JSON.stringify(name)} is no class of ${source}; there are ${names.join(", ")}${hint}`;
}
