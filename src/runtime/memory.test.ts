/** A short form of `bench/memory-cycles.ts`, which does 500 cycles, in a process of its own. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { nightly } from "../../test/nightly.ts";

const script = fileURLToPath(new URL("../../bench/memory-cycles.ts", import.meta.url));

async function cycles(...options: string[]): Promise<{ growthMb: number; allowedMb: number }> {
  const asked = ["--import", "tsx", script, "--cycles", "60", ...options];
  const { stdout } = await promisify(execFile)(process.execPath, asked).catch((error: { stdout: string }) => error);
  return JSON.parse(stdout) as { growthMb: number; allowedMb: number };
}

// The cycles take minutes on a busy machine, and how long they take says nothing about memory.
const noLimit = { timeout: 3_600_000 };

test.skipIf(!nightly)("resident memory stays flat while models come and go", noLimit, async () => {
  const { growthMb, allowedMb } = await cycles();
  expect(growthMb).toBeLessThan(allowedMb);
});

test.skipIf(!nightly)("half a model kept in every cycle would be found", noLimit, async () => {
  const { growthMb, allowedMb } = await cycles("--leak-mb", "1.5");
  expect(growthMb).toBeGreaterThan(allowedMb);
});
