/** Checks what was asked for against a schema; what is wrong is told as the thing, the fact and the rule. */
import { z } from "zod";
import { ConfigError } from "../../errors.ts";
import { closest, didYouMean } from "../../text/index.ts";

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
    const within = issue.path.length === 0 ? path + key : `${path}.${key}`;
    const near = didYouMean(key, keysAt(schema, issue.path)) || elsewhere(key, schema);
    return `${within}: is no setting${near === "" ? " here" : near}`;
  }
  if (issue.code === "invalid_value") {
    const near = typeof value === "string" && value.length > 3 ? didYouMean(value, issue.values.map(String)) : "";
    return `${path}: ${JSON.stringify(value)}; must be ${issue.values.length > 1 ? "one of " : ""}${issue.values.join(", ")}${near}`;
  }
  if (issue.code === "invalid_type" && value === undefined) return `${path}: is missing`;
  return `${path || "configuration"}: ${issue.message}`;
}

/** The keys that a schema knows at a path; none where what stands there is no object. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  const here = plainSchema(schema);
  if (here instanceof z.ZodUnion) return here.options.flatMap((option) => keysAt(option as z.ZodType, path));
  if (path.length === 0) return here instanceof z.ZodObject ? Object.keys(here.shape) : [];
  const [key, ...rest] = path;
  if (here instanceof z.ZodArray) return keysAt(here.element as z.ZodType, rest);
  const below = here instanceof z.ZodObject ? (here.shape[String(key)] as z.ZodType | undefined) : undefined;
  return below === undefined ? [] : keysAt(below, rest);
}

/** What a key may have meant that stands at the wrong place: keys of the same or nearly the same name, by their paths. */
function elsewhere(key: string, schema: z.ZodObject): string {
  const all = pathsOf(schema);
  const last = (path: string): string => path.split(".").at(-1)!;
  const name = closest(key, [...new Set(all.map(last))]);
  const found = all.filter((path) => last(path) === name);
  return found.length === 0 ? "" : `. Did you mean ${found.join(" or ")}?`;
}

/** The paths of all keys that lie in objects: `rpn.sampleCount`. */
function pathsOf(schema: z.ZodObject): string[] {
  return Object.entries(schema.shape).flatMap(([key, value]) => {
    const inner = plainSchema(value as z.ZodType);
    return inner instanceof z.ZodObject ? [key, ...pathsOf(inner).map((path) => `${key}.${path}`)] : [key];
  });
}

/** Without its defaults, and whether it may be null or left out. */
function plainSchema(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodNullable || schema instanceof z.ZodOptional)
    return plainSchema(schema.unwrap() as z.ZodType);
  return schema;
}

function valueAt(request: unknown, path: readonly PropertyKey[]): unknown {
  let value = request;
  for (const key of path) value = (value as Record<PropertyKey, unknown> | null | undefined)?.[key];
  return value;
}
