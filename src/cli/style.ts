/** The few text styles the command line uses; plain text where the stream has no colours or NO_COLOR is set. */

export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
}

/** `process.stdout` or `process.stderr`. */
export interface ColorStream {
  /** Node's own answer; it respects NO_COLOR and FORCE_COLOR. Missing where the stream is not a terminal. */
  hasColors?: () => boolean;
}

export function styleFor(stream: ColorStream): Style {
  const colors = stream.hasColors?.() ?? false;
  const paint =
    (open: number, close: number) =>
    (text: string): string =>
      colors ? `\u001b[${open}m${text}\u001b[${close}m` : text;
  return { bold: paint(1, 22), dim: paint(2, 22), red: paint(31, 39), green: paint(32, 39), yellow: paint(33, 39) };
}
