/** The file of `--config`, and others that hold an object. */
import { readFile } from "node:fs/promises";
import { ConfigError } from "../errors.ts";

/** @throws ConfigError for what cannot be read or is no object */
export async function readConfig(path: string, option = "--config"): Promise<Record<string, unknown>> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new ConfigError(`${option} ${path}: cannot be read (${error.code})`);
  });
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch (error) {
    throw new ConfigError(`${option} ${path}: is not JSON (${(error as Error).message})`);
  }
  if (typeof config !== "object" || config === null || Array.isArray(config))
    throw new ConfigError(
      `${option} ${path}: must be an object${option === "--config" ? ' of settings, e.g. { "epochs": 30 }' : ""}`,
    );
  // Names the JSON Schema for editors.
  const { $schema: _, ...settings } = config as Record<string, unknown>;
  return settings;
}

/** Options over a file's keys; what nobody gave is left out. */
export function over<Request extends object>(file: object, given: object): Request {
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return { ...file, ...set } as Request;
}
