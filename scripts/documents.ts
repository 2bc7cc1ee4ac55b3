/**
 * What the documents of this repository ask a reader to type or to follow, taken out of their Markdown so that a test can hold it
 * true: command lines, npm scripts, JSON files, imports, links.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { anchor } from "./reference/markdown.ts";

export interface Document {
  /** Below the repository's root. */
  readonly path: string;
  readonly text: string;
}

export interface Block {
  /** What stands behind the opening fence. */
  readonly language: string;
  readonly text: string;
  readonly line: number;
}

export interface CommandLine {
  /** As written, for messages. */
  readonly text: string;
  /** Without `medvox`. */
  readonly words: readonly string[];
  readonly line: number;
  /** It stands in running text, or leaves words out (`…`): what is required may be missing. */
  readonly isPart: boolean;
}

/** README and the like, and everything below docs. */
export function readDocuments(root: string): Document[] {
  const below = (folder: string): string[] =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .map((path) => join(folder, path))
      .filter((path) => !path.split(/[\\/]/).some((part) => part === "node_modules"));
  const top = readdirSync(root).filter((path) => path.endsWith(".md"));
  return [...top, ...below("docs"), ...below("examples")]
    .filter((path) => path.endsWith(".md"))
    .map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));
}

/** Fenced blocks. */
export function blocksOf({ text }: Document): Block[] {
  return [...text.matchAll(/^```([\w-]*)[^\n]*\n([\s\S]*?)^```/gm)].map(({ 1: language, 2: body, index }) => ({
    language,
    text: body,
    line: text.slice(0, index).split("\n").length + 1,
  }));
}

/**
 * Every `medvox …` that stands in a block, alone on a line or behind `$`, `npx` or `&&`, and every one in backticks. In a block with a
 * line behind `$`, the lines without one are what came out.
 */
export function commandLinesOf(document: Document): CommandLine[] {
  const found: CommandLine[] = [];
  const add = (text: string, line: number, isInline: boolean): void => {
    for (const part of text.split("&&")) {
      const match = /^(?:npx |node dist\/cli\/main\.js )?(?:medvox )?(.*)$/.exec(part.trim());
      const isCommand = /^(npx )?medvox |^node dist\/cli\/main\.js /.test(part.trim());
      if (!match || !isCommand) continue;
      for (const words of alternatives(wordsOf(match[1].replace(/\s#.*$/, "")))) {
        const known = words.filter((word) => word !== "…");
        found.push({ text: part.trim(), words: known, line, isPart: isInline || known.length < words.length });
      }
    }
  };
  for (const { language, text, line } of blocksOf(document)) {
    if (!["", "sh", "bash", "console"].includes(language)) continue;
    const lines = text.replaceAll(/\\\n/g, " ").split("\n");
    const isConsole = lines.some((one) => one.startsWith("$ "));
    for (const [i, one] of lines.entries()) {
      if (!isConsole || one.startsWith("$ ")) add(one.replace(/^\$ /, ""), line + i, false);
    }
  }
  const prose = document.text.replaceAll(/^```[\s\S]*?^```/gm, (block) => block.replaceAll(/[^\n]/g, ""));
  for (const { 1: text, index } of prose.matchAll(/`((?:npx )?medvox [^`\n]+)`/g))
    add(text, prose.slice(0, index).split("\n").length, true);
  return found;
}

/** Words as a shell splits them; quotes hold words together. */
export function wordsOf(line: string): string[] {
  return [...line.trim().matchAll(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g)].map(([word]) => word.replaceAll(/["']/g, ""));
}

/** `transfer segmentation|lung` stands for two command lines. */
function alternatives(words: readonly string[]): string[][] {
  const at = words.findIndex((word, i) => i < 2 && word.includes("|"));
  if (at < 0) return [[...words]];
  return words[at].split("|").map((word) => words.map((other, i) => (i === at ? word : other)));
}

/** Scripts that are asked for with `npm run`. */
export function scriptsOf({ text }: Document): string[] {
  return [...text.matchAll(/npm run (?:--\w+ )?([\w:-]*\w)/g)].map(([, name]) => name);
}

/** Names imported from the package's entries in TypeScript blocks. */
export function importsOf(document: Document): { from: string; name: string; line: number }[] {
  return blocksOf(document)
    .filter(({ language }) => language === "ts")
    .flatMap(({ text, line }) =>
      [...text.matchAll(/import (?:type )?\{([^}]*)\} from "(medvox[\w/]*)"/g)].flatMap(([, names, from]) =>
        names
          .split(",")
          .map((name) =>
            name
              .trim()
              .replace(/^type /, "")
              .replace(/ as .*$/, ""),
          )
          .filter((name) => name !== "")
          .map((name) => ({ from, name, line })),
      ),
    );
}

/** Links within the repository that lead nowhere: to no file, or to no heading of one. */
export function brokenLinks(root: string, { path, text }: Document): string[] {
  const prose = text.replaceAll(/^```[\s\S]*?^```/gm, "").replaceAll(/`[^`\n]*`/g, "");
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(({ 1: link, index }) => {
    if (/^[a-z]+:/.test(link)) return [];
    // The picture of a table that says the same of itself.
    if (/^\S+\)\s*<!-- table:[\w-]+ -->\s*Not measured yet/.test(prose.slice(index + 2))) return [];
    const [file, heading] = link.split("#");
    const target = file === "" ? path : normalize(join(dirname(path), file));
    if (!existsSync(join(root, target))) return [`${path}: ${link}: there is no ${target}`];
    if (heading === undefined || !target.endsWith(".md")) return [];
    const there = readFileSync(join(root, target), "utf8");
    const anchors = [...there.matchAll(/^#+ (.*)$/gm)].map(([, title]) => anchor(title));
    // GitHub numbers equal headings: `graph`, `graph-1`.
    const known = anchors.map((one, i) => {
      const before = anchors.slice(0, i).filter((other) => other === one).length;
      return before === 0 ? one : `${one}-${before}`;
    });
    return known.includes(heading) ? [] : [`${path}: ${link}: ${target} has no such heading`];
  });
}
