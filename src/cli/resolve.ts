/** Which command a command line asks for: the longest name in the table that its words begin with. */

import { ConfigError } from "../errors.ts";
import { didYouMean } from "../text/index.ts";
import type { CommandEntry } from "./table.ts";

export type Request =
  | { kind: "help"; group?: string }
  | { kind: "version" }
  /** `rest` is everything but the command's own name. */
  | { kind: "command"; entry: CommandEntry; rest: string[] };

/** Flags that may stand before the command's name; none takes a value. */
const LEADING = ["--json", "--debug", "--help", "-h", "--version", "-V"];

export function resolve(argv: readonly string[], commands: readonly CommandEntry[]): Request {
  const start = argv.findIndex((word) => !word.startsWith("-"));
  const flags = start < 0 ? [...argv] : argv.slice(0, start);
  const words = start < 0 ? [] : argv.slice(start);
  for (const flag of flags) {
    if (!LEADING.includes(flag)) throw new ConfigError(`unknown option '${flag}'${didYouMean(flag, LEADING)}`);
  }
  // `medvox help train segmentation` is `medvox train segmentation --help`.
  if (words[0] === "help") return resolve([...words.slice(1), "--help"], commands);
  if (flags.includes("--version") || flags.includes("-V")) return { kind: "version" };
  const help = flags.includes("--help") || flags.includes("-h");
  if (words.length === 0) {
    if (help) return { kind: "help" };
    throw new ConfigError("which command? medvox --help lists them");
  }
  return findCommand(words, flags, commands);
}

function findCommand(words: readonly string[], flags: readonly string[], commands: readonly CommandEntry[]): Request {
  const pair = commands.find((entry) => entry.name === `${words[0]} ${words[1]}`);
  if (pair) return { kind: "command", entry: pair, rest: [...flags, ...words.slice(2)] };
  const single = commands.find((entry) => entry.name === words[0]);
  const members = commands
    .filter((entry) => entry.name.startsWith(`${words[0]} `))
    .map((entry) => entry.name.split(" ")[1]);
  const next = words[1] === undefined || words[1].startsWith("-") ? undefined : words[1];
  if (members.length > 0 && next !== undefined) {
    const near = didYouMean(next, members, `${words[0]} `) || ".";
    throw new ConfigError(
      `unknown command '${words[0]} ${next}'${near} medvox ${words[0]} knows: ${members.join(", ")}`,
    );
  }
  if (single) return { kind: "command", entry: single, rest: [...flags, ...words.slice(1)] };
  if (members.length > 0) {
    if ([...flags, ...words].some((word) => word === "--help" || word === "-h")) {
      return { kind: "help", group: words[0] };
    }
    throw new ConfigError(`${words[0]} what? medvox ${words[0]} knows: ${members.join(", ")}`);
  }
  const names = [...new Set(commands.flatMap((entry) => [entry.name, entry.name.split(" ")[0]]))];
  throw new ConfigError(`unknown command '${words[0]}'${didYouMean(words[0], names) || ". medvox --help lists them"}`);
}
