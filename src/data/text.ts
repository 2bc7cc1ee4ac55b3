/**
 * Text files of data sets, in whichever encoding they say they are: a byte order mark, or for XML its declaration. Bytes
 * that are no text in that encoding are an error, since a class name that lost a letter is another class.
 */
import { constants } from "node:buffer";
import { open, readFile } from "node:fs/promises";
import { DataError } from "../errors.ts";

/** The system's reason for a failure, in words where there are some: `no such file`, `EACCES`. */
export function systemReason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "no such file or folder";
  return code === undefined ? message : `cannot be read (${code})`;
}

/**
 * A file's bytes.
 * @param longest refused from this many on
 * @throws DataError naming the file and the system's reason, or its size and the limit
 */
async function readBytes(file: string, longest: number): Promise<Uint8Array> {
  const handle = await open(file).catch((cause) => {
    throw new DataError(`${file}: ${systemReason(cause)}`, { cause });
  });
  try {
    const { size } = await handle.stat();
    if (size > longest) {
      const [has, most] = [size, longest].map((bytes) => `${Math.round(bytes / 1e6).toLocaleString("en-GB")} MB`);
      throw new DataError(`${file}: has ${has}, and the longest text that Node holds is ${most}; split the file`);
    }
    return await readFile(handle);
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError(`${file}: ${systemReason(cause)}`, { cause });
  } finally {
    await handle.close();
  }
}

/**
 * A text file: UTF-8, or UTF-16 with a byte order mark or without.
 * @throws DataError naming the file where it cannot be read, is longer than Node's longest text or is no such text
 */
export async function readText(file: string): Promise<string> {
  const bytes = await readBytes(file, constants.MAX_STRING_LENGTH);
  try {
    return decodeText(bytes);
  } catch (cause) {
    throw new DataError(`${file}: ${(cause as Error).message}`, { cause });
  }
}

/** The same of an XML file, which may declare any encoding that Node knows. @throws DataError naming the file */
export async function readXmlText(file: string): Promise<string> {
  const bytes = await readBytes(file, constants.MAX_STRING_LENGTH);
  try {
    return decodeText(bytes, declaredEncoding(bytes));
  } catch (cause) {
    throw new DataError(`${file}: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Bytes as text.
 * @param declared encoding where there is no byte order mark; default UTF-8
 * @throws DataError saying which encoding the bytes are not
 */
export function decodeText(bytes: Uint8Array, declared?: string): string {
  const encoding = markedEncoding(bytes) ?? declared ?? bareEncoding(bytes);
  const decoder = decoderOf(encoding);
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    const how = declared === undefined ? "and no other encoding is declared" : `which it declares (${encoding})`;
    throw new DataError(`${brokenPlace(bytes, encoding)} not ${encoding.toUpperCase()}, ${how}; save it as UTF-8`, {
      cause,
    });
  }
}

/** Without a mark or a declaration: every second byte of Latin letters in UTF-16 is 0. */
function bareEncoding(bytes: Uint8Array): "utf-8" | "utf-16le" | "utf-16be" {
  if (bytes.length < 2 || bytes.length % 2 !== 0) return "utf-8";
  const zeros = [0, 0];
  for (let i = 0; i < Math.min(bytes.length, 1024); i++) if (bytes[i] === 0) zeros[i % 2]++;
  const most = Math.min(bytes.length, 1024) / 4;
  if (zeros[1] > most && zeros[0] === 0) return "utf-16le";
  return zeros[0] > most && zeros[1] === 0 ? "utf-16be" : "utf-8";
}

/** `line 3 is`, or `its bytes are` where lines cannot be told. */
function brokenPlace(bytes: Uint8Array, encoding: string): string {
  if (encoding !== "utf-8") return "its bytes are";
  let line = 1;
  let start = 0;
  for (let i = 0; i <= bytes.length; i++) {
    if (i < bytes.length && bytes[i] !== 0x0a) continue;
    try {
      new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(start, i));
    } catch {
      return `line ${line} is`;
    }
    line++;
    start = i + 1;
  }
  return "its bytes are";
}

function decoderOf(encoding: string): TextDecoder {
  try {
    return new TextDecoder(encoding, { fatal: true });
  } catch (cause) {
    throw new DataError(`it declares the encoding "${encoding}", which is not known here; save it as UTF-8`, { cause });
  }
}

function markedEncoding([a, b, c, d]: Uint8Array): string | undefined {
  if (a === 0xff && b === 0xfe && !(c === 0 && d === 0)) return "utf-16le";
  if (a === 0xfe && b === 0xff) return "utf-16be";
  return a === 0xef && b === 0xbb && c === 0xbf ? "utf-8" : undefined;
}

/** Of XML without a byte order mark: by where its `<` stands, or as its declaration says. */
function declaredEncoding(bytes: Uint8Array): string | undefined {
  if (bytes[0] === 0x3c && bytes[1] === 0) return "utf-16le";
  if (bytes[0] === 0 && bytes[1] === 0x3c) return "utf-16be";
  const head = String.fromCharCode(...bytes.subarray(0, 256));
  const declared = /^\s*<\?xml[^>]*?\sencoding\s*=\s*["']([^"']+)["']/.exec(head)?.[1];
  // A declaration that is read byte by byte is not in UTF-16, whatever it says.
  return declared !== undefined && /^(utf|ucs)-?16/i.test(declared) ? "utf-8" : declared;
}

/**
 * A JSON file. `NaN` and `Infinity`, which Python writes and JSON has not, come out as texts, to be reported where they stand.
 * @throws DataError naming the file where it cannot be read or is not JSON
 */
export async function readJson(file: string): Promise<unknown> {
  return parseJson(await readText(file), file);
}

/** The same of a text. @param file for messages */
export function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    // Texts are stepped over whole: what stands inside them is text.
    const numbers = /"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g;
    const strict = text.replace(numbers, (found) => (found.startsWith('"') ? found : `"${found}"`));
    try {
      if (strict !== text) return JSON.parse(strict);
    } catch {
      // The first message tells the place in the file.
    }
    throw new DataError(`${file}: not valid JSON (${(cause as Error).message})`, { cause });
  }
}

/** Lines that hold something, without the space around them. */
export function linesOf(text: string): string[] {
  return text
    .split(/\r\n?|\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "");
}
