/** Amounts of memory in words: everywhere in powers of 1000, as `--max-memory` and the makers of memory count them. */

/** `2.41 GB`, `812 MB`: rounded up, so that what is asked for suffices. */
export function bytesText(bytes: number): string {
  return bytes >= 1e9 ? `${(Math.ceil(bytes / 1e7) / 100).toFixed(2)} GB` : `${Math.ceil(bytes / 1e6)} MB`;
}
