/** What the frame does for every task alike, shown on the toy: one owner, lost checkpoints, `--force`, changed data, damaged files. */
import fs, { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { countOpens, type OpenCount } from "../../src/data/test/count-opens.ts";
import { DataError } from "../../src/errors.ts";
import {
  type AnyTask,
  beginRun,
  evaluateRun,
  folderStore,
  openSource,
  predictAll,
  readRun,
  readWeights,
  resumeRun,
} from "../../src/train/index.ts";
import { medvox, workFolder } from "../cli/medvox.ts";
import { toyConfig, writeToy } from "./toy-data.ts";
import { toy } from "./toy-task.ts";

vi.mock("../../src/tasks.ts", async (original) => {
  const module = await original<typeof import("../../src/tasks.ts")>();
  const { toy } = await import("./toy-task.ts");
  (module.tasks as AnyTask[]).push(toy);
  return module;
});

/** Engines that are open now. */
const engines = vi.hoisted(() => ({ open: 0 }));
vi.mock("../../src/runtime/index.ts", async (original) => {
  const module = await original<typeof import("../../src/runtime/index.ts")>();
  const shared = await module.createEngine({ threads: 1 });
  afterAll(() => shared.close());
  const createEngine = async () => {
    engines.open++;
    return { ...shared, close: async () => void engines.open-- };
  };
  return { ...module, createEngine };
});

const work = workFolder("frame");
const clean = writeToy(join(work, "clean"));
const cleanRun = join(work, "clean-run");
const taskOf = (name: string) => (name === "toy" ? toy : undefined);
const open = (folder: string) => readRun(folderStore(folder), taskOf);
let opens: OpenCount;

beforeAll(async () => {
  mkdirSync(join(work, "opens"));
  opens = await countOpens(join(work, "opens"));
  await beginRun(toy, { data: clean, epochs: 1 }, { out: cleanRun });
});

/** A run that was stopped after its first step, on data of its own. */
async function stopped(name: string): Promise<{ data: string; out: string }> {
  const [data, out] = [writeToy(join(work, `${name}-data`)), join(work, name)];
  const stop = new AbortController();
  const options = { out, signal: stop.signal, onStep: () => stop.abort() };
  await expect(beginRun(toy, { data, epochs: 2 }, options)).rejects.toSatisfy((error) => error === stop.signal.reason);
  return { data, out };
}

describe("a run folder has one owner", () => {
  test("of two resumes at once the second is refused, and told who has it", async () => {
    const { out } = await stopped("twice");
    const [first, second] = [await open(out), await open(out)];
    let refused: unknown;
    await resumeRun(first, {
      onStart: async () => {
        refused = await resumeRun(second).catch((error: unknown) => error);
      },
    });
    expect(String(refused)).toMatch(
      new RegExp(`^ConfigError: ${out}: is being trained by this process since .*; wait until that ends, or stop it$`),
    );
    expect(await readWeights(folderStore(out))).toEqual(await readWeights(folderStore((await fresh("whole")).out)));
  });

  test("nor is a run begun anew in it meanwhile", async () => {
    const { out, data } = await stopped("begun");
    let refused: unknown;
    await resumeRun(await open(out), {
      onStart: async () => {
        refused = await beginRun(toy, { data }, { out, force: true }).catch((error: unknown) => error);
      },
    });
    expect(String(refused)).toContain("is being trained by this process");
  });
});

async function fresh(name: string) {
  const [data, out] = [writeToy(join(work, `${name}-data`)), join(work, name)];
  await beginRun(toy, { data, epochs: 2 }, { out });
  return { data, out };
}

describe("resuming", () => {
  test("without its checkpoint is refused, and nothing starts from the beginning", async () => {
    const { out } = await stopped("lost");
    rmSync(join(out, "checkpoints"), { recursive: true });
    const before = readFileSync(join(out, "log.jsonl"), "utf8");
    const { status, stderr } = await medvox("train", "--resume", out);
    expect(status).toBe(1);
    expect(stderr).toContain(
      `DataError: ${join(out, "checkpoints/last.safetensors")}: is missing, but log.jsonl says that step 1 was saved; put the checkpoint back, or begin anew with --force`,
    );
    expect(readFileSync(join(out, "log.jsonl"), "utf8")).toBe(before);
    expect(existsSync(join(out, "checkpoints/last.safetensors"))).toBe(false);
  });

  test.each([
    ["a changed image", (data: string) => writeFileSync(join(data, "c1.txt"), "0,0"), "1 image changed (c1)"],
    [
      "a changed image that is watched",
      (data: string) => writeFileSync(join(data, "c3.txt"), "0,0"),
      "1 image changed (c3)",
    ],
    ["a changed truth", (data: string) => edit(data, /^c2,.*?,/m, "c2,7,"), "1 annotation file changed (c2)"],
    ["a case that is gone", (data: string) => edit(data, /^c0.*\n/m, ""), "1 image gone (c0)"],
    [
      "several",
      (data: string) => ["c0", "c1"].map((id) => writeFileSync(join(data, `${id}.txt`), "0,0")),
      "2 images changed, the first c0",
    ],
  ])("on %s is refused, with what changed", async (name, change, words) => {
    const { data, out } = await stopped(name.replaceAll(" ", "-"));
    change(data);
    const { status, stderr } = await medvox("train", "--resume", out);
    expect(status).toBe(1);
    expect(stderr).toContain(
      `DataError: ${name.replaceAll(" ", "-")}-data: is no longer what ${out} was begun on: ${words}; put the data back, or begin anew`,
    );
  });

  test("goes on with its own cases where the data set has more now, or held-out ones changed", async () => {
    const { data, out } = await stopped("more");
    edit(data, /^c5.*$/m, (line) => `${line}\nc6,1,train`);
    writeFileSync(join(data, "c6.txt"), "1,1");
    writeFileSync(join(data, "c4.txt"), "0.5,0.5");
    expect((await medvox("train", "--resume", out)).status).toBe(0);
    expect(await readWeights(folderStore(out))).toEqual(await readWeights(folderStore((await fresh("as-more")).out)));
  });

  test("an image that cannot be read any more is told by name", async () => {
    const { data, out } = await stopped("unreadable");
    rmSync(join(data, "c1.txt"));
    const { status, stderr } = await medvox("train", "--resume", out);
    expect([status, stderr]).toEqual([1, expect.stringContaining(`DataError: ${join(data, "c1.txt")}: `)]);
  });
});

function edit(data: string, pattern: RegExp, by: string | ((line: string) => string)): void {
  const list = join(data, "list.csv");
  writeFileSync(list, readFileSync(list, "utf8").replace(pattern, by as string));
}

describe("--force", () => {
  /** Everything that a run of any task leaves. */
  const leavings = [
    ...["run.json", "plan.json", "problems.json", "fingerprint.json", "log.jsonl", "model.onnx", "report.html"],
    ...["evaluation.json", "scores.csv", "summary.csv"],
    ...["checkpoints/best.safetensors", "predictions/c9.nii.gz", "predictions/predictions.csv"],
    ...["evaluations/data/evaluation.json", "branches/liver/evaluation.json", "members/fold-2/run.json"],
    ...["coarse/run.json", "rpn-1/log.jsonl", "detector-1/log.jsonl", "rpn-2/log.jsonl", "detector-2/log.jsonl"],
  ];
  const others = ["notes.txt", "figures/mine.png", "config.json"];

  test("leaves nothing of the old run, and everything else", async () => {
    const out = join(work, "forced");
    for (const name of [...leavings, ...others]) {
      mkdirSync(join(out, name, ".."), { recursive: true });
      writeFileSync(join(out, name), `old ${name}`);
    }
    const config = toyConfig(work, clean, { epochs: 1 });
    expect((await medvox("train", "--task", "toy", "--config", config, "--out", out)).status).toBe(2);
    expect((await medvox("train", "--task", "toy", "--config", config, "--out", out, "--force")).status).toBe(0);
    const left = readdirSync(out, { recursive: true, encoding: "utf8" }).filter(
      (name) => fs.statSync(join(out, name)).isFile() && readFileSync(join(out, name), "utf8") === `old ${name}`,
    );
    expect(left.sort()).toEqual([...others].sort());
    const made = readdirSync(out).filter((name) => !["notes.txt", "figures", "config.json"].includes(name));
    expect(made.sort()).toEqual(
      readdirSync(cleanRun)
        .filter((name) => !["report.html", "evaluation.json", "predictions", "evaluations"].includes(name))
        .sort(),
    );
  });

  test("nor of its scores, whatever the task calls their tables", async () => {
    const { data, out } = await fresh("scored");
    expect((await medvox("evaluate", out)).status).toBe(0);
    expect(existsSync(join(out, "errors.csv"))).toBe(true);
    writeFileSync(join(out, "mine.csv"), "1,2");
    await beginRun(toy, { data, epochs: 1 }, { out, force: true });
    expect(["errors.csv", "report.html", "mine.csv"].map((name) => existsSync(join(out, name)))).toEqual([
      false,
      false,
      true,
    ]);
  });

  test("of a request that is refused loses nothing of the old run", async () => {
    const { out } = await stopped("kept");
    const before = readdirSync(out, { recursive: true }).sort();
    const config = toyConfig(work, join(work, "nowhere"));
    expect((await medvox("train", "--task", "toy", "--config", config, "--out", out, "--force")).status).not.toBe(0);
    expect(readdirSync(out, { recursive: true }).sort()).toEqual(before);
  });
});

describe("damaged files are one clear error, with file and key", () => {
  const original = (name: string): string => readFileSync(join(cleanRun, name), "utf8");
  const changed = (name: string, change: (document: { [key: string]: never }) => void): string => {
    const document = JSON.parse(original(name));
    change(document);
    return JSON.stringify(document);
  };
  test.each([
    ["run.json", () => "{ torn", /run\.json: is not JSON \(/],
    ["run.json", () => "", /run\.json: is not JSON \(/],
    ["run.json", () => "[]", /run\.json: expected object, found \[\]/],
    [
      "run.json",
      () => changed("run.json", (run) => Object.assign(run, { threads: "two" })),
      /run\.json: threads: expected number, found "two"/,
    ],
    [
      "run.json",
      () => changed("run.json", (run) => Object.assign(run.config, { epochs: "many" })),
      /run\.json: config\.epochs: expected number, found "many"/,
    ],
    [
      "run.json",
      () => changed("run.json", (run) => Object.assign(run.splits, { train: {} })),
      /run\.json: splits\.train: expected array, found \{\}/,
    ],
    [
      "run.json",
      () => changed("run.json", (run) => Object.assign(run.splits, { heldOut: [{ id: 4 }] })),
      /run\.json: splits\.heldOut\[0\]\.id: expected string, found 4/,
    ],
    [
      "run.json",
      () => changed("run.json", (run) => Object.assign(run, { task: "knitting" })),
      /run\.json: task: knitting; this medvox does not know it/,
    ],
    [
      "run.json",
      () => changed("run.json", (run) => Object.assign(run, { format: 9 })),
      /run\.json: format: 9, written by medvox .* reads runs up to format 1; use a newer medvox/,
    ],
    ["plan.json", () => "nothing", /plan\.json: is not JSON \(/],
    ["plan.json", () => '{"features":"two"}', /plan\.json: features: expected (number|int), found "two"/],
    ["fingerprint.json", () => '{"c0":{"image":1}}', /fingerprint\.json: c0\.image: expected string, found 1/],
    ["problems.json", () => '[{"rule":"odd"}]', /problems\.json: \[0\]\./],
  ])("%s, %#", async (name, text, message) => {
    const { out } = await stopped("damaged");
    writeFileSync(join(out, name), text());
    const isOfRun = name === "run.json" || name === "plan.json";
    for (const args of [
      ["train", "--resume", out],
      ["evaluate", out],
      ["predict", out, "--in", clean, "--out", join(work, "no")],
      ["info", out],
    ]) {
      if (!isOfRun && args[0] !== "train") continue;
      const { status, stdout, stderr } = await medvox(...args);
      expect([status, stdout], args[0]).toEqual([1, ""]);
      expect(stderr).toMatch(message);
      expect(stderr.trim().split("\n")).toHaveLength(1);
    }
    rmSync(out, { recursive: true });
  });

  test("no run at all is asked wrongly", async () => {
    const { status, stderr } = await medvox("evaluate", clean);
    expect([status, stderr]).toEqual([2, expect.stringMatching(/is no run of medvox \(.*run\.json is missing\)/)]);
  });
});

describe("run.json and plan.json are read once a command", () => {
  const out = join(work, "read-once");
  test.each([
    ["evaluate", [cleanRun]],
    ["predict", [cleanRun, "--in", clean, "--out", out]],
    ["info", [cleanRun]],
    ["export", [cleanRun, "--format", "onnx", "--out", join(work, "once.onnx")]],
  ])("%s", async (name, args) => {
    opens.opened(cleanRun);
    const { status, stderr } = await medvox(name, ...args);
    expect(status, stderr).toBe(0);
    const counts = opens.opened(cleanRun);
    expect([counts.get(join(cleanRun, "run.json")), counts.get(join(cleanRun, "plan.json"))]).toEqual([1, 1]);
  });
});

test.each([
  ["EROFS", "read-only"],
  ["EACCES", "permission"],
  ["ENOSPC", "full"],
])("%s is told as such", async (code, word) => {
  const out = join(work, `refused-${code}`);
  const original = fs.promises.mkdir;
  const refuse = (path: fs.PathLike): Promise<never> =>
    Promise.reject(Object.assign(new Error(`${code}: mkdir '${path}'`), { code, syscall: "mkdir", path: `${path}` }));
  fs.promises.mkdir = ((path: fs.PathLike, ...more: never[]) =>
    `${path}`.startsWith(out) ? refuse(path) : original(path, ...more)) as typeof original;
  syncBuiltinESMExports();
  try {
    const config = toyConfig(work, clean, { epochs: 1 });
    const { status, stderr } = await medvox("train", "--task", "toy", "--config", config, "--out", out);
    expect(status).toBe(1);
    expect(stderr).toContain(out);
    expect(stderr).toMatch(new RegExp(`${word}|${code}`));
    expect(stderr).not.toContain("fault in medvox");
    expect(stderr).not.toContain("ENOENT");
  } finally {
    fs.promises.mkdir = original;
    syncBuiltinESMExports();
  }
});

describe("predictAll as a server calls it", () => {
  test("several times from one opened source, in memory alone, and nothing stays open", async () => {
    const before = engines.open;
    const opened = await openSource(cleanRun, taskOf);
    const [first, second] = [await predictAll(opened, clean), await predictAll(opened, join(clean, "c1.txt"))];
    expect((first.json.predictions as unknown[])[1]).toEqual((second.json.predictions as unknown[])[0]);
    const files = readdirSync(work).sort();
    const twice = await Promise.all([predictAll(opened, clean), predictAll(opened, clean)]);
    expect(twice.map(({ json }) => json)).toEqual([first.json, first.json]);
    expect(readdirSync(work).sort()).toEqual(files);
    expect(engines.open).toBe(before);
  });

  test.each([new Error("enough"), new DataError("c2: a reason that looks like a broken case"), "a word"])(
    "stops at the signal with its reason, %s, and closes",
    async (reason) => {
      const opened = await openSource(cleanRun, taskOf);
      const stop = new AbortController();
      const seen: string[] = [];
      const going = predictAll(opened, clean, {
        signal: stop.signal,
        onProgress: (_share, _at, _of, id) => {
          seen.push(id);
          if (id === "c2") stop.abort(reason);
        },
      });
      await expect(going).rejects.toBe(reason);
      expect(new Set(seen)).toEqual(new Set(["c0", "c1", "c2"]));
      expect(engines.open).toBe(0);
      expect((await predictAll(opened, clean)).failed).toEqual([]);
      expect(engines.open).toBe(0);
    },
  );

  test("a score stops at the signal with its reason, of whatever class, and closes", async () => {
    const reason = new DataError("c1: looks like a broken case");
    const stop = new AbortController();
    const going = evaluateRun(await open(cleanRun), {
      data: clean,
      signal: stop.signal,
      onCase: () => stop.abort(reason),
    });
    await expect(going).rejects.toBe(reason);
    expect(engines.open).toBe(0);
  });

  test("closes where it fails", async () => {
    const opened = await openSource(cleanRun, taskOf);
    await expect(predictAll(opened, clean, { overlap: 1 })).rejects.toThrow("--overlap: is not for a toy run");
    await expect(predictAll(opened, join(work, "nowhere"))).rejects.toThrow();
    const broken = writeToy(join(work, "all-broken"));
    for (const i of [0, 1, 2, 3, 4, 5]) writeFileSync(join(broken, `c${i}.txt`), "no");
    expect((await predictAll(opened, broken)).failed).toHaveLength(6);
    await expect(evaluateRun(await open(cleanRun), { data: broken })).rejects.toThrow("none of 6 could be scored");
    expect(engines.open).toBe(0);
  });
});
