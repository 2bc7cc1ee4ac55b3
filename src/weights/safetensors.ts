/**
 * The safetensors format, read and written: named tensors and a string-to-string metadata, nothing that can run.
 *
 *     8 bytes   length N of the header, little-endian
 *     N bytes   JSON: { "__metadata__": {…}, "layer1.0.conv1.weight": { "dtype": "F32", "shape": […], "data_offsets": [from, to] } }
 *     the rest  the values, little-endian, offsets counted from the header's end
 *
 * Source: github.com/huggingface/safetensors (README "Format", `tensor.rs` for the checks and the order of tensors). A
 * file is refused unless it keeps every rule, because two readers of a file that breaks one may read different weights.
 */
import { WeightsError } from "../errors.ts";
import { narrowBfloat, narrowHalf, widenBfloat, widenHalf } from "./half.ts";
import { duplicateKey } from "./json-keys.ts";

/** Bytes of one element, by dtype, in the order in which a file holds them: larger ones first, so all are aligned. */
const ELEMENT_BYTES = {
  U64: 8,
  I64: 8,
  F64: 8,
  F32: 4,
  U32: 4,
  I32: 4,
  BF16: 2,
  F16: 2,
  U16: 2,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const;

/** Bits of one element of the format's other dtypes. Their tensors are stepped over, and missed only where a network needs one. */
const OPAQUE_BITS: Readonly<Record<string, number>> = {
  C64: 64,
  F8_E4M3: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2: 8,
  F8_E5M2FNUZ: 8,
  F8_E8M0: 8,
  F6_E2M3: 6,
  F6_E3M2: 6,
  F4: 4,
};

export type WeightDtype = keyof typeof ELEMENT_BYTES;

const DTYPES = Object.keys(ELEMENT_BYTES);

export type WeightData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** One tensor of a file. */
export interface WeightTensor {
  /** As stored in the file. */
  readonly dtype: WeightDtype;
  readonly shape: readonly number[];
  /** The values, last axis fastest. `F16` and `BF16` are widened to 32-bit floats, `BOOL` is 0 or 1. */
  readonly data: WeightData;
}

/** A tensor to be written. Without `dtype` it is stored as its array says: a Float32Array as `F32`. */
export type StoredTensor = Omit<WeightTensor, "dtype"> & Partial<Pick<WeightTensor, "dtype">>;

export interface Safetensors {
  readonly tensors: Map<string, WeightTensor>;
  readonly metadata: Record<string, string>;
  /** Tensors of dtypes that are not read, by name: `F8_E4M3`. */
  readonly unreadable: ReadonlyMap<string, string>;
}

/** Where one tensor lies; offsets in bytes from the end of the header. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: WeightDtype;
  readonly shape: readonly number[];
  readonly from: number;
  readonly to: number;
}

/** A file's header: everything but the values. */
export interface SafetensorsHeader {
  /** In the order of their data. */
  readonly entries: readonly TensorEntry[];
  readonly metadata: Record<string, string>;
  /** Tensors of dtypes that are not read, by name: `F8_E4M3`. */
  readonly unreadable: ReadonlyMap<string, string>;
  /** Byte of the file at which the data begin. */
  readonly dataStart: number;
}

/** The format's own bound, against files that make a reader allocate without end. */
export const MAX_HEADER_BYTES = 100_000_000;

const LENGTH_BYTES = 8;

/**
 * Reads a whole file. The arrays share the memory of `bytes` where its alignment allows it; otherwise they are copies.
 *
 * @param source file name for messages
 * Throws `WeightsError` naming the source, the tensor and the rule that is broken.
 */
export function decodeSafetensors(bytes: Uint8Array, source = "safetensors"): Safetensors {
  const header = decodeHeader(bytes, bytes.byteLength, source);
  const tensors = new Map<string, WeightTensor>();
  for (const entry of header.entries) {
    const values = bytes.subarray(header.dataStart + entry.from, header.dataStart + entry.to);
    tensors.set(entry.name, { dtype: entry.dtype, shape: entry.shape, data: decodeValues(values, entry.dtype) });
  }
  return { tensors, metadata: header.metadata, unreadable: header.unreadable };
}

/** Length of the header in bytes, from the first 8 bytes of a file. Throws `WeightsError`. */
export function headerLength(bytes: Uint8Array, fileBytes: number, source = "safetensors"): number {
  const refuse = refusal(source);
  if (bytes.byteLength < LENGTH_BYTES)
    throw refuse(`is ${bytes.byteLength} bytes long; a safetensors file has at least 8`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, LENGTH_BYTES);
  const length = Number(view.getBigUint64(0, true));
  if (length > MAX_HEADER_BYTES) throw refuse(`header of ${length} bytes; the format allows ${MAX_HEADER_BYTES}`);
  if (LENGTH_BYTES + length > fileBytes) {
    throw refuse(
      `header of ${length} bytes does not fit into the file of ${fileBytes} bytes; it is cut off, or not safetensors`,
    );
  }
  return length;
}

/**
 * Reads and checks the header of a file of `fileBytes` bytes, of which `bytes` holds at least the header.
 * Throws `WeightsError`.
 */
export function decodeHeader(bytes: Uint8Array, fileBytes: number, source = "safetensors"): SafetensorsHeader {
  const refuse = refusal(source);
  const length = headerLength(bytes, fileBytes, source);
  const dataStart = LENGTH_BYTES + length;
  const parsed = parseHeader(bytes.subarray(LENGTH_BYTES, dataStart), refuse);
  const all: StoredEntry[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(parsed)) {
    if (name === "__metadata__") metadata = checkMetadata(value, refuse);
    else all.push(checkEntry(name, value, refuse));
  }
  // Tensors without elements begin where another does and must come first, or that other would seem to overlap them.
  all.sort((a, b) => a.from - b.from || a.to - b.to);
  let end = 0;
  for (const { name, from, to } of all) {
    if (from !== end) {
      const fact = from < end ? "overlaps the tensor before it" : "leaves a hole before it";
      throw refuse(`${name}: begins at byte ${from} and ${fact}, which ends at ${end}`);
    }
    end = to;
  }
  if (dataStart + end !== fileBytes) {
    throw refuse(
      `tensors take ${end} bytes, the file has ${fileBytes - dataStart} for them; it is cut off or has bytes behind its end`,
    );
  }
  return {
    entries: all.filter((entry) => isRead(entry)),
    metadata,
    unreadable: new Map(all.flatMap((entry) => (isRead(entry) ? [] : [[entry.name, entry.dtype] as const]))),
    dataStart,
  };
}

/** A tensor of any dtype that the format has. */
type StoredEntry = Omit<TensorEntry, "dtype"> & { readonly dtype: string };

const isRead = (entry: StoredEntry): entry is TensorEntry => Object.hasOwn(ELEMENT_BYTES, entry.dtype);

/** The values of one tensor from its bytes (a view where aligned). `values` must have a whole number of elements. */
export function decodeValues(values: Uint8Array, dtype: WeightDtype): WeightData {
  const size = ELEMENT_BYTES[dtype];
  const aligned = values.byteOffset % size === 0 ? values : values.slice();
  const { buffer, byteOffset } = aligned;
  const count = aligned.byteLength / size;
  switch (dtype) {
    case "F64":
      return new Float64Array(buffer, byteOffset, count);
    case "F32":
      return new Float32Array(buffer, byteOffset, count);
    case "F16":
      return Float32Array.from(new Uint16Array(buffer, byteOffset, count), widenHalf);
    case "BF16":
      return Float32Array.from(new Uint16Array(buffer, byteOffset, count), widenBfloat);
    case "I64":
      return new BigInt64Array(buffer, byteOffset, count);
    case "U64":
      return new BigUint64Array(buffer, byteOffset, count);
    case "I32":
      return new Int32Array(buffer, byteOffset, count);
    case "U32":
      return new Uint32Array(buffer, byteOffset, count);
    case "I16":
      return new Int16Array(buffer, byteOffset, count);
    case "U16":
      return new Uint16Array(buffer, byteOffset, count);
    case "I8":
      return new Int8Array(buffer, byteOffset, count);
    case "U8":
    case "BOOL":
      return new Uint8Array(buffer, byteOffset, count);
  }
}

/**
 * A file's bytes. The same tensors and metadata always give the same bytes, those of the reference writer: tensors lie by
 * dtype, then by name, which keeps every tensor aligned to its elements; the header is padded with spaces so that the data
 * begin at a multiple of 8. Throws `WeightsError` where a tensor's data do not fit its shape or dtype.
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const pieces = encodePieces(tensors, metadata);
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.byteLength;
  }
  return bytes;
}

/** The same bytes in pieces, header first: views of the tensors' own memory, so that a large file needs no second copy. */
export function encodePieces(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array[] {
  const rank = (dtype: WeightDtype): number => DTYPES.indexOf(dtype);
  const ordered = [...tensors]
    .map(([name, tensor]) => [name, { ...tensor, dtype: tensor.dtype ?? dtypeOf(name, tensor.data) }] as const)
    .sort(([nameA, a], [nameB, b]) => rank(a.dtype) - rank(b.dtype) || compareUtf8(nameA, nameB));
  // Built by hand: an object would lose the order of names like "0", and the name "__proto__".
  const members: string[] = [];
  const keys = Object.keys(metadata).sort(compareUtf8);
  if (keys.length > 0) {
    const pairs = keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(metadata[key])}`);
    members.push(`"__metadata__":{${pairs.join(",")}}`);
  }
  const values: Uint8Array[] = [];
  let at = 0;
  for (const [name, tensor] of ordered) {
    const bytes = encodeValues(name, tensor);
    const entry = { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [at, at + bytes.byteLength] };
    members.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
    values.push(bytes);
    at += bytes.byteLength;
  }
  return [encodeHeader(`{${members.join(",")}}`), ...values];
}

function encodeHeader(json: string): Uint8Array {
  const text = new TextEncoder().encode(json);
  const length = Math.ceil(text.byteLength / 8) * 8;
  if (length > MAX_HEADER_BYTES) {
    throw new WeightsError(`safetensors: header of ${length} bytes; the format allows ${MAX_HEADER_BYTES}`);
  }
  const bytes = new Uint8Array(LENGTH_BYTES + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(text, LENGTH_BYTES);
  return bytes;
}

/** The array type that holds each dtype; `encodeValues` refuses any other rather than convert without a word. */
const ARRAY_OF: Readonly<Record<WeightDtype, { name: string }>> = {
  F64: Float64Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
  F32: Float32Array,
  I32: Int32Array,
  U32: Uint32Array,
  F16: Float32Array,
  BF16: Float32Array,
  I16: Int16Array,
  U16: Uint16Array,
  I8: Int8Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
};

/** The dtype that stores an array as it is. @throws WeightsError for what is no typed array of those */
function dtypeOf(name: string, data: WeightData): WeightDtype {
  const plain: readonly WeightDtype[] = ["F64", "I64", "U64", "F32", "I32", "U32", "I16", "U16", "I8", "U8"];
  const found = plain.find((dtype) => ARRAY_OF[dtype].name === data?.constructor.name);
  if (found === undefined)
    throw refusal("safetensors")(`${name}: data is ${data?.constructor.name}; it must be a typed array`);
  return found;
}

function encodeValues(name: string, { dtype, shape, data }: WeightTensor): Uint8Array {
  const refuse = refusal("safetensors");
  if (name === "__metadata__") throw refuse("no tensor may be named __metadata__");
  if (!Object.hasOwn(ELEMENT_BYTES, dtype)) throw refuse(`${name}: unknown dtype ${dtype}`);
  const count = elementCount(shape);
  if (count === undefined) throw refuse(`${name}: shape [${shape}] must be whole numbers from 0`);
  if (data.length !== count) throw refuse(`${name}: ${data.length} values do not fill shape [${shape}]`);
  if (data.constructor.name !== ARRAY_OF[dtype].name) {
    throw refuse(`${name}: dtype ${dtype} needs a ${ARRAY_OF[dtype].name}, not a ${data.constructor.name}`);
  }
  const narrow = dtype === "F16" ? narrowHalf : dtype === "BF16" ? narrowBfloat : undefined;
  const stored = narrow ? Uint16Array.from(data as Float32Array, narrow) : data;
  return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
}

type Refuse = (fact: string, cause?: unknown) => WeightsError;

function refusal(source: string): Refuse {
  return (fact, cause) => new WeightsError(`${source}: ${fact}`, cause === undefined ? undefined : { cause });
}

function parseHeader(bytes: Uint8Array, refuse: Refuse): Record<string, unknown> {
  if (bytes[0] !== 0x7b) throw refuse("header does not begin with '{'; this is not a safetensors file");
  let text: string;
  let parsed: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    parsed = JSON.parse(text);
  } catch (error) {
    throw refuse("header is not JSON in UTF-8", error);
  }
  const twice = duplicateKey(text);
  if (twice !== undefined) throw refuse(`${twice}: stands twice in the header`);
  return parsed as Record<string, unknown>;
}

function checkMetadata(value: unknown, refuse: Refuse): Record<string, string> {
  if (!isObject(value)) throw refuse("__metadata__ is not an object of strings");
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") throw refuse(`__metadata__: ${key} is not a string`);
  }
  return value as Record<string, string>;
}

function checkEntry(name: string, value: unknown, refuse: Refuse): StoredEntry {
  if (!isObject(value)) throw refuse(`${name}: is not described by an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  const bits = typeof dtype === "string" ? bitsOf(dtype) : undefined;
  if (typeof dtype !== "string" || bits === undefined) {
    throw refuse(`${name}: dtype ${JSON.stringify(dtype)} is none of ${DTYPES.join(", ")}`);
  }
  const count = Array.isArray(shape) ? elementCount(shape) : undefined;
  if (count === undefined)
    throw refuse(`${name}: shape must be a list of whole numbers from 0 with a countable product`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount) || offsets[0] > offsets[1]) {
    throw refuse(`${name}: data_offsets must be [from, to], two whole numbers from 0 in that order`);
  }
  const bytes = Math.ceil((count * bits) / 8);
  const [from, to] = offsets as number[];
  if (to - from !== bytes) {
    throw refuse(`${name}: data_offsets span ${to - from} bytes; ${dtype} of shape [${shape}] needs ${bytes}`);
  }
  return { name, dtype, shape: shape as number[], from, to };
}

function bitsOf(dtype: string): number | undefined {
  if (Object.hasOwn(ELEMENT_BYTES, dtype)) return 8 * ELEMENT_BYTES[dtype as WeightDtype];
  return Object.hasOwn(OPAQUE_BITS, dtype) ? OPAQUE_BITS[dtype] : undefined;
}

/** Product of a shape, or undefined where it is none or too large to count exactly. */
function elementCount(shape: readonly unknown[]): number | undefined {
  let count = 1;
  for (const size of shape) {
    if (!isCount(size)) return undefined;
    count *= size;
    if (!Number.isSafeInteger(count * 8)) return undefined;
  }
  return count;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Rust's order of strings, which the reference writer sorts by: that of code points, not of UTF-16 units. */
function compareUtf8(a: string, b: string): number {
  const left = [...a];
  const right = [...b];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const difference = left[i].codePointAt(0)! - right[i].codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
