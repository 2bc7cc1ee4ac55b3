/**
 * `npm run reference`: writes docs/reference (the command line, configurations, the TypeScript API) and schemas/ (JSON Schemas for
 * editors) from the sources. A test fails where they differ from what is checked in.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { detectionConfigSchema, detectorSchema } from "../../src/rcnn/index.ts";
import { buildIfStale } from "../build.ts";
import { apiPages } from "./api.ts";
import { commandsPage } from "./commands.ts";
import { configuration, describedSchema } from "./configuration.ts";
import { settingsFile } from "./settings.ts";

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
    ...settingsFiles(root),
  ]);
  return new Map([...files].map(([path, text]) => [path, `${text.trimEnd()}\n`]));
}

/** The types of configurations by the path of their file. */
export function settingsFiles(root: string): Map<string, string> {
  const detector = (io: "input" | "output") => describedSchema(root, detectorSchema, "detectorSchema", io);
  const detection = (io: "input" | "output") =>
    describedSchema(root, detectionConfigSchema, "detectionConfigSchema", io);
  const head = { "regions.head": '"fc" | "layer4" | "custom" | RegionHead' };
  return new Map([
    [
      "src/rcnn/network/settings.generated.ts",
      settingsFile(
        "The settings of a detector.",
        ['import type { RegionHead } from "./head.ts";'],
        [
          {
            name: "DetectorSettings",
            about: "The settings of a detector as they are given: what has a default may be left out.",
            schema: detector("input"),
            use: "input",
            types: head,
          },
          {
            name: "DetectorConfig",
            about: "The settings of a detector, whole.",
            schema: detector("output"),
            use: "output",
            types: head,
          },
        ],
      ),
    ],
    [
      "src/rcnn/request.generated.ts",
      settingsFile(
        "What a detection training is told.",
        ['import type { DetectorChanges } from "./network/config.ts";'],
        [
          {
            name: "DetectionRequest",
            about: "What a detection training is asked for: what has a default may be left out.",
            schema: detection("input"),
            use: "input",
            types: { detector: "DetectorChanges" },
          },
          {
            name: "DetectionConfig",
            about: "What a detection training is told, whole, as `run.json` keeps it.",
            schema: detection("output"),
            use: "output",
            types: { detector: "DetectorChanges" },
          },
        ],
      ),
    ],
  ]);
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
