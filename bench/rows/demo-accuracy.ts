/** The demo as a newcomer runs it: `npm ci` in an empty folder, timed, then `npm run demo`, timed and scored. */
import { spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { judged, significant } from "../bounds.ts";
import { type Result, writeResult } from "../results.ts";

interface DemoDocument {
  readonly cases: number;
  readonly train: number;
  readonly seconds: number;
  readonly hd95Mm: number | null;
  readonly dice: { readonly mean: number | null; readonly classes: Readonly<Record<string, number | null>> };
}

export interface DemoOptions {
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

export async function demoAccuracy({ say, signal }: DemoOptions): Promise<Result> {
  const install = await installSeconds(signal, say);
  const began = performance.now();
  const document = JSON.parse(
    await output("npm", ["run", "--silent", "demo", "--", "--json"], { signal }),
  ) as DemoDocument;
  const seconds = (performance.now() - began) / 1000;
  const { dice, hd95Mm } = document;
  const all = install === null ? null : seconds + install;
  const free = { bound: null, verdict: null };
  const result = writeResult(
    "accuracy-demo",
    [
      {
        figure: "mean Dice, held-out cases",
        value: rounded(dice.mean, 4),
        ...judged(dice.mean, { atLeast: 0.8 }),
      },
      ...Object.entries(dice.classes).map(([name, value]) => ({
        figure: `Dice, ${name}`,
        value: rounded(value, 4),
        ...free,
      })),
      { figure: "HD95, mm", value: rounded(hd95Mm, 3), ...free },
      { figure: "held-out cases", value: document.cases, ...free },
      { figure: "trained cases", value: document.train, ...free },
      {
        figure: "seconds, npm ci and npm run demo",
        value: rounded(all ?? seconds, 3),
        ...judged(all ?? seconds, { atMost: 300 }),
      },
      { figure: "seconds of npm ci", value: rounded(install, 3), ...free },
      { figure: "seconds of medvox demo alone", value: rounded(document.seconds, 3), ...free },
    ],
    {
      command: "npm run accuracy -- demo",
      columns: [{ key: "figure" }, { key: "value" }, { key: "bound" }, { key: "verdict", title: "" }],
      notes:
        install === null ? ["npm ci could not be timed here (no registry); its seconds are not counted."] : undefined,
    },
  );
  for (const { figure, value, bound, verdict } of result.rows)
    say(`${String(figure).padEnd(36)}${String(value).padEnd(16)}${bound === null ? "" : `${bound}  ${verdict}`}`);
  return result;
}

const rounded = (value: number | null, digits: number): number | null =>
  value === null ? null : significant(value, digits);

/** How long `npm ci` takes on a bare clone; null where the registry cannot be reached. */
async function installSeconds(signal: AbortSignal, say: (line: string) => void): Promise<number | null> {
  const folder = mkdtempSync(join(tmpdir(), "medvox-install-"));
  try {
    for (const name of ["package.json", "package-lock.json", ".npmrc"]) copyFileSync(name, join(folder, name));
    const began = performance.now();
    await output("npm", ["ci", "--no-audit", "--no-fund"], { signal, cwd: folder });
    return (performance.now() - began) / 1000;
  } catch (error) {
    if (signal.aborted) throw error;
    say(`npm ci: ${(error as Error).message}`);
    return null;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Standard output of a command; its standard error is shown as it comes. */
function output(
  command: string,
  args: readonly string[],
  { signal, cwd }: { signal: AbortSignal; cwd?: string },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, signal, stdio: ["ignore", "pipe", "inherit"] });
    const parts: Buffer[] = [];
    child.stdout.on("data", (part: Buffer) => parts.push(part));
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(Buffer.concat(parts).toString());
      else reject(new Error(`${command} ${args.join(" ")} ended with code ${code}`));
    });
  });
}
