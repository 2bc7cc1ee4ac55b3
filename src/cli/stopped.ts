/** How an interruption is told: with the command that goes on. */
import { commandLine } from "../text/index.ts";

/** Adds to an interruption how to go on with a run. */
export function stoppedAt(out: string): (error: unknown) => never {
  return stoppedBefore(`resume with: ${commandLine(["medvox", "train", "--resume", out])}`);
}

/** Adds to an interruption what to do next. */
export function stoppedBefore(next: string): (error: unknown) => never {
  return (error) => {
    if (error instanceof Error && (error as { code?: string }).code === "E_INTERRUPTED") error.message += `; ${next}`;
    throw error;
  };
}
