/**
 * What `npm run test:nightly` runs besides `npm test`: the same code with larger counts, deeper networks, whole demos. This is the one
 * place that asks which of the two it is. A test that is left out is skipped, so that the closing lines of `npm test` name it.
 */
export const nightly = process.env.MEDVOX_NIGHTLY === "1";

/** How many of something random are tried: a tenth, unless it is night. */
export function count(full: number): number {
  return nightly ? full : full / 10;
}
