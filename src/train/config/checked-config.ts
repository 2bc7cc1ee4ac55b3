/** Checks what was asked for against a schema; what is wrong is told as the thing, the fact and the rule. */
import { z } from "zod";
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
    const within = issue.path.length === 0 ? path + key : `${path}.${key}`;
    const near = nearestKey(key, issue.path, schema);
    return `${within}: is no setting${near === undefined ? " here" : `. Did you mean ${near}?`}`;
  }
  if (issue.code === "invalid_value")
    return `${path}: ${JSON.stringify(value)}; must be ${issue.values.length > 1 ? "one of " : ""}${issue.values.join(", ")}`;
  if (issue.code === "invalid_type" && value === undefined) return `${path}: is missing`;
  return `${path || "configuration"}: ${issue.message}`;
}

/** What a mistyped key may have been: a key of the same object, else one of the same or nearly the same name anywhere, by its path. */
function nearestKey(key: string, place: readonly PropertyKey[], schema: z.ZodObject): string | undefined {
  let here: z.ZodType | undefined = schema;
  for (const part of place) {
    const inner: z.ZodType = unwrapped(here);
    if (inner instanceof z.ZodArray) here = inner.element as z.ZodType;
    else here = inner instanceof z.ZodObject ? (inner.shape[String(part)] as z.ZodType | undefined) : undefined;
    if (here === undefined) return undefined;
  }
  const own = unwrapped(here);
  const near = own instanceof z.ZodObject ? closest(key, Object.keys(own.shape)) : undefined;
  if (near !== undefined) return near;
  const all = pathsOf(schema);
  const last = (path: string): string => path.split(".").at(-1)!;
  const name = closest(key, [...new Set(all.map(last))]);
  const found = all.filter((path) => last(path) === name);
  return found.length === 0 ? undefined : found.join(" or ");
}

/** The paths of all keys that lie in objects: `rpn.sampleCount`. */
function pathsOf(schema: z.ZodObject): string[] {
  return Object.entries(schema.shape).flatMap(([key, value]) => {
    const inner = unwrapped(value as z.ZodType);
    return inner instanceof z.ZodObject ? [key, ...pathsOf(inner).map((path) => `${key}.${path}`)] : [key];
  });
}

/** A schema without its default, `nullable` and `optional`. */
function unwrapped(schema: z.ZodType): z.ZodType {
  return schema instanceof z.ZodDefault || schema instanceof z.ZodNullable || schema instanceof z.ZodOptional
    ? unwrapped(schema.unwrap() as z.ZodType)
    : schema;
}

function valueAt(request: unknown, path: readonly PropertyKey[]): unknown {
  let value = request;
  for (const key of path) value = (value as Record<PropertyKey, unknown> | null | undefined)?.[key];
  return value;
}
