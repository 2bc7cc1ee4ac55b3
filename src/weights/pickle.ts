/**
 * Reads Python pickles of protocols 0 to 5 and runs nothing of them: what a pickle would import is looked up in an allow-list, and
 * everything else is refused by name. Facts: CPython's Lib/pickletools.py.
 *
 * The machine has a stack and a memo of references and never recurses, so depth and cycles cost nothing here; lengths are
 * checked against the bytes that are there, so a claim costs nothing either.
 */
import { WeightsError } from "../errors.ts";

export type PickleValue = unknown;

/** What stands for something that was imported. */
export type Importable = (args: readonly PickleValue[], state?: PickleValue) => PickleValue;

export interface UnpickleOptions {
  /** By `module.name`. */
  readonly allowed: ReadonlyMap<string, Importable>;
  /** What a persistent id stands for. */
  readonly persistent: (id: PickleValue) => PickleValue;
  /** For messages. */
  readonly file: string;
}

/** A reference to something importable, as it lies on the stack before it is called. */
class PickleGlobal {
  readonly name: string;
  readonly call: Importable;
  constructor(name: string, call: Importable) {
    this.name = name;
    this.call = call;
  }
}

const MARK = Symbol("mark");
/** More values than any checkpoint has; each takes at least one byte of the file, too. */
const MOST_VALUES = 50_000_000;
/** Longest whole number, in bytes: torch's magic number has 10. */
const MOST_DIGITS = 64;

/**
 * One pickle from `start` on.
 * @returns its value, and where the next one begins
 * @throws WeightsError for what is no pickle, is cut short, or asks for something that is not allowed
 */
