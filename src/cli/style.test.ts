import { describe, expect, it } from "vitest";
import { styleFor } from "./style.ts";

describe("styleFor", () => {
  it("paints where the stream has colours", () => {
    const style = styleFor({ hasColors: () => true });
    expect(style.bold("a")).toBe("\u001b[1ma\u001b[22m");
    expect(style.red("a")).toBe("\u001b[31ma\u001b[39m");
  });

  it.each([
    ["has none (NO_COLOR, a dumb terminal)", { hasColors: () => false }],
    ["is no terminal", {}],
  ])("leaves text alone where the stream %s", (_, stream) => {
    const style = styleFor(stream);
    for (const paint of Object.values(style)) expect(paint("a")).toBe("a");
  });
});
