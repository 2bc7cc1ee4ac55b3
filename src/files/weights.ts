/** Weights files of every kind that is known, told apart by what is in them, not by their names. */
import { open, readFile } from "node:fs/promises";
import { WeightsError } from "../errors.ts";
import {
  CheckpointTensors,
  decodeSafetensors,
  decodeTorch,
  foreignKind,
  looksLikeTorch,
  type Safetensors,
} from "../weights/index.ts";
import { namedWeights, namesHint } from "./named-weights.ts";
import { gunzipMembers } from "./packed/gunzip.ts";
import { readSafetensors } from "./safetensors.ts";

/** What a gzipped checkpoint may unpack to; a ResNet-200 with its optimizer has 1.5 GB. */
const MOST_BYTES = 2 ** 31 - 1;

/**
 * Tensors by name, of a `.safetensors` file or a PyTorch checkpoint (zip or legacy format, gzipped or not).
 * @param from a file, or the name of weights that come with medvox (`med3d-resnet10`)
 * @throws WeightsError naming the file and what is wrong with it
 */
export async function readWeightsFile(from: string): Promise<CheckpointTensors> {
  const path = namedWeights(from) ?? from;
  const head = await readHead(path);
  const isGzip = head[0] === 0x1f && head[1] === 0x8b;
  refuseForeign(head, path);
  if (!isGzip && !looksLikeTorch(head)) return withUnreadable(await readSafetensors(path));
  const stored = await readFile(path).catch((error: Error) => {
    throw new WeightsError(`${path}: ${error.message}`, { cause: error });
  });
  const raw = isGzip ? await gunzipped(stored, path) : stored;
  // Not a Buffer, whose slices share its memory.
  const bytes = new Uint8Array(raw.buffer, raw.byteOffset, raw.byteLength);
  refuseForeign(bytes.subarray(0, HEAD_BYTES), path);
  return looksLikeTorch(bytes) ? decodeTorch(bytes, path) : withUnreadable(decodeSafetensors(bytes, path));
}

function withUnreadable({ tensors, unreadable }: Safetensors): CheckpointTensors {
  const found = new CheckpointTensors(tensors);
  for (const [name, dtype] of unreadable) found.unreadable.set(name, `numbers of the kind ${dtype}`);
  return found;
}

/** Enough to tell what a file is. */
const HEAD_BYTES = 512;

function refuseForeign(head: Uint8Array, path: string): void {
  const foreign = foreignKind(head);
  if (foreign !== undefined) throw new WeightsError(`${path}: ${foreign}`);
}

async function readHead(path: string): Promise<Uint8Array> {
  try {
    const file = await open(path);
    try {
      if ((await file.stat()).isDirectory()) throw new WeightsError(`${path}: is a folder, not a weights file`);
      const { buffer, bytesRead } = await file.read(new Uint8Array(HEAD_BYTES), 0, HEAD_BYTES, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof WeightsError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    const facts: Record<string, string> = { ENOENT: "no such file", EACCES: "no permission to read it" };
    const hint = code === "ENOENT" ? namesHint(path) : "";
    throw new WeightsError(`${path}: ${facts[code ?? ""] ?? message}${hint}`, { cause: error });
  }
}

async function gunzipped(bytes: Uint8Array, path: string): Promise<Uint8Array> {
  const most = Math.min(MOST_BYTES, 1100 * bytes.length + 1024);
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const part of gunzipMembers([bytes], 2 ** 20)) {
      length += part.length;
      if (length > most) throw new Error(`it unpacks to more than ${most} bytes`);
      parts.push(part);
    }
  } catch (error) {
    throw new WeightsError(`${path}: its gzip stream is damaged (${(error as Error).message})`, { cause: error });
  }
  return Buffer.concat(parts, length);
}
