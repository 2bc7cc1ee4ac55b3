/**
 * The reference of configurations, and JSON Schemas for editors, from the zod schemas. A key's type and default come from the schema
 * itself, its meaning from the doc comment in front of it in the source, where TypeScript shows it, too.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { z } from "zod";
import { augmentationPresets } from "../../src/augment/index.ts";
import { selectionSchema } from "../../src/data/index.ts";
import { experimentKeys } from "../../src/experiments/index.ts";
import { med3dKeys } from "../../src/med3d/encoder/config.ts";
import {
  classificationConfigSchema,
  experimentSchemas,
  pretrainingConfigSchema,
  segmentationConfigSchema,
} from "../../src/med3d/index.ts";
import { detectionConfigSchema, detectorSchema, rpnExperimentSchema } from "../../src/rcnn/index.ts";
import { sharedConfigSchema } from "../../src/train/index.ts";
import { docOf, parse } from "./comments.ts";
import { anchor, generated, table } from "./markdown.ts";

/** Where the schemas stand, and with them the comments. */
const sources = [
  "src/data/lists/selection.ts",
  "src/train/config/shared-config.ts",
  "src/experiments/config.ts",
  "src/med3d/encoder/config.ts",
  "src/med3d/segmentation/config.ts",
  "src/med3d/segmentation/keep-largest.ts",
  "src/med3d/classification/config.ts",
  "src/med3d/pretraining/config.ts",
  "src/rcnn/run/config.ts",
  "src/rcnn/network/config.ts",
  "src/med3d/experiments/config.ts",
  "src/rcnn/experiments/config.ts",
];

/** Keys that several configurations have: told once, in a table of their own. */
interface Group {
  readonly title: string;
  readonly about: string;
  readonly schema: z.ZodType;
  /** How the source names them. */
  readonly source: string;
}

const everyTraining: Group = {
  title: "Every training",
  about:
    "What segmentation, classification, detection and pre-training share. Each has defaults of its own for some of them.",
  schema: sharedConfigSchema,
  source: "sharedKeys",
};

const everyEncoder: Group = {
  title: "Every training of Med3D",
  about: "What segmentation, classification and pre-training share beside that: the encoder, and what it sees.",
  schema: z.strictObject(med3dKeys),
  source: "med3dKeys",
};

/** Pre-training is told what the segmentation of each of its branches is. */
const everySegmentation: Group = {
  title: "Segmentation",
  about: "",
  schema: segmentationConfigSchema,
  source: "segmentationConfigSchema",
};

const everyExperiment: Group = {
  title: "Every experiment",
  about: "What `medvox experiment` is told of each kind.",
  schema: z.strictObject(experimentKeys),
  source: "experimentKeys",
};

interface Page {
  /** Names the JSON Schema's file. */
  readonly name: string;
  readonly title: string;
  readonly about: string;
  readonly schema: z.ZodType;
  /** How the source names the schema. */
  readonly source: string;
  /** Keys of these are left out where they are alike here. */
  readonly groups: readonly Group[];
}

const pages: readonly Page[] = [
  {
    name: "segmentation",
    title: "Segmentation",
    about:
      "`medvox train segmentation --config FILE`, `medvox transfer segmentation|lung|liver --config FILE`; `trainSegmentation(…)` in TypeScript.",
    schema: segmentationConfigSchema,
    source: "segmentationConfigSchema",
    groups: [everyTraining, everyEncoder],
  },
  {
    name: "classification",
    title: "Classification",
    about:
      "`medvox train classification --config FILE`, `medvox transfer classification|nodule --config FILE`; `trainClassification(…)` in TypeScript.",
    schema: classificationConfigSchema,
    source: "classificationConfigSchema",
    groups: [everyTraining, everyEncoder],
  },
  {
    name: "detection",
    title: "Detection",
    about: "`medvox detect train --config FILE`; `trainDetector(…)` in TypeScript.",
    schema: detectionConfigSchema,
    source: "detectionConfigSchema",
    groups: [everyTraining],
  },
  {
    name: "detector",
    title: "Detector",
    about:
      "The network itself and how it is trained: what `detector` of a [detection](#detection) may hold, laid over the `preset` key by key, and what `fasterRcnn.create(…)` takes in TypeScript. Where the default says required, the presets have a value. Lengths are voxels (pixels) of the network's input; lists of axes run x, y, z.",
    schema: detectorSchema,
    source: "detectorSchema",
    groups: [],
  },
  {
    name: "pretraining",
    title: "Pre-training",
    about: "`medvox pretrain --config FILE`; `pretrain(…)` in TypeScript.",
    schema: pretrainingConfigSchema,
    source: "pretrainingConfigSchema",
    groups: [everySegmentation],
  },
  ...(["magnitude", "variety", "transfer"] as const).map((kind) => ({
    name: `experiment-${kind}`,
    title: `Experiment: ${kind}`,
    about: `\`medvox experiment ${kind} --config FILE\`; \`runExperiment("${kind}", …)\` in TypeScript.`,
    schema: experimentSchemas[kind],
    source: `experimentSchemas.${kind}`,
    groups: [everyExperiment],
  })),
  {
    name: "experiment-rpn",
    title: "Experiment: rpn",
    about: "`medvox experiment rpn --config FILE`; `runRpnExperiment(…)` in TypeScript.",
    schema: rpnExperimentSchema,
    source: "rpnExperimentSchema",
    groups: [everyExperiment],
  },
  {
    name: "part",
    title: "A part of a data set",
    about:
      "A JSON file that `--data` names: what to take of the data set under `data` (a path from the file's folder). It opens like any other data set.",
    schema: selectionSchema.extend({ data: z.string() }),
    source: "viewSchema",
    groups: [],
  },
];

