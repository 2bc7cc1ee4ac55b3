/** What all runs' reports say alike: who was scored, which epoch, by which command, and what was wrong with the data. */
import { describe, expect, it } from "vitest";
import { type Problem, problemEffects } from "../../data/problem.ts";
import { machine, versions } from "../../machine.ts";
import { markup } from "../draw/markup.ts";
import { reportDocument } from "./document.ts";
import type { EpochRecord } from "./input.ts";
import { problemCounts } from "./problems.ts";
import { bestEpoch, type RunFacts, type RunLead, runFrame, runLead, splitText, trainingSeconds } from "./run.ts";

const lead: RunLead = {
  network: "ResNet-10, from random weights",
  trained: 28,
  scored: 10,
  noun: "case",
  part: "heldOut",
};

describe("the lead", () => {
  it.each([
    ["heldOut", "Trained on 28 cases, scored on 10 it never saw."],
    ["validation", "Trained on 28 cases, scored on 10 watched in training."],
    ["train", "Trained on 28 cases, scored on 10 it was trained on."],
    ["data", "Trained on 28 cases, scored on 10 of another data set."],
  ] as const)("says what the run knew of the part %s", (part, said) => {
    expect(runLead({ ...lead, part })).toBe(`ResNet-10, from random weights. ${said}`);
  });

  it("says of folds that no network scored what it learnt from", () => {
    const ways = ["3 networks averaged"];
    expect(runLead({ ...lead, part: "folds", folds: 5, ways })).toBe(
      "ResNet-10, from random weights. 5 folds, 3 networks averaged: each of the 10 cases is scored by networks that never saw it.",
    );
    expect(runLead({ ...lead, part: "data", folds: 5 })).toMatch(/\. 5 folds, scored on 10 of another data set\.$/);
  });

  it("counts one as one", () => {
    expect(runLead({ ...lead, noun: "picture", trained: 1 })).toContain("Trained on 1 picture, scored");
  });
});

describe("the epoch in the curves", () => {
  // The score of epoch 4 is the highest again, but epoch 2 had it first: its weights are the ones that were written.
  const history: EpochRecord[] = [0.4, 0.7, 0.5, 0.7].map((dice, i) => ({
    epoch: i + 1,
    scores: { liver: dice },
    best: i < 2,
    seconds: 2,
  }));

  it("is the one whose weights were scored, and none where those of the end were", () => {
    expect(bestEpoch(history, "best")).toBe(2);
    expect(bestEpoch(history, "last")).toBeUndefined();
  });

  it("is none where no case was watched", () => {
    const alone = history.map(({ epoch }) => ({ epoch, best: false }));
    expect(bestEpoch(alone, "best")).toBeUndefined();
    expect(bestEpoch([], "best")).toBeUndefined();
  });

  it("took its seconds", () => {
    expect(trainingSeconds(history, [{ epoch: 1, seconds: null }, { epoch: 2 }])).toBe(8);
  });
});

describe("who is where", () => {
  it.each([
    [{ train: [1, 2], validation: [], heldOut: [3] }, null, "2 train · 0 watched · 1 held out"],
    [{ train: [1, 2], heldOut: [3] }, null, "2 train · 1 held out"],
    [{ train: [], validation: [], heldOut: [1, 2, 3] }, 3, "3 cases in 3 folds"],
  ] as const)("%j with folds %j is: %s", (splits, folds, said) => {
    expect(splitText(splits, folds)).toBe(said);
  });
});

const facts: RunFacts = {
  title: "Two boxes",
  lead,
  record: {
    config: { data: "My scans", lr: 0.1, from: undefined },
    command: "",
    machine: { ...machine(), memoryGb: 25.3 },
    versions: versions(),
    credit: { name: "Set", licence: "MIT" },
  },
  plan: { patch: [8, 8, 8] },
  device: "cpu",
  seconds: 61,
  instead: ["medvox", "detect", "train", "--data", "My scans"],
  split: "28 train · 0 watched · 10 held out",
};
const page = (more: Partial<RunFacts> = {}): string =>
  reportDocument(runFrame({ ...facts, ...more }), markup``, []).replaceAll("&#39;", "'");

describe("the frame", () => {
  it("gives what was typed, or else a command that does the same", () => {
    expect(page()).toContain("<code>medvox detect train --data 'My scans'</code>");
    const record = { ...facts.record, command: "medvox --json demo" };
    expect(page({ record })).toContain("<code>medvox --json demo</code>");
  });

  it("shows what was asked with the plan, memory in GB, and whose data it was", () => {
    const html = page();
    expect(html).toContain("<dt>plan.patch</dt><dd>8, 8, 8</dd>");
    expect(html).not.toContain("undefined");
    expect(html).toContain("<dt>memory</dt><dd>25.3 GB</dd>");
    expect(html).toContain("<li>Set <span>· 28 train · 0 watched · 10 held out · MIT</span></li>");
  });
});

describe("problems", () => {
  const problem = (rule: Problem["rule"], message: string): Problem => ({
    severity: problemEffects[rule] === "noted" ? "warning" : "error",
    case: "img_7",
    rule,
    message,
  });
  const found = [
    problem("beyond", "box 1 is cut"),
    problem("degenerate", "box 2 is 0 wide"),
    problem("size-mismatch", "says 8×8, is 16×16"),
    problem("degenerate", "box 3 <b>is</b> 0 wide"),
  ];

  it("are counted by what they cost", () => {
    expect(problemCounts(found)).toBe(
      "1 would make the figures wrong (1 size-mismatch) · 2 left out (2 degenerate) · 1 noted (1 beyond)",
    );
  });

  it("are listed with case, rule and words, what weighs more first", () => {
    const html = page({ problems: found });
    expect(html).toContain("<h2>Problems with the data</h2>");
    expect(html).toContain("4 problems: 1 would make the figures wrong (1 size-mismatch)");
    const rules = [...html.matchAll(/<th scope="row">img_7<\/th><td>([\w-]+)<\/td>/g)].map(([, rule]) => rule);
    expect(rules).toEqual(["size-mismatch", "degenerate", "degenerate", "beyond"]);
    expect(html).toContain("box 3 &#60;b&#62;is&#60;/b&#62; 0 wide");
  });

  it("leave no section where there are none", () => {
    expect(page({ problems: [] })).not.toContain("Problems with the data");
    expect(page()).not.toContain("Problems with the data");
  });

  it("fill no endless table: 200 rows, and how many more there are", () => {
    const html = page({ problems: Array.from({ length: 1201 }, (_, i) => problem("unreadable", `file ${i}`)) });
    expect(html.split('<th scope="row">')).toHaveLength(201);
    expect(html).toContain("1201 left out (1201 unreadable)");
    expect(html).toContain("1001 more problems; medvox verify lists all of them.");
  });
});
