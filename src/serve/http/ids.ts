/** What may name something in a request. Names are looked up, never joined into paths as they come; these patterns say which are looked at at all. */
import { realpath } from "node:fs/promises";
import { sep } from "node:path";
import { Refusal } from "./refusal.ts";

/** Letters, digits, `.`, `_` and `-`; begins with a letter or digit, so that no name hides, leads upwards or looks like an option. */
export const namePattern = /^[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,127}$/;
/** Who drew a label. `final` is the label that trainings take. */
export const annotatorPattern = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/**
 * The real path of a file that must lie in a folder, wherever links lead.
 * @throws Refusal where there is none, or it lies outside
 */
export async function confined(folder: string, path: string): Promise<string> {
  const [root, real] = await Promise.all([realpath(folder), realpath(path)]).catch(() => {
    throw new Refusal(404, "E_MISSING", "there is no such file");
  });
  if (real !== root && !real.startsWith(root.endsWith(sep) ? root : root + sep))
    throw new Refusal(404, "E_MISSING", "there is no such file");
  return real;
}
