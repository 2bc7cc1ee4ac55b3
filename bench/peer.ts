/** The harness's end of a peer: a long-lived process that answers JSON lines (see `bench/peers/peer.py`). */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export type Answer = Readonly<Record<string, unknown>>;

const PEERS = fileURLToPath(new URL("./peers", import.meta.url));

/** A Python that has these modules: MEDVOX_PEER_PYTHON, or `python3`; undefined where there is none. */
export function findPython(modules: readonly string[]): string | undefined {
  const candidates = [process.env.MEDVOX_PEER_PYTHON, "python3"].filter((path) => path !== undefined);
  return candidates.find((python) => {
    try {
      // Looked for, not imported: importing torch takes seconds.
      const found = modules.map((name) => `__import__("importlib.util").util.find_spec("${name}") is not None`);
      const code = `import importlib.util, sys; sys.exit(0 if ${found.join(" and ")} else 1)`;
      execFileSync(python, ["-c", code], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  });
}

export class Peer {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void }[] = [];
  #errors = "";
  #ended: Error | undefined;

  constructor(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(command, args, { env: { ...process.env, ...env } });
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.#answer(line));
    this.#child.stderr.on("data", (part: Buffer) => {
      this.#errors = (this.#errors + part.toString()).slice(-4000);
    });
    // Writing to a process that has ended; `close` tells why.
    this.#child.stdin.on("error", () => {});
    this.#child.on("error", (error) => this.#end(error));
    this.#child.on("close", (code) => this.#end(new Error(`${args[0]}: ended with code ${code}\n${this.#errors}`)));
  }

  /** A script of `bench/peers` in Python. */
  static python(python: string, script: string): Peer {
    return new Peer(python, [join(PEERS, script)]);
  }

  /** A script of `bench/peers` in Node. */
  static node(script: string, args: readonly string[]): Peer {
    return new Peer(process.execPath, [join(PEERS, script), ...args]);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  ask(request: Answer): Promise<Answer> {
    if (this.#ended) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    });
  }

  async close(): Promise<void> {
    if (this.#ended) return;
    const ended = new Promise<void>((resolve) => this.#child.once("close", () => resolve()));
    this.#child.stdin.end('{"cmd": "quit"}\n');
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 5000);
    await ended;
    clearTimeout(timer);
  }

  #answer(line: string): void {
    const waiting = this.#waiting.shift();
    const answer = JSON.parse(line) as Answer;
    if (answer.error === undefined) waiting?.resolve(answer);
    else waiting?.reject(new Error(`${String(answer.error)}\n${this.#errors}`));
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#ended);
  }
}

/** Processor seconds a process has used, all threads; NaN where the system does not tell. */
export function cpuSeconds(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // After the name, which may hold spaces: state is field 3, utime 14, stime 15; 100 ticks a second.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return Number.NaN;
  }
}
