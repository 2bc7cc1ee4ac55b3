/** "Did you mean": the candidate nearest to a mistyped word, by edit distance. */

/** The closest candidate, or undefined where none is near enough to be what was meant. */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  // A third of the letters may be wrong: `verfy` is verify, `train` is not `plan`.
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/**
 * The candidates that a word may have meant, nearest first: those that are mistyped alike, else those that hold it (`rate` is in
 * `learningRate`) or whose words begin with its letters (`lr`).
 */
export function nearest(word: string, candidates: readonly string[], most = 3): string[] {
  const best = closest(word, candidates);
  const plain = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
  if (best !== undefined) {
    const distance = (one: string): number => editDistance(word.toLowerCase(), one.toLowerCase());
    const ties = candidates.filter((one) => one !== best && distance(one) === distance(best));
    return [best, ...new Set(ties)].slice(0, most);
  }
  const asked = plain(word);
  if (asked.length < 2) return [];
  const initials = (text: string): string =>
    plain(text.replaceAll(/([a-z])([A-Z])/g, "$1 $2").replaceAll(/(\w)\w*/g, "$1"));
  const isNear = (one: string): boolean => (asked.length > 2 && plain(one).includes(asked)) || initials(one) === asked;
  return [...new Set(candidates.filter(isNear))].sort((a, b) => a.length - b.length).slice(0, most);
}

/** `. Did you mean learningRate or newLayerRate?`; empty where no candidate is near. @param prefix in front of each */
export function didYouMean(word: string, candidates: readonly string[], prefix = ""): string {
  const near = nearest(word, candidates).map((one) => prefix + one);
  if (near.length === 0) return "";
  return `. Did you mean ${near.length === 1 ? near[0] : `${near.slice(0, -1).join(", ")} or ${near.at(-1)}`}?`;
}

/** Damerau–Levenshtein distance (optimal string alignment): insertions, deletions, changes and swaps of neighbours. */
export function editDistance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      row[j] = Math.min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + change);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        row[j] = Math.min(row[j], rows[i - 2][j - 2] + 1);
      }
    }
    rows.push(row);
  }
  return rows[a.length][b.length];
}
