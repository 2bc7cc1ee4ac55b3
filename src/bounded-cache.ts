/**
 * A cache that forgets: what was asked for least recently goes first. For what is computed from shapes and kept by modules: a
 * server that lives long meets more shapes than its memory should hold.
 */
export class BoundedCache<K, V> {
  readonly #limit: number;
  readonly #weigh: (value: V) => number;
  /** From the least to the most recently asked for; a Map lists its keys in the order in which they were set. */
  readonly #entries = new Map<K, V>();
  #weight = 0;

  /**
   * @param limit how much all entries may weigh together
   * @param weigh what one entry weighs, for example its bytes; each weighs 1 by default, so the limit is their number
   */
  constructor(limit: number, weigh: (value: V) => number = () => 1) {
    this.#limit = limit;
    this.#weigh = weigh;
  }

  /** Number of entries. */
  get size(): number {
    return this.#entries.size;
  }

  /** What all entries weigh together; never more than the limit. */
  get weight(): number {
    return this.#weight;
  }

  /** The entry of a key; if there is none, `make` makes it. What alone weighs more than the limit is made but not stored. */
  get(key: K, make: () => V): V {
    const found = this.#entries.get(key);
    if (found !== undefined || this.#entries.has(key)) {
      this.#entries.delete(key);
      this.#entries.set(key, found as V);
      return found as V;
    }
    const made = make();
    const weight = this.#weigh(made);
    if (weight > this.#limit) return made;
    this.#entries.set(key, made);
    this.#weight += weight;
    for (const [oldest, value] of this.#entries) {
      if (this.#weight <= this.#limit) break;
      this.#entries.delete(oldest);
      this.#weight -= this.#weigh(value);
    }
    return made;
  }
}
