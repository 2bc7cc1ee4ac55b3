/**
 * HTML and SVG as tagged templates in which every inserted value is escaped unless it is markup itself. There is no
 * other way for a string to get into a report, so a case called `"><script>` is shown as that text and does nothing.
 */

/** Text that is markup already. Made by {@link markup}, {@link join} and {@link trusted} only. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type Piece = Markup | string | number | null | undefined | false | readonly Piece[];

/**
 * `` markup`<p title="${title}">${body}</p>` ``: strings and numbers are escaped, lists are joined, null and false
 * leave nothing.
 */
export function markup(parts: TemplateStringsArray, ...values: readonly Piece[]): Markup {
  let text = parts[0];
  for (let i = 0; i < values.length; i++) text += flatten(values[i]) + parts[i + 1];
  return new Markup(text);
}

/** Markup that medvox wrote itself (style sheets, numbers of a path). Never for anything that came from outside. */
export function trusted(text: string): Markup {
  return new Markup(text);
}

export function join(pieces: readonly Piece[], separator: Piece = null): Markup {
  const between = flatten(separator);
  return new Markup(pieces.map(flatten).join(between));
}

/**
 * Escapes for element content and double- or single-quoted attributes. Control characters and halves of surrogate
 * pairs, which HTML cannot hold, become U+FFFD; so do the marks that turn the direction of the text after them.
 */
export function escapeText(text: string): string {
  return (
    text
      .toWellFormed()
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufffe\uffff]/g, "\ufffd")
      .replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
  );
}

function flatten(piece: Piece): string {
  if (piece instanceof Markup) return piece.text;
  if (Array.isArray(piece)) return piece.map(flatten).join("");
  if (piece === null || piece === undefined || piece === false) return "";
  return escapeText(String(piece));
}
