/**
 * Nothing is lost between the file and the figure: for every rule of the table, what a problem does to a training, a resumed training,
 * an evaluation and a prediction, and that each says so in `--json`, in the log and in the report. The toy's list makes any problem;
 * `readers.test.ts` shows that the real readers make them.
 */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type ProblemEffect, type ProblemRule, problemEffects } from "../../src/data/problem.ts";
import { nameOf } from "../../src/text/index.ts";
import { type AnyTask, beginRun, folderStore, readLog } from "../../src/train/index.ts";
import { medvox, workFolder } from "../cli/medvox.ts";
import { toyConfig, writeToy } from "./toy-data.ts";
import { toy } from "./toy-task.ts";

vi.mock("../../src/tasks.ts", async (original) => {
  const module = await original<typeof import("../../src/tasks.ts")>();
  const { toy } = await import("./toy-task.ts");
  (module.tasks as AnyTask[]).push(toy);
  return module;
});

// One engine for all commands: opening some six hundred would take longer than everything else.
vi.mock("../../src/runtime/index.ts", async (original) => {
  const module = await original<typeof import("../../src/runtime/index.ts")>();
  const engine = await module.createEngine({ threads: 1 });
  afterAll(() => engine.close());
  return { ...module, createEngine: async () => ({ ...engine, close: async () => {} }) };
});

const work = workFolder("problems");
const clean = join(work, "clean");
const cleanRun = join(work, "clean-run");
const rules = Object.entries(problemEffects) as [ProblemRule, ProblemEffect][];
/** What a reader says: the file, the number in it and the fact. */
const said = (rule: ProblemRule): string => `list.xml object 3 is ${rule} <so>`;
/** As a page has it: nothing from a file becomes markup. */
const shown = (rule: ProblemRule): string => said(rule).replace("<so>", "&#60;so&#62;");
const found = (rule: ProblemRule) => ({ severity: "error", case: "c0", rule, message: said(rule) });
/** As `--json` has it. */
const counted = (rule: ProblemRule) => ({ count: 1, rules: { [rule]: 1 }, list: [found(rule)] });
/** The page without its style. */
const page = (folder: string): string =>
  readFileSync(join(folder, "report.html"), "utf8").replace(/<style>.*?<\/style>/s, "");
const dataOf = (rule: ProblemRule): string => writeToy(join(work, `data-${rule}`), [`!${rule},c0,${said(rule)}`]);
const configOf = (rule: ProblemRule, more: object = {}): string =>
  toyConfig(work, dataOf(rule), { epochs: 1, ...more });
const logged = async (run: string, event: string) =>
  (await readLog(folderStore(run)))
    .filter((line) => line.event === event)
    .map(({ problems, rules: counts }) => ({ problems, counts }));

beforeAll(async () => {
  writeToy(clean);
  await beginRun(toy, { data: clean, epochs: 1 }, { out: cleanRun });
});

/** What is refused: exit 1, with file, number, fact and rule, and why. */
async function expectRefused(args: readonly string[], rule: ProblemRule, why: string): Promise<void> {
  const { status, stdout, stderr } = await medvox(...args, "--json");
  expect(status).toBe(1);
  const { error } = JSON.parse(stdout);
  expect(error.code).toBe("E_DATA");
  expect(error.message).toContain(`c0: ${said(rule)} (${rule}); ${why}`);
  expect(stderr).toContain(`1 problem (1 ${rule})`);
}

const wrong = "the figures would be wrong";
const strict = "--strict leaves nothing out";

