import { describe, expect, it } from "vitest";
import { describeSkipped, summarize, type VitestReport } from "./test.ts";

const file = (name: string, status: string, statuses: string[]): VitestReport["testResults"][number] => ({
  name: `/repo/${name}`,
  status,
  assertionResults: statuses.map((state, i) => ({ status: state, fullName: `case ${i}` })),
});

describe("the closing line of npm test", () => {
  it("counts passed, failed and skipped tests", () => {
    const report = {
      testResults: [
        file("a.test.ts", "failed", ["passed", "failed", "pending"]),
        file("b.test.ts", "passed", ["passed"]),
      ],
    };
    const { passed, failed, skipped } = summarize(report, "/repo");
    expect([passed, failed]).toEqual([2, 1]);
    expect([...skipped]).toEqual([["a.test.ts", ["case 2"]]]);
  });

  it("counts a file that does not load as a failure", () => {
    expect(summarize({ testResults: [file("a.test.ts", "failed", [])] }, "/repo").failed).toBe(1);
  });

  it("counts a file whose tests passed but whose clean-up failed as a failure", () => {
    expect(summarize({ testResults: [file("a.test.ts", "failed", ["passed"])] }, "/repo").failed).toBe(1);
  });

  it("says which tests did not run, and why", () => {
    const skipped = new Map([["a.test.ts", ["reads a real volume"]]]);
    expect(describeSkipped(skipped, false)).toBe(
      "1 test skipped; ../shared is absent, so what needs its data sets did not run:\n  a.test.ts\n    reads a real volume",
    );
    expect(describeSkipped(skipped, true)).toContain("1 test skipped:");
    expect(describeSkipped(skipped, true, false)).toBe(
      "1 test skipped; npm run test:nightly also runs what takes longest:\n  a.test.ts\n    reads a real volume",
    );
    expect(describeSkipped(new Map(), true)).toBe("no test was skipped");
  });
});
