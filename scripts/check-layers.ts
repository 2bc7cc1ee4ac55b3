/**
 * `npm run layers`: imports in `src` only point down, never in circles, and what shall run in a browser touches no
 * Node API. A layer is a folder of `src`, or a file directly in it. The table below is the architecture; a new folder
 * has to be entered here, which is the moment to think where it belongs.
 */
import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

export interface Layer {
  /** Layers it may import from. */
  readonly may: readonly string[];
  /** Runs in a browser: no Node API, and nothing below it has one. */
  readonly browser: boolean;
}

const base = ["errors", "random"];
const images = [...base, "boxes", "volume"];
const engine = [...base, "graph", "runtime", "nn"];
const training = [
  ...engine,
  "boxes",
  "images",
  "volume",
  "metrics",
  "weights",
  "files",
  "augment",
  "data",
  "closest",
  "bytes-text",
  "progress",
  "machine",
  "threads",
];

/** Bottom first: every layer may only name layers above it in this list. */
export const LAYERS: Readonly<Record<string, Layer>> = {
  errors: { may: [], browser: true },
  random: { may: ["errors"], browser: true },
  closest: { may: [], browser: true },
  "bytes-text": { may: [], browser: true },
  progress: { may: [], browser: true },
  machine: { may: [], browser: false },
  threads: { may: ["errors"], browser: false },
  volume: { may: base, browser: true },
  boxes: { may: [...base, "volume"], browser: true },
  images: { may: [...base, "volume"], browser: true },
  metrics: { may: images, browser: true },
  weights: { may: base, browser: true },
  augment: { may: [...images, "images"], browser: true },
  files: { may: [...images, "images", "weights"], browser: false },
  data: { may: [...images, "images", "files", "augment", "progress", "threads"], browser: false },
  graph: { may: base, browser: true },
  runtime: { may: [...base, "graph", "threads", "machine"], browser: false },
  nn: { may: [...base, "graph"], browser: true },
  train: { may: training, browser: false },
  report: { may: [...images, "images", "metrics", "files", "machine"], browser: false },
  experiments: { may: [...training, "train", "report"], browser: false },
  med3d: { may: [...training, "train", "report", "experiments"], browser: false },
  rcnn: { may: [...training, "train", "report", "experiments"], browser: false },
  index: { may: [...training, "train", "report", "experiments", "med3d", "rcnn"], browser: false },
  cli: { may: [...training, "train", "report", "experiments", "med3d", "rcnn"], browser: false },
};

/** The one layer that may import ONNX Runtime. */
const ENGINE_LAYER = "runtime";

/** Globals of Node that no browser has. */
const NODE_GLOBALS = new Set(["process", "Buffer", "require", "__dirname", "__filename", "setImmediate"]);

interface Import {
  specifier: string;
  line: number;
  /** Erased by the compiler: it binds layers, but cannot make a circle at run time. */
  typeOnly: boolean;
}

/** Checks sources by their path below `src` (forward slashes). Returns one line per broken rule. */
export function checkLayers(
  sources: ReadonlyMap<string, string>,
  layers: Readonly<Record<string, Layer>> = LAYERS,
): string[] {
  const problems: string[] = [];
  const edges = new Map<string, string[]>();
  for (const [path, text] of sources) {
    const own = layerOf(path);
    const layer = layers[own];
    if (layer === undefined) {
      problems.push(`src/${path}: layer '${own}' is not in the table of scripts/check-layers.ts`);
      continue;
    }
    const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
    const targets: string[] = [];
    for (const { specifier, line, typeOnly } of importsOf(source)) {
      const at = `src/${path}:${line}`;
      if (specifier.startsWith(".")) {
        const target = posix.normalize(posix.join(posix.dirname(path), specifier));
        const other = layerOf(target);
        if (target.startsWith("..")) {
          // The manifest, for the version; anything else outside `src` is not in the package.
          if (!specifier.endsWith("package.json")) problems.push(`${at}: imports ${specifier}, which is outside src`);
        } else if (other !== own && !layer.may.includes(other)) {
          problems.push(`${at}: ${own} imports ${other}; ${own} may import ${layer.may.join(", ") || "nothing"}`);
        }
        if (!typeOnly) targets.push(target);
      } else {
        problems.push(...checkPackage(specifier, own, layer).map((problem) => `${at}: ${problem}`));
      }
    }
    edges.set(path, targets);
    if (layer.browser) {
      for (const { name, line } of nodeGlobalsOf(source)) {
        problems.push(`src/${path}:${line}: uses the Node global '${name}', but ${own} must run in a browser`);
      }
    }
  }
  return [...problems, ...circles(edges).map((circle) => `circle of imports: ${circle.join(" → ")}`)];
}

function checkPackage(specifier: string, own: string, layer: Layer): string[] {
  const name = specifier.split("/")[0];
  if (layer.browser && (specifier.startsWith("node:") || builtinModules.includes(name))) {
    return [`imports ${specifier}, but ${own} must run in a browser`];
  }
  if (/^onnxruntime-/.test(name) && own !== ENGINE_LAYER) {
    return [`imports ${specifier}; only ${ENGINE_LAYER} may import ONNX Runtime`];
  }
  return name === "medvox" ? [`imports ${specifier}: inside the package, import the file itself`] : [];
}

function layerOf(path: string): string {
  const slash = path.indexOf("/");
  return slash < 0 ? path.replace(/\.ts$/, "") : path.slice(0, slash);
}

function importsOf(source: ts.SourceFile): Import[] {
  const found: Import[] = [];
  const add = (specifier: ts.Node | undefined, typeOnly: boolean): void => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return;
    found.push({ specifier: specifier.text, line: lineOf(source, specifier), typeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, node.importClause?.isTypeOnly ?? false);
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true);
    // A lazy import is no circle: it runs when both modules are complete.
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node.arguments[0], true);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function nodeGlobalsOf(source: ts.SourceFile): { name: string; line: number }[] {
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

function lineOf(source: ts.SourceFile, node: ts.Node): number {
  return source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
}

/** Every circle found by a depth-first walk, each once, from its alphabetically first file. */
function circles(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const found = new Map<string, string[]>();
  const done = new Set<string>();
  const trail: string[] = [];
  const visit = (path: string): void => {
    const start = trail.indexOf(path);
    if (start >= 0) {
      const circle = trail.slice(start);
      const first = circle.indexOf([...circle].sort()[0]);
      const turned = [...circle.slice(first), ...circle.slice(0, first)];
      found.set(turned.join(), [...turned, turned[0]]);
      return;
    }
    if (done.has(path)) return;
    trail.push(path);
    for (const target of edges.get(path) ?? []) visit(target);
    trail.pop();
    done.add(path);
  };
  for (const path of edges.keys()) visit(path);
  return [...found.values()];
}

/** The package's own sources; tests may import upwards (an operator's test runs it), so they are left out. */
function readSources(folder: string): Map<string, string> {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" }).map((path) => path.replaceAll("\\", "/"));
  const own = paths.filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts") && !path.includes("test/"));
  return new Map(own.sort().map((path) => [path, readFileSync(join(folder, path), "utf8")]));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const sources = readSources(fileURLToPath(new URL("../src", import.meta.url)));
  const problems = checkLayers(sources);
  for (const problem of problems) console.error(problem);
  console.log(`layers: ${sources.size} files, ${problems.length} broken rules`);
  process.exitCode = problems.length > 0 ? 1 : 0;
}
