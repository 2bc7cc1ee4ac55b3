/**
 * The demos as a newcomer runs them: `npm ci` in an empty folder, timed, then `npm run demo`, timed and scored; and
 * `npm run demo -- --detect`, timed and scored.
 */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { judged, significant } from "../bounds.ts";
import { output } from "../process.ts";
import { type Result, type Row, writeResult } from "../results.ts";

interface DemoDocument {
  readonly cases: number;
  readonly train: number;
  readonly seconds: number;
  readonly hd95Mm: number | null;
  readonly dice: { readonly mean: number | null; readonly classes: Readonly<Record<string, number | null>> };
}

interface DetectionDemoDocument {
  readonly images: number;
  readonly train: number;
  readonly seconds: number;
  readonly ap50: number | null;
  readonly ap: number | null;
  readonly classes: Readonly<Record<string, { readonly ap50: number | null }>>;
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
  return said(result, say);
}

export async function detectionDemoAccuracy({ say, signal }: DemoOptions): Promise<Result> {
  const document = JSON.parse(
    await output("npm", ["run", "--silent", "demo", "--", "--detect", "--json"], { signal }),
  ) as DetectionDemoDocument;
  const { ap50, ap, classes, images, train, seconds } = document;
  const row = (figure: string, value: number | null, digits: number, bound?: Parameters<typeof judged>[1]): Row => ({
    figure,
    value: rounded(value, digits),
    ...judged(value, bound),
  });
  const result = writeResult(
    "accuracy-demo-detect",
    [
      row("mean AP50, held-out pictures", ap50, 4, { atLeast: 0.75 }),
      ...Object.entries(classes).map(([name, one]) => row(`AP50, ${name}`, one.ap50, 4)),
      row("AP, IoU 0.5 to 0.95", ap, 4),
      row("held-out pictures", images, 6),
      row("trained pictures", train, 6),
      row("seconds of medvox demo --detect", seconds, 3, { atMost: 600 }),
    ],
    {
      command: "npm run accuracy -- demo-detect",
      columns: [{ key: "figure" }, { key: "value" }, { key: "bound" }, { key: "verdict", title: "" }],
    },
  );
  return said(result, say);
}

function said(result: Result, say: DemoOptions["say"]): Result {
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
