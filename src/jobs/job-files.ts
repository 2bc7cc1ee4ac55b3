/**
 * A job on disk: a folder with `job.json` (written aside and renamed) and `events.jsonl` (a numbered line an event). A torn last
 * line, left by a machine that stopped while writing, is dropped when the folder is opened.
 */
import { appendFile, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { checkDescription, checkedJson } from "../data/index.ts";
import { makeFolder, removeStaleTemporaries, writeError, writeFileAtomic } from "../files/index.ts";
import { type Job, type JobEvent, jobEvent, jobIdPattern, jobRecord } from "./job.ts";

const RECORD = "job.json";
const EVENTS = "events.jsonl";

export interface JobFiles {
  /** The folder of all jobs. */
  readonly root: string;
  folderOf(id: string): string;
  readAll(): Promise<{ readonly job: Job; readonly events: JobEvent[] }[]>;
  write(job: Job): Promise<void>;
  append(id: string, event: JobEvent): Promise<void>;
}

/** The jobs in a folder, which is made where it is not there. */
export function jobFiles(root: string): JobFiles {
  const folderOf = (id: string): string => join(root, id);
  return {
    root,
    folderOf,
    readAll: async () => {
      const entries = await readdir(root, { withFileTypes: true });
      const found: { job: Job; events: JobEvent[] }[] = [];
      for (const entry of entries) {
        if (!entry.isDirectory() || !jobIdPattern.test(entry.name)) continue;
        const folder = folderOf(entry.name);
        await removeStaleTemporaries(folder);
        const file = join(folder, RECORD);
        const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
          if (error.code === "ENOENT") return undefined;
          throw error;
        });
        // The server was stopped between making the folder and writing the record: nobody was told of this job.
        if (text === undefined) await rm(folder, { recursive: true });
        else {
          const job = checkDescription(jobRecord, checkedJson(jobRecord, text, file), file);
          found.push({ job, events: await readEvents(join(folder, EVENTS)) });
        }
      }
      return found;
    },
    write: async (job) => {
      await makeFolder(folderOf(job.id));
      await writeFileAtomic(join(folderOf(job.id), RECORD), `${JSON.stringify(job, null, 2)}\n`, { force: true });
    },
    append: async (id, event) => {
      const file = join(folderOf(id), EVENTS);
      await appendFile(file, `${JSON.stringify(event)}\n`).catch((error: unknown) => {
        throw writeError(file, error);
      });
    },
  };
}

/** The events of a file up to the first that is torn or out of order; what follows is cut off, so that numbers go on from there. */
async function readEvents(file: string): Promise<JobEvent[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  const events: JobEvent[] = [];
  let isWhole = text === "" || text.endsWith("\n");
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const event = parsed(line);
    if (event === undefined || event.n !== events.length + 1) {
      isWhole = false;
      break;
    }
    events.push(event);
  }
  if (!isWhole)
    await writeFileAtomic(file, events.map((event) => `${JSON.stringify(event)}\n`).join(""), { force: true });
  return events;
}

function parsed(line: string): JobEvent | undefined {
  try {
    const { data } = jobEvent.safeParse(JSON.parse(line));
    return data;
  } catch {
    return undefined;
  }
}
