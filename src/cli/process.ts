/** The process around the frame: signals, broken pipes, output that is still under way, and the exit status. */
import { interrupted } from "./failure.ts";
import { reportFailure, runCommandLine } from "./frame.ts";
import type { CommandEntry } from "./table.ts";

/** Runs the process's own command line with these commands, and ends the process. */
export async function runProcess(commands: readonly CommandEntry[]): Promise<never> {
  const { stdout, stderr } = process;

  // A reader that has gone (`medvox info x | head -1`) is no reason to stop, let alone to crash: a training run goes on.
  for (const stream of [stdout, stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }

  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      if (stop.signal.aborted) {
        // An orderly exit would wait for, or crash in, the engine's native thread: the system ends it, and shells see 128 + the signal.
        process.removeAllListeners(name);
        process.kill(process.pid, name);
      }
      stop.abort(interrupted("stopped"));
      stderr.write("\nstopping after this step; once more to stop at once\n");
    });
  }

  const argv = process.argv.slice(2);
  const io = { stdout, stderr, signal: stop.signal };
  // An error thrown outside any awaited call (in a timer, an event) is a fault; it is told like every other.
  process.on("uncaughtException", (error) => void leave(reportFailure(error, argv, io)));
  return leave(await runCommandLine(argv, commands, io));
}

/** Output to a pipe is asynchronous: leave only when it is through, and then leave, whatever still holds the process. */
async function leave(status: number): Promise<never> {
  for (const stream of [process.stdout, process.stderr]) {
    await new Promise<void>((done) => {
      if (stream.destroyed) done();
      else stream.write("", () => done());
    });
  }
  process.exit(status);
}
