import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { duplicateKey } from "./json-keys.ts";

describe("duplicateKey", () => {
  it.each([
    [`{"a":1,"b":2}`, undefined],
    [`{"a":1,"a":2}`, "a"],
    [String.raw`{"a":1,"\u0061":2}`, "a"],
    [`{"a":{"a":1},"b":{"a":1}}`, undefined],
    [`{"a":{"b":1,"c":[{"d":1}],"b":2}}`, "b"],
    [`{"a":["a","a"],"b":"a"}`, undefined],
    [String.raw`{"a\"":1,"a\\":2,"{":3,",":4}`, undefined],
    [`{"":1, "" : 2}`, ""],
    ["[]", undefined],
  ])("%s: %s", (text, key) => {
    expect(duplicateKey(text)).toBe(key);
  });

  it("finds none in what JSON.stringify writes", () => {
    fc.assert(fc.property(fc.json(), (text) => duplicateKey(text) === undefined));
  });
});
