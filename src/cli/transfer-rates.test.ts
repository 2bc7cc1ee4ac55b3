import { expect, test } from "vitest";
import { transferRates } from "./transfer-rates.ts";

test("with weights the encoder learns at a tenth, what stands on it at the usual rate", () => {
  expect(transferRates("resnet10.safetensors")).toEqual({ learningRate: 1e-4, newLayerRate: 10 });
});

test("from scratch is asked for, never fallen back to", () => {
  expect(transferRates(null)).toEqual({});
  expect(() => transferRates(undefined)).toThrow("--from: is missing; name weights or a run");
});
