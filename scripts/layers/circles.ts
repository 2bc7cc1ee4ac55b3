/** Circles of imports: groups of files each of which needs every other, directly or through others. */

/**
 * The groups of more than one file, and files that import themselves; names in each sorted.
 * Tarjan, "Depth-first search and linear graph algorithms" (SIAM J. Comput. 1972).
 */
export function circles(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (path: string): void => {
    order.set(path, order.size);
    low.set(path, order.get(path)!);
    stack.push(path);
    for (const target of edges.get(path) ?? []) {
      if (!order.has(target)) visit(target);
      if (stack.includes(target)) low.set(path, Math.min(low.get(path)!, low.get(target)!));
    }
    if (low.get(path) !== order.get(path)) return;
    const group = stack.splice(stack.indexOf(path));
    if (group.length > 1 || edges.get(path)?.includes(path)) found.push(group.sort());
  };
  for (const path of edges.keys()) if (!order.has(path)) visit(path);
  return found.sort(([a], [b]) => (a < b ? -1 : 1));
}

/** A shortest way round from the first file of a group back to it, to be shown. */
export function wayRound(group: readonly string[], edges: ReadonlyMap<string, readonly string[]>): string[] {
  const [start] = group;
  const before = new Map<string, string>();
  const waiting = [start];
  for (const path of waiting) {
    for (const target of edges.get(path) ?? []) {
      if (target === start) {
        const way = [start];
        for (let at = path; at !== start; at = before.get(at)!) way.splice(1, 0, at);
        return [...way, start];
      }
      if (!before.has(target) && group.includes(target)) {
        before.set(target, path);
        waiting.push(target);
      }
    }
  }
  return [...group];
}