/** The parts of JSON Schema that zod's schemas come to. */
export interface JsonSchema {
  type?: string | string[];
  const?: unknown;
  enum?: unknown[];
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: boolean | JsonSchema;
  items?: JsonSchema;
  prefixItems?: JsonSchema[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  default?: unknown;
  description?: string;
  [key: string]: unknown;
}

/** A schema as JSON, with the meaning of every key. */
export function describedSchema(
  root: string,
  schema: z.ZodType,
  source: string,
  io: "input" | "output" = "input",
): JsonSchema {
  const json = z.toJSONSchema(schema, { io, unrepresentable: "any" }) as JsonSchema;
  describe(json, new Comments(root).of(source));
  return json;
}

/** The page, and the JSON Schemas by name. */
export function configuration(root: string): { page: string; schemas: Record<string, JsonSchema> } {
  const comments = new Comments(root);
  const schemas: Record<string, JsonSchema> = {};
  const sections: string[] = [];
  const told = (schema: z.ZodType, source: string): JsonSchema => {
    const json = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as JsonSchema;
    describe(json, comments.of(source));
    return json;
  };
  const groups = new Map<Group, JsonSchema>();
  for (const group of new Set(pages.flatMap((page) => page.groups)))
    groups.set(group, told(group.schema, group.source));
  const head = ["key", "type", "default", "meaning"];
  for (const { name, title, about, schema, source, groups: shared } of pages) {
    const json = told(schema, source);
    for (const group of shared) {
      // A group is told in front of the first that shares it.
      const heading = `## ${group.title}`;
      if (!sections.includes(heading)) sections.push(heading, group.about, table(head, rowsOf(groups.get(group)!, "")));
    }
    const above = shared.map((group) => ({ title: group.title, json: groups.get(group)! }));
    const elsewhere = Object.assign({}, ...above.map((group) => group.json.properties));
    const { text, keys } = compared(json, above, elsewhere);
    schemas[name] = {
      ...json,
      title: `medvox ${title.toLowerCase()}`,
      properties: { $schema: { type: "string" }, ...json.properties },
    };
    sections.push(`## ${title}`, about, ...text, table(head, rowsOf({ ...json, properties: keys }, "")));
  }
  sections.push(...augmentationSection(root));
  const page = [
    "# Configurations",
    generated,
    "Everything that `--config FILE` may hold. Options of the command line go over the file, the file over the defaults; `run.json` shows what came of it under `config`. A key that is not known, or a value out of its range, is refused by name. `medvox transfer …` has defaults of its own for some keys, told by its [details](commands.md).",
    'Editors complete and check the files: `"$schema": "./node_modules/medvox/schemas/segmentation.json"` as their first key.',
    ...sections,
  ].join("\n\n");
  return { page, schemas };
}

type Properties = Record<string, JsonSchema>;

/** What of a configuration the groups do not tell: its own keys, and in words what it has of theirs. */
function compared(
  { properties = {} }: JsonSchema,
  groups: readonly { readonly title: string; readonly json: JsonSchema }[],
  shared: Properties,
): { readonly text: readonly string[]; readonly keys: Properties } {
  const keys: Properties = {};
  const defaults: string[] = [];
  for (const [key, property] of Object.entries(properties)) {
    const other = shared[key];
    const isAlike =
      other !== undefined && typeOf(other) === typeOf(property) && other.description === property.description;
    if (!isAlike) keys[key] = property;
    else if (code(other.default) !== code(property.default)) defaults.push(`\`${key}\` ${code(property.default)}`);
  }
  if (groups.length === 0) return { text: [], keys };
  const links = groups.map(({ title }) => `[${title[0].toLowerCase()}${title.slice(1)}](#${anchor(title)})`);
  const missing = Object.keys(shared).filter((key) => properties[key] === undefined);
  const text = [
    `It has the keys of ${links.join(" and ")}`,
    missing.length === 0 ? "" : `, but for ${listed(missing.map((key) => `\`${key}\``))}`,
    defaults.length === 0 ? "" : `; other defaults: ${defaults.join(", ")}`,
    ". Of its own, or with another meaning:",
  ];
  return { text: [text.join("")], keys };
}

function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/** Transforms are an interface, not a schema: its members and their comments are the reference. */
function augmentationSection(root: string): string[] {
  const path = "src/augment/augmentation.ts";
  const source = parse(path, readFileSync(join(root, path), "utf8"));
  const found = source.statements.find(
    (node): node is ts.InterfaceDeclaration => ts.isInterfaceDeclaration(node) && node.name.text === "Augmentation",
  );
  const members = found?.members.filter(ts.isPropertySignature) ?? [];
  const type = (node: ts.PropertySignature): string =>
    (node.type?.getText() ?? "").replaceAll("readonly ", "").replaceAll("Range", "[number, number]");
  return [
    "## Augmentation",
    "The value of `augmentation` and `balance`: a preset by name, or an object of transforms. A transform that is left out never happens; `probability` is the share of patches that get it; ranges are drawn from evenly.",
    table(
      ["key", "type", "meaning"],
      members.map((node) => [`\`${node.name.getText()}\``, `\`${type(node)}\``, docOf(node).replaceAll("\n", " ")]),
    ),
    "The presets:",
    table(
      ["preset", ""],
      Object.entries(augmentationPresets).map(([name, value]) => [`\`${name}\``, `\`${JSON.stringify(value)}\``]),
    ),
  ];
}

