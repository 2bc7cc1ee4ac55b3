import { expect, test } from "vitest";
import { bytesText } from "./bytes.ts";

test("powers of 1000, rounded up", () => {
  expect(bytesText(25.3e9)).toBe("25.30 GB");
  expect(bytesText(2.401e9)).toBe("2.41 GB");
  expect(bytesText(811_000_001)).toBe("812 MB");
});