export function unpickle(
  bytes: Uint8Array,
  start: number,
  { allowed, persistent, file }: UnpickleOptions,
): { value: PickleValue; end: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const memo = new Map<number, PickleValue>();
  const stack: PickleValue[] = [];
  let at = start;
  let made = 0;

  const broken = (rule: string): WeightsError => new WeightsError(`${file}: is no readable checkpoint: ${rule}`);
  const need = (count: number): number => {
    if (!(count >= 0) || at + count > bytes.length)
      throw broken(`its pickle ends at byte ${bytes.length} in the middle of something`);
    const from = at;
    at += count;
    return from;
  };
  const u8 = (): number => bytes[need(1)];
  const u32 = (): number => view.getUint32(need(4), true);
  const u64 = (): number => {
    const value = Number(view.getBigUint64(need(8), true));
    if (!Number.isSafeInteger(value)) throw broken(`it claims a length of ${value}`);
    return value;
  };
  const text = (length: number): string => {
    const from = need(length);
    return new TextDecoder("utf-8").decode(bytes.subarray(from, from + length));
  };
  const blob = (length: number): Uint8Array => {
    const from = need(length);
    return bytes.subarray(from, from + length);
  };
  const line = (): string => {
    const end = bytes.indexOf(10, at);
    if (end < 0 || end - at > 1e6) throw broken("a line of its pickle does not end");
    const read = text(end - at);
    at = end + 1;
    return read;
  };
  const push = (value: PickleValue): void => {
    if (++made > MOST_VALUES) throw broken(`its pickle makes more than ${MOST_VALUES} values`);
    stack.push(value);
  };
  const pop = (): PickleValue => {
    if (stack.length === 0) throw broken("its pickle takes more from the stack than is there");
    const value = stack.pop();
    if (value === MARK) throw broken("its pickle takes a mark for a value");
    return value;
  };
  const popMark = (): PickleValue[] => {
    const mark = stack.lastIndexOf(MARK);
    if (mark < 0) throw broken("its pickle has no mark where one is due");
    const values = stack.splice(mark);
    values.shift();
    return values;
  };
  const top = (): PickleValue => {
    const value = stack.at(-1);
    if (stack.length === 0 || value === MARK) throw broken("its pickle changes something that is not there");
    return value;
  };
  const recall = (key: number): void => {
    if (!memo.has(key)) throw broken(`its pickle recalls memo ${key}, which was never stored`);
    push(memo.get(key));
  };
  const long = (length: number): void => {
    if (length > MOST_DIGITS) throw broken(`it has a whole number of ${length} bytes`);
    const digits = blob(length);
    let value = 0n;
    for (let i = digits.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(digits[i]);
    if (digits.length > 0 && (digits[digits.length - 1] & 0x80) !== 0) value -= 1n << BigInt(8 * digits.length);
    push(small(value));
  };
  const imported = (module: string, name: string): void => {
    const full = `${module}.${name}`;
    const call = allowed.get(full);
    if (call === undefined)
      throw new WeightsError(
        `${file}: refused to build '${full}' while unpickling; save its state_dict() and import that`,
      );
    push(new PickleGlobal(full, call));
  };
  const call = (args: PickleValue, state?: PickleValue): PickleValue => {
    const callee = pop();
    if (!(callee instanceof PickleGlobal) || !Array.isArray(args)) throw broken("its pickle calls what is no function");
    return callee.call(args, state);
  };
  const setItems = (target: PickleValue, pairs: readonly PickleValue[]): void => {
    if (!(target instanceof Map) || pairs.length % 2 !== 0)
      throw broken("its pickle sets items of what is no dictionary");
    for (let i = 0; i < pairs.length; i += 2) target.set(pairs[i], pairs[i + 1]);
  };
  const append = (target: PickleValue, values: readonly PickleValue[]): void => {
    if (!Array.isArray(target)) throw broken("its pickle appends to what is no list");
    for (const value of values) target.push(value);
  };

  for (;;) {
    const code = u8();
    switch (code) {
      case 0x80: {
        const protocol = u8();
        if (protocol > 5) throw broken(`pickle protocol ${protocol}; 0 to 5 are known`);
        break;
      }
      case 0x95: // FRAME
        need(8);
        break;
      case 0x2e: // STOP
        return { value: pop(), end: at };
      case 0x28: // MARK
        stack.push(MARK);
        break;
      case 0x30: // POP
        stack.pop();
        break;
      case 0x31: // POP_MARK
        popMark();
        break;
      case 0x32: // DUP
        push(top());
        break;
      case 0x4e: // NONE
        push(null);
        break;
      case 0x88:
        push(true);
        break;
      case 0x89:
        push(false);
        break;
      case 0x49: {
        // INT
        const written = line();
        push(written === "00" ? false : written === "01" ? true : wholeNumber(written, broken));
        break;
      }
      case 0x4c: // LONG
        push(wholeNumber(line().replace(/L$/, ""), broken));
        break;
      case 0x4a: // BININT
        push(view.getInt32(need(4), true));
        break;
      case 0x4b: // BININT1
        push(u8());
        break;
      case 0x4d: // BININT2
        push(view.getUint16(need(2), true));
        break;
      case 0x8a: // LONG1
        long(u8());
        break;
      case 0x8b: // LONG4
        long(u32());
        break;
      case 0x46: // FLOAT
        push(Number(line()));
        break;
      case 0x47: // BINFLOAT
        push(view.getFloat64(need(8), false));
        break;
      case 0x53: // STRING
        push(line().replace(/^(['"])(.*)\1$/, "$2"));
        break;
      case 0x56: // UNICODE
        push(line());
        break;
      case 0x54: // BINSTRING
      case 0x58: // BINUNICODE
        push(text(u32()));
        break;
      case 0x55: // SHORT_BINSTRING
      case 0x8c: // SHORT_BINUNICODE
        push(text(u8()));
        break;
      case 0x8d: // BINUNICODE8
        push(text(u64()));
        break;
      case 0x42: // BINBYTES
        push(blob(u32()));
        break;
      case 0x43: // SHORT_BINBYTES
        push(blob(u8()));
        break;
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        push(blob(u64()));
        break;
      case 0x29: // EMPTY_TUPLE
      case 0x5d: // EMPTY_LIST
      case 0x8f: // EMPTY_SET
        push([]);
        break;
      case 0x74: // TUPLE
      case 0x6c: // LIST
      case 0x91: // FROZENSET
        push(popMark());
        break;
      case 0x85:
      case 0x86:
      case 0x87: {
        const values = Array.from({ length: code - 0x84 }, pop);
        push(values.reverse());
        break;
      }
      case 0x61: {
        // APPEND
        const value = pop();
        append(top(), [value]);
        break;
      }
      case 0x65: // APPENDS
      case 0x90: {
        // ADDITEMS
        const values = popMark();
        append(top(), values);
        break;
      }
      case 0x7d: // EMPTY_DICT
        push(new Map());
        break;
      case 0x64: {
        // DICT
        const made = new Map();
        setItems(made, popMark());
        push(made);
        break;
      }
      case 0x73: {
        // SETITEM
        const value = pop();
        const key = pop();
        setItems(top(), [key, value]);
        break;
      }
      case 0x75: {
        // SETITEMS
        const pairs = popMark();
        setItems(top(), pairs);
        break;
      }
      case 0x70: // PUT
        memo.set(Number(line()), top());
        break;
      case 0x71: // BINPUT
        memo.set(u8(), top());
        break;
      case 0x72: // LONG_BINPUT
        memo.set(u32(), top());
        break;
      case 0x94: // MEMOIZE
        memo.set(memo.size, top());
        break;
      case 0x67: // GET
        recall(Number(line()));
        break;
      case 0x68: // BINGET
        recall(u8());
        break;
      case 0x6a: // LONG_BINGET
        recall(u32());
        break;
      case 0x63: // GLOBAL
        imported(line(), line());
        break;
      case 0x93: {
        // STACK_GLOBAL
        const name = pop();
        imported(String(pop()), String(name));
        break;
      }
      case 0x52: // REDUCE
      case 0x81: // NEWOBJ
        push(call(pop()));
        break;
      case 0x62: {
        // BUILD
        const state = pop();
        // An OrderedDict has nothing in its state that matters; a plain object none that is read.
        if (!(state instanceof Map) && !Array.isArray(state) && state !== null)
          throw broken("its pickle gives a state that is none");
        top();
        break;
      }
      case 0x51: // BINPERSID
        push(persistent(pop()));
        break;
      case 0x50: // PERSID
        push(persistent(line()));
        break;
      default:
        throw broken(
          `byte 0x${code.toString(16).padStart(2, "0")} at ${at - 1} is no instruction of a pickle that is known here`,
        );
    }
  }
}

function wholeNumber(written: string, broken: (rule: string) => WeightsError): number | bigint {
  if (!/^[+-]?\d{1,150}$/.test(written)) throw broken(`'${written.slice(0, 20)}' is no whole number`);
  return small(BigInt(written));
}

function small(value: bigint): number | bigint {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}
