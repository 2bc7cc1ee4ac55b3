/** What ships of a pre-training: joint statistics by hand, and which numbers are halved. */
import { expect, test } from "vitest";
import { halved, jointStatistics } from "./ship.ts";

const vector = (...values: number[]) => ({ data: Float32Array.from(values), shape: [values.length] });

test("joint statistics are those of all branches' values together", () => {
  const encoder = new Map([
    ["bn1.running_mean", vector(9)],
    ["bn1.running_var", vector(9)],
    ["bn1.weight", vector(2)],
  ]);
  // Values 0, 2 and 4, 8: means 1 and 6, variances 1 and 4; all four have mean 3.5 and variance 8.75.
  const branches = [
    new Map([...encoder, ["bn1.running_mean", vector(1)], ["bn1.running_var", vector(1)]]),
    new Map([...encoder, ["bn1.running_mean", vector(6)], ["bn1.running_var", vector(4)]]),
  ];
  const joint = jointStatistics(encoder, branches);
  expect([...joint].map(([name, { data }]) => [name, data[0]])).toEqual([
    ["bn1.running_mean", 3.5],
    ["bn1.running_var", 8.75],
    ["bn1.weight", 2],
  ]);
});

test("convolutions are halved, vectors are not", () => {
  const kernel = { data: new Float32Array(8), shape: [1, 1, 2, 2, 2] };
  const made = halved(new Map([["conv1.weight", kernel] as const, ["bn1.running_var", vector(1e6)] as const]));
  expect([...made].map(([name, { dtype }]) => [name, dtype])).toEqual([
    ["conv1.weight", "F16"],
    ["bn1.running_var", "F32"],
  ]);
});
