/** How an interruption is told: with the command that goes on. */
import { MedvoxError } from "../errors.ts";
import { commandLine } from "../text/index.ts";

/** Adds to an interruption how to go on with a run. */
export function stoppedAt(out: string): (error: unknown) => never {
  return stoppedBefore(`resume with: ${commandLine(["medvox", "train", "--resume", out])}`);
}

/** Adds to an interruption what to do next. */
export function stoppedBefore(next: string): (error: unknown) => never {
  return (error) => {
    // One with a cause comes from a training and says how far it came; the bare reason of Ctrl-C came before there was anything to go on with.
    if (error instanceof MedvoxError && error.code === "E_INTERRUPTED" && error.cause !== undefined)
      error.message += `; ${next}`;
    throw error;
  };
}
