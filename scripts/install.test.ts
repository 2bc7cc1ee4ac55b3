/**
 * medvox as a project of one's own gets it: packed in this clone, installed from the file, used as README.md says. The test needs
 * no network: it unpacks what `npm pack` made into `node_modules/medvox` and links the dependencies that the packed package.json
 * names to those of this repository, where a registry's would lie. So a file that is not packed, a dependency that is
 * not declared and an entry that does not resolve all fail here; npm's own fetching is npm's to test.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildIfStale } from "./build.ts";
import { blocksOf } from "./documents.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const project = mkdtempSync(join(realpathSync(tmpdir()), "medvox-project-"));
const packed = join(project, "node_modules/medvox");
const readme = { path: "README.md", text: readFileSync(join(root, "README.md"), "utf8") };
/** On Windows npm and npx are scripts of the shell. */
const shell = process.platform === "win32";

interface Manifest {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, unknown>>;
}
let manifest: Manifest;

beforeAll(() => {
  buildIfStale();
  // `--ignore-scripts`: prepack would build once more.
  const said = execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", project], {
    cwd: root,
    encoding: "utf8",
    shell,
  });
  const [{ filename }] = JSON.parse(said) as [{ filename: string }];
  mkdirSync(packed, { recursive: true });
  execFileSync("tar", ["-xzf", join(project, filename), "--strip-components=1", "-C", packed]);
  manifest = JSON.parse(readFileSync(join(packed, "package.json"), "utf8"));
  for (const name of Object.keys(manifest.dependencies)) link(join(root, "node_modules", name), name);
  for (const [name, file] of Object.entries(manifest.bin)) {
    mkdirSync(join(project, "node_modules/.bin"), { recursive: true });
    symlinkSync(join(packed, file), join(project, "node_modules/.bin", name));
  }
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "my-project", version: "1.0.0" }));
}, 240_000);
afterAll(() => rmSync(project, { recursive: true, force: true }));

function link(target: string, name: string): void {
  const path = join(project, "node_modules", name);
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(target, path, "junction");
}

/** Starts a program in the project, where no registry can be reached. */
function run(command: string, ...args: string[]) {
  const env = { ...process.env, npm_config_offline: "true", NODE_PATH: "" };
  return spawnSync(command, args, { cwd: project, encoding: "utf8", env, shell: shell && command === "npx" });
}

describe("a project that medvox is installed in", () => {
  it("is made as README.md says: from the file that npm pack leaves", () => {
    const file = `medvox-${manifest.version}.tgz`;
    expect(readme.text).toContain("npm ci && npm pack\n");
    expect(readme.text).toContain(`npm install --ignore-scripts ./${file}\n`);
  });

  it("has the command: npx medvox doctor", { timeout: 120_000 }, () => {
    const { status, stdout, stderr } = run("npx", "medvox", "doctor", "--json");
    expect(status, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ versions: { medvox: manifest.version } });
  });

  it("type-checks and runs README.md's program", { timeout: 240_000 }, () => {
    const programs = blocksOf(readme).filter(({ language }) => language === "ts");
    expect(programs).toHaveLength(1);
    writeFileSync(join(project, "first.mts"), programs[0].text);
    writeFileSync(join(project, "first.mjs"), programs[0].text);
    const compilerOptions = { module: "nodenext", target: "es2023", lib: ["es2023", "dom"], types: [], strict: true };
    writeFileSync(
      join(project, "tsconfig.json"),
      JSON.stringify({ compilerOptions: { ...compilerOptions, noEmit: true }, files: ["first.mts"] }),
    );
    const checked = run(process.execPath, join(root, "node_modules/typescript/bin/tsc"), "-p", project);
    expect(checked.stdout).toBe("");
    expect(checked.status).toBe(0);
    const { status, stdout, stderr } = run(process.execPath, "first.mjs");
    expect(status, stderr).toBe(0);
    const losses = [...stdout.matchAll(/^\d+ (\d[\d.e-]*)$/gm)].map(([, loss]) => Number(loss));
    expect(losses).toHaveLength(5);
    expect(losses[4]).toBeLessThan(losses[0]);
    expect(stdout).toContain("Float32Array(8)");
  });

  it("has every entry of package.json", () => {
    const entries = Object.keys(manifest.exports);
    const names = entries.map((entry) => `medvox${entry.slice(1)}`).filter((name) => !name.endsWith("package.json"));
    const script = names.map((name) => `await import(${JSON.stringify(name)});`).join("\n");
    const { status, stderr } = run(process.execPath, "--input-type=module", "--eval", script);
    expect(status, stderr).toBe(0);
  });
});