/** Adds the meaning of every key to the schema itself. */
function describe(json: JsonSchema, docs: Docs): void {
  for (const [key, property] of Object.entries(json.properties ?? {})) {
    leaveOutFunctions(property);
    const doc = docs.get(key);
    if (doc?.text) property.description = doc.text.replaceAll("\n", " ");
    for (const inner of nested(property)) describe(inner, doc?.within() ?? new Map());
  }
}

/** A file cannot hold a function, for which JSON Schema has no word: only the other forms of the value are told. */
function leaveOutFunctions(property: JsonSchema): void {
  const forms = property.anyOf?.filter((form) => Object.keys(form).length > 0);
  if (forms === undefined || forms.length === property.anyOf?.length) return;
  delete property.anyOf;
  Object.assign(property, forms.length === 1 ? forms[0] : { anyOf: forms });
}

/** Objects with keys of their own: the property itself, or what its list holds, or one of several forms. */
function nested(json: JsonSchema): JsonSchema[] {
  if (Object.keys(json.properties ?? {}).length > 0) return [json];
  return [json.items, ...(json.anyOf ?? [])].flatMap((inner) => (inner ? nested(inner) : []));
}

function rowsOf(json: JsonSchema, prefix: string): string[][] {
  return Object.entries(json.properties ?? {}).flatMap(([key, property]) => {
    const name = `${prefix}${key}`;
    const required = json.required?.includes(key) && property.default === undefined;
    const usual = property.default === undefined ? (required ? "required" : "") : code(property.default);
    const inner = nested(property);
    const list = property.type === "array" ? "[]" : "";
    const words = formsOf(property).map((form) => (nested(form).length === 0 ? typeOf(form) : "object"));
    const type = inner.length === 0 ? typeOf(property) : list ? "list of objects" : [...new Set(words)].join(" or ");
    const rows = new Map(inner.flatMap((form) => rowsOf(form, `${name}${list}.`)).map((row) => [row[0], row]));
    return [[`\`${name}\``, type, usual, property.description ?? ""], ...rows.values()];
  });
}

/** The forms that a value may have, those within forms included. */
function formsOf(json: JsonSchema): JsonSchema[] {
  return (json.anyOf ?? json.oneOf)?.flatMap(formsOf) ?? [json];
}

function code(value: unknown): string {
  return `\`${JSON.stringify(value)}\``;
}

