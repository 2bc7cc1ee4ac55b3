/** A command line as it is written down: in run.json, in a report's "Make it again", in advice on a terminal. */

/** What no shell reads as anything but itself; letters and digits of every script among it. */
const PLAIN = /^[\p{L}\p{M}\p{N}_@%+:,./-][\p{L}\p{M}\p{N}_@%+=:,./-]*$/u;

/**
 * One line that a POSIX shell (sh, bash, zsh, and Git's bash on Windows) splits into these very words again: what needs it
 * stands in single quotes, as in `medvox train segmentation --data 'My scans'`.
 */
export function commandLine(words: readonly string[]): string {
  return words.map((word) => (PLAIN.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(" ");
}
