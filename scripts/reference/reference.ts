/**
 * `npm run reference`: writes docs/reference (the command line, configurations, the TypeScript API) and schemas/ (JSON Schemas for
 * editors) from the sources. A test fails where they differ from what is checked in.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildIfStale } from "../build.ts";
import { apiPages } from "./api.ts";
import { commandsPage } from "./commands.ts";
import { configuration } from "./configuration.ts";

/** Folders in which nothing else lies. */
const own = ["docs/reference/api", "schemas"];

/** Every file of the reference by its path below `root`. Reads the declarations in `dist`, which must be fresh. */
export async function reference(root: string): Promise<Map<string, string>> {
  const { page, schemas } = configuration(root);
  const files = new Map([
    ["docs/reference/commands.md", await commandsPage()],
    ["docs/reference/configuration.md", page],
    ...Object.entries(schemas).map(
      ([name, schema]) => [`schemas/${name}.json`, JSON.stringify(schema, null, 2)] as const,
    ),
    ...apiPages(root),
  ]);
  return new Map([...files].map(([path, text]) => [path, `${text.trimEnd()}\n`]));
}

/** Files in the reference's own folders that it no longer writes. */
export function leftOver(root: string, files: ReadonlyMap<string, string>): string[] {
  return own
    .flatMap((folder) => readdirSync(join(root, folder)).map((name) => `${folder}/${name}`))
    .filter((path) => !files.has(path));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  buildIfStale();
  const files = await reference(root);
  for (const folder of own) mkdirSync(join(root, folder), { recursive: true });
  for (const path of leftOver(root, files)) rmSync(join(root, path));
  for (const [path, text] of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    const before = readFileSync(join(root, path), { encoding: "utf8", flag: "a+" });
    if (before === text) continue;
    writeFileSync(join(root, path), text);
    console.log(path);
  }
}
