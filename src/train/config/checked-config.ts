/** Checks what was asked for against a schema; what is wrong is told as the thing, the fact and the rule. */
import type { z } from "zod";
import { ConfigError } from "../../errors.ts";
import { closest } from "../../text/index.ts";

/**
 * `request` as `schema` says it is, with defaults filled in.
 * @param place stands in front of keys, e.g. `coarse.`
 * @throws ConfigError for the first thing wrong: `loss: "dcie"; must be one of dice, focal`; `epochz: is no setting. Did you mean epochs?`
 */
export function checkedConfig<S extends z.ZodObject>(schema: S, request: unknown, place = ""): z.output<S> {
  const parsed = schema.safeParse(request);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const path = place + issue.path.map((part) => (typeof part === "number" ? `[${part}]` : String(part))).join(".");
  throw new ConfigError(problemOf(issue, path.replaceAll(".[", "["), valueAt(request, issue.path), schema), {
    cause: parsed.error,
  });
}

function problemOf(issue: z.core.$ZodIssue, path: string, value: unknown, schema: z.ZodObject): string {
  if (issue.code === "unrecognized_keys") {
    const [key] = issue.keys;
    // Only the outermost keys are known here; those within stand in docs/reference/configuration.md.
    const near = issue.path.length === 0 ? closest(key, Object.keys(schema.shape)) : undefined;
    const within = issue.path.length === 0 ? path + key : `${path}.${key}`;
    return `${within}: is no setting${near === undefined ? " here" : `. Did you mean ${near}?`}`;
  }
  if (issue.code === "invalid_value")
    return `${path}: ${JSON.stringify(value)}; must be ${issue.values.length > 1 ? "one of " : ""}${issue.values.join(", ")}`;
  if (issue.code === "invalid_type" && value === undefined) return `${path}: is missing`;
  return `${path || "configuration"}: ${issue.message}`;
}

function valueAt(request: unknown, path: readonly PropertyKey[]): unknown {
  let value = request;
  for (const key of path) value = (value as Record<PropertyKey, unknown> | null | undefined)?.[key];
  return value;
}
