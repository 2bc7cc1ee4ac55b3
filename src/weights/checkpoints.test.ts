/** What else lies in checkpoints beside the weights, and what is given for one and is none. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { WeightsError } from "../errors.ts";
import { readWeightsFile } from "../files/index.ts";
import { decodeTorch, foreignKind, matchWeights } from "./index.ts";
import { FakeObject, FakeTensor, tensor, torchSave } from "./test/checkpoint.ts";

const weights = () =>
  new Map<unknown, unknown>([
    ["conv1.weight", tensor([2, 1, 1, 1, 1], 1)],
    ["conv1.bias", tensor([2], 5)],
  ]);
const target = new Map([
  ["conv1.weight", [2, 1, 1, 1, 1]],
  ["conv1.bias", [2]],
]);
const map = (entries: Record<string, unknown>) => new Map<unknown, unknown>(Object.entries(entries));
const prefixed = (front: string) => new Map([...weights()].map(([name, value]) => [`${front}${name}`, value]));

describe.each(["zip", "legacy"] as const)("%s", (format) => {
  const match = (value: unknown) =>
    matchWeights(target, decodeTorch(torchSave(value, format), "a.pth"), { file: "a.pth" });

  test.each<[string, unknown]>([
    ["bare", weights()],
    [
      "a Namespace",
      map({ state_dict: weights(), args: new FakeObject("argparse.Namespace", [], { state: map({ lr: 1 }) }) }),
    ],
    ["a path", map({ state_dict: weights(), p: new FakeObject("pathlib.PosixPath", ["/", "a"]) })],
    ["a time", map({ t: new FakeObject("datetime.datetime", ["bytes"]), state_dict: weights() })],
    ["a complex number", map({ state_dict: weights(), c: new FakeObject("builtins.complex", [1, 2]) })],
    [
      "an object of the program",
      map({ model: weights(), cfg: new FakeObject("my.project.Config", [], { state: [1, map({})] }) }),
    ],
    [
      "a defaultdict of int",
      map({
        state_dict: weights(),
        d: new FakeObject("collections.defaultdict", [new FakeObject("builtins.int")], { items: map({ a: 1 }) }),
      }),
    ],
    [
      "weights in a dictionary of an unknown kind",
      map({ state_dict: new FakeObject("addict.Dict", [], { items: weights() }) }),
    ],
    [
      "a tensor of an unread type beside",
      new Map([...weights(), ["c", new FakeTensor([1], [0, 0], "torch.ComplexFloatStorage")]]),
    ],
    [
      "a sparse tensor beside",
      new Map([...weights(), ["s", new FakeObject("torch._utils._rebuild_sparse_tensor", [1])]]),
    ],
    ["state_dict in state_dict", map({ state_dict: map({ state_dict: weights() }) })],
    ["model.state_dict", map({ model: map({ state_dict: weights() }) })],
    ["checkpoint.model", map({ checkpoint: map({ model: weights() }) })],
    ["checkpoint.model.state_dict", map({ checkpoint: map({ model: map({ state_dict: weights() }) }) })],
    ["params", map({ params: weights() })],
    ["network", map({ network: weights() })],
    ["a name of the program's", map({ my_student: weights(), epoch: 3, optimizer: map({ state: tensor([3]) }) })],
    ["in a list", [weights()]],
    ["in a list with more", [weights(), 5]],
    ["by number", new Map([[0, weights()]])],
    ["an average beside", map({ state_dict: weights(), ema: prefixed("x.") })],
    ["callbacks beside", map({ net: weights(), callbacks: map({ best_score: tensor([1]) }) })],
    ["an unusual prefix", prefixed("resnet.")],
    ["two unusual prefixes", prefixed("student.resnet.")],
  ])("%s: found", (name, value) => {
    // Python's own writer never puts a storage of unknown size into the old format.
    const found = match(value);
    expect([...found.tensors.keys()], name).toEqual([...target.keys()]);
    expect([...found.tensors.get("conv1.bias")!.data]).toEqual([5, 6]);
    expect(found.missing).toEqual([]);
  });

  test.each<[string, unknown, RegExp]>([
    [
      "two sets of weights",
      map({ student: weights(), teacher: weights() }),
      /several sets of weights \(student, teacher\)/,
    ],
    [
      "no weights, but keys",
      map({ epoch: 3, args: new FakeObject("a.B") }),
      /holds no tensors by name.*its keys are epoch, args/,
    ],
    [
      "a whole module",
      new FakeObject("torch.nn.modules.conv.Conv3d", [], { state: map({}) }),
      /refused to build 'torch.nn.modules.conv.Conv3d'/,
    ],
    [
      "a needed tensor that is sparse",
      new Map([...weights(), ["conv1.weight", new FakeObject("torch._utils._rebuild_sparse_tensor", [1])]]),
      /conv1\.weight is made by 'torch\._utils\._rebuild_sparse_tensor', which medvox does not read/,
    ],
    [
      "a needed tensor of complex numbers",
      new Map([...weights(), ["conv1.weight", new FakeTensor([1], [0, 0], "torch.ComplexFloatStorage")]]),
      /conv1\.weight is made by 'torch\.ComplexFloatStorage'/,
    ],
    [
      "two networks side by side",
      new Map([...prefixed("encoder_q."), ...prefixed("encoder_k.")]),
      /under encoder_q\. and under encoder_k\./,
    ],
  ])("%s: told", (_, value, message) => {
    expect(() => match(value)).toThrow(message);
    expect(() => match(value)).toThrow(WeightsError);
  });
});

describe("a safetensors file with numbers that are not read", () => {
  const folder = mkdtempSync(join(tmpdir(), "medvox-dtypes-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  /** The floats of the weights, and another tensor of eight-bit floats. */
  const written = (name: string): string => {
    const header = JSON.stringify({
      "conv1.weight": { dtype: "F32", shape: [2, 1, 1, 1, 1], data_offsets: [0, 8] },
      [name]: { dtype: "F8_E4M3", shape: [2], data_offsets: [8, 10] },
    });
    const text = new TextEncoder().encode(header);
    const bytes = new Uint8Array(8 + text.length + 10);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
    bytes.set(text, 8);
    const path = join(folder, `${name}.safetensors`);
    writeFileSync(path, bytes);
    return path;
  };

  test("is read where they are beside the weights, refused where the network needs them", async () => {
    const beside = await readWeightsFile(written("scale"));
    const only = new Map([["conv1.weight", [2, 1, 1, 1, 1]]]);
    expect(matchWeights(only, beside, { file: "a" }).missing).toEqual([]);
    const needed = await readWeightsFile(written("conv1.bias"));
    expect(() => matchWeights(target, needed, { file: "a" })).toThrow(
      /a: conv1\.bias is numbers of the kind F8_E4M3, which medvox does not read/,
    );
  });
});

