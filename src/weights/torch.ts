/**
 * PyTorch checkpoints: the zip format (1.6 and later) and the legacy one before it, in which MedicalNet's weights were released.
 * Facts: torch/serialization.py and torch/_utils.py. Nothing of a checkpoint is run: see `pickle.ts`.
 */
import { type UnzipFileInfo, unzipSync } from "fflate";
import { WeightsError } from "../errors.ts";
import { type Importable, PickleGlobal, type PickleValue, UnknownObject, unpickle } from "./pickle.ts";
import { decodeValues, type WeightDtype, type WeightTensor } from "./safetensors.ts";

const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;

/** Storage classes, and their elements. */
const storageTypes: Readonly<Record<string, readonly [dtype: WeightDtype, bytes: number]>> = {
  DoubleStorage: ["F64", 8],
  FloatStorage: ["F32", 4],
  HalfStorage: ["F16", 2],
  BFloat16Storage: ["BF16", 2],
  LongStorage: ["I64", 8],
  IntStorage: ["I32", 4],
  ShortStorage: ["I16", 2],
  CharStorage: ["I8", 1],
  ByteStorage: ["U8", 1],
  BoolStorage: ["BOOL", 1],
};

/** Storage classes whose elements are not read, and their bytes: what else lies in the file can still be found. */
const opaqueStorages: Readonly<Record<string, number>> = {
  ComplexFloatStorage: 8,
  ComplexDoubleStorage: 16,
  QInt8Storage: 1,
  QUInt8Storage: 1,
  QInt32Storage: 4,
  UntypedStorage: 1,
};

/** Elements of a storage before its bytes are known (they come last in the legacy format). */
interface Storage {
  readonly key: string;
  readonly dtype: WeightDtype;
  readonly elementBytes: number;
  readonly count: number;
  /** Elements that lie before it in the storage it is a part of (legacy views). */
  readonly offset: number;
  /** Elements that medvox does not read: the type's name. */
  readonly opaque?: string;
}

class StorageType {
  readonly dtype: WeightDtype;
  readonly elementBytes: number;
  constructor(dtype: WeightDtype, elementBytes: number) {
    this.dtype = dtype;
    this.elementBytes = elementBytes;
  }
}

/** A tensor whose values are still bytes. */
class StoredTensor {
  readonly storage: Storage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly stride: readonly number[];
  constructor(storage: Storage, offset: number, shape: readonly number[], stride: readonly number[]) {
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.stride = stride;
  }
}

/** Something inert: an optimizer's number type, a data type's name. */
const inert: Importable = (args) => args[0] ?? null;

/** Makes the error for an object that would have to be made to get at the weights. */
function refused(file: string, { name }: UnknownObject): WeightsError {
  return new WeightsError(
    `${file}: refused to build '${name}' while unpickling; save its state_dict() and import that`,
  );
}

function allowList(file: string): Map<string, Importable> {
  const wrong = (what: string): WeightsError => new WeightsError(`${file}: is no readable checkpoint: ${what}`);
  const tensor: Importable = ([storage, offset, shape, stride]) => {
    if (storage instanceof UnknownObject) return storage;
    const isWhole = (list: unknown): list is number[] =>
      Array.isArray(list) && list.length <= 16 && list.every((n) => Number.isSafeInteger(n) && n >= 0);
    if (
      !isStorage(storage) ||
      !isWhole([offset]) ||
      !isWhole(shape) ||
      !isWhole(stride) ||
      shape.length !== stride.length
    )
      throw wrong("a tensor's storage, offset, shape or stride is none");
    if (storage.opaque !== undefined) return new UnknownObject(storage.opaque);
    return new StoredTensor(storage, offset as number, shape, stride);
  };
  const dictionary: Importable = ([pairs]) => {
    const made = new Map<unknown, unknown>();
    if (pairs instanceof Map) for (const [key, value] of pairs) made.set(key, value);
    else if (Array.isArray(pairs)) for (const pair of pairs) if (Array.isArray(pair)) made.set(pair[0], pair[1]);
    return made;
  };
  const types = Object.entries(storageTypes).map(([name, [dtype, bytes]]): [string, Importable] => [
    `torch.${name}`,
    Object.assign(
      (): never => {
        throw wrong(`it calls torch.${name}`);
      },
      { storageType: new StorageType(dtype, bytes) },
    ),
  ]);
  const dtypes = ["float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"];
  return new Map<string, Importable>([
    ...types,
    ...Object.keys(opaqueStorages).flatMap((name) =>
      ["torch", "torch.storage"].map((module): [string, Importable] => [
        `${module}.${name}`,
        () => new UnknownObject(`torch.${name}`),
      ]),
    ),
    ...dtypes.map((name): [string, Importable] => [`torch.${name}`, inert]),
    ["collections.OrderedDict", dictionary],
    ["collections.defaultdict", () => new Map()],
    ["torch._utils._rebuild_tensor", tensor],
    ["torch._utils._rebuild_tensor_v2", tensor],
    ["torch._utils._rebuild_parameter", inert],
    ["torch._utils._rebuild_parameter_with_state", inert],
    ["torch.nn.parameter.Parameter", inert],
    ["torch.Size", ([sizes]) => sizes],
    ["torch.device", inert],
    // Numbers of NumPy, as training scripts note them beside the weights.
    ...["numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.dtype", "_codecs.encode"].map(
      (name): [string, Importable] => [name, inert],
    ),
    ["__builtin__.set", ([values]) => values],
    ["builtins.set", ([values]) => values],
  ]);
}

