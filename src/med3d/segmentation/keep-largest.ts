/**
 * Which connected components of a prediction are kept: those of the foreground as a whole (an organ with all that is in it), of each
 * class, or of some classes. Far specks go; who keeps components of each class loses small lesions, too.
 */
import { z } from "zod";
import type { Plan } from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import { keepLargestComponents, type Vec3 } from "../../volume/index.ts";

const count = z.number().int().positive();

/** The zod schema of the rule, without `null`, which keeps everything. */
export const keepLargestSchema = z.union([
  count,
  z.strictObject({
    /** So many of the foreground: of the union of all classes. */
    foreground: count,
  }),
  z.strictObject({
    /** So many of each class that is named; of the others everything is kept. */
    classes: z.record(z.string(), count),
  }),
]);

/** A number: so many components of each class, as runs of medvox 0.1 recorded it. */
export type KeepLargest = z.infer<typeof keepLargestSchema>;

/** @throws ConfigError for a class that the plan does not have */
export function checkKeepLargest(
  rule: KeepLargest | null,
  { labels, dataset }: Pick<Plan, "labels" | "dataset">,
): void {
  if (rule === null || typeof rule === "number" || "foreground" in rule) return;
  const known = labels.filter(({ index }) => index !== 0).map(({ name }) => name);
  const unknown = Object.keys(rule.classes).find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new ConfigError(`keepLargest: ${unknown} is no class of ${dataset}, which has ${known.join(", ")}`);
}

/** Sets to 0 what is not kept, in place. @param classes index of each voxel's class among the plan's, x fastest */
export function keepLargest(
  classes: Uint8Array,
  size: Vec3,
  rule: KeepLargest | null,
  { labels, preprocessing }: Pick<Plan, "labels" | "preprocessing">,
): void {
  if (rule === null) return;
  if (typeof rule === "number") keepLargestComponents(classes, size, rule);
  else if ("foreground" in rule) keepLargestComponents(classes, size, rule.foreground, { together: true });
  else {
    const named = labels.flatMap(({ index, name }): [number, number][] =>
      Object.hasOwn(rule.classes, name) ? [[preprocessing.labels.indexOf(index), rule.classes[name]]] : [],
    );
    keepLargestComponents(classes, size, new Map(named));
  }
}

/** For people: `the largest part of the foreground`, `the 2 largest parts of each class`; undefined where everything is kept. */
export function keepLargestText(rule: KeepLargest | null): string | undefined {
  const parts = (n: number): string => (n === 1 ? "the largest part" : `the ${n} largest parts`);
  if (rule === null) return undefined;
  if (typeof rule === "number") return `${parts(rule)} of each class`;
  if ("foreground" in rule) return `${parts(rule.foreground)} of the foreground`;
  return Object.entries(rule.classes)
    .map(([name, n]) => `${parts(n)} of ${name}`)
    .join(", ");
}

/** The rule as a word for file names and folders: `keep-none`, `keep-foreground-1`, `keep-2`, `keep-liver-1`. */
export function keepLargestWord(rule: KeepLargest | null): string {
  if (rule === null) return "keep-none";
  if (typeof rule === "number") return `keep-${rule}`;
  if ("foreground" in rule) return `keep-foreground-${rule.foreground}`;
  const classes = Object.entries(rule.classes).map(([name, n]) => `${name.replaceAll(/[^\p{L}\p{N}]+/gu, "_")}-${n}`);
  return `keep-${classes.join("-")}`;
}
