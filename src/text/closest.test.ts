import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { closest, didYouMean, editDistance } from "./closest.ts";

describe("closest", () => {
  const names = ["doctor", "info", "verify", "train", "evaluate", "predict"];
  it.each([
    ["veify", "verify"],
    ["Verify", "verify"],
    ["trian", "train"],
    ["evalute", "evaluate"],
    ["nifo", "info"],
    ["export", undefined],
    ["x", undefined],
    ["", undefined],
  ])("%s: %s", (word, name) => expect(closest(word, names)).toBe(name));
});

describe("didYouMean", () => {
  const keys = ["learningRate", "newLayerRate", "epochs", "epochsMax", "loss", "minSide", "maxSide"];
  it.each([
    ["epoch", ". Did you mean epochs?"],
    ["rate", ". Did you mean learningRate or newLayerRate?"],
    ["lr", ". Did you mean learningRate?"],
    ["mixSide", ". Did you mean minSide or maxSide?"],
    ["wholly", ""],
  ])("%s%s", (word, said) => expect(didYouMean(word, keys)).toBe(said));
});

describe("editDistance", () => {
  it.each([
    ["", "abc", 3],
    ["abc", "abc", 0],
    ["abc", "acb", 1],
    ["kitten", "sitting", 3],
  ])("%s to %s is %d", (a, b, distance) => expect(editDistance(a, b)).toBe(distance));

  it("is the same both ways and at most the longer word", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 8 }), fc.string({ maxLength: 8 }), (a, b) => {
        const distance = editDistance(a, b);
        expect(editDistance(b, a)).toBe(distance);
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
        expect(distance === 0).toBe(a === b);
      }),
    );
  });
});
