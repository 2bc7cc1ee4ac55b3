import { describe, expect, it } from "vitest";
import { alternate, timesOf } from "./alternate.ts";
import { judged, significant } from "./bounds.ts";
import { convolutionWork } from "./jobs.ts";
import { cpuSeconds, Peer } from "./peer.ts";

describe("bounds", () => {
  it("says the bound and whether it was met", () => {
    expect(judged(0.9, { atLeast: 0.88 })).toEqual({ bound: "≥ 0.88", verdict: "met" });
    expect(judged(1.41, { atMost: 1.4 })).toEqual({ bound: "≤ 1.4", verdict: "missed" });
    expect(judged(null, { atMost: 60 }, "min")).toEqual({ bound: "≤ 60 min", verdict: "not measured" });
    expect(judged(5)).toEqual({ bound: null, verdict: null });
  });

  it("rounds to significant digits", () => {
    expect(significant(1234.56, 3)).toBe(1230);
    expect(significant(0.012345, 2)).toBe(0.012);
  });
});

describe("alternate", () => {
  it("takes turns and leaves the warm-up out", async () => {
    const order: string[] = [];
    const side = (name: string) => ({
      pid: process.pid,
      step: async () => {
        order.push(name);
        return order.filter((other) => other === name).length;
      },
    });
    const { ours, theirs } = await alternate(side("a"), side("b"), { warmUp: 1, rounds: 3, pauseMs: 0 });
    expect(order.join("")).toBe("ababababab".slice(0, 8));
    expect(ours.all).toEqual([2, 3, 4]);
    expect(theirs).toEqual({ median: 3, min: 2, all: [2, 3, 4] });
  });

  it("takes the mean of the two middle times of an even number", () => {
    expect(timesOf([4, 1, 3, 2])).toMatchObject({ median: 2.5, min: 1 });
  });
});

describe("Peer", () => {
  const echo =
    "require('readline').createInterface({input:process.stdin}).on('line',(l)=>{const r=JSON.parse(l);" +
    "if(r.cmd==='quit')process.exit(0);if(r.cmd==='die')process.exit(3);console.log(JSON.stringify(r.bad?{error:'bad'}:r))})";

  it("asks and gets answers in order, errors as errors", async () => {
    const peer = new Peer(process.execPath, ["-e", echo]);
    const both = await Promise.all([peer.ask({ cmd: "a" }), peer.ask({ cmd: "b" })]);
    expect(both).toEqual([{ cmd: "a" }, { cmd: "b" }]);
    await expect(peer.ask({ cmd: "c", bad: true })).rejects.toThrow("bad");
    if (process.platform === "linux") expect(cpuSeconds(peer.pid)).toBeGreaterThanOrEqual(0);
    await peer.close();
  });

  it("fails what is pending and what comes later when the process ends", async () => {
    const peer = new Peer(process.execPath, ["-e", echo]);
    await expect(peer.ask({ cmd: "die" })).rejects.toThrow("ended with code 3");
    await expect(peer.ask({ cmd: "a" })).rejects.toThrow("ended with code 3");
    await peer.close();
  });
});

describe("convolutionWork", () => {
  it("counts three passes of a layer, and fewer without padding", () => {
    const { nominal, needed } = convolutionWork({
      network: "medicalnet",
      depth: 10,
      batch: 1,
      size: [16, 16, 16],
      classes: 2,
      loss: "crossEntropy",
      optimizer: "sgd",
    });
    // conv1 alone, forward and to weights: 2 · 2 · 64 · 8³ · 7³.
    expect(nominal).toBeGreaterThan(4 * 64 * 8 ** 3 * 7 ** 3);
    expect(needed).toBeLessThan(nominal);
    // The dilated layers on a 2³ map meet mostly padding: of 27 taps one is left with dilation 4.
    expect(needed).toBeLessThan(0.3 * nominal);
  });
});
