/**
 * Node's reader of gzip: member after member, by the rule of gzip itself (RFC 1952, and `gzip -d` for what it leaves open). Node's
 * own one ends with an error where anything but zeros follows the last member, and loses what it had inflated by then.
 */
import { crc32, createInflateRaw } from "node:zlib";
import { isGzip } from "../../volume/formats/gzip.ts";

type Pieces = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** Names and comments in a header are short; a longer header is damage. */
const maxHeaderBytes = 2 ** 20;

/**
 * What the members of a gzip stream hold, one after the other. What follows the last member is left alone unless it begins as one.
 * @param pieces the stream, cut anywhere
 * @throws Error for a stream that is cut, damaged or does not keep its checksums; the caller names the file
 */
export async function* gunzipMembers(pieces: Pieces, chunkSize: number): AsyncGenerator<Uint8Array> {
  const source = new PieceReader(pieces);
  try {
    let members = 0;
    while (members === 0 || isGzip(await source.peek(3))) {
      await skipHeader(source);
      yield* inflateMember(source, chunkSize);
      members++;
    }
  } finally {
    await source.close();
  }
}

async function* inflateMember(source: PieceReader, chunkSize: number): AsyncGenerator<Uint8Array> {
  const stream = createInflateRaw({ chunkSize });
  const fed: { bytes: number; last: Uint8Array } = { bytes: 0, last: new Uint8Array(0) };
  let checksum = 0;
  let length = 0;
  const closed = new Promise<void>((resolve) => stream.once("close", resolve));
  const feeding = feed();
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      checksum = crc32(chunk, checksum);
      length += chunk.length;
      yield chunk;
    }
  } finally {
    stream.destroy();
    await feeding;
  }
  const surplus = fed.bytes - stream.bytesWritten;
  source.unread(fed.last.subarray(fed.last.length - surplus));
  const trailer = await source.take(8);
  const view = new DataView(trailer.buffer, trailer.byteOffset, 8);
  if (view.getUint32(0, true) !== checksum) throw new Error("incorrect data check");
  if (view.getUint32(4, true) !== length % 2 ** 32) throw new Error("incorrect length check");

  /** One piece after the other, until the stream has seen the end of its data in one of them. */
  async function feed(): Promise<void> {
    try {
      while (!stream.destroyed) {
        const piece = await source.next();
        if (piece === undefined) {
          stream.end();
          return;
        }
        fed.bytes += piece.length;
        fed.last = piece;
        // A piece that reaches beyond the end is never called done: the stream closes instead.
        await Promise.race([new Promise<void>((resolve) => stream.write(piece, () => resolve())), closed]);
        // All of it was taken unless the data end within it.
        if (stream.bytesWritten < fed.bytes) return;
      }
    } catch (error) {
      stream.destroy(error as Error);
    }
  }
}

async function skipHeader(source: PieceReader): Promise<void> {
  const head = await source.take(10);
  if (!isGzip(head)) throw new Error("it does not begin as gzip does");
  const flags = head[3];
  if ((flags & 4) !== 0) {
    const [low, high] = await source.take(2);
    await source.take(low | (high << 8));
  }
  // A file's name and a comment end with a zero.
  for (const flag of [8, 16]) if ((flags & flag) !== 0) await skipText(source);
  if ((flags & 2) !== 0) await source.take(2);
}

async function skipText(source: PieceReader): Promise<void> {
  for (let read = 0; read < maxHeaderBytes; read++) if ((await source.take(1))[0] === 0) return;
  throw new Error("its header does not end");
}

/** Bytes of a stream that comes in pieces, as many at a time as are asked for. */
class PieceReader {
  readonly #pieces: Iterator<Uint8Array> | AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(pieces: Pieces) {
    this.#pieces = Symbol.asyncIterator in pieces ? pieces[Symbol.asyncIterator]() : pieces[Symbol.iterator]();
  }

  /** What is at hand, else the next piece; undefined at the end. */
  async next(): Promise<Uint8Array | undefined> {
    if (this.#rest.length > 0) {
      const rest = this.#rest;
      this.#rest = new Uint8Array(0);
      return rest;
    }
    const { done, value } = await this.#pieces.next();
    return done === true ? undefined : value;
  }

  unread(bytes: Uint8Array): void {
    this.#rest = this.#rest.length === 0 ? bytes : joined(bytes, this.#rest);
  }

  /** The next `count` bytes, which stay to be read; fewer at the end. */
  async peek(count: number): Promise<Uint8Array> {
    while (this.#rest.length < count) {
      const { done, value } = await this.#pieces.next();
      if (done === true) break;
      this.#rest = joined(this.#rest, value);
    }
    return this.#rest.subarray(0, count);
  }

  async take(count: number): Promise<Uint8Array> {
    const bytes = await this.peek(count);
    if (bytes.length < count) throw new Error("unexpected end of file");
    this.#rest = this.#rest.subarray(count);
    return bytes;
  }

  async close(): Promise<void> {
    await this.#pieces.return?.();
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