describe.each(rules)("%s, which %s", (rule, effect) => {
  const isLost = effect !== "noted";

  test("train: --json, log and report", async () => {
    const out = join(work, `train-${rule}`);
    const args = ["train", "--task", "toy", "--config", configOf(rule), "--out", out];
    if (effect === "stops") {
      await expectRefused(args, rule, wrong);
      expect(existsSync(join(out, "run.json"))).toBe(false);
      return;
    }
    const { status, stdout, stderr } = await medvox(...args, "--json");
    expect(status, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ train: isLost ? 2 : 3, problems: counted(rule) });
    expect(stderr).toContain(`1 problem (1 ${rule})\n  c0: ${said(rule)}\n`);
    expect(await logged(out, "problems")).toEqual([{ problems: [found(rule)], counts: { [rule]: 1 } }]);
    // The report is written by the evaluation, whose cases have no problem of their own.
    const scored = await medvox("evaluate", out, "--json");
    expect(JSON.parse(scored.stdout).problems).toEqual(counted(rule));
    expect(page(out)).toContain(shown(rule));
    expect(JSON.parse((await medvox("info", out, "--json")).stdout).problems).toEqual(counted(rule));
  });

  test("train --strict", async () => {
    const out = join(work, `strict-${rule}`);
    const args = ["train", "--task", "toy", "--config", configOf(rule, { strict: true }), "--out", out];
    if (isLost) await expectRefused(args, rule, effect === "stops" ? wrong : strict);
    else expect((await medvox(...args)).status).toBe(0);
  });

  test("resume: --json, log and report", async () => {
    const out = join(work, `resume-${rule}`);
    const data = writeToy(join(work, `resume-data-${rule}`));
    const stop = new AbortController();
    const begun = beginRun(toy, { data, epochs: 2 }, { out, signal: stop.signal, onStep: () => stop.abort() });
    await expect(begun).rejects.toSatisfy((error) => error === stop.signal.reason);
    // The reader finds it now; the cases that are trained on are the same, unless it leaves one of them out.
    writeToy(data, [`!${rule},c5,${said(rule)}`]);
    const resumed = await medvox("train", "--resume", out, "--json");
    const list = [{ ...found(rule), case: "c5" }];
    if (effect === "stops") {
      expect(resumed.status).toBe(1);
      expect(JSON.parse(resumed.stdout).error.message).toContain(`c5: ${said(rule)} (${rule}); ${wrong}`);
      return;
    }
    expect(resumed.status, resumed.stderr).toBe(0);
    expect(JSON.parse(resumed.stdout).problems).toEqual({ ...counted(rule), list });
    expect(resumed.stderr).toContain(`1 problem (1 ${rule})\n  c5: ${said(rule)}\n`);
    expect(await logged(out, "problems")).toEqual([{ problems: list, counts: { [rule]: 1 } }]);
    const scored = await medvox("evaluate", out, "--json");
    expect(JSON.parse(scored.stdout).problems).toEqual({ ...counted(rule), list });
    expect(page(out)).toContain(shown(rule));
  });

  test("resume of a run that was begun with it says it again, and says it once", async () => {
    if (effect === "stops") return;
    const out = join(work, `again-${rule}`);
    const stop = new AbortController();
    const options = { out, signal: stop.signal, onStep: () => stop.abort() };
    await expect(beginRun(toy, { data: dataOf(rule), epochs: 2 }, options)).rejects.toSatisfy(
      (error) => error === stop.signal.reason,
    );
    const { stdout, stderr } = await medvox("train", "--resume", out, "--json");
    expect(JSON.parse(stdout).problems).toEqual(counted(rule));
    expect(stderr).toContain(`1 problem (1 ${rule})\n  c0: ${said(rule)}\n`);
    expect(await logged(out, "problems")).toHaveLength(1);
  });

  test("evaluate: --json, log and report", async () => {
    const args = ["evaluate", cleanRun, "--data", dataOf(rule)];
    if (effect === "stops") return expectRefused(args, rule, wrong);
    const { status, stdout, stderr } = await medvox(...args, "--json");
    expect(status, stderr).toBe(0);
    expect(JSON.parse(stdout).problems).toEqual(counted(rule));
    expect(stderr).toContain(`1 problem (1 ${rule})\n  c0: ${said(rule)}\n`);
    expect((await logged(cleanRun, "evaluated")).at(-1)!.problems).toEqual(counted(rule));
    const folder = join(cleanRun, "evaluations", nameOf(dataOf(rule)));
    expect(JSON.parse(readFileSync(join(folder, "evaluation.json"), "utf8")).problems).toEqual(counted(rule));
    const html = page(folder);
    expect(html).toContain(shown(rule));
    expect(html).toContain(rule);
    expect(html).toContain(`scored on ${isLost ? 5 : 6} of another data set`);
    expect((await medvox(...args)).stdout).toContain(`problems     1 problem (1 ${rule})`);
  });

  test("evaluate --strict", async () => {
    const args = ["evaluate", cleanRun, "--data", dataOf(rule), "--strict"];
    if (isLost) await expectRefused(args, rule, effect === "stops" ? wrong : strict);
    else expect((await medvox(...args)).status).toBe(0);
  });

  test("predict: its own case only; --json, terminal and --report", async () => {
    const report = join(work, `predicted-${rule}.json`);
    const out = join(work, `predicted-${rule}`);
    const args = ["predict", cleanRun, "--in", dataOf(rule), "--out", out];
    const { status, stdout } = await medvox(...args, "--report", report, "--json");
    expect(status).toBe(isLost ? 1 : 0);
    const { predictions, failed, problems } = JSON.parse(stdout);
    const ids = ["c0", "c1", "c2", "c3", "c4", "c5"];
    expect(predictions.map((row: { case: string }) => row.case)).toEqual(isLost ? ids.slice(1) : ids);
    expect(failed).toEqual(isLost ? [{ case: "c0", message: said(rule) }] : []);
    expect(problems).toEqual(counted(rule));
    expect(JSON.parse(readFileSync(report, "utf8"))).toMatchObject({ failed, problems });
    const text = (await medvox(...args, "--force")).stdout;
    expect(text).toContain(`${isLost ? "failed    " : "noted     "}c0: ${said(rule)}`);
  });

  test("predict --strict", async () => {
    const out = join(work, `strictly-${rule}`);
    const args = ["predict", cleanRun, "--in", dataOf(rule), "--out", out, "--strict"];
    const { status, stderr } = await medvox(...args);
    expect(status).toBe(isLost ? 1 : 0);
    expect(existsSync(out)).toBe(!isLost);
    if (isLost) expect(stderr).toContain(`c0: ${said(rule)} (${rule})`);
  });
});
