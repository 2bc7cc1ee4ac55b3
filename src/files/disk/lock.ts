/**
 * One owner for a folder at a time, across processes and machines that share it. The lock is a file in the folder that names its
 * owner and is touched while the owner lives; what a killed process left is taken over by the rules of {@link isLiving}.
 */
import { randomUUID } from "node:crypto";
import { link, open, readFile, rename, stat, unlink } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { ConfigError } from "../../errors.ts";
import { writeError } from "./atomic.ts";
import { isLiving, type Owner, ownerPattern, ownerText, parseOwner, thisProcess } from "./owner.ts";

/** The name of the lock's file. */
export const lockName = ".medvox-lock";

/** How often an owner says that it lives, and after how long without a word it is taken for gone on another machine. */
const touchMs = 60_000;
const limitMs = 10 * touchMs;

/** A folder that is this process's until it lets go. */
export interface FolderLock {
  /** Lets go; the folder is free then. Safe to call twice, and leaves a lock alone that is no longer this one. */
  readonly release: () => Promise<void>;
  /** Aborts with a `ConfigError` when another process has taken the folder, as one may after ten minutes without a word. */
  readonly lost: AbortSignal;
}

interface LockText {
  readonly owner: string;
  readonly host: string;
  /** When the folder was taken. */
  readonly since: string;
  /** Tells one taking from every other. */
  readonly token: string;
}

/**
 * Takes a folder, which must exist.
 * @param does what is done with it, for messages: `a run that is trained`
 * @throws ConfigError while another process holds it (or this one, a second time), DataError where the lock cannot be written
 */
export async function lockFolder(folder: string, does = "it is in use"): Promise<FolderLock> {
  const path = join(folder, lockName);
  const text: LockText = {
    owner: ownerText(thisProcess),
    host: hostname(),
    since: new Date().toISOString(),
    token: randomUUID(),
  };
  // A file of its own first, so that the lock has its text from the first moment; its time is that of the file server.
  const candidate = join(folder, `.medvox-${ownerText(thisProcess)}-lock-${text.token}.tmp`);
  try {
    const file = await open(candidate, "wx");
    await file.writeFile(`${JSON.stringify(text)}\n`).finally(() => file.close());
    const nowMs = (await stat(candidate)).mtimeMs;
    while (!(await takeName(candidate, path))) {
      const found = await readLock(path);
      // Let go of in between.
      if (found === undefined) continue;
      if (found.isLiving(nowMs)) throw inUse(folder, found.text, does);
      await setAside(path, found.content);
    }
  } catch (error) {
    throw writeError(path, error);
  } finally {
    await unlink(candidate).catch(() => {});
  }
  return keep(folder, path, text, does);
}

/** Gives the candidate the lock's name, unless the name is taken. */
async function takeName(candidate: string, path: string): Promise<boolean> {
  try {
    await link(candidate, path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return false;
    if (code !== "EPERM" && code !== "ENOTSUP" && code !== "EOPNOTSUPP" && code !== "ENOSYS") throw error;
  }
  // A file system without hard links: the name is taken first and the text follows.
  try {
    const file = await open(path, "wx");
    await file.writeFile(await readFile(candidate)).finally(() => file.close());
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

interface FoundLock {
  readonly content: string;
  /** Undefined where it is none, as after a crash of the machine. */
  readonly text: LockText | undefined;
  readonly isLiving: (nowMs: number) => boolean;
}

async function readLock(path: string): Promise<FoundLock | undefined> {
  try {
    const content = await readFile(path, "utf8");
    const { mtimeMs } = await stat(path);
    const text = parseLock(content);
    const owner = text === undefined ? undefined : ownerOf(text);
    const isOpen = (nowMs: number) =>
      owner === undefined ? nowMs - mtimeMs < limitMs : isLiving(owner, nowMs - mtimeMs, limitMs);
    return { content, text, isLiving: isOpen };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function parseLock(content: string): LockText | undefined {
  try {
    const { owner, host, since, token } = JSON.parse(content) as Partial<Record<keyof LockText, unknown>>;
    return typeof owner === "string" &&
      typeof host === "string" &&
      typeof since === "string" &&
      typeof token === "string"
      ? { owner, host, since, token }
      : undefined;
  } catch {
    // Cut short; its age decides.
    return undefined;
  }
}

function ownerOf({ owner }: LockText): Owner | undefined {
  const match = new RegExp(`^${ownerPattern}$`).exec(owner);
  return match === null ? undefined : parseOwner(match.slice(1));
}

/** Removes a lock that was left behind; one that another process put there meanwhile is put back. */
async function setAside(path: string, content: string): Promise<void> {
  const aside = `${path}-${randomUUID()}.tmp`;
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  if ((await readFile(aside, "utf8")) !== content) await link(aside, path).catch(() => {});
  await unlink(aside).catch(() => {});
}

function keep(folder: string, path: string, text: LockText, does: string): FolderLock {
  const lost = new AbortController();
  const isOurs = async (): Promise<boolean> =>
    (await readLock(path).catch(() => undefined))?.text?.token === text.token;
  const touch = async (): Promise<void> => {
    // Written anew rather than given a time, so that the file server's clock counts and not this machine's.
    const file = await open(path, "r+").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    try {
      const content = (await file?.readFile("utf8")) ?? "";
      const found = parseLock(content);
      if (file !== undefined && found?.token === text.token) await file.write(content, 0);
      else lost.abort(inUse(folder, found, does));
    } finally {
      await file?.close();
    }
  };
  // A file server that does not answer for a minute is tried again the next.
  const timer = setInterval(() => void touch().catch(() => {}), touchMs);
  timer.unref();
  return {
    lost: lost.signal,
    release: async () => {
      clearInterval(timer);
      if (await isOurs()) await unlink(path).catch(() => {});
    },
  };
}

function inUse(folder: string, text: LockText | undefined, does: string): ConfigError {
  const owner = text === undefined ? undefined : ownerOf(text);
  const isThis = owner !== undefined && ownerText(owner) === ownerText(thisProcess);
  const who = isThis
    ? "by this process"
    : owner === undefined
      ? "by another process"
      : `by process ${owner.pid} on ${text?.host}`;
  const since = text === undefined ? "" : ` since ${text.since}`;
  return new ConfigError(`${folder}: ${does} ${who}${since}; wait until that ends, or stop it`);
}
