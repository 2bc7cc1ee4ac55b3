/**
 * The frame every command runs in: finds and loads the one command that was asked for, parses its options, hands it
 * progress and an abort signal, prints its outcome or its failure, and says which exit status follows.
 *
 * Standard output belongs to the answer: with `--json` one JSON document and nothing else. Everything on the way
 * there goes to standard error. Exit 0 done, 1 failed, 2 asked wrongly.
 */
import { Command, CommanderError } from "commander";
import { versions } from "../machine.ts";
import { type ProgressStream, streamProgress } from "../progress.ts";
import { commandLine } from "../text/index.ts";
import type { CommandContext, CommandModule, Outcome } from "./command.ts";
import { describeFailure, stackOf, wrongUsage } from "./failure.ts";
import { resolve } from "./resolve.ts";
import { type ColorStream, styleFor } from "./style.ts";
import type { CommandEntry } from "./table.ts";

/** `process.stdout` or `process.stderr`, as far as the frame uses it. */
export type OutputStream = ProgressStream & ColorStream;

export interface FrameIo {
  stdout: OutputStream;
  stderr: OutputStream;
  /** Aborted when the user asks to stop. */
  signal: AbortSignal;
}

/** Runs one command line (without `node` and the script). Returns the exit status; never throws. */
export async function runCommandLine(
  argv: readonly string[],
  commands: readonly CommandEntry[],
  io: FrameIo,
): Promise<0 | 1 | 2> {
  const progress = streamProgress(io.stderr);
  if (argv.length === 0) {
    io.stderr.write(overview(commands));
    return 2;
  }
  try {
    const request = resolve(argv, commands);
    if (request.kind === "version") {
      io.stdout.write(`${versions().medvox}\n`);
      return 0;
    }
    if (request.kind === "help") {
      io.stdout.write(overview(commands, request.group));
      return 0;
    }
    const { command: module } = await request.entry.load();
    const parsed = await parse(request.entry, module, request.rest);
    if ("help" in parsed) {
      io.stdout.write(parsed.help);
      return 0;
    }
    const context: CommandContext = {
      signal: io.signal,
      progress,
      style: styleFor(io.stdout),
      force: parsed.force,
      typed: commandLine(["medvox", ...argv]),
    };
    const outcome = await module.run(context, parsed.options, ...parsed.args);
    progress.clear();
    io.stdout.write(has(argv, "--json") ? toJson(outcome.document) : withNewline(outcome.text));
    return outcome.ok === false ? 1 : 0;
  } catch (error) {
    progress.clear();
    return reportFailure(error, argv, io);
  }
}

/** Prints what went wrong as the command line asks for it; returns the exit status. */
export function reportFailure(error: unknown, argv: readonly string[], io: Pick<FrameIo, "stdout" | "stderr">): 1 | 2 {
  const failure = describeFailure(error);
  if (has(argv, "--json")) io.stdout.write(toJson({ error: { code: failure.code, message: failure.message } }));
  io.stderr.write(withNewline(failure.text));
  if (has(argv, "--debug")) io.stderr.write(withNewline(stackOf(error)));
  return failure.exitCode;
}

/** Whether a flag of the frame was given; needed before, and where, the command line cannot be parsed. */
function has(argv: readonly string[], flag: string): boolean {
  const end = argv.indexOf("--");
  return (end < 0 ? argv : argv.slice(0, end)).includes(flag);
}

type Parsed = { help: string } | { options: Record<string, unknown>; args: unknown[]; force: boolean };

/** A command with its own options and the frame's, ready to parse or to be described. */
export function commandOf(entry: Pick<CommandEntry, "name" | "summary">, module: CommandModule): Command {
  const command = new Command(`medvox ${entry.name}`)
    .description(entry.summary)
    .helpOption("-h, --help", "show this")
    .showSuggestionAfterError(true)
    .exitOverride();
  module.configure?.(command);
  if (module.writes) command.option("--force", "replace what exists");
  command.option("--json", "print one JSON document on standard output, nothing else");
  command.option("--debug", "show stack traces of errors");
  return command.addHelpText("after", helpTail(module));
}

async function parse(entry: CommandEntry, module: CommandModule, argv: readonly string[]): Promise<Parsed> {
  let help = "";
  let parsed: Parsed | undefined;
  const command = commandOf(entry, module).configureOutput({
    writeOut: (text) => {
      help += text;
    },
    writeErr: () => {},
  });
  command.action((...received: unknown[]) => {
    // Commander passes the declared arguments, then the options, then itself.
    const { json: _json, debug: _debug, force, ...options } = received.at(-2) as Record<string, unknown>;
    // The frame's own flags are no business of the command, which hands its options on to the library.
    parsed = { args: received.slice(0, -2), options, force: force === true };
  });
  try {
    await command.parseAsync([...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === "commander.helpDisplayed") return { help };
    throw wrongUsage(error, entry.name);
  }
  return parsed as Parsed;
}

function helpTail(module: CommandModule): string {
  const lines = module.details ? ["", module.details.trimEnd()] : [];
  lines.push("", module.examples.length > 1 ? "Examples:" : "Example:");
  lines.push(...module.examples.map((example) => `  $ ${example}`));
  return lines.join("\n");
}

/** `medvox --help`, or that of one group. */
function overview(commands: readonly CommandEntry[], group?: string): string {
  const listed = commands.filter((entry) => group === undefined || `${entry.name} `.startsWith(`${group} `));
  const width = Math.max(...listed.map((entry) => entry.name.length)) + 2;
  return withNewline(
    [
      `Usage: medvox ${group ? `${group} ` : ""}<command> [options]`,
      "",
      "Learning on medical images: train, evaluate and run 3D networks with nothing but npm install.",
      "",
      "Commands:",
      ...listed.map((entry) => `  ${entry.name.padEnd(width)}${entry.summary}`),
      "",
      "Options:",
      "  -h, --help     of medvox or of a command, with examples",
      "  -V, --version  print the version",
      "  --json         print one JSON document on standard output, nothing else",
      "  --debug        show stack traces of errors",
      "",
      "Examples:",
      "  $ medvox doctor",
      "  $ medvox verify YOUR_DATASET",
      "",
      "Exit status: 0 done, 1 failed, 2 asked wrongly.",
    ].join("\n"),
  );
}

function toJson(document: Outcome["document"]): string {
  return `${JSON.stringify(document, null, 2)}\n`;
}

function withNewline(text: string): string {
  return text.endsWith("\n") ? text : `${text}\n`;
}
