/** Text for people: amounts of memory, command lines with their quotes, names. */
export { bytesText } from "./bytes.ts";
export { closest, editDistance } from "./closest.ts";
export { commandLine } from "./command-line.ts";
export { nameOf } from "./name-of.ts";