function isStorage(value: unknown): value is Storage {
  return typeof value === "object" && value !== null && "elementBytes" in value && "count" in value;
}

/** What the pickle's persistent ids stand for: `("storage", type, key, location, count[, view])`. */
function storageOf(id: PickleValue, file: string): Storage | UnknownObject {
  const wrong = (): WeightsError =>
    new WeightsError(`${file}: is no readable checkpoint: it names a storage that is none`);
  if (!Array.isArray(id) || id[0] !== "storage") throw wrong();
  const [, type, key, , count, view] = id;
  if (!(type instanceof PickleGlobal) || typeof key !== "string" || !Number.isSafeInteger(count) || count < 0)
    throw wrong();
  const name = type.name.split(".").at(-1) ?? "";
  const opaqueBytes = Object.hasOwn(opaqueStorages, name) ? opaqueStorages[name] : undefined;
  if (opaqueBytes !== undefined)
    return { key, dtype: "U8", elementBytes: opaqueBytes, count, offset: 0, opaque: type.name };
  const { storageType } = type.call as { storageType?: unknown };
  if (!(storageType instanceof StorageType)) return new UnknownObject(type.name);
  const { dtype, elementBytes } = storageType;
  if (!Array.isArray(view)) return { key, dtype, elementBytes, count, offset: 0 };
  const [, offset, size] = view;
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(size) || offset < 0 || size < 0) throw wrong();
  return { key, dtype, elementBytes, count: size, offset };
}

/** What a checkpoint holds, tensors not yet read. */
interface Pickled {
  readonly value: PickleValue;
  readonly bytesOf: (storage: Storage) => Uint8Array;
}

/** Tensors of a checkpoint, and what stands in it among them that is none medvox reads. */
export class CheckpointTensors extends Map<string, WeightTensor> {
  /** Name of the entry → what it is: an object made by `torch._utils._rebuild_sparse_tensor`. Missed only where a network needs it. */
  readonly unreadable = new Map<string, string>();
}

/**
 * The tensors of a checkpoint: of its `state_dict` (or `model`, `net`, …) where it has one, else of the dictionary it is. Strided
 * and shared storages become tensors of their own; half precision is widened. Objects of the program that wrote it are left alone.
 * @param file for messages
 * @throws WeightsError for what is no checkpoint, is damaged, or holds no tensors, or several sets of them
 */
export function decodeTorch(bytes: Uint8Array, file: string): CheckpointTensors {
  const { value, bytesOf } = isZip(bytes) ? readZip(bytes, file) : readLegacy(bytes, file);
  const found = findTensors(value, file);
  const named = tensorsIn(found);
  const tensors = new CheckpointTensors();
  for (const [name, object] of found)
    if (typeof name === "string" && object instanceof UnknownObject)
      tensors.unreadable.set(name, `made by '${object.name}'`);
  // Tensors may share a storage, but a small file does not hold a large network.
  let room = 16 * bytes.length + 2 ** 24;
  for (const [name, tensor] of named) {
    const count = tensor.shape.reduce((product, n) => product * n, 1);
    room -= count * tensor.storage.elementBytes;
    if (!(room >= 0))
      throw new WeightsError(`${file}: ${name}: its shape ${tensor.shape.join("×")} is larger than the file can hold`);
    tensors.set(name, readTensor(name, tensor, bytesOf(tensor.storage), count, file));
  }
  return tensors;
}

/** True for what {@link decodeTorch} would try: a zip, or a pickle. */
export function looksLikeTorch(bytes: Uint8Array): boolean {
  return isZip(bytes) || (bytes[0] === 0x80 && bytes[1] <= 5);
}

function isZip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3 && bytes[3] === 4;
}

/** Where training scripts put what `model.state_dict()` gave, the likelier first. */
const wrappers = [
  "state_dict",
  "model_state_dict",
  "model_state",
  "model",
  "net",
  "network",
  "network_weights",
  "weights",
  "params",
  "encoder",
  "checkpoint",
  "state",
];

