import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { ConfigError, DataError } from "../errors.ts";
import type { CommandModule } from "./command.ts";
import { interrupted } from "./failure.ts";
import { runCommandLine } from "./frame.ts";
import { refuseToOverwrite } from "./outputs.ts";
import type { CommandEntry } from "./table.ts";
import { decimal, decimals, lowHigh, sizes, wholeNumber } from "./values.ts";

const entry = (name: string, run: CommandModule["run"], rest: Partial<CommandModule> = {}): CommandEntry => ({
  name,
  summary: `what ${name} does`,
  load: async () => ({ command: { examples: [`medvox ${name} a.nii`], json: {}, run, ...rest } }),
});

const throwing = (make: () => unknown) => async () => {
  throw make();
};

const commands: CommandEntry[] = [
  entry("echo", async (_context, options, word: string) => ({ document: { word, ...options }, text: `said ${word}` }), {
    configure: (command) => {
      command.argument("<word>", "what to say").option("--times <n>", "how often", wholeNumber({ min: 1, max: 9 }));
      command.option("--patch <sizes>", "voxels", sizes(3)).option("--lr <rate>", "learning rate", decimal({ min: 0 }));
      command.option("--spacing <mm>", "spacing", decimals(3)).option("--window <hu>", "CT window", lowHigh);
    },
  }),
  entry("check", async () => ({ document: { errors: 2 }, text: "2 errors", ok: false })),
  entry("write", async ({ force }) => ({ document: { force }, text: `force ${force}` }), { writes: true }),
  entry("train", async () => ({ document: { resumed: true }, text: "resumed" })),
  entry("train segmentation", async () => ({ document: { task: "segmentation" }, text: "trained" })),
  entry("detect train", async ({ typed }, { data }) => ({ document: { typed, data }, text: typed }), {
    configure: (command) => void command.option("--data <folder>", "images"),
  }),
  entry(
    "bad-data",
    throwing(() => new DataError("case_7: label is 3×3×3, image is 3×3×4")),
  ),
  entry(
    "bad-config",
    throwing(() => new ConfigError("--patch 48,64: a 3D set needs three sizes")),
  ),
  entry(
    "bug",
    throwing(() => new TypeError("x is undefined", { cause: new Error("below") })),
  ),
  entry(
    "stopped",
    throwing(() => interrupted("stopped after step 412; resume with: medvox train --resume runs/a")),
  ),
  entry(
    "aborted",
    throwing(() => AbortSignal.abort().reason),
  ),
  entry("no-file", async () => ({ document: {}, text: await readFile("/none/there", "utf8") })),
  entry("not-a-number", async () => ({ document: { hd95Mm: Number.NaN }, text: "" })),
];

async function run(...argv: string[]) {
  const [out, err]: string[][] = [[], []];
  const status = await runCommandLine(argv, commands, {
    stdout: { write: (text: string) => out.push(text) },
    stderr: { write: (text: string) => err.push(text) },
    signal: new AbortController().signal,
  });
  return { status, out: out.join(""), err: err.join("") };
}

describe("what was typed", () => {
  it.each([
    [["detect", "train", "--data", "My scans"], "medvox detect train --data 'My scans'"],
    [["--json", "detect", "train", "--data", "set"], "medvox --json detect train --data set"],
    [["--debug", "--json", "detect", "train", "--data=$HOME"], "medvox --debug --json detect train '--data=$HOME'"],
  ])("is told to the command whole and quoted, options of the frame in front or not: %j", async (argv, typed) => {
    const { status, out } = await run(...argv);
    expect(status).toBe(0);
    expect(argv.includes("--json") ? JSON.parse(out).typed : out.trimEnd()).toBe(typed);
  });
});

describe("an outcome", () => {
  it("is text for people", async () => {
    expect(await run("echo", "hello")).toEqual({ status: 0, out: "said hello\n", err: "" });
  });

  it.each([
    ["after", ["echo", "hello", "--times", "3", "--json"]],
    ["before", ["--json", "echo", "hello", "--times", "3"]],
  ])("is one JSON document with --json %s the command", async (_, argv) => {
    const { status, out, err } = await run(...argv);
    expect(JSON.parse(out)).toEqual({ word: "hello", times: 3 });
    expect([status, err]).toEqual([0, ""]);
  });

  it("may be asked for with values below 0", async () => {
    const { out } = await run("echo", "hello", "--window=-200,250", "--json");
    expect(JSON.parse(out)).toMatchObject({ window: [-200, 250] });
  });

  it("that is not good is exit 1, and still the document", async () => {
    expect(await run("check", "--json")).toMatchObject({ status: 1, out: '{\n  "errors": 2\n}\n', err: "" });
  });

  it("has null for numbers JSON does not know", async () => {
    expect(JSON.parse((await run("not-a-number", "--json")).out)).toEqual({ hd95Mm: null });
  });

  it("knows whether --force was given, where the command writes", async () => {
    expect((await run("write")).out).toBe("force false\n");
    expect((await run("write", "--force")).out).toBe("force true\n");
    expect((await run("check", "--force")).status).toBe(2);
  });
});

