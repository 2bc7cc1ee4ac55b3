/**
 * From whatever was thrown to what the user is told: a stable code, one readable message and the exit status.
 * A user's mistake (wrong options, a wrong configuration) is exit 2, everything else that failed exit 1.
 */
import type { CommanderError } from "commander";
import { ConfigError, MedvoxError } from "../errors.ts";

export interface Failure {
  /** Stable, e.g. `E_CONFIG`; `E_INTERRUPTED` after Ctrl-C, `E_FILE` for the system's own file errors, `E_INTERNAL` for a fault of medvox. */
  code: string;
  /** One message, without the error's class. */
  message: string;
  /** What is printed for people. */
  text: string;
  exitCode: 1 | 2;
}

/** The reason that Ctrl-C stops with. A training that was stopped says more: `stopped after step 412; resume with: …`. */
export function interrupted(message: string): MedvoxError {
  return new MedvoxError("E_INTERRUPTED", message);
}

export function describeFailure(error: unknown): Failure {
  if (error instanceof MedvoxError) {
    const { code, message } = error;
    // Stopping is what was asked for: no word of error in front of it.
    const text = code === "E_INTERRUPTED" ? message : `${error.name}: ${message}`;
    return { code, message, text, exitCode: error instanceof ConfigError ? 2 : 1 };
  }
  if (error instanceof Error && error.name === "AbortError") {
    return { code: "E_INTERRUPTED", message: "stopped", text: "stopped", exitCode: 1 };
  }
  const file = error instanceof Error ? fileError(error) : undefined;
  if (file !== undefined) return { code: "E_FILE", message: file, text: `FileError: ${file}`, exitCode: 1 };
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return {
    code: "E_INTERNAL",
    message,
    text: `${message}\nThis is a fault in medvox, not in what you asked for; --debug shows where.`,
    exitCode: 1,
  };
}

/** The stack of an error and of its causes, for `--debug`. */
export function stackOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const stack = thrown.stack ?? thrown.message;
  return thrown.cause === undefined ? stack : `${stack}\nCaused by: ${stackOf(thrown.cause)}`;
}

/** Commander's messages in the house's form: the thing, the fact, the rule. */
export function wrongUsage(error: CommanderError, commandName: string): ConfigError {
  const message = error.message.replace(/^error: /, "").replace(/\n?\((Did you mean [^)]*)\)\s*$/i, ". $1");
  const invalid = /^option '(?:-\w, )?(--[\w-]+)[^']*' argument '(.*)' is invalid\. (.*)$/s.exec(message);
  if (invalid) return new ConfigError(`${invalid[1]} ${invalid[2]}: ${invalid[3]}`, { cause: error });
  const hint = message.includes("Did you mean") ? "" : `; see medvox ${commandName} --help`;
  return new ConfigError(message.replace(/\.$/, "") + hint, { cause: error });
}

/** The system's own errors, where one reaches the command line; the library turns those it expects into its own. */
function fileError(error: NodeJS.ErrnoException): string | undefined {
  if (error.syscall === undefined || error.path === undefined) return undefined;
  const facts: Record<string, string> = {
    ENOENT: "no such file or folder",
    EACCES: "no permission",
    EPERM: "not permitted",
    EISDIR: "is a folder, not a file",
    ENOTDIR: "is not a folder",
    ENOSPC: "the disk is full",
    EROFS: "the file system is read-only",
    EMFILE: "too many open files",
  };
  const fact = facts[error.code ?? ""];
  return `${error.path}: ${fact ? `${fact} (${error.code})` : error.message}`;
}
