/** Most resident memory a process has had. */
import { readFileSync } from "node:fs";

/** Linux's maxRSS starts from the process that spawned this one; VmHWM does not. Undefined where the system does not tell of others. */
export function peakBytes(pid: number | "self" = "self"): number | undefined {
  try {
    const line = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    if (line !== null) return Number(line[1]) * 1024;
  } catch {
    // No /proc: another system, or the process has ended.
  }
  return pid === "self" ? process.resourceUsage().maxRSS * 1024 : undefined;
}
