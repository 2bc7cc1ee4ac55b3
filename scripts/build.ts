/**
 * `npm run build`: compiles `src` to `dist` with declarations, drops what no longer has a source, and makes the
 * command executable. `buildIfStale` is for tests that start the command as a user does.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = join(root, "dist");

export function build(): void {
  dropOrphans();
  try {
    execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.build.json"], {
      cwd: root,
      stdio: "inherit",
    });
  } finally {
    const bin = join(dist, "cli/main.js");
    if (existsSync(bin)) chmodSync(bin, 0o755);
  }
}

/** Builds only where a source is newer than the last build. */
export function buildIfStale(): void {
  const stamp = join(dist, ".tsbuildinfo");
  const built = existsSync(stamp) ? statSync(stamp).mtimeMs : 0;
  const newest = Math.max(...filesBelow(join(root, "src")).map((path) => statSync(path).mtimeMs));
  if (newest > built) build();
}

/** A file in `dist` whose source was renamed or removed would still be packed, and still be imported. */
function dropOrphans(): void {
  if (!existsSync(dist)) return;
  for (const path of filesBelow(dist)) {
    const match = /^(.*?)(\.d\.ts|\.js)$/.exec(path.slice(dist.length + 1));
    if (match && !existsSync(join(root, "src", `${match[1]}.ts`))) rmSync(path);
  }
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    build();
  } catch {
    // The compiler has already printed what is wrong.
    process.exitCode = 1;
  }
}
