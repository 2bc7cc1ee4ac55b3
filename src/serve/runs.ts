/** The runs in a server's folder, by the names of their folders. */
import { existsSync } from "node:fs";
import { readdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import { folderStore, isFinished, type LogLine, MODEL, RUN, readFrame, readLog } from "../train/index.ts";
import { confined, namePattern } from "./http/ids.ts";
import { notThere } from "./http/refusal.ts";

export interface ServedRun {
  readonly id: string;
  readonly folder: string;
  readonly task: string;
  readonly begun: string;
  readonly finished: boolean;
  readonly data: string;
  readonly epochs: number;
  readonly report: boolean;
  readonly model: boolean;
  readonly config: Readonly<Record<string, unknown>>;
  readonly log: readonly LogLine[];
}

const REPORT = "report.html";

/** All runs that can be read, the newest first. */
export async function listRuns(root: string): Promise<ServedRun[]> {
  const names = (await readdir(root).catch(() => [])).filter((name) => namePattern.test(name));
  const found: ServedRun[] = [];
  for (const id of names)
    if (existsSync(join(root, id, RUN))) {
      // One that was damaged keeps nobody from the others.
      const run = await openServedRun(root, id).catch(() => undefined);
      if (run !== undefined) found.push(run);
    }
  return found.sort((a, b) => (a.begun < b.begun ? 1 : -1));
}

/** @throws Refusal where there is none of that name */
export async function openServedRun(root: string, id: string): Promise<ServedRun> {
  if (!namePattern.test(id) || !existsSync(join(root, id, RUN))) throw notThere("run");
  const folder = await confined(root, join(root, id));
  const store = folderStore(folder);
  const { task, begun, config, credit } = await readFrame(store);
  const log = await readLog(store);
  return {
    id,
    folder,
    task,
    begun,
    finished: await isFinished(store),
    data: credit.name,
    epochs: log.filter(({ event }) => event === "epoch").length,
    report: existsSync(join(folder, REPORT)),
    model: existsSync(join(folder, MODEL)),
    config: config as Record<string, unknown>,
    log,
  };
}

/** A file of a run. @throws Refusal where it has none */
export async function fileOfRun(root: string, id: string, file: typeof REPORT | typeof MODEL): Promise<string> {
  const { folder } = await openServedRun(root, id);
  return confined(await realpath(folder), join(folder, file));
}

export { MODEL, REPORT };