/** A type in words that fit a cell. */
export function typeOf(json: JsonSchema): string {
  if (json.const !== undefined) return code(json.const);
  if (json.enum) return json.enum.map(code).join(", ");
  if (Array.isArray(json.type)) return json.type.join(" or ");
  const forms = json.anyOf ?? json.oneOf;
  if (forms) return forms.map(typeOf).join(forms.every((form) => form.const !== undefined) ? ", " : " or ");
  switch (json.type) {
    case "integer":
    case "number":
      return json.type + boundsOf(json);
    case "array":
      return json.prefixItems ? tupleOf(json.prefixItems.map(typeOf)) : `list of ${typeOf(json.items ?? {})}`;
    case "object":
      return Object.keys(json.properties ?? {}).length > 0
        ? `{ ${Object.entries(json.properties ?? {})
            .map(([key, value]) => `\`${key}\`${json.required?.includes(key) ? "" : "?"}: ${typeOf(value)}`)
            .join(", ")} }`
        : "object";
    default:
      return json.type ?? "any";
  }
}

/** Three of the same are told once. */
function tupleOf(types: readonly string[]): string {
  return types.length > 1 && new Set(types).size === 1 ? `${types.length} × ${types[0]}` : `[${types.join(", ")}]`;
}

function boundsOf({ minimum, exclusiveMinimum, maximum }: JsonSchema): string {
  const high = maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum;
  const low =
    exclusiveMinimum !== undefined
      ? ` > ${exclusiveMinimum}`
      : minimum === undefined || minimum === Number.MIN_SAFE_INTEGER
        ? ""
        : ` ≥ ${minimum}`;
  return `${low}${high === undefined ? "" : `${low && ","} ≤ ${high}`}`;
}

interface Doc {
  readonly text: string;
  /** Comments of the keys within. */
  readonly within: () => Docs;
}
type Docs = ReadonlyMap<string, Doc>;

/** Doc comments of a schema's keys, found where the source writes them: through names, spreads and `.extend`. */
class Comments {
  readonly #files: readonly ts.SourceFile[];

  constructor(root: string) {
    this.#files = sources.map((path) => parse(path, readFileSync(join(root, path), "utf8")));
  }

  /** @param name of a schema, with a dot where it stands in an object */
  of(name: string): Docs {
    const [first, ...keys] = name.split(".");
    let docs = this.#named(first, undefined);
    for (const key of keys) docs = docs.get(key)?.within() ?? new Map();
    return docs;
  }

  #named(name: string, from: ts.SourceFile | undefined): Docs {
    for (const file of [...(from ? [from] : []), ...this.#files]) {
      for (const statement of file.statements) {
        if (!ts.isVariableStatement(statement)) continue;
        const found = statement.declarationList.declarations.find(
          (declaration) => ts.isIdentifier(declaration.name) && declaration.name.text === name,
        );
        if (found?.initializer) return this.#read(found.initializer);
      }
    }
    return new Map();
  }

  #read(node: ts.Expression): Docs {
    if (ts.isAsExpression(node) || ts.isParenthesizedExpression(node)) return this.#read(node.expression);
    if (ts.isIdentifier(node)) return this.#named(node.text, node.getSourceFile());
    if (ts.isPropertyAccessExpression(node)) {
      return node.name.text === "shape"
        ? this.#read(node.expression)
        : (this.#read(node.expression).get(node.name.text)?.within() ?? new Map());
    }
    if (ts.isArrayLiteralExpression(node)) return this.#joined(node.elements);
    if (ts.isObjectLiteralExpression(node)) return this.#keys(node);
    if (!ts.isCallExpression(node)) return new Map();
    // `withDefaults(keys, …)`: the keys are the first argument's.
    if (ts.isIdentifier(node.expression)) return this.#read(node.arguments[0]);
    if (!ts.isPropertyAccessExpression(node.expression)) return new Map();
    const { expression: base, name } = node.expression;
    const isZod = ts.isIdentifier(base) && base.text === "z";
    if (isZod)
      return name.text.endsWith("bject") || ["array", "union"].includes(name.text)
        ? this.#joined(node.arguments)
        : new Map();
    return name.text === "extend" ? this.#joined([base, ...node.arguments]) : this.#read(base);
  }

  /** What is said of a key where another schema takes it from: `keys.seeds.unwrap().default(1)`. */
  #elsewhere(value: ts.Expression): string {
    if (ts.isCallExpression(value)) return this.#elsewhere(value.expression);
    if (!ts.isPropertyAccessExpression(value)) return "";
    const docs = ts.isIdentifier(value.expression) ? this.#read(value.expression) : undefined;
    return docs?.get(value.name.text)?.text ?? this.#elsewhere(value.expression);
  }

  #joined(nodes: readonly ts.Expression[]): Docs {
    return new Map(nodes.flatMap((node) => [...this.#read(node)]));
  }

  #keys(node: ts.ObjectLiteralExpression): Docs {
    const docs = new Map<string, Doc>();
    for (const property of node.properties) {
      if (ts.isSpreadAssignment(property)) {
        for (const [key, doc] of this.#read(property.expression)) docs.set(key, doc);
      } else if (property.name && ts.isIdentifier(property.name)) {
        const value = ts.isPropertyAssignment(property) ? property.initializer : property.name;
        const text = docOf(property) || this.#elsewhere(value);
        docs.set(property.name.text, { text, within: () => this.#read(value) });
      }
    }
    return docs;
  }
}
