/** A plan as a JSON file: written by `medvox plan`, changed by hand, read by a training. */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { ConfigError } from "../../errors.ts";
import type { Dataset } from "../types.ts";
import type { Fingerprint } from "./fingerprint.ts";
import type { Plan } from "./plan.ts";

const whole = z.number().int().positive();
const millimetres = z.number().positive();
const label = z.object({ index: z.number().int().min(0), name: z.string() });
const percent = z.number().min(0).max(100);

/** `plan.json` of a segmentation. */
export const planSchema = z.object({
  dataset: z.string(),
  labels: z.array(label).min(1),
  modality: z.array(z.string()),
  preprocessing: z.strictObject({
    orientation: z.string().regex(/^[RLAPSI]{3}$/, 'three of R, L, A, P, S, I, e.g. "RAS"'),
    spacingMm: z.tuple([millimetres, millimetres, millimetres]).nullable(),
    intensity: z.discriminatedUnion("kind", [
      z.strictObject({ kind: z.literal("zscore"), clipPercentile: z.tuple([percent, percent]).optional() }),
      z.strictObject({
        kind: z.literal("ctWindow"),
        low: z.number(),
        high: z.number(),
        mean: z.number().optional(),
        sd: z.number().positive().optional(),
      }),
      z.strictObject({ kind: z.literal("medicalnet") }),
      z.strictObject({ kind: z.literal("none") }),
    ]),
    channels: whole,
    channelPick: z.array(z.number().int().min(0)).optional(),
    labels: z.array(z.number().int()).min(1),
  }),
  patch: z.tuple([whole, whole, whole]),
  batch: whole,
  medianSize: z.tuple([z.number(), z.number(), z.number()]),
});

/** What a plan says of images, whatever is to be learnt from them; `classes` where it was made for a classification. */
export interface Preparation extends Omit<Plan, "labels"> {
  readonly classes?: readonly string[];
}

/** What a plan says of images, whatever is learnt from them. */
export const preparationSchema = planSchema
  .omit({ labels: true })
  .extend({ classes: z.array(z.string()).min(1).optional() });

/** A segmentation's plan. @throws ConfigError naming the file and the key that is wrong */
export async function readPlanFile(path: string): Promise<Plan> {
  return (await readAs(planSchema, path)) as Plan;
}

/** Any plan, a segmentation's too, without what is particular to its task. @throws ConfigError naming the file and the key that is wrong */
export async function readPreparationFile(path: string): Promise<Preparation> {
  return (await readAs(preparationSchema, path)) as Preparation;
}

async function readAs(schema: z.ZodType, path: string): Promise<unknown> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new ConfigError(`plan ${path}: cannot be read (${error.code})`);
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ConfigError(`plan ${path}: is not JSON (${(error as Error).message})`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new ConfigError(`plan ${path}: ${issue.path.join(".") || "the file"}: ${issue.message}`);
}

/** @throws ConfigError where a plan was made for other data */
export function checkPlanFits(
  plan: Plan,
  dataset: Pick<Dataset, "name" | "labels">,
  { cases }: Pick<Fingerprint, "cases">,
  path: string,
): void {
  const list = (labels: Plan["labels"]): string => labels.map(({ index, name }) => `${index} ${name}`).join(", ");
  if (list(plan.labels) !== list(dataset.labels))
    throw new ConfigError(
      `plan ${path}: labels: has ${list(plan.labels)}; ${dataset.name} has ${list(dataset.labels)}`,
    );
  checkChannels(plan, cases, path);
}

/** @throws ConfigError where a plan was made for other classes or other images */
export function checkPreparationFits(
  plan: Preparation,
  { name, classes }: { readonly name: string; readonly classes: readonly string[] },
  { cases }: Pick<Fingerprint, "cases">,
  path: string,
): void {
  if (plan.classes !== undefined && plan.classes.join("\n") !== classes.join("\n"))
    throw new ConfigError(`plan ${path}: classes: has ${plan.classes.join(", ")}; ${name} has ${classes.join(", ")}`);
  checkChannels(plan, cases, path);
}

function checkChannels({ preprocessing }: Preparation, cases: Fingerprint["cases"], path: string): void {
  const other = cases.find(({ channels }) => channels !== preprocessing.channels);
  if (other !== undefined)
    throw new ConfigError(
      `plan ${path}: preprocessing.channels: ${preprocessing.channels}; ${other.id} has ${other.channels}`,
    );
}
