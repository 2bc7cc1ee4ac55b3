/**
 * `medvox` for tests. Most of them ask for answers, and get them in this process: a start of Node and of all that a command loads takes
 * longer than most answers. What only a process of its own shows (signals, exit status, pipes, the built files) asks for one by name.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";
import { runCommandLine } from "../../src/cli/frame.ts";
import { commands } from "../../src/cli/table.ts";

/** What a command ended with. */
export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The built command's file. */
export const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** Runs a command line in this process, in its working folder, as a pipe and not a terminal would see it. */
export async function medvox(...args: string[]): Promise<Ended> {
  let [stdout, stderr] = ["", ""];
  const status = await runCommandLine(args, commands, {
    stdout: { write: (text) => void (stdout += text) },
    stderr: { write: (text) => void (stderr += text) },
    signal: new AbortController().signal,
  });
  return { status, stdout, stderr };
}

/** Runs the built command in a process of its own. */
export function medvoxProcess(...args: string[]): Ended {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: "utf8" });
  return { status, stdout, stderr };
}

/** A folder for a test file's work, which is the working folder until the file is through, and is then removed. */
export function workFolder(name: string): string {
  const before = process.cwd();
  const folder = mkdtempSync(join(tmpdir(), `medvox-${name}-`));
  process.chdir(folder);
  afterAll(() => {
    process.chdir(before);
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}
