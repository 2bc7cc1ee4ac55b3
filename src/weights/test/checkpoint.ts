/** Writes PyTorch checkpoints of what a test makes up: pickles of protocol 2 with the storages beside them, zipped or in the old format. */
import { zipSync } from "fflate";

/** A tensor of 32-bit floats, or of another storage class that need not exist. */
export class FakeTensor {
  readonly shape: readonly number[];
  readonly values: readonly number[];
  readonly storage: string;
  constructor(shape: readonly number[], values: readonly number[], storage = "torch.FloatStorage") {
    this.shape = shape;
    this.values = values;
    this.storage = storage;
  }
}

/** Something that Python would make by a call; `state` is what it would be given afterwards. */
export class FakeObject {
  readonly name: string;
  readonly args: readonly unknown[];
  readonly state?: unknown;
  readonly items?: ReadonlyMap<unknown, unknown>;
  constructor(
    name: string,
    args: readonly unknown[] = [],
    more: { state?: unknown; items?: Map<unknown, unknown> } = {},
  ) {
    this.name = name;
    this.args = args;
    this.state = more.state;
    this.items = more.items;
  }
}

export const tensor = (shape: readonly number[], from = 0): FakeTensor =>
  new FakeTensor(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => from + i),
  );

/** The bytes of `torch.save(value)`. */
export function torchSave(value: unknown, format: "zip" | "legacy" = "zip"): Uint8Array {
  const storages: FakeTensor[] = [];
  const pickled = pickle(value, storages);
  const bytesOf = ({ values }: FakeTensor) => new Uint8Array(Float32Array.from(values).buffer);
  if (format === "zip")
    return zipSync(
      {
        "a/data.pkl": pickled,
        "a/byteorder": new TextEncoder().encode("little"),
        ...Object.fromEntries(storages.map((storage, i) => [`a/data/${i}`, bytesOf(storage)])),
      },
      { level: 0 },
    );
  const magic = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];
  const data = storages.flatMap((storage) => [...uint32(countOf(storage)), 0, 0, 0, 0, ...bytesOf(storage)]);
  return Uint8Array.from([
    ...[...magic, 0x80, 2, 0x4d, 0xe9, 0x03, 0x2e, 0x80, 2, 0x7d, 0x2e],
    ...[
      ...pickled,
      ...pickle(
        storages.map((_, i) => String(i)),
        [],
      ),
      ...data,
    ],
  ]);
}

/** Elements of a storage: a complex number is two values. */
const countOf = ({ values, storage }: FakeTensor): number => values.length / (storage.includes("Complex") ? 2 : 1);

function pickle(value: unknown, storages: FakeTensor[]): Uint8Array {
  return Uint8Array.from([0x80, 2, ...write(value, storages), 0x2e]);
}

const uint32 = (n: number): number[] => [n & 255, (n >> 8) & 255, (n >> 16) & 255, n >>> 24];
const global = (name: string): number[] => {
  const dot = name.lastIndexOf(".");
  return [0x63, ...new TextEncoder().encode(`${name.slice(0, dot)}\n${name.slice(dot + 1)}\n`)];
};

function write(value: unknown, storages: FakeTensor[]): number[] {
  const tuple = (values: readonly unknown[]): number[] => [0x28, ...values.flatMap((v) => write(v, storages)), 0x74];
  const items = (map: ReadonlyMap<unknown, unknown>): number[] => [
    0x28,
    ...[...map].flatMap(([key, item]) => [...write(key, storages), ...write(item, storages)]),
    0x75,
  ];
  if (value === null) return [0x4e];
  if (typeof value === "boolean") return [value ? 0x88 : 0x89];
  if (typeof value === "number") return [0x4a, ...uint32(value)];
  if (typeof value === "string") {
    const bytes = new TextEncoder().encode(value);
    return [0x58, ...uint32(bytes.length), ...bytes];
  }
  if (Array.isArray(value)) return [0x5d, 0x28, ...value.flatMap((v) => write(v, storages)), 0x65];
  if (value instanceof Map) return [0x7d, ...items(value)];
  if (value instanceof FakeTensor) {
    const key = String(storages.push(value) - 1);
    const stride = value.shape.map((_, i) => value.shape.slice(i + 1).reduce((a, b) => a * b, 1));
    const id = [
      ...[0x28, ...write("storage", storages), ...global(value.storage), ...write(key, storages)],
      ...[...write("cpu", storages), ...write(countOf(value), storages), 0x74, 0x51],
    ];
    const args = [
      0x28,
      ...id,
      ...write(0, storages),
      ...tuple(value.shape),
      ...tuple(stride),
      0x89,
      ...write(null, storages),
      0x74,
    ];
    return [...global("torch._utils._rebuild_tensor_v2"), ...args, 0x52];
  }
  if (value instanceof FakeObject)
    return [
      ...[...global(value.name), ...tuple(value.args), 0x52],
      ...(value.items === undefined ? [] : items(value.items)),
      ...(value.state === undefined ? [] : [...write(value.state, storages), 0x62]),
    ];
  throw new Error("a test's value cannot be pickled");
}
