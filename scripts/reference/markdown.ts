/** Pieces of Markdown that all pages of the reference are made of. */

/** Stands on top of every page that is written by `npm run reference`. */
export const generated = "<!-- Written by npm run reference; a test fails where it differs from the source. -->";

/** A table; empty head cells make a narrow one. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Text that cannot end a cell or begin a tag; what stands in backticks stays as it is, but for bars. */
export function cell(text: string): string {
  return text
    .replaceAll("\n", " ")
    .split(/(`[^`]*`)/)
    .map((part) => (part.startsWith("`") ? part : part.replaceAll("<", "&lt;").replaceAll("*", "\\*")))
    .join("")
    .replaceAll("|", "\\|");
}

/** How GitHub names the anchor of a heading. */
export function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, "")
    .replaceAll(" ", "-");
}
