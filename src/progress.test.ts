import { describe, expect, it } from "vitest";
import { bar, duration, streamProgress } from "./progress.ts";

/** A stream that remembers, and a clock that is set by hand. */
function recorder(isTTY: boolean, columns?: number) {
  const written: string[] = [];
  const clock = { ms: 0 };
  const stream = { isTTY, columns, write: (text: string) => written.push(text) };
  return { written, clock, progress: streamProgress(stream, { nowMs: () => clock.ms }) };
}

describe("duration", () => {
  it.each([
    [0, "0s"],
    [59.4, "59s"],
    [59.6, "1m00s"],
    [126, "2m06s"],
    [3599.7, "1h00m"],
    [3840, "1h04m"],
    [-1, "0s"],
  ])("%d s is %s", (seconds, text) => expect(duration(seconds)).toBe(text));
});

describe("bar", () => {
  it.each([
    [0, "░░░░"],
    [0.5, "██░░"],
    [1, "████"],
    [2, "████"],
    [Number.NaN, "░░░░"],
  ])("of %d is %s", (fraction, text) => expect(bar(fraction, 4)).toBe(text));
});

describe("progress on a terminal", () => {
  it("redraws one line, with the time left by the speed so far, and erases it", () => {
    const { written, clock, progress } = recorder(true);
    progress.update({ label: "epoch 1/4", fraction: 0, details: ["loss 0.5"] });
    clock.ms = 10_000;
    progress.update({ label: "epoch 2/4", fraction: 0.25 });
    progress.clear();
    expect(written).toEqual([
      `\r\u001b[2Kepoch 1/4 ${bar(0)}  loss 0.5`,
      `\r\u001b[2Kepoch 2/4 ${bar(0.25)}  30s left`,
      "\r\u001b[2K",
    ]);
  });

  it("is redrawn at most every 80 ms, but always shows the end", () => {
    const { written, clock, progress } = recorder(true);
    for (clock.ms = 0; clock.ms < 100; clock.ms += 10) progress.update({ label: "x", fraction: clock.ms / 100 });
    expect(written).toHaveLength(2);
    progress.update({ label: "x", fraction: 1 });
    expect(written).toHaveLength(3);
  });

  it("is cut to the width of the terminal", () => {
    const { written, progress } = recorder(true, 30);
    progress.update({ label: "a".repeat(100), fraction: 0.5 });
    expect(written[0]).toBe(`\r\u001b[2K${"a".repeat(29)}`);
  });

  it("puts lines that stay above the live line", () => {
    const { written, progress } = recorder(true);
    progress.update({ label: "x", fraction: 0.5 });
    progress.note("saved");
    expect(written.slice(1)).toEqual(["\r\u001b[2K", "saved\n"]);
  });
});

describe("progress elsewhere", () => {
  it("prints plain lines, one for each tenth", () => {
    const { written, progress } = recorder(false);
    for (let i = 0; i <= 100; i++) progress.update({ label: "case", fraction: i / 100 });
    progress.note("done");
    progress.clear();
    expect(written).toHaveLength(12);
    expect(written[0]).toBe("case  0 %\n");
    expect(written[10]).toBe("case  100 %\n");
    expect(written[11]).toBe("done\n");
    expect(written.join("")).not.toContain("\u001b");
  });

  it("prints a line after half a minute without one", () => {
    const { written, clock, progress } = recorder(false);
    for (clock.ms = 0; clock.ms <= 100_000; clock.ms += 1000) progress.update({ label: "x", fraction: 0.01 });
    expect(written).toHaveLength(4);
  });

  it("begins anew with a second piece of work", () => {
    const { written, progress } = recorder(false);
    for (const fraction of [0, 0.95, 0, 0.95]) progress.update({ label: "x", fraction });
    expect(written).toHaveLength(4);
  });
});
