/**
 * Duplicate keys in JSON. `JSON.parse` silently keeps the last of two equal keys, other parsers keep the first: a file
 * with one can mean two things.
 */

/** The first key that stands twice in one object of valid JSON `text`, or undefined. Runs in one pass, without recursion. */
export function duplicateKey(text: string): string | undefined {
  // One set of keys per open object; undefined stands for an open array, whose strings are no keys.
  const open: (Set<string> | undefined)[] = [];
  let expectKey = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '"') {
      const end = endOfString(text, i);
      const keys = open.at(-1);
      if (expectKey && keys) {
        // Parsed, so that "a" and "\u0061" are the same key.
        const key = JSON.parse(text.slice(i, end + 1)) as string;
        if (keys.has(key)) return key;
        keys.add(key);
        expectKey = false;
      }
      i = end;
    } else if (character === "{") {
      open.push(new Set());
      expectKey = true;
    } else if (character === "[") {
      open.push(undefined);
    } else if (character === "}" || character === "]") {
      open.pop();
    } else if (character === ",") {
      expectKey = open.at(-1) !== undefined;
    }
  }
  return undefined;
}

/** Index of the quote that closes the string opened at `start`. */
function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
  return i;
}
