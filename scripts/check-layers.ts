/**
 * `npm run layers`: imports in `src` only point down and never in circles, those of types included; what shall run in a browser touches
 * no Node API; folders and doors stay within their bounds; nothing is exported that nobody uses,
 * and no public name has two meanings. `layers/table.ts` is the architecture.
 */
import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { circles, wayRound } from "./layers/circles.ts";
import { doorsOf, doubleNames, namesOf, valuesOf } from "./layers/doors.ts";
import { importsOf, isTest, nodeGlobalsOf, parse, readSources, resolveImport, type Sources } from "./layers/sources.ts";
import {
  DOOR_BOUND,
  DOORS_OF_ANY_SIZE,
  ENGINE_LAYER,
  FOLDER_BOUND,
  FOLDERS_OF_ANY_SIZE,
  LAYERS,
  type Layer,
} from "./layers/table.ts";
import { unusedExports } from "./layers/unused.ts";

/** Checks the imports of sources by their path below `src` (forward slashes). Returns one line per broken rule. */
export function checkLayers(sources: Sources, layers: Readonly<Record<string, Layer>> = LAYERS): string[] {
  const problems: string[] = [];
  for (const [path, text] of sources) {
    const own = layerOf(path);
    const layer = layers[own];
    if (layer === undefined) {
      problems.push(`src/${path}: layer '${own}' is not in the table of scripts/layers/table.ts`);
      continue;
    }
    const source = parse(path, text);
    const inBrowser = runsInBrowser(path, layers);
    for (const { specifier, line } of importsOf(source)) {
      const at = `src/${path}:${line}`;
      if (!specifier.startsWith(".")) {
        problems.push(...checkPackage(specifier, path, own, inBrowser).map((problem) => `${at}: ${problem}`));
        continue;
      }
      const target = resolveImport(path, specifier);
      const other = layerOf(target);
      if (target.startsWith("..")) {
        // The manifest, for the version; anything else outside `src` is not in the package.
        if (!specifier.endsWith("package.json")) problems.push(`${at}: imports ${specifier}, which is outside src`);
      } else if (other !== own && !layer.may.includes(other)) {
        problems.push(`${at}: ${own} imports ${other}; ${own} may import ${layer.may.join(", ") || "nothing"}`);
      } else if (inBrowser && !runsInBrowser(target, layers)) {
        problems.push(`${at}: imports ${target}, which needs Node, but ${path} must run in a browser`);
      }
    }
    if (!inBrowser) continue;
    for (const { name, line } of nodeGlobalsOf(source)) {
      problems.push(`src/${path}:${line}: uses the Node global '${name}', but ${path} must run in a browser`);
    }
  }
  return problems;
}

/** Circles of imports, those of types included. Returns one line per circle. */
export function checkCircles(sources: Sources): string[] {
  const edges = new Map(
    [...sources].map(([path, text]) => {
      const imports = importsOf(parse(path, text)).filter(({ specifier, lazy }) => specifier.startsWith(".") && !lazy);
      return [path, imports.map(({ specifier }) => resolveImport(path, specifier))];
    }),
  );
  return circles(edges).map((group) => `circle of imports: ${wayRound(group, edges).join(" → ")}`);
}

/** Sizes by name against a bound. Returns one line for each that is larger. */
export function checkBounds(
  what: string,
  sizes: ReadonlyMap<string, number>,
  bound: number,
  anySize: readonly string[] = [],
): string[] {
  return [...sizes]
    .filter(([name, size]) => size > bound && !anySize.includes(name))
    .map(([name, size]) => `${name || "src"}: ${size} ${what}; it may have ${bound}`);
}

/** Source files by folder below `src`. */
export function filesPerFolder(paths: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const path of paths) {
    const folder = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  return counts;
}

function checkPackage(specifier: string, path: string, own: string, inBrowser: boolean): string[] {
  const name = specifier.split("/")[0];
  if (inBrowser && (specifier.startsWith("node:") || builtinModules.includes(name) || name === "onnxruntime-node")) {
    return [`imports ${specifier}, but ${path} must run in a browser`];
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

/** What the table says of a file: its own entry, else that of the nearest folder it lies in, else that of its layer. */
function runsInBrowser(path: string, layers: Readonly<Record<string, Layer>>): boolean {
  const { browser, parts = {} } = layers[layerOf(path)] ?? { browser: false };
  const steps = path.replace(/\.ts$/, "").split("/").slice(1);
  for (let length = steps.length; length > 0; length--) {
    const part = parts[steps.slice(0, length).join("/")];
    if (part !== undefined) return part;
  }
  return browser;
}

/** Exported names that nobody uses. Returns one line for each. */
function checkUnused(root: string, doors: readonly string[]): string[] {
  const folders = ["src", "test", "bench", "scripts", "examples"];
  const all = new Map(
    folders.flatMap((folder) =>
      [...readSources(join(root, folder))].map(([path, text]) => [`${folder}/${path}`, text]),
    ),
  );
  const asked = (path: string): boolean => path.startsWith("src/") && !isTest(path);
  return unusedExports(all, asked, doors, handwrittenDocuments(root)).map(
    ({ file, name }) => `${file}: exports ${name}, which nothing uses`,
  );
}

/** Texts that a person wrote; the reference lists every public name, so it shows nothing. */
function handwrittenDocuments(root: string): string[] {
  const docs = readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".md") && !path.replaceAll("\\", "/").startsWith("reference/"))
    .map((path) => join("docs", path));
  return ["README.md", "FEATURES.md", ...docs].map((path) => readFileSync(join(root, path), "utf8"));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const sources = readSources(join(root, "src"), (path) => !isTest(path));
  const doors = doorsOf(JSON.parse(readFileSync(join(root, "package.json"), "utf8")));
  const folders = filesPerFolder(sources.keys());
  const names = new Map([...doors].map(([door, file]) => [door, valuesOf(file, sources)]));
  const types = new Map([...doors].map(([door, file]) => [door, namesOf(file, sources).size - names.get(door)!]));
  const bounded = new Map([...names].filter(([door]) => !door.endsWith("/internal")));
  const show = (title: string, sizes: ReadonlyMap<string, number>): void => {
    const all = [...sizes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, size]) => `${name || "src"} ${size}`);
    console.log(`${title}: ${all.join(" · ")}`);
  };
  show("files a folder", folders);
  show("functions, classes and constants a door", names);
  show("types a door", types);
  const problems = [
    ...checkLayers(sources),
    ...checkCircles(sources),
    ...checkBounds("source files", folders, FOLDER_BOUND, FOLDERS_OF_ANY_SIZE),
    ...checkBounds("names", bounded, DOOR_BOUND, DOORS_OF_ANY_SIZE),
    ...doubleNames(new Map([...doors].filter(([door]) => !door.endsWith("/internal"))), sources),
    ...checkUnused(
      root,
      [...doors.values()].map((file) => `src/${file}`),
    ),
  ];
  for (const problem of problems) console.error(problem);
  console.log(`layers: ${sources.size} files, ${problems.length} broken rules`);
  process.exitCode = problems.length > 0 ? 1 : 0;
}
