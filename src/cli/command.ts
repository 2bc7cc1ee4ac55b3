/**
 * What a command of `medvox` is. Each file in `commands/` exports one `command`; the frame adds `--help` with the
 * examples, `--json`, `--debug`, `--force`, Ctrl-C, progress, exit codes and error messages, so a command only
 * reads its options, calls the library and says what came out. It holds no logic of its own.
 */
import type { Command } from "commander";
import type { Progress } from "../progress.ts";
import type { Style } from "./style.ts";

/** What the frame hands to a running command. */
export interface CommandContext {
  /** Aborted at the first Ctrl-C (or SIGTERM): finish the step, save, and throw its reason, an `E_INTERRUPTED`. */
  readonly signal: AbortSignal;
  /** Goes to standard error. */
  readonly progress: Progress;
  /** Colours for the text, where standard output takes them. */
  readonly style: Style;
  /** `--force` was given: existing files may be replaced. Always false for a command without `writes`. */
  readonly force: boolean;
  /** What was typed, from `medvox` on, for the records: a shell splits it into the same words again. */
  readonly typed: string;
}

/** What came out of a command. */
export interface Outcome {
  /** What `--json` prints: stable keys. Numbers JSON does not know (NaN) become null. */
  document: object;
  /** What a person reads on standard output. */
  text: string;
  /** False where the work was done and its answer is "not good" (a data set with errors): exit 1. Default true. */
  ok?: boolean;
}

export interface CommandModule {
  /** Adds arguments and options; `--json`, `--debug`, `--force` and `--help` are there already. */
  configure?: (command: Command) => void;
  /** Whole command lines, each of which works. */
  examples: readonly string[];
  /** Further lines of `--help`, after the options. */
  details?: string;
  /** The keys of `document` (dots lead to keys within), and what each holds; the reference lists them, tests hold them true. */
  json: Readonly<Record<string, string>>;
  /** The command writes files, so it takes `--force`. */
  writes?: boolean;
  /** Of a command that trains: the whole configuration that its options come to. Tests hold the help against it. */
  // biome-ignore lint/suspicious/noExplicitAny: as of `run`.
  settings?: (options: any) => Promise<object>;
  // biome-ignore lint/suspicious/noExplicitAny: commander's own types for arguments and options are `any`; `defineCommand` types them.
  run: (context: CommandContext, options: any, ...args: any[]) => Promise<Outcome>;
}

/** Types a command's options and arguments; they must agree with what `configure` declares. */
export function defineCommand<Options extends object, Args extends unknown[] = []>(
  module: Omit<CommandModule, "run"> & {
    run: (context: CommandContext, options: Options, ...args: Args) => Promise<Outcome>;
  },
): CommandModule {
  return module;
}
