/**
 * `npm run map`: writes the folder map of README.md, between `<!-- folders -->` and `<!-- /folders -->`, from the folders of `src`
 * and the first sentence that each says of itself, in its public.ts or index.ts. A test fails where map and folders differ.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** What stands beside `src`; these folders have no file that says it. */
const beside: Readonly<Record<string, string>> = {
  examples: "Whole stories in one file each",
  samples: "The bundled cases and pictures",
  pretrained: "Weights that ship, their card and licence",
  docs: "Tutorials, how-tos, reference, explanation",
  "bench, results": "Speed and accuracy as commands, and what they measured",
  "test, oracle": "Golden values, and the PyTorch scripts that made them",
};

const MARKED = /(<!-- folders -->)[\s\S]*?(<!-- \/folders -->)/;

/** The README with its map as the folders are now. @throws Error where a folder of `src` says nothing of itself */
export function withFolderMap(markdown: string, root: string): string {
  return markdown.replace(MARKED, (_, open: string, close: string) => `${open}\n\n${folderMap(root)}\n\n${close}`);
}

/** One row a folder of `src`, with the folders in it, then what stands beside it. */
export function folderMap(root: string): string {
  const src = join(root, "src");
  const rows = foldersOf(src).map((name) => {
    const inside = foldersOf(join(src, name)).map((folder) => `\`${folder}\``);
    const within = inside.length === 0 ? "" : ` (${inside.join(", ")})`;
    return `| \`src/${name}\`${within} | ${saidOf(src, name)} |`;
  });
  const others = Object.entries(beside).map(([names, what]) => {
    const folders = names.split(", ");
    const missing = folders.find((name) => !existsSync(join(root, name)));
    if (missing !== undefined) throw new Error(`folder-map.ts: there is no folder ${missing} beside src`);
    return `| ${folders.map((name) => `\`${name}\``).join(", ")} | ${what} |`;
  });
  return ["| folder | what |", "| --- | --- |", ...rows, ...others].join("\n");
}

/** Folders with sources in them or below; those of helpers for tests say nothing to a reader. */
function foldersOf(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== "test")
    .map(({ name }) => name)
    .filter((name) =>
      readdirSync(join(path, name), { recursive: true, encoding: "utf8" }).some((file) => file.endsWith(".ts")),
    )
    .sort();
}

/** First sentence of the comment that opens public.ts, else index.ts, else main.ts where a folder is a program. */
function saidOf(src: string, name: string): string {
  const file = ["public.ts", "index.ts", "main.ts"].map((one) => join(src, name, one)).find(existsSync);
  const comment = file && /^(?:#!.*\n)?\/\*\*([\s\S]*?)\*\//.exec(readFileSync(file, "utf8"))?.[1];
  const text = (comment ?? "")
    .replaceAll(/\n \*/g, " ")
    .replaceAll(/\s+/g, " ")
    .trim()
    .replace(/^@module \S+: /, "");
  const sentence = /^(.*?)[.](?: |$)/.exec(text)?.[1] ?? "";
  if (sentence === "")
    throw new Error(`src/${name}: its index.ts opens with no comment whose first sentence says what the folder is`);
  return sentence.charAt(0).toUpperCase() + sentence.slice(1).replaceAll("|", "\\|");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const path = join(root, "README.md");
  writeFileSync(path, withFolderMap(readFileSync(path, "utf8"), root));
}
