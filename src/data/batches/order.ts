/**
 * Which case stands where in an epoch. A pure function of seed, epoch and position, so that an epoch can be taken up
 * again at any step, and no worker has a say in it.
 */
import { random } from "../../random.ts";

/** Position in the list of cases of item `item` of `epoch`. */
export type CaseOrder = (epoch: number, item: number) => number;

/**
 * Every epoch goes through a new permutation of `count` cases; items beyond `count` go through further ones, so that the
 * last batch is always full. Without `shuffle`, cases come in order.
 */
export function caseOrder(count: number, seed: number, shuffle: boolean): CaseOrder {
  const identity = Array.from({ length: count }, (_, i) => i);
  let memo: { readonly key: string; readonly order: number[] } | undefined;
  return (epoch, item) => {
    if (!shuffle) return item % count;
    const key = `order/${epoch}/${Math.floor(item / count)}`;
    if (memo?.key !== key) memo = { key, order: random(seed, key).shuffle(identity) };
    return memo.order[item % count];
  };
}
