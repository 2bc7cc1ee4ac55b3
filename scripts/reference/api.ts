/**
 * The reference of the TypeScript API: a page for each subpath export of package.json but `…/internal`, with every name it exports, its declaration as
 * TypeScript sees it and its doc comment. Read from the declarations that the build writes, so a page is what a user's editor shows.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import ts from "typescript";
import { docOf, parse } from "./comments.ts";
import { anchor, cell, generated, table } from "./markdown.ts";

export interface ApiExport {
  readonly name: string;
  readonly kind: "function" | "class" | "constant" | "type";
  /** Doc comment, without stars. */
  readonly doc: string;
  /** Declarations as they stand in the `.d.ts`: several of an overloaded function. */
  readonly code: string;
  /** What parameters and options are where they are left out, by name, as the source writes it. */
  readonly defaults: readonly (readonly [name: string, value: string])[];
}

export interface ApiEntry {
  /** `medvox/graph`. */
  readonly entry: string;
  /** What the module says of itself. */
  readonly about: string;
  readonly exports: readonly ApiExport[];
}

/** Constants of longer types are shown without them: they are schemas and tables, told elsewhere. */
const MOST_LINES = 12;

/** What stands behind `/internal` is promised to nobody, so it has no page. */
const isPromised = (subpath: string): boolean => !subpath.endsWith("/internal");

/** Entries of the package, by default all that are promised to users, in the order of package.json. `dist` must be fresh. */
export function apiEntries(root: string, wanted: (subpath: string) => boolean = isPromised): ApiEntry[] {
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    exports: Record<string, string | { types: string }>;
  };
  const files = new Map<string, ts.SourceFile>();
  const read = (path: string): ts.SourceFile => {
    const known = files.get(path) ?? parse(path, readFileSync(path, "utf8"));
    files.set(path, known);
    return known;
  };
  return Object.entries(exports).flatMap(([subpath, target]) => {
    if (typeof target === "string" || !wanted(subpath)) return [];
    const path = join(root, target.types);
    const found = [...exportsOf(path, read)].map(([name, nodes]) => apiExport(name, nodes, read));
    found.sort((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1));
    return [{ entry: `medvox${subpath.slice(1)}`, about: aboutOf(read(path)), exports: found }];
  });
}

/** The pages by path. What promises nothing has none. */
export function apiPages(root: string): [string, string][] {
  const entries = apiEntries(root);
  const file = ({ entry }: ApiEntry): string => `${entry.replace("/", "-")}.md`;
  const index = [
    "# The TypeScript API",
    generated,
    "Arrays are `[N, C, D, H, W]` (in 2D `[N, C, H, W]`), x fastest; sizes and spacings of volumes are `[x, y, z]`; world space is RAS+ millimetres. What goes wrong is thrown as one of the errors of [`medvox`](medvox.md), each with a stable `code`. Whole stories in one file each: [examples](../../../examples).",
    table(
      ["import from", ""],
      entries.map((entry) => [`[\`${entry.entry}\`](${file(entry)})`, firstSentence(entry.about)]),
    ),
  ].join("\n\n");
  return [
    ["docs/reference/api/README.md", index],
    ...entries.map((entry): [string, string] => [`docs/reference/api/${file(entry)}`, pageOf(entry)]),
  ];
}

const groups: Readonly<Record<ApiExport["kind"], string>> = {
  function: "Functions",
  class: "Classes",
  constant: "Constants",
  type: "Types",
};

function pageOf({ entry, about, exports }: ApiEntry): string {
  const parts = [`# ${entry}`, generated, about];
  const anchors = anchorsOf(exports);
  for (const [kind, title] of Object.entries(groups)) {
    const own = exports.filter((one) => one.kind === kind);
    if (own.length === 0) continue;
    parts.push(`## ${title}`, own.map((one) => `[${one.name}](#${anchors.get(one)})`).join(" · "));
    for (const one of own)
      parts.push(`### ${one.name}`, prose(one.doc), `\`\`\`ts\n${one.code}\n\`\`\``, defaultsText(one));
  }
  return parts.filter((part) => part !== "").join("\n\n");
}

/** GitHub numbers headings that differ in nothing but capitals (`graph`, `Graph`). */
function anchorsOf(exports: readonly ApiExport[]): Map<ApiExport, string> {
  const used = new Map<string, number>();
  const anchors = new Map<ApiExport, string>();
  for (const kind of Object.keys(groups)) {
    used.set(groups[kind as ApiExport["kind"]].toLowerCase(), 1);
    for (const one of exports) {
      if (one.kind !== kind) continue;
      const plain = anchor(one.name);
      const times = used.get(plain) ?? 0;
      used.set(plain, times + 1);
      anchors.set(one, times === 0 ? plain : `${plain}-${times}`);
    }
  }
  return anchors;
}

function defaultsText({ defaults }: ApiExport): string {
  if (defaults.length === 0) return "";
  return `Defaults: ${defaults.map(([name, value]) => `\`${name} = ${value.replaceAll(/\s+/g, " ")}\``).join(", ")}.`;
}

/** A doc comment as Markdown: `{@link x}` is x, tags are a list. */
function prose(doc: string): string {
  const [text, ...tags] = doc.replaceAll(/\{@link ([^}]*)\}/g, "`$1`").split(/^@/m);
  const body = withoutTags(text.trim());
  const list = tags.map((tag) => {
    const [, name, rest] = /^(\w+)\s*([\s\S]*)$/.exec(tag) as RegExpExecArray;
    const said = withoutTags(rest.trim().replaceAll("\n", " "));
    return name === "param" ? `- ${said.replace(/^(\S+)/, "`$1`:")}` : `- ${name}: ${said}`;
  });
  return [body, list.join("\n")].filter((part) => part !== "").join("\n\n");
}

/** What stands in angle brackets outside of code is no tag. */
function withoutTags(text: string): string {
  return text
    .split(/(`[^`]*`)/)
    .map((part) => (part.startsWith("`") ? part : part.replaceAll("<", "&lt;")))
    .join("");
}

