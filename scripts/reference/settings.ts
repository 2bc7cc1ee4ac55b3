/**
 * The types of configurations, with a doc comment on every key, so that an editor's completion explains them. TypeScript leaves comments out of
 * what it infers from a zod schema; so the types are written from the schema and its comments, and a test holds them to it.
 */
import type { JsonSchema } from "./configuration.ts";

/** One type of a file. */
export interface SettingsType {
  readonly name: string;
  readonly about: string;
  readonly schema: JsonSchema;
  /** Keys that may be left out: those with a default (what a user writes), or none (what is read). */
  readonly use: "input" | "output";
  /** Types of keys by path that the schema cannot tell, e.g. of functions. */
  readonly types?: Readonly<Record<string, string>>;
}

/** A file of types. @param imports lines above them */
export function settingsFile(about: string, imports: readonly string[], types: readonly SettingsType[]): string {
  const head = [
    `/** ${about} Written by \`npm run reference\`; a test fails where it differs from the schema. */`,
    ...imports,
  ];
  return `${[head.join("\n"), ...types.map(typeText)].join("\n\n")}\n`;
}

function typeText({ name, about, schema, use, types = {} }: SettingsType): string {
  return `/** ${about} */\nexport interface ${name} ${objectText(schema, { use, types, path: "", indent: "" })}`;
}

interface Place {
  readonly use: "input" | "output";
  readonly types: Readonly<Record<string, string>>;
  readonly path: string;
  readonly indent: string;
}

function objectText({ properties = {}, required = [] }: JsonSchema, place: Place): string {
  const indent = `${place.indent}  `;
  const lines = Object.entries(properties).flatMap(([key, property]) => {
    const path = place.path === "" ? key : `${place.path}.${key}`;
    const isThere = required.includes(key) && (place.use === "output" || property.default === undefined);
    const optional = isThere ? "" : "?";
    const type = place.types[path] ?? typeOf(property, { ...place, path, indent });
    return [...commentOf(property, indent), `${indent}readonly ${key}${optional}: ${type};`];
  });
  return `{\n${lines.join("\n")}\n${place.indent}}`;
}

/** Meaning, range and default. */
function commentOf(property: JsonSchema, indent: string): string[] {
  const { description = "", default: usual } = property;
  const range = rangeOf(property);
  const words = [description, range && `${range}.`].filter((part) => part !== "").join(" ");
  if (usual === undefined) return words === "" ? [] : [`${indent}/** ${words} */`];
  return [`${indent}/**`, `${indent} * ${words}`, `${indent} * @default ${JSON.stringify(usual)}`, `${indent} */`];
}

function rangeOf(given: JsonSchema): string {
  const json = Array.isArray(given.type) ? { ...given, type: given.type.find((one) => one !== "null") } : given;
  const { type, minimum, exclusiveMinimum, maximum, multipleOf } = json;
  if (type !== "integer" && type !== "number") {
    const inner = json.anyOf?.find((form) => form.type === "integer" || form.type === "number");
    return inner === undefined ? "" : rangeOf(inner);
  }
  const parts = [
    type === "integer" ? "a whole number" : "",
    typeof multipleOf === "number" ? `a multiple of ${multipleOf}` : "",
    exclusiveMinimum !== undefined ? `above ${exclusiveMinimum}` : "",
    minimum !== undefined && minimum > Number.MIN_SAFE_INTEGER ? `at least ${minimum}` : "",
    maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER ? `at most ${maximum}` : "",
  ].filter((part) => part !== "");
  const text = parts.join(", ");
  return text === "" ? "" : text[0].toUpperCase() + text.slice(1);
}

function typeOf(json: JsonSchema, place: Place): string {
  if (json.const !== undefined) return JSON.stringify(json.const);
  if (json.enum !== undefined) return json.enum.map((value) => JSON.stringify(value)).join(" | ");
  const { type } = json;
  const forms = Array.isArray(type) ? type.map((one) => ({ ...json, type: one })) : (json.anyOf ?? json.oneOf);
  if (forms !== undefined) return [...new Set(forms.map((form) => typeOf(form, place)))].join(" | ");
  if (json.prefixItems !== undefined)
    return `readonly [${json.prefixItems.map((item) => typeOf(item, place)).join(", ")}]`;
  if (json.items !== undefined) {
    const item = typeOf(json.items, place);
    return item.includes("|") || item.startsWith("readonly") ? `readonly (${item})[]` : `readonly ${item}[]`;
  }
  switch (type) {
    case "integer":
    case "number":
      return "number";
    case "string":
    case "boolean":
    case "null":
      return type;
    case "object":
      return json.properties === undefined || Object.keys(json.properties).length === 0
        ? "Readonly<Record<string, unknown>>"
        : objectText(json, place);
    default:
      throw new Error(`settings: ${place.path}: its type cannot be told from ${JSON.stringify(json)}; name it`);
  }
}
