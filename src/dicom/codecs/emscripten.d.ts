/** The decoders of Cornerstone3D's codecs, which come without types. All of them have the same few methods. */
interface EmscriptenFrameInfo {
  readonly width: number;
  readonly height: number;
  readonly bitsPerSample: number;
  readonly componentCount: number;
}

interface EmscriptenDecoder {
  /** Room for the encoded bytes inside the module's memory. */
  getEncodedBuffer(length: number): Uint8Array;
  readHeader?(): void;
  decode(): void;
  getFrameInfo(): EmscriptenFrameInfo;
  /** A view into the module's memory: to be copied before the next call. */
  getDecodedBuffer(): Uint8Array;
  delete(): void;
}

interface EmscriptenOptions {
  print?: (text: string) => void;
  printErr?: (text: string) => void;
  locateFile?: (file: string) => string;
}

type EmscriptenModule<Name extends string> = Record<Name, new () => EmscriptenDecoder> & {
  getExceptionMessage?(pointer: unknown): readonly [type: string, message: string];
};

declare module "@cornerstonejs/codec-charls/decodewasmjs" {
  const load: (options: EmscriptenOptions) => Promise<EmscriptenModule<"JpegLSDecoder">>;
  export default load;
}

declare module "@cornerstonejs/codec-openjpeg/decodewasmjs" {
  const load: (options: EmscriptenOptions) => Promise<EmscriptenModule<"J2KDecoder">>;
  export default load;
}

declare module "@cornerstonejs/codec-openjph/wasmjs" {
  const load: (options: EmscriptenOptions) => Promise<EmscriptenModule<"HTJ2KDecoder">>;
  export default load;
}