describe("a failure", () => {
  it.each([
    ["bad-data", 1, "E_DATA", "DataError: case_7: label is 3×3×3, image is 3×3×4\n"],
    ["bad-config", 2, "E_CONFIG", "ConfigError: --patch 48,64: a 3D set needs three sizes\n"],
    ["stopped", 1, "E_INTERRUPTED", "stopped after step 412; resume with: medvox train --resume runs/a\n"],
    ["aborted", 1, "E_INTERRUPTED", "stopped\n"],
    ["no-file", 1, "E_FILE", "FileError: /none/there: no such file or folder (ENOENT)\n"],
  ])("of %s is exit %d, %s, and one line", async (name, status, code, line) => {
    expect(await run(name)).toEqual({ status, out: "", err: line });
    const json = await run(name, "--json");
    const { error } = JSON.parse(json.out);
    expect(json.status).toBe(status);
    expect(error.code).toBe(code);
    expect(line).toContain(error.message);
  });

  it("of medvox itself says so, and shows the stack and its cause only with --debug", async () => {
    const plain = await run("bug");
    expect(plain.err).toBe(
      "TypeError: x is undefined\nThis is a fault in medvox, not in what you asked for; --debug shows where.\n",
    );
    const debug = await run("bug", "--debug");
    expect(debug.err).toMatch(/ at .*frame\.test\.ts/);
    expect(debug.err).toContain("Caused by: Error: below");
    expect(JSON.parse((await run("bug", "--json")).out).error.code).toBe("E_INTERNAL");
  });
});

describe("asking wrongly", () => {
  it.each([
    [["ecko", "a"], "unknown command 'ecko'. Did you mean echo?"],
    [["frobnicate"], "unknown command 'frobnicate'. medvox --help lists them"],
    [["--jsno", "echo"], "unknown option '--jsno'. Did you mean --json?"],
    [["echo", "a", "--tmies", "2"], "unknown option '--tmies'. Did you mean --times?"],
    [["echo"], "missing required argument 'word'; see medvox echo --help"],
    [["echo", "a", "b"], "too many arguments. Expected 1 argument but got 2; see medvox echo --help"],
    [["echo", "a", "--times", "0"], "--times 0: must be between 1 and 9"],
    [["echo", "a", "--times", "many"], "--times many: must be a whole number"],
    [["echo", "a", "--times"], "option '--times <n>' argument missing; see medvox echo --help"],
    [
      ["echo", "a", "--patch", "48,64"],
      "--patch 48,64: must be 3 whole numbers above 0 separated by commas, e.g. 48,64,48",
    ],
    [
      ["echo", "a", "--spacing", "1,1,x"],
      "--spacing 1,1,x: must be 3 numbers above 0 separated by commas, e.g. 1,1,1.5",
    ],
    [["echo", "a", "--window=250"], "--window 250: must be two numbers separated by a comma, e.g. -1000,400"],
    [["echo", "a", "--lr", "-1"], "--lr -1: must be at least 0"],
    [
      ["train", "segmentatoin"],
      "unknown command 'train segmentatoin'. Did you mean train segmentation? medvox train knows: segmentation",
    ],
    [["train", "x"], "unknown command 'train x'. medvox train knows: segmentation"],
    [["detect"], "detect what? medvox detect knows: train"],
    [["--json"], "which command? medvox --help lists them"],
  ])("%s", async (argv, message) => {
    const { status, out, err } = await run(...argv);
    expect([status, err]).toEqual([2, `ConfigError: ${message}\n`]);
    expect(out).toBe(
      argv.includes("--json") ? `${JSON.stringify({ error: { code: "E_CONFIG", message } }, null, 2)}\n` : "",
    );
  });

  it("nothing at all shows the commands on standard error", async () => {
    const { status, out, err } = await run();
    expect([status, out]).toEqual([2, ""]);
    expect(err).toContain("Usage: medvox <command>");
  });
});

describe("commands of two words", () => {
  it("are told from the group's own command", async () => {
    expect((await run("train")).out).toBe("resumed\n");
    expect((await run("train", "segmentation")).out).toBe("trained\n");
    expect((await run("--json", "train", "segmentation")).out).toContain('"segmentation"');
  });

  it("are listed by their group's help", async () => {
    const { status, out } = await run("detect", "--help");
    expect(status).toBe(0);
    expect(out).toMatch(/Commands:\n {2}detect train {2}what detect train does\n\n/);
  });
});

describe("help", () => {
  it("lists every command", async () => {
    const { status, out } = await run("--help");
    expect(status).toBe(0);
    for (const { name, summary } of commands) expect(out).toMatch(new RegExp(`^ {2}${name} +${summary}$`, "m"));
  });

  it.each([[["echo", "--help"]], [["help", "echo"]], [["--help", "echo"]]])("of a command: %s", async (argv) => {
    const { status, out } = await run(...argv);
    expect(status).toBe(0);
    expect(out).toContain("Usage: medvox echo [options] <word>");
    expect(out).toContain("Example:\n  $ medvox echo a.nii\n");
    expect(out).toContain("--json");
  });

  it("and the version", async () => {
    expect((await run("--version")).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe("refuseToOverwrite", () => {
  const folder = mkdtempSync(join(tmpdir(), "medvox-outputs-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  it("lets through what is not there, and empty folders", () => {
    refuseToOverwrite(join(folder, "new"), false);
    refuseToOverwrite(folder, false);
  });

  it("refuses files and full folders unless forced", () => {
    const file = join(folder, "file");
    writeFileSync(file, "x");
    expect(() => refuseToOverwrite(file, false)).toThrow(ConfigError);
    expect(() => refuseToOverwrite(folder, false)).toThrow(/is a folder with files in it; --force/);
    refuseToOverwrite(file, true);
    refuseToOverwrite(folder, true);
  });
});
