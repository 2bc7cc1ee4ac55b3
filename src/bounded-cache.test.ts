import { describe, expect, it } from "vitest";
import { BoundedCache } from "./bounded-cache.ts";

/** A cache's answers, and what it had to make for them. */
function recorded(cache: BoundedCache<string, string>) {
  const made: string[] = [];
  const get = (key: string): string =>
    cache.get(key, () => {
      made.push(key);
      return key.toUpperCase();
    });
  return { made, get };
}

describe("BoundedCache", () => {
  it("makes an entry once, and forgets what was asked for least recently", () => {
    const { made, get } = recorded(new BoundedCache(2));
    expect(["a", "b", "a", "c", "a", "b"].map(get)).toEqual(["A", "B", "A", "C", "A", "B"]);
    // c put b out, because a had been asked for since; b then put c out.
    expect(made).toEqual(["a", "b", "c", "b"]);
  });

  it("weighs its entries, and does not store what alone is too heavy", () => {
    const cache = new BoundedCache<string, string>(6, (value) => value.length);
    const { made, get } = recorded(cache);
    for (const key of ["aa", "bbb", "much too long", "aa"]) get(key);
    expect(cache.weight).toBe(5);
    get("cccc");
    expect([cache.size, cache.weight]).toEqual([2, 6]);
    expect(made).toEqual(["aa", "bbb", "much too long", "cccc"]);
  });

  it("stores undefined as an answer like any other", () => {
    const cache = new BoundedCache<number, undefined>(3);
    let made = 0;
    for (let i = 0; i < 3; i++) cache.get(1, () => void made++);
    expect(made).toBe(1);
  });

  it("stays at its limit through 1,000 keys", () => {
    const cache = new BoundedCache<string, string>(100);
    const { made, get } = recorded(cache);
    for (let i = 0; i < 1000; i++) get(`shape ${i}`);
    expect([cache.size, made.length]).toEqual([100, 1000]);
    get("shape 999");
    expect(made).toHaveLength(1000);
  });
});