/** Tensors that are no weights of a network. */
const besideWeights = /optim|sched|scaler|callback|loops|hyper|(^|_)(amp|ema|rng)(_|$)/i;

/** Dictionaries lie in each other at most so deep: `checkpoint["model"]["state_dict"]`. */
const deepest = 3;

type Dictionary = ReadonlyMap<unknown, unknown>;

/** @throws WeightsError where there are no tensors by name, or several sets of them and none is likelier than another */
function findTensors(value: PickleValue, file: string): Dictionary {
  const found = search(value, 0);
  if (found.length === 1) return found[0].tensors;
  if (found.length > 1)
    throw new WeightsError(
      `${file}: holds several sets of weights (${found.map(({ path }) => path).join(", ")}); save one of them and import that`,
    );
  if (value instanceof UnknownObject) throw refused(file, value);
  const keys = value instanceof Map ? [...value.keys()].filter((key) => typeof key === "string") : [];
  const some = `${keys.slice(0, 8).join(", ")}${keys.length > 8 ? ", …" : ""}`;
  throw new WeightsError(
    `${file}: holds no tensors by name; save model.state_dict() and import that${keys.length > 0 ? ` (its keys are ${some})` : ""}`,
  );
}

interface FoundTensors {
  /** Keys that lead there: `model.state_dict`. */
  readonly path: string;
  readonly tensors: Dictionary;
}

/** The best place under a known name, else the dictionary itself, else whatever place there is. */
function search(value: PickleValue, depth: number): FoundTensors[] {
  const dictionary = entriesOf(value);
  if (dictionary === undefined) return [];
  const inside = (key: unknown): FoundTensors[] =>
    depth >= deepest
      ? []
      : search(dictionary.get(key), depth + 1).map(({ path, tensors }) => ({
          path: path === "" ? String(key) : `${String(key)}.${path}`,
          tensors,
        }));
  for (const name of wrappers) {
    const found = inside(name);
    if (found.length > 0) return found;
  }
  if (tensorsIn(dictionary).size > 0) return [{ path: "", tensors: dictionary }];
  return [...dictionary.keys()]
    .filter((key) => (typeof key === "string" && !besideWeights.test(key)) || typeof key === "number")
    .flatMap(inside);
}

/** What can be looked into: dictionaries, those of unknown kinds among them, and short lists, by number. */
function entriesOf(value: PickleValue): Dictionary | undefined {
  if (value instanceof Map) return value;
  if (value instanceof UnknownObject) return value.items;
  return Array.isArray(value) && value.length <= 16 ? new Map(value.entries()) : undefined;
}

function tensorsIn(dictionary: Dictionary): Map<string, StoredTensor> {
  const found = new Map<string, StoredTensor>();
  for (const [name, value] of dictionary)
    if (typeof name === "string" && value instanceof StoredTensor) found.set(name, value);
  return found;
}

function readTensor(name: string, tensor: StoredTensor, bytes: Uint8Array, count: number, file: string): WeightTensor {
  const { storage, offset, shape, stride } = tensor;
  const { dtype, elementBytes } = storage;
  const last = count === 0 ? 0 : offset + shape.reduce((sum, n, i) => sum + (n - 1) * stride[i], 0) + 1;
  if (!(last * elementBytes <= bytes.length) || last > storage.count)
    throw new WeightsError(`${file}: ${name}: reaches beyond the ${storage.count} elements of its storage`);
  if (isContiguous(shape, stride)) {
    const from = offset * elementBytes;
    return { dtype, shape, data: decodeValues(bytes.slice(from, from + count * elementBytes), dtype) };
  }
  const gathered = new Uint8Array(count * elementBytes);
  const index = shape.map(() => 0);
  let from = offset;
  for (let i = 0; i < count; i++) {
    for (let b = 0; b < elementBytes; b++) gathered[i * elementBytes + b] = bytes[from * elementBytes + b];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += stride[axis];
      if (++index[axis] < shape[axis]) break;
      from -= index[axis] * stride[axis];
      index[axis] = 0;
    }
  }
  return { dtype, shape, data: decodeValues(gathered, dtype) };
}

function isContiguous(shape: readonly number[], stride: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && stride[axis] !== expected) return false;
    expected *= shape[axis];
  }
  return true;
}

