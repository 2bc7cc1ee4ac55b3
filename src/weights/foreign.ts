/** Files that are given for weights and are none, told by how they begin: what a download page, git or another program left. */

const starts = (bytes: Uint8Array, ...wanted: readonly number[]): boolean =>
  bytes.length >= wanted.length && wanted.every((byte, i) => bytes[i] === byte);

/**
 * What a file is that is no weights file of any kind that medvox reads, and what to do, in words that go on a sentence
 * ("FILE: is …"); undefined where nothing else is recognised.
 * @param head the first bytes, some hundred of them
 */
export function foreignKind(head: Uint8Array): string | undefined {
  if (head.length === 0) return "is empty";
  if (starts(head, 0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a))
    return "is an HDF5 file (Keras, MATLAB), not weights of PyTorch; save them as safetensors or with torch.save";
  if (starts(head, 0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59)) return "is a NumPy array (.npy), not named weights";
  if (starts(head, 0x47, 0x47, 0x55, 0x46)) return "is a GGUF file, not weights of PyTorch";
  if (
    starts(head, 0x37, 0x7a, 0xbc, 0xaf) ||
    starts(head, 0x52, 0x61, 0x72, 0x21) ||
    starts(head, 0xfd, 0x37, 0x7a, 0x58)
  )
    return "is a packed archive; unpack it first";
  if (new TextDecoder("latin1").decode(head.subarray(257, 262)) === "ustar") return "is a tar archive; unpack it first";
  if (isOnnx(head))
    return "is an ONNX model; its graph can be run (medvox info, predict), but it holds no named weights to start from";
  // In a safetensors file eight bytes stand before the first brace, and some of them are no text.
  const text = new TextDecoder("utf-8")
    .decode(head)
    .replace(/^\uFEFF/, "")
    .trimStart();
  if (/^<(!doctype|html|head|body|script|!--)/i.test(text))
    return "is an HTML page, not weights: what was downloaded is a page about the file, not the file";
  if (/^<\?xml|^<error/i.test(text)) return "is an XML text (a server's answer?), not weights";
  if (/^version https:\/\/git-lfs/.test(text))
    return "is a Git LFS pointer, not weights: the file itself is fetched by `git lfs pull`";
  if (/^[{[]/.test(text) && !text.includes("\u0000")) {
    return /"weight_map"|"metadata"/.test(text)
      ? "is a JSON index of weights in several files, not weights: name one of those files"
      : "is a JSON text, not weights";
  }
  return undefined;
}

/** The first fields of a ModelProto: its version, 1 to 20, and then the producer, an opset or the graph. */
function isOnnx(head: Uint8Array): boolean {
  return head[0] === 0x08 && head[1] >= 1 && head[1] <= 20 && [0x12, 0x1a, 0x22, 0x3a, 0x42].includes(head[2]);
}
