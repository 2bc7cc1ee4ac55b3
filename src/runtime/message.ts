/**
 * What is sent to the engine, checked on the caller's side. A message that cannot be copied, or whose memory was given away, must be an
 * error here: the worker could not read it, so nobody would answer.
 */
import { ShapeError } from "../errors.ts";
import type { ArrayMessage } from "./protocol.ts";

/** Element types that the engine takes; bytes are truth values, 0 or 1. */
const kinds = [Float32Array, Int32Array, BigInt64Array, Uint32Array, Uint8Array] as const;

/**
 * Named arrays, ready to be sent: of a kind that the engine takes, as long as their shapes say, with memory of their own.
 * @param what names the program in errors
 * @throws ShapeError naming the array, what came and what was expected
 */
export function checkedArrays(
  what: string,
  arrays: Readonly<Record<string, ArrayMessage>>,
): Record<string, ArrayMessage> {
  return Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, checkedArray(what, name, array)]));
}

function checkedArray(what: string, name: string, array: ArrayMessage): ArrayMessage {
  const { data, shape } = array ?? {};
  if (!kinds.some((kind) => data instanceof kind))
    throw new ShapeError(
      `${what}: ${name}: its data are ${kindOf(data)}; expected a Float32Array, or an Int32Array for whole numbers such as labels`,
    );
  if (!Array.isArray(shape) || !shape.every((n) => Number.isInteger(n) && n >= 0))
    throw new ShapeError(
      `${what}: ${name}: its shape is ${shapeWords(shape)}; expected a list of whole numbers, e.g. [1, 1, 16, 16, 16]`,
    );
  const size = shape.reduce((a, b) => a * b, 1);
  if (data.length !== size) {
    const gone = data.length === 0 ? "; its memory was handed over, or it was never filled" : "";
    throw new ShapeError(
      `${what}: ${name}: ${data.length} numbers for the shape [${shape.join(", ")}]; expected ${size}${gone}`,
    );
  }
  return { data, shape: [...shape] };
}

/** A value's kind in words: `an array of numbers`, `a Float64Array`, `nothing`. */
export function kindOf(value: unknown): string {
  if (value === undefined || value === null) return "missing";
  if (Array.isArray(value)) return "an array of numbers";
  if (ArrayBuffer.isView(value)) return `a ${value.constructor.name}`;
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

const shapeWords = (shape: unknown): string => (Array.isArray(shape) ? `[${shape.join(", ")}]` : kindOf(shape));
