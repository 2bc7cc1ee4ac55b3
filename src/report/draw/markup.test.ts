import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { escapeText, join, markup, trusted } from "./markup.ts";
import { duration, fixed, short, signed } from "./numbers.ts";

describe("markup", () => {
  it("escapes strings, keeps markup, joins lists and drops nothing-values", () => {
    const inner = markup`<b>${"<i>"}</b>`;
    expect(markup`<p title="${`"'&`}">${[inner, " ", 3, null, undefined, false]}</p>`.text).toBe(
      '<p title="&#34;&#39;&#38;"><b>&#60;i&#62;</b> 3</p>',
    );
    expect(join(["a", trusted("<br>"), "b"], " & ").text).toBe("a &#38; <br> &#38; b");
  });

  it("leaves no character with which text could become markup", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0xffff })), (codes) => {
        const text = String.fromCharCode(...codes);
        expect(escapeText(text)).not.toMatch(/[<>"']|&(?!#\d+;)/);
      }),
    );
  });

  it("replaces what HTML cannot hold and what would turn the text around", () => {
    expect(escapeText("a\u0000b\ud800c\u202ed\te\n")).toBe("a\ufffdb\ufffdc\ufffdd\te\n");
  });
});

describe("numbers", () => {
  it("prints a fixed number of digits, a real minus and a dash for nothing", () => {
    expect([0.88349, -1.5, -0.0001, null, Number.NaN, 0].map((v) => fixed(v, 3))).toEqual(
      ["0.883", "−1.500", "0.000", "–", "–", "0.000"], // −0.0001 rounds to plain zero
    );
    expect([0.5, -0.5, 0, null].map((v) => signed(v, 1))).toEqual(["+0.5", "−0.5", "0.0", "–"]);
  });

  it("prints short ticks", () => {
    expect([0, 0.2, 0.0005, 1e-5, 2.5e-7, 250, 1e6, -3].map(short)).toEqual([
      "0",
      "0.2",
      "0.0005",
      "1e−5",
      "2.5e−7",
      "250",
      "1e6",
      "−3",
    ]);
  });

  it("prints durations", () => {
    expect([3, 42.4, 59.99, 126, 3600, 8040].map(duration)).toEqual([
      "3.0 s",
      "42 s",
      "60 s",
      "2 min 06 s",
      "1 h 00 min",
      "2 h 14 min",
    ]);
  });
});
