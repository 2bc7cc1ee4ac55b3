/** Commands and measuring processes of their own, and what they print. */
import { spawn } from "node:child_process";

/** Standard output of a command; its standard error is shown as it comes. @throws Error where it does not end with 0 */
export function output(
  command: string,
  args: readonly string[],
  { signal, cwd }: { readonly signal?: AbortSignal; readonly cwd?: string } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, signal, stdio: ["ignore", "pipe", "inherit"] });
    const parts: Buffer[] = [];
    child.stdout.on("data", (part: Buffer) => parts.push(part));
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(Buffer.concat(parts).toString());
      else reject(new Error(`${command} ${args.join(" ")} ended with code ${code}`));
    });
  });
}

/** What a script prints as JSON for a job given as JSON, in a process of its own, whose memory is nobody else's. */
export async function measuredApart<Job extends object, Figures>(script: string, job: Job): Promise<Figures> {
  return JSON.parse(await output(process.execPath, [...process.execArgv, script, JSON.stringify(job)])) as Figures;
}
