/** What `--help` says of defaults, held against what the commands come to: typing a default must change nothing. */
import { Command, type Option } from "commander";
import { beforeAll, describe, expect, it } from "vitest";
import type { CommandModule } from "./command.ts";
import { numberText } from "./defaults.ts";
import { commandOf, runCommandLine } from "./frame.ts";
import { type CommandEntry, commands } from "./table.ts";

const loaded: { entry: CommandEntry; module: CommandModule }[] = [];

beforeAll(async () => {
  for (const entry of commands) {
    const { command: module } = await entry.load();
    if (module.settings !== undefined) loaded.push({ entry, module });
  }
});

/** The configuration that a command line comes to; undefined where an option refuses its value. */
async function settings(module: CommandModule, argv: readonly string[]): Promise<Record<string, unknown> | undefined> {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  module.configure?.(command);
  try {
    command.parse(["--data", "DATA", ...argv], { from: "user" });
    return (await module.settings!(command.opts())) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** The default that an option's description names; of two, the one that holds with or without weights. */
function saidDefault({ description }: Option, from: string): string | undefined {
  const said = /\(default:? (.*)\)$/.exec(description)?.[1];
  const two = /^(.*) with weights to start from, else (.*)$/.exec(said ?? "");
  return two === null ? said : from === "none" ? two[2] : two[1];
}

const changedKeys = (before: Record<string, unknown>, after: Record<string, unknown>): string[] =>
  Object.keys(before).filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]));

/** Whether words stand for a value that is not a setting: nothing, or a whole object. */
const isWordless = (value: unknown): boolean => value === null || value === undefined || typeof value === "object";

describe.each(["none", "weights.safetensors"])("with --from %s", (from) => {
  it("typing what the help calls the default changes nothing, of every command that trains", async () => {
    const wrong: string[] = [];
    let typed = 0;
    for (const { entry, module } of loaded) {
      const before = await settings(module, ["--from", from]);
      expect(before, entry.name).toBeDefined();
      for (const option of commandOf(entry, module).options) {
        const text = saidDefault(option, from);
        if (text === undefined) continue;
        const after = await settings(module, ["--from", from, `${option.long}=${text}`]);
        // Words such as "from the plan" are refused, or stand for what is no setting.
        if (after === undefined) continue;
        const changed = changedKeys(before!, after).filter((key) => !isWordless(before![key]));
        if (changed.length > 0) wrong.push(`medvox ${entry.name} ${option.long} ${text}: ${changed.join(", ")}`);
        if (changedKeys(before!, after).length === 0) typed++;
      }
    }
    expect(wrong).toEqual([]);
    expect(loaded.map(({ entry }) => entry.name)).toEqual([
      "train segmentation",
      "train classification",
      "pretrain",
      "transfer segmentation",
      "transfer lung",
      "transfer liver",
      "transfer classification",
      "transfer nodule",
      "detect train",
    ]);
    expect(typed).toBeGreaterThan(100);
  });

  it("an option whose key has a value of its own says it", async () => {
    const silent: string[] = [];
    for (const { entry, module } of loaded) {
      const before = await settings(module, ["--from", from]);
      for (const option of commandOf(entry, module).options) {
        if (saidDefault(option, from) !== undefined || option.long === "--from") continue;
        // Whatever number or word it is given, it must be of a key that had none.
        for (const value of ["3", "sgd", "adam", "focal", "batch", "0.3"]) {
          const after = await settings(module, ["--from", from, `${option.long}=${value}`]);
          if (after === undefined || option.isBoolean()) continue;
          const changed = changedKeys(before!, after).filter((key) => !isWordless(before![key]) && key !== "data");
          if (changed.length > 0) silent.push(`medvox ${entry.name} ${option.long}: ${changed.join(", ")}`);
        }
      }
    }
    expect(silent).toEqual([]);
  });
});

describe("the help of the recipes of transfer", () => {
  const help = async (name: string): Promise<string> => {
    let text = "";
    const stream = { write: (part: string) => void (text += part) };
    await runCommandLine([...name.split(" "), "--help"], commands, {
      stdout: stream,
      stderr: stream,
      signal: new AbortController().signal,
    });
    return text.replaceAll(/\s+/g, " ");
  };

  it("lungs: transposed convolutions, Adam, their window, the rates of transfer", async () => {
    const text = await help("transfer lung");
    expect(text).toContain("transposed or denseAspp (default transposed)");
    expect(text).toContain("adamW, adam or sgd (default adam)");
    expect(text).toContain("(default -1000,400)");
    expect(text).toContain("learning rate (default 1e-4 with weights to start from, else 1e-3)");
  });

  it("the liver: DenseASPP, its window, the mean spacing", async () => {
    const text = await help("transfer liver");
    expect(text).toContain("(default denseAspp)");
    expect(text).toContain("(default -200,250)");
    expect(text).toContain("voxel size in mm (default the data set's mean)");
  });

  it("every preset of augmentation is named", async () => {
    expect(await help("train segmentation")).toContain("none, light, default, elastic, lesion (default default)");
    expect(await help("train classification")).toContain("none, light, default, elastic, lesion (default lesion)");
    expect(await help("detect train")).toContain(
      "of pictures none, flip, slide; of volumes none, light, default, lesion",
    );
  });
});

it("numbers are said as people type them", () => {
  expect([1e-3, 1e-4, 0.005, 0.05, 30, 64, 0.2, 0].map(numberText)).toEqual([
    "1e-3",
    "1e-4",
    "5e-3",
    "0.05",
    "30",
    "64",
    "0.2",
    "0",
  ]);
});
