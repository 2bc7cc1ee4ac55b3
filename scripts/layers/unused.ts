/**
 * Exported names that nothing needs: no other file, no door, no test, no script and no document names them. A type that its own file
 * needs may be exported all the same, since it describes what is exported beside it.
 */
import ts from "typescript";
import { namesOf, type Place } from "./doors.ts";
import { parse, resolveImport, type Sources } from "./sources.ts";

/**
 * @param sources all TypeScript of the repository, by path from its root
 * @param asked which of them must not export what nobody uses
 * @param doors files whose exports are public
 * @param documents texts in which a name counts as used
 */
export function unusedExports(
  sources: Sources,
  asked: (path: string) => boolean,
  doors: readonly string[],
  documents: readonly string[] = [],
): Place[] {
  const used = new Set<string>();
  const use = ({ file, name }: Place): void => void used.add(`${file} ${name}`);
  for (const door of doors) for (const place of namesOf(door, sources).values()) use(place);
  const parsed = new Map([...sources].map(([path, text]) => [path, parse(path, text)]));
  for (const [path, source] of parsed) {
    for (const { target, names } of usesOf(path, source)) {
      const declared = namesOf(target, sources);
      for (const name of names === "all" ? declared.keys() : names) {
        const place = declared.get(name);
        if (place !== undefined) use(place);
      }
    }
  }
  const words = new Set(documents.flatMap((text) => text.match(/\w+/g) ?? []));
  const unused: Place[] = [];
  for (const [path, source] of parsed) {
    if (!asked(path)) continue;
    for (const place of namesOf(path, sources).values()) {
      const { file, name } = place;
      if (file !== path || used.has(`${file} ${name}`) || words.has(name)) continue;
      if (!isTypeNeededIn(source, name)) unused.push(place);
    }
  }
  return unused;
}

function isTypeNeededIn(source: ts.SourceFile, name: string): boolean {
  const isType = source.statements.some(
    (statement) =>
      (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement)) && statement.name.text === name,
  );
  if (!isType) return false;
  return (source.text.match(new RegExp(`\\b${name}\\b`, "g")) ?? []).length > 1;
}

interface Use {
  readonly target: string;
  readonly names: readonly string[] | "all";
}

/** What a file takes from others. A re-export alone is no use: somebody has to take it from there. */
function usesOf(path: string, source: ts.SourceFile): Use[] {
  const found: Use[] = [];
  const add = (specifier: ts.Node | undefined, names: Use["names"]): void => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier) || !specifier.text.startsWith(".")) return;
    found.push({ target: resolveImport(path, specifier.text), names });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      const bindings = node.importClause?.namedBindings;
      const named = bindings !== undefined && ts.isNamedImports(bindings) ? bindings.elements : undefined;
      add(node.moduleSpecifier, named?.map(({ name, propertyName }) => (propertyName ?? name).text) ?? "all");
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, "all");
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node.arguments[0], "all");
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}