function readZip(bytes: Uint8Array, file: string): Pickled {
  const broken = (rule: string): WeightsError => new WeightsError(`${file}: is no readable checkpoint: ${rule}`);
  let room = 64 * bytes.length;
  // An entry takes 46 bytes of the directory; a damaged one may claim billions.
  let entries = Math.floor(bytes.length / 46);
  const filter = ({ name, originalSize }: UnzipFileInfo): boolean => {
    // PyTorch stores without compressing, so what unpacks to many times the file was not written by it.
    if (--entries < 0) throw broken("its zip claims more entries than it has bytes for");
    room -= originalSize;
    if (!(room >= 0)) throw broken(`${name} would unpack to ${originalSize} bytes`);
    return true;
  };
  let parts: Record<string, Uint8Array>;
  try {
    parts = unzipSync(bytes, { filter });
  } catch (error) {
    if (error instanceof WeightsError) throw error;
    throw broken(`its zip is damaged (${(error as Error).message})`);
  }
  const pickle = Object.keys(parts).find((name) => /(^|\/)data\.pkl$/.test(name));
  if (pickle === undefined) {
    const script = Object.keys(parts).some((name) => /(^|\/)constants\.pkl$|(^|\/)code\//.test(name));
    const arrays = Object.keys(parts).some((name) => name.endsWith(".npy"));
    const keras = Object.keys(parts).some((name) => name.endsWith(".weights.h5"));
    throw broken(
      script
        ? "it is a TorchScript archive; save state_dict() instead"
        : arrays
          ? "it is an archive of NumPy arrays (.npz)"
          : keras
            ? "it is a model of Keras"
            : "its zip has no data.pkl",
    );
  }
  const root = pickle.slice(0, -"data.pkl".length);
  const order = parts[`${root}byteorder`];
  if (order !== undefined && new TextDecoder().decode(order) !== "little")
    throw broken("it was written on a big-endian machine");
  const allowed = allowList(file);
  const { value } = unpickle(parts[pickle], 0, { allowed, persistent: (id) => storageOf(id, file), file });
  return {
    value,
    bytesOf: ({ key, count, elementBytes }) => {
      const data = parts[`${root}data/${key}`];
      if (data === undefined) throw broken(`storage ${key} is missing`);
      if (data.length < count * elementBytes)
        throw broken(`storage ${key} has ${data.length} bytes, not the ${count * elementBytes} it claims`);
      return data;
    },
  };
}

function readLegacy(bytes: Uint8Array, file: string): Pickled {
  const broken = (rule: string): WeightsError => new WeightsError(`${file}: is no readable checkpoint: ${rule}`);
  const options = { allowed: allowList(file), persistent: (id: PickleValue) => storageOf(id, file), file };
  const roots = new Map<string, Storage>();
  const persistent = (id: PickleValue): PickleValue => {
    // A class with its source beside it, as whole modules were saved.
    if (Array.isArray(id) && id[0] === "module") return id[1];
    const storage = storageOf(id, file);
    // What follows it in the file could not be found.
    if (storage instanceof UnknownObject) throw broken(`its storage of ${storage.name} is of no size that is known`);
    if (!roots.has(storage.key)) roots.set(storage.key, storage);
    return storage;
  };
  const magic = unpickle(bytes, 0, options);
  if (magic.value instanceof UnknownObject) throw refused(file, magic.value);
  if (magic.value !== MAGIC)
    throw broken("it is a pickle, but none that torch.save wrote (files of before torch 0.1.10 are not read)");
  const protocol = unpickle(bytes, magic.end, options);
  if (protocol.value !== PROTOCOL) throw broken(`format version ${String(protocol.value)}; ${PROTOCOL} is known`);
  const system = unpickle(bytes, protocol.end, options);
  if (system.value instanceof Map && system.value.get("little_endian") === false)
    throw broken("it was written on a big-endian machine");
  const { value, end } = unpickle(bytes, system.end, { ...options, persistent });
  const keys = unpickle(bytes, end, options);
  if (!Array.isArray(keys.value)) throw broken("the list of its storages is none");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const places = new Map<string, Uint8Array>();
  let at = keys.end;
  for (const key of keys.value as unknown[]) {
    const storage = roots.get(String(key));
    if (storage === undefined) throw broken(`storage ${String(key).slice(0, 40)} belongs to no tensor`);
    if (at + 8 > bytes.length) throw broken("it ends before its storages do");
    const count = Number(view.getBigInt64(at, true));
    at += 8;
    const length = count * storage.elementBytes;
    if (!(count >= 0) || !(at + length <= bytes.length))
      throw broken(`storage ${storage.key} claims ${count} elements, more than the file has`);
    places.set(storage.key, bytes.subarray(at, at + length));
    at += length;
  }
  return {
    value,
    bytesOf: ({ key, offset, elementBytes }) => {
      const data = places.get(key);
      if (data === undefined) throw broken(`storage ${key} is missing`);
      return data.subarray(offset * elementBytes);
    },
  };
}
