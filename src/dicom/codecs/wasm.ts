/**
 * JPEG-LS by CharLS, JPEG 2000 by OpenJPEG and HTJ2K by OpenJPH, as Cornerstone3D builds them to WebAssembly. Each is loaded when the
 * first frame asks for it. Their decoders allocate what a frame's own head claims, so that is compared with the object's first.
 */
import { DataError } from "../../errors.ts";
import type { PixelLayout } from "../pixels.ts";

export type WasmCoding = "jpeg-ls" | "jpeg-2000" | "htj2k";

/** Decoded samples as the codec holds them: one or two bytes each, little end first. */
export interface CodecFrame {
  readonly bytes: Uint8Array;
  readonly bytesPerSample: number;
}

interface Codec {
  readonly make: () => EmscriptenDecoder;
  /** What an exception that the module throws says. */
  readonly explain: (error: unknown) => string;
}

const quiet = { print: () => {}, printErr: () => {} };
let locate: ((file: string) => string) | undefined;
const loaded = new Map<WasmCoding, Promise<Codec>>();

/**
 * Where the `.wasm` files of the codecs are, for programs that serve them themselves: in Node they are found beside their packages.
 * @param find the address of a file (`charlswasm_decode.wasm`, `openjpegwasm_decode.wasm`, `openjphjs.wasm`)
 */
export function locateCodecs(find: (file: string) => string): void {
  locate = find;
  loaded.clear();
}

function codecFor(coding: WasmCoding): Promise<Codec> {
  const known = loaded.get(coding);
  if (known !== undefined) return known;
  const loading = load(coding);
  loaded.set(coding, loading);
  return loading;
}

async function load(coding: WasmCoding): Promise<Codec> {
  const options = { ...quiet, ...(locate && { locateFile: locate }) };
  if (coding === "jpeg-ls") {
    const module = await (await import("@cornerstonejs/codec-charls/decodewasmjs")).default(options);
    const explain = (error: unknown) => module.getExceptionMessage?.(error)?.[1] ?? String(error);
    return { make: () => new module.JpegLSDecoder(), explain };
  }
  if (coding === "jpeg-2000") {
    const module = await (await import("@cornerstonejs/codec-openjpeg/decodewasmjs")).default(options);
    return { make: () => new module.J2KDecoder(), explain: () => "OpenJPEG cannot decode it" };
  }
  const module = await (await import("@cornerstonejs/codec-openjph/wasmjs")).default(options);
  return { make: () => new module.HTJ2KDecoder(), explain: () => "OpenJPH cannot decode it" };
}

/** @throws DataError where the frame is damaged or is not of the size and depth that its object names */
export async function decodeWasm(
  coding: WasmCoding,
  bytes: Uint8Array,
  layout: PixelLayout,
  name: string,
): Promise<CodecFrame> {
  const { rows, columns } = layout;
  const claimed = coding === "jpeg-ls" ? jpegLsSize(bytes) : jpeg2000Size(bytes);
  if (claimed === undefined) throw new DataError(`${name}: a frame is no ${coding.toUpperCase()} codestream`);
  if (claimed.width !== columns || claimed.height !== rows || claimed.components !== 1) {
    throw new DataError(
      `${name}: a frame is ${claimed.width}×${claimed.height} with ${claimed.components} components, its head says ${columns}×${rows}`,
    );
  }
  const { make, explain } = await codecFor(coding);
  let decoder: EmscriptenDecoder | undefined;
  try {
    decoder = make();
    decoder.getEncodedBuffer(bytes.length).set(bytes);
    decoder.decode();
    const { bitsPerSample } = decoder.getFrameInfo();
    const bytesPerSample = bitsPerSample > 8 ? 2 : 1;
    const decoded = decoder.getDecodedBuffer().slice();
    if (decoded.length !== rows * columns * bytesPerSample)
      throw new DataError(`${name}: a frame cannot be decoded whole: damaged?`);
    return { bytes: decoded, bytesPerSample };
  } catch (error) {
    if (error instanceof DataError) throw error;
    // After an abort the module cannot go on.
    if (error instanceof WebAssembly.RuntimeError || error instanceof RangeError) loaded.delete(coding);
    throw new DataError(`${name}: damaged ${coding.toUpperCase()} frame: ${explained(explain, error)}`, {
      cause: error,
    });
  } finally {
    deleted(decoder);
  }
}

function explained(explain: (error: unknown) => string, error: unknown): string {
  try {
    return explain(error);
  } catch {
    return String(error);
  }
}

function deleted(decoder: EmscriptenDecoder | undefined): void {
  try {
    decoder?.delete();
  } catch {
    // Of a module that was aborted.
  }
}

interface Claimed {
  readonly width: number;
  readonly height: number;
  readonly components: number;
}

/** From the frame header (SOF55) of ISO/IEC 14495-1. */
function jpegLsSize(bytes: Uint8Array): Claimed | undefined {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return undefined;
  for (let at = 2; at + 10 <= bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1];
    if (marker === 0xff) {
      at++;
      continue;
    }
    if (marker === 0xf7) {
      const height = (bytes[at + 5] << 8) | bytes[at + 6];
      return { width: (bytes[at + 7] << 8) | bytes[at + 8], height, components: bytes[at + 9] };
    }
    at += 2 + ((bytes[at + 2] << 8) | bytes[at + 3]);
  }
  return undefined;
}

/** From the size marker (SIZ) of ISO/IEC 15444-1, bare or inside a JP2 file. */
function jpeg2000Size(bytes: Uint8Array): Claimed | undefined {
  const most = Math.min(bytes.length - 44, 4096);
  for (let at = 0; at <= most; at++) {
    if (bytes[at] !== 0xff || bytes[at + 1] !== 0x4f || bytes[at + 2] !== 0xff || bytes[at + 3] !== 0x51) continue;
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, 44);
    const [width, height] = [view.getUint32(8) - view.getUint32(16), view.getUint32(12) - view.getUint32(20)];
    return { width, height, components: view.getUint16(40) };
  }
  return undefined;
}
