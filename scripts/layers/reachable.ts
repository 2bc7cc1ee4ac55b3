/**
 * The types that a user meets: those in the signatures of what the public doors export, and those in the fields of these types. Read from the
 * declarations that the build writes. Each shall be exported by a public door, so that a program can name what it is given.
 */
import { join, relative } from "node:path";
import ts from "typescript";

export interface ReachableType {
  readonly name: string;
  /** Where it is declared, below `dist`. */
  readonly file: string;
  /** The doors whose signatures lead to it. */
  readonly doors: readonly string[];
  /** Whether any public door exports it. */
  readonly exported: boolean;
  /** Whether it is to be closed and no `await using` does it. */
  readonly closesByHand: boolean;
}

/**
 * @param dist folder of the declarations
 * @param doors the declaration file of each public door, below `dist`
 */
export function reachableTypes(dist: string, doors: ReadonlyMap<string, string>): ReachableType[] {
  const roots = [...doors.values()].map((file) => join(dist, file));
  const { NodeNext } = ts.ModuleKind;
  const program = ts.createProgram(roots, {
    ...{ module: NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, target: ts.ScriptTarget.ES2023 },
    ...{ lib: ["lib.esnext.d.ts"], skipLibCheck: true, types: ["node"] },
  });
  const checker = program.getTypeChecker();
  const exported = new Set<ts.Symbol>();
  const found = new Map<ts.Symbol, Set<string>>();
  const starts = [...doors].map(([door, file]) => {
    const module = checker.getSymbolAtLocation(program.getSourceFile(join(dist, file))!);
    const symbols = module === undefined ? [] : checker.getExportsOfModule(module).map((one) => resolved(one, checker));
    for (const symbol of symbols) exported.add(symbol);
    return { door, symbols };
  });
  for (const { door, symbols } of starts) {
    const seen = new Set<ts.Symbol>();
    const waiting = [...symbols];
    for (let symbol = waiting.pop(); symbol !== undefined; symbol = waiting.pop()) {
      if (seen.has(symbol)) continue;
      seen.add(symbol);
      const own = (symbol.declarations ?? []).filter((one) => isWithin(one, dist));
      if (own.some(isType)) found.set(symbol, (found.get(symbol) ?? new Set()).add(door));
      for (const declaration of own) waiting.push(...namedIn(declaration, checker));
    }
  }
  return [...found].map(([symbol, from]) => ({
    name: symbol.name,
    file: relative(dist, symbol.declarations![0].getSourceFile().fileName).replaceAll("\\", "/"),
    doors: [...from],
    exported: exported.has(symbol),
    closesByHand: closesByHand(symbol, checker),
  }));
}

function isWithin(declaration: ts.Declaration, folder: string): boolean {
  return !relative(folder, declaration.getSourceFile().fileName).startsWith("..");
}

function isType(node: ts.Declaration): boolean {
  return ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node) || ts.isClassDeclaration(node);
}

function resolved(symbol: ts.Symbol, checker: ts.TypeChecker): ts.Symbol {
  return (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol);
}

/** What a declaration names: types, values by `typeof`, and what it extends. A class's private members show no type. */
function namedIn(declaration: ts.Declaration, checker: ts.TypeChecker): ts.Symbol[] {
  const names: ts.Symbol[] = [];
  const visit = (node: ts.Node): void => {
    const name = ts.isTypeReferenceNode(node)
      ? node.typeName
      : ts.isExpressionWithTypeArguments(node)
        ? node.expression
        : ts.isTypeQueryNode(node)
          ? node.exprName
          : ts.isImportTypeNode(node)
            ? node.qualifier
            : undefined;
    const symbol = name && checker.getSymbolAtLocation(name);
    if (symbol !== undefined) names.push(resolved(symbol, checker));
    ts.forEachChild(node, visit);
  };
  visit(declaration);
  return names;
}

function closesByHand(symbol: ts.Symbol, checker: ts.TypeChecker): boolean {
  const members = checker.getDeclaredTypeOfSymbol(symbol).getProperties();
  return (
    members.some(({ name }) => name === "close") && !members.some(({ name }) => name.startsWith("__@asyncDispose"))
  );
}
