/** Text for people: amounts of memory, command lines with their quotes, the name that a mistyped one was meant to be. */
export { bytesText } from "./bytes.ts";
export { closest, editDistance } from "./closest.ts";
export { commandLine } from "./command-line.ts";
