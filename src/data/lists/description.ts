/** Checking a description against a zod schema, with messages that name file and key and say what stands there. */
import { z } from "zod";
import { DataError } from "../../errors.ts";

/**
 * `document` as `schema` says it is.
 * @throws DataError for the first thing wrong: `dataset.json: training[3].label: expected string, found 7`.
 */
export function checkDescription<T extends z.ZodType>(schema: T, document: unknown, file: string): z.output<T> {
  const result = schema.safeParse(document);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const value = at(document, issue.path);
  const found = value === undefined ? "it is missing" : `found ${show(value)}`;
  const rule = issue.code === "invalid_type" ? `expected ${issue.expected}, ${found}` : `${issue.message}, ${found}`;
  throw new DataError(`${file}: ${pathText(issue.path)}${rule}`, { cause: result.error });
}

/** The same of JSON text, e.g. of a model's metadata. @param where names the text in messages */
export function checkedJson<T extends z.ZodType>(schema: T, text: string, where: string): z.output<T> {
  let document: unknown;
  try {
    document = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (cause) {
    throw new DataError(`${where}: is not JSON (${(cause as Error).message})`, { cause });
  }
  return checkDescription(schema, document, where);
}

/** A path that is not empty. */
export const nonEmptyPath = z.string().min(1, "expected a path");

function at(document: unknown, path: readonly PropertyKey[]): unknown {
  let value = document;
  for (const key of path) value = (value as Record<PropertyKey, unknown> | null | undefined)?.[key];
  return value;
}

function pathText(path: readonly PropertyKey[]): string {
  const text = path.map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`)).join("");
  return text === "" ? "" : `${text.replace(/^\./, "")}: `;
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
