import { expect, test } from "vitest";
import { encodeNpy } from "./npy.ts";

test("head and data as NumPy writes them", () => {
  const [head, data] = encodeNpy(Float32Array.of(1, -2), [1, 2]);
  // np.save of np.array([[1, -2]], "<f4"): 118 characters of head behind its length.
  expect([...head.slice(0, 10)]).toEqual([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 118, 0]);
  const text = new TextDecoder().decode(head.slice(10));
  expect(text).toBe(`${"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }".padEnd(117)}\n`);
  expect([...data]).toEqual([0, 0, 128, 63, 0, 0, 0, 192]);
  expect(new TextDecoder().decode(encodeNpy(Float32Array.of(1), [1])[0])).toContain("'shape': (1,), }");
});
