/** The reference of the command line, from the table of commands: whatever a command declares stands in it. */
import type { Argument, Option } from "commander";
import type { CommandModule } from "../../src/cli/command.ts";
import { commandOf } from "../../src/cli/frame.ts";
import { type CommandEntry, commands } from "../../src/cli/table.ts";
import { anchor, cell, generated, table } from "./markdown.ts";

/** Said once, at the top of the page. */
const everywhere = ["--json", "--debug", "--help"];

export async function commandsPage(entries: readonly CommandEntry[] = commands): Promise<string> {
  const sections = await Promise.all(entries.map(async (entry) => section(entry, (await entry.load()).command)));
  return [
    "# The command line",
    generated,
    "Every command also takes `--help`, `--json` (one JSON document on standard output and nothing else there) and `--debug` (stack traces of errors). Progress goes to standard error. Commands that write files take `--force`; without it nothing that exists is replaced.",
    'Exit status: **0** done · **1** failed, or the answer is no (a data set with errors) · **2** asked wrongly. With `--json` a failure is `{ "error": { "code", "message" } }`; codes are `E_SHAPE`, `E_GEOMETRY`, `E_DATA`, `E_WEIGHTS`, `E_CONFIG` (exit 2), `E_DEVICE`, `E_FILE`, `E_INTERRUPTED` (Ctrl-C) and `E_INTERNAL` (a fault of medvox).',
    "Values that begin with a minus sign need an equals sign: `--window=-200,250`.",
    table(
      ["command", ""],
      entries.map(({ name, summary }) => [`[\`${name}\`](#${anchor(`medvox ${name}`)})`, summary]),
    ),
    ...sections,
  ].join("\n\n");
}

function section(entry: CommandEntry, module: CommandModule): string {
  const command = commandOf(entry, module);
  const { registeredArguments: args } = command;
  const options = command.options.filter(({ long }) => !everywhere.includes(long ?? ""));
  const places = args.map((argument) => placeholder(argument)).join(" ");
  const parts = [`## \`medvox ${entry.name}\``, `${sentence(entry.summary)}`];
  parts.push(fence([`medvox ${entry.name}${places && ` ${places}`}${options.length > 0 ? " [options]" : ""}`], "text"));
  const rows = [
    ...args.map((argument) => [
      `\`${placeholder(argument)}\``,
      argument.description,
      argument.required ? "required" : "",
    ]),
    ...options.map((option) => [`\`${option.flags}\``, ...described(option)]),
  ];
  if (rows.length > 0) parts.push(table(["argument, option", "", "default"], rows));
  if (module.details) parts.push(details(module.details));
  parts.push(`${module.examples.length > 1 ? "Examples" : "Example"}:`, fence(module.examples));
  parts.push(
    "`--json` prints:",
    table(
      ["key", ""],
      Object.entries(module.json).map(([key, meaning]) => [`\`${key}\``, meaning]),
    ),
  );
  return parts.join("\n\n");
}

function placeholder(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

/** What an option means and its default, which commands say in the text, where `--help` shows it, or to commander. */
function described({ description, defaultValue, mandatory }: Option): [string, string] {
  const said = /^(.*?)[ ]?\((?:default:? )(.*)\)$/s.exec(description);
  const [meaning, own] = said ? [said[1], said[2]] : [description, ""];
  const usual = defaultValue === undefined ? own : String(defaultValue);
  return [meaning, mandatory ? "required" : usual];
}

/** Lines that are aligned columns in `--help` stay so. */
function details(text: string): string {
  return / {2,}\S/.test(text) ? fence(text.split("\n")) : text.replaceAll("\n", " ");
}

function fence(lines: readonly string[], language = ""): string {
  return [`\`\`\`${language}`, ...lines, "```"].join("\n");
}

function sentence(text: string): string {
  return `${text[0].toUpperCase()}${cell(text.slice(1))}.`;
}
