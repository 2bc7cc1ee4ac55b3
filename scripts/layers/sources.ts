/** What the checks of the tree read from a source file: its imports, the names it exports, the globals of Node it touches. */
import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import ts from "typescript";

/** Sources by their path below a folder, with forward slashes. */
export type Sources = ReadonlyMap<string, string>;

export interface Import {
  readonly specifier: string;
  readonly line: number;
  /** `import()` of a value: it runs when both modules are complete, so it makes no circle. */
  readonly lazy: boolean;
}

/** Globals of Node that no browser has. */
const NODE_GLOBALS = new Set(["process", "Buffer", "require", "__dirname", "__filename", "setImmediate"]);

export function parse(path: string, text: string): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
}

/** The TypeScript files below a folder. */
export function readSources(folder: string, wanted: (path: string) => boolean = () => true): Map<string, string> {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" }).map((path) => path.replaceAll("\\", "/"));
  const sources = paths.filter((path) => path.endsWith(".ts") && wanted(path)).sort();
  return new Map(sources.map((path) => [path, readFileSync(join(folder, path), "utf8")]));
}

/** Whether a file is a test or serves only tests. */
export const isTest = (path: string): boolean => path.endsWith(".test.ts") || /(^|\/)test\//.test(path);

/** The path that a relative import in the file `from` leads to. */
export const resolveImport = (from: string, specifier: string): string =>
  posix.normalize(posix.join(posix.dirname(from), specifier));

/** All imports and re-exports, those of types too. */
export function importsOf(source: ts.SourceFile): Import[] {
  const found: Import[] = [];
  const add = (specifier: ts.Node | undefined, lazy = false): void => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return;
    found.push({ specifier: specifier.text, line: lineOf(source, specifier), lazy });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) add(node.moduleSpecifier);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node.arguments[0], true);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

export function nodeGlobalsOf(source: ts.SourceFile): { name: string; line: number }[] {
  const found: { name: string; line: number }[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node) && NODE_GLOBALS.has(node.text)) {
      const { parent } = node;
      const isName =
        (ts.isPropertyAccessExpression(parent) && parent.name === node) ||
        ((ts.isPropertyAssignment(parent) || ts.isPropertySignature(parent) || ts.isMethodDeclaration(parent)) &&
          parent.name === node);
      if (!isName) found.push({ name: node.text, line: lineOf(source, node) });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** What a file exports under names, and the files whose names it passes on. */
export interface Exports {
  /** By exported name: the file and the name in it that it passes on, or undefined for what is declared here. */
  readonly names: ReadonlyMap<string, { readonly specifier: string; readonly name: string } | undefined>;
  /** `export * from`. */
  readonly all: readonly string[];
}

export function exportsOf(source: ts.SourceFile): Exports {
  const names = new Map<string, { specifier: string; name: string } | undefined>();
  const all: string[] = [];
  for (const statement of source.statements) {
    if (ts.isExportDeclaration(statement)) {
      const from = statement.moduleSpecifier;
      const specifier = from !== undefined && ts.isStringLiteral(from) ? from.text : undefined;
      if (statement.exportClause === undefined) all.push(specifier!);
      else if (ts.isNamedExports(statement.exportClause)) {
        for (const { name, propertyName } of statement.exportClause.elements) {
          names.set(name.text, specifier === undefined ? undefined : { specifier, name: (propertyName ?? name).text });
        }
      } else names.set(statement.exportClause.name.text, undefined);
    } else if (isExported(statement)) {
      for (const name of declaredNames(statement)) names.set(name, undefined);
    }
  }
  return { names, all };
}

/** Tells whether a name that the file declares is a type alone. */
export function isTypeIn(source: ts.SourceFile): (name: string) => boolean {
  const types = new Set<string>();
  const values = new Set<string>();
  for (const statement of source.statements) {
    const isType = ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement);
    for (const name of declaredNames(statement)) (isType ? types : values).add(name);
  }
  return (name) => types.has(name) && !values.has(name);
}

const isExported = (node: ts.Node): boolean =>
  ts.canHaveModifiers(node) && (ts.getModifiers(node) ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);

function declaredNames(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.flatMap(({ name }) => boundNames(name));
  }
  const { name } = statement as ts.DeclarationStatement;
  return name !== undefined && ts.isIdentifier(name) ? [name.text] : [];
}

function boundNames(name: ts.BindingName): string[] {
  if (ts.isIdentifier(name)) return [name.text];
  return name.elements.flatMap((element) => (ts.isBindingElement(element) ? boundNames(element.name) : []));
}

function lineOf(source: ts.SourceFile, node: ts.Node): number {
  return source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
}
