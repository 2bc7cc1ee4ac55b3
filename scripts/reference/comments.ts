/** Doc comments of the sources as text: the one place where a configuration's keys and a function's shapes are explained. */
import ts from "typescript";

/** The text of the doc comment in front of a node, without stars; tags (`@throws`) on lines of their own. */
export function docOf(node: ts.Node): string {
  const source = node.getSourceFile().text;
  const range = ts.getLeadingCommentRanges(source, node.getFullStart())?.at(-1);
  if (range === undefined) return "";
  const text = source.slice(range.pos, range.end);
  if (!text.startsWith("/**")) return "";
  return text
    .slice(3, -2)
    .split("\n")
    .map((line) => line.trim().replace(/^\*\s?/, ""))
    .join("\n")
    .trim();
}

export function parse(path: string, text: string): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
}