function firstSentence(text: string): string {
  return cell(/^[\s\S]*?[.](?=\s|$)/.exec(text)?.[0] ?? text);
}

/** The comment at the head of a module, without its `@module` tag. */
function aboutOf(source: ts.SourceFile): string {
  const text = /^\/\*\*([\s\S]*?)\*\//.exec(source.text)?.[1] ?? "";
  return text
    .split("\n")
    .map((line) => line.trim().replace(/^\*\s?/, ""))
    .join("\n")
    .trim()
    .replace(/^@module [\w/]+: /, "")
    .replace(/^./, (first) => first.toUpperCase());
}

type Declaration = ts.DeclarationStatement | ts.VariableStatement;

/** What a module exports, through every re-export, by name. */
function exportsOf(path: string, read: (path: string) => ts.SourceFile): Map<string, Declaration[]> {
  const found = new Map<string, Declaration[]>();
  const target = (specifier: ts.Expression): string =>
    join(dirname(path), (specifier as ts.StringLiteral).text.replace(/\.(ts|js)$/, ".d.ts"));
  for (const statement of read(path).statements) {
    if (ts.isExportDeclaration(statement) && statement.moduleSpecifier) {
      const there = exportsOf(target(statement.moduleSpecifier), read);
      const { exportClause } = statement;
      if (exportClause === undefined) for (const [name, nodes] of there) found.set(name, nodes);
      else if (ts.isNamedExports(exportClause))
        for (const { name, propertyName } of exportClause.elements)
          found.set(name.text, there.get((propertyName ?? name).text) ?? []);
      continue;
    }
    for (const name of exportedNames(statement))
      found.set(name, [...(found.get(name) ?? []), statement as Declaration]);
  }
  return found;
}

function exportedNames(statement: ts.Statement): string[] {
  const isExported =
    ts.canHaveModifiers(statement) &&
    ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
  if (!isExported) return [];
  if (ts.isVariableStatement(statement))
    return statement.declarationList.declarations.flatMap(({ name }) => (ts.isIdentifier(name) ? [name.text] : []));
  const { name } = statement as ts.DeclarationStatement;
  return name === undefined ? [] : [name.text];
}

function apiExport(name: string, nodes: readonly Declaration[], read: (path: string) => ts.SourceFile): ApiExport {
  const [first] = nodes;
  if (first === undefined) throw new Error(`${name}: is exported, and no declaration of it was found`);
  const kind = kindOf(first);
  const doc = nodes.map(docOf).find((text) => text !== "") ?? "";
  const source = first.getSourceFile().fileName.replace(/([\\/])dist([\\/].*)\.d\.ts$/, "$1src$2.ts");
  const defaults = ts.isFunctionDeclaration(first) ? defaultsOf(first.name?.text ?? name, read(source)) : [];
  return { name, kind, doc, code: nodes.map(codeOf).join("\n"), defaults };
}

function kindOf(node: Declaration): ApiExport["kind"] {
  if (ts.isClassDeclaration(node)) return "class";
  if (ts.isFunctionDeclaration(node)) return "function";
  if (!ts.isVariableStatement(node)) return "type";
  // A function may be written as a constant.
  const { type } = node.declarationList.declarations[0];
  return type !== undefined && ts.isFunctionTypeNode(type) ? "function" : "constant";
}

/** Declarations do not say defaults; the function's own parameters, and what it first takes its options apart into, do. */
function defaultsOf(name: string, source: ts.SourceFile): [string, string][] {
  const own = source.statements.find(
    (node): node is ts.FunctionDeclaration =>
      ts.isFunctionDeclaration(node) && node.name?.text === name && node.body !== undefined,
  );
  if (own === undefined) return [];
  const names = new Set(own.parameters.map((parameter) => parameter.name.getText()));
  const inBody = (own.body?.statements ?? []).flatMap((statement) =>
    ts.isVariableStatement(statement)
      ? statement.declarationList.declarations.filter(({ initializer }) => names.has(initializer?.getText() ?? ""))
      : [],
  );
  return [...own.parameters, ...inBody].flatMap((node): [string, string][] => {
    if (ts.isObjectBindingPattern(node.name)) {
      return node.name.elements.flatMap((element): [string, string][] =>
        element.initializer === undefined
          ? []
          : [[(element.propertyName ?? element.name).getText(), element.initializer.getText()]],
      );
    }
    const value = ts.isParameter(node) ? node.initializer?.getText() : undefined;
    return value === undefined || value === "{}" ? [] : [[node.name.getText(), value]];
  });
}

/** A declaration without what says nothing to a reader: `export declare`, private members, names inside patterns. */
function codeOf(node: Declaration): string {
  const text = node
    .getText()
    .replace(/^export (declare )?/, "")
    .replaceAll(/^ {4}(#private|private [^\n]*);\n/gm, "")
    .replaceAll(/^( +)/gm, (indent) => " ".repeat(indent.length / 2))
    .replaceAll(/\{[\w\s,:.]*\}(\??: )/g, "options$1");
  if (!ts.isVariableStatement(node) || text.split("\n").length <= MOST_LINES) return text;
  return `${/^const \w+: [\w.]*/.exec(text)?.[0]}<…>;`;
}