describe("files that are no weights", () => {
  const folder = mkdtempSync(join(tmpdir(), "medvox-foreign-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const text = (words: string) => new TextEncoder().encode(words);
  test.each<[string, Uint8Array, RegExp]>([
    ["html.pth", text("<!DOCTYPE html><html><title>Virus scan warning</title></html>"), /is an HTML page/],
    ["spaces.pth", text("\n  <html>"), /is an HTML page/],
    ["bom.pth", text("\uFEFF<HTML>"), /is an HTML page/],
    ["page.pth.gz", gzipSync("<html></html>"), /is an HTML page/],
    ["denied.pth", text('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'), /is an XML text/],
    [
      "lfs.pth",
      text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"),
      /Git LFS pointer.*git lfs pull/,
    ],
    [
      "model.safetensors.index.json",
      text('{"metadata": {}, "weight_map": {"conv1.weight": "a.safetensors"}}'),
      /index of weights/,
    ],
    ["config.json", text('{\n "depth": 50 }'), /is a JSON text/],
    ["weights.h5", Uint8Array.of(0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0), /is an HDF5 file/],
    ["net.onnx", Uint8Array.of(8, 8, 0x12, 7, 0x70, 0x79, 0x74, 0x6f, 0x72, 0x63, 0x68), /is an ONNX model/],
    ["a.npy", Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0), /NumPy array/],
    ["empty.pth", new Uint8Array(0), /is empty/],
    [
      "old.tar",
      Uint8Array.from({ length: 512 }, (_, i) => (i >= 257 && i < 262 ? "ustar".charCodeAt(i - 257) : 65)),
      /tar archive/,
    ],
  ])("%s is told as what it is", async (name, bytes, message) => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    await expect(readWeightsFile(path)).rejects.toThrow(WeightsError);
    await expect(readWeightsFile(path)).rejects.toThrow(message);
  });

  test("what is one is not mistaken", () => {
    expect(foreignKind(torchSave(weights()))).toBeUndefined();
    expect(foreignKind(torchSave(weights(), "legacy"))).toBeUndefined();
    // The length of a safetensors header may begin with any byte.
    for (let low = 0; low < 256; low++)
      expect(
        foreignKind(Uint8Array.from([low, 3, 0, 0, 0, 0, 0, 0, ...text('{"a":{"dtype":"F32"}}')])),
      ).toBeUndefined();
  });
});
