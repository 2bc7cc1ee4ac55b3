/**
 * Whose a file is that one process leaves for a while: a temporary, a lock. A process id says nothing on another machine, in another
 * container or after a restart, so an owner is a place (machine, start of its system, name space of its process ids), a process id
 * and the moment that process began. In the same place the system knows whether the process lives; of other places only the
 * file's age tells anything.
 */
import { createHash } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** A process, told apart from all others on all machines that share a folder. */
export interface Owner {
  /** Machine, start of the system and name space of process ids, as 12 letters; equal where process ids mean the same. */
  readonly place: string;
  readonly pid: number;
  /** Ticks of the system at which the process began, which tells it from a later one of the same id; 0 where the system hides it. */
  readonly start: number;
}

/** This process. */
export const thisProcess: Owner = Object.freeze({ place: placeName(), pid: process.pid, start: startOf(process.pid) });

/** `PLACE-PID-START`, as it stands in names of files. */
export function ownerText({ place, pid, start }: Owner): string {
  return `${place}-${pid}-${start}`;
}

/** An expression for {@link ownerText} with three groups, for {@link parseOwner}. */
export const ownerPattern = "([0-9a-f]{12})-(\\d{1,10})-(\\d{1,15})";

/** The owner from the groups of {@link ownerPattern}. */
export function parseOwner([place, pid, start]: readonly string[]): Owner {
  return { place, pid: Number(pid), start: Number(start) };
}

/**
 * Whether an owner lives: asked of the system where its process ids are ours; elsewhere it counts as living until its file has not
 * been touched for `limitMs`.
 * @param ageMs time since its file was last written
 */
export function isLiving(owner: Owner, ageMs: number, limitMs: number): boolean {
  if (owner.place !== thisProcess.place) return ageMs < limitMs;
  if (owner.pid === thisProcess.pid) return owner.start === thisProcess.start;
  if (!answers(owner.pid)) return false;
  const start = startOf(owner.pid);
  return start === 0 || owner.start === 0 || start === owner.start;
}

function answers(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Someone else's process.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function placeName(): string {
  const parts = [hostname(), textOf("/proc/sys/kernel/random/boot_id"), linkOf("/proc/self/ns/pid")];
  return createHash("sha256").update(parts.join("\n")).digest("hex").slice(0, 12);
}

/** The 22nd word of Linux's account of a process, counted after its name, which is in brackets and may hold anything. */
function startOf(pid: number): number {
  const account = textOf(`/proc/${pid}/stat`);
  const words = account.slice(account.lastIndexOf(")") + 2).split(" ");
  const start = Number(words[19] ?? 0);
  return Number.isSafeInteger(start) ? start : 0;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    // Other systems have no such file; the host's name and the process id remain.
    return "";
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
