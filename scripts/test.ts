/**
 * `npm test`: builds, then runs every check and every test, and closes with one plain line, `N passed, N failed`.
 * A check (types, format, layers, package) counts as one. Arguments go to vitest: `npm test -- src/weights`. `--nightly`
 * (`npm run test:nightly`) adds what takes longest: demos, depths above 100, whole counts of damaged files, memory over many cycles,
 * trainings that are killed and resumed.
 *
 * A test that needs the folder `../shared` (real data sets, too large for the repository) is skipped where that folder
 * is absent; which ones is said at the end, so that a skipped test is never mistaken for a passed one.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** The part of vitest's JSON report that is read here. */
export interface VitestReport {
  testResults: {
    name: string;
    status: string;
    message?: string;
    assertionResults: { status: string; fullName: string }[];
  }[];
}

export interface Summary {
  passed: number;
  failed: number;
  /** Skipped tests by file. */
  skipped: Map<string, string[]>;
}

/** Counts a report. A file that failed to load has no tests to count, so it counts as one failure. */
export function summarize(report: VitestReport, root: string): Summary {
  const summary: Summary = { passed: 0, failed: 0, skipped: new Map() };
  for (const file of report.testResults) {
    const tests = file.assertionResults;
    const failed = tests.filter((test) => test.status === "failed").length;
    summary.passed += tests.filter((test) => test.status === "passed").length;
    summary.failed += file.status === "failed" && failed === 0 ? 1 : failed;
    const skipped = tests.filter((test) => test.status !== "passed" && test.status !== "failed");
    if (skipped.length > 0) {
      summary.skipped.set(
        relative(root, file.name),
        skipped.map((test) => test.fullName),
      );
    }
  }
  return summary;
}

export function describeSkipped(
  skipped: ReadonlyMap<string, readonly string[]>,
  sharedIsThere: boolean,
  nightly = true,
): string {
  const count = [...skipped.values()].reduce((sum, tests) => sum + tests.length, 0);
  if (count === 0) return sharedIsThere ? "no test was skipped" : "no test was skipped (../shared is absent)";
  const reason = [
    ...(sharedIsThere ? [] : ["; ../shared is absent, so what needs its data sets did not run"]),
    ...(nightly ? [] : ["; npm run test:nightly also runs what takes longest"]),
  ].join("");
  const lines = [`${count} ${count === 1 ? "test" : "tests"} skipped${reason}:`];
  for (const [file, tests] of skipped) lines.push(`  ${file}`, ...tests.map((test) => `    ${test}`));
  return lines.join("\n");
}

function main(): void {
  const root = fileURLToPath(new URL("..", import.meta.url));
  // The package check calls npm; newer versions of it warn at each call about a setting of .npmrc that older ones need.
  const nightly = process.argv.includes("--nightly");
  const rest = process.argv.slice(2).filter((argument) => argument !== "--nightly");
  const env = { ...process.env, npm_config_loglevel: "error", ...(nightly && { MEDVOX_NIGHTLY: "1" }) };
  const run = (name: string, command: string, args: readonly string[]): boolean => {
    console.log(`\n── ${name}: ${command} ${args.join(" ")}`);
    const result = spawnSync(join(root, "node_modules", ".bin", command), args, {
      cwd: root,
      stdio: "inherit",
      env,
      shell: process.platform === "win32",
    });
    return result.status === 0;
  };
  const checks: [name: string, command: string, args: string[]][] = [
    ["build", "tsx", ["scripts/build.ts"]],
    ["types", "tsc", ["--noEmit"]],
    ["format and lint", "biome", ["check"]],
    ["layers", "tsx", ["scripts/check-layers.ts"]],
    ["package", "publint", ["--strict"]],
    ["package types", "attw", ["--pack", ".", "--profile", "esm-only"]],
  ];
  const failedChecks = checks.filter(([name, command, args]) => !run(name, command, args)).map(([name]) => name);

  const work = join(root, "results", "work");
  mkdirSync(work, { recursive: true });
  const reportPath = join(work, "vitest.json");
  rmSync(reportPath, { force: true });
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${relative(root, reportPath)}`];
  const vitestIsClean = run("tests", "vitest", ["run", ...reporters, ...rest]);
  const summary: Summary = existsSync(reportPath)
    ? summarize(JSON.parse(readFileSync(reportPath, "utf8")) as VitestReport, root)
    : { passed: 0, failed: 1, skipped: new Map() };
  // Vitest also fails for what no test stands for, such as an unhandled rejection.
  if (!vitestIsClean && summary.failed === 0) summary.failed = 1;

  console.log(`\n${describeSkipped(summary.skipped, existsSync(join(root, "..", "shared")), nightly)}`);
  if (failedChecks.length > 0) console.log(`failed checks: ${failedChecks.join(", ")}`);
  const failed = summary.failed + failedChecks.length;
  console.log(`${summary.passed + checks.length - failedChecks.length} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
