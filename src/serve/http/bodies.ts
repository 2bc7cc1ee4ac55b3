/** Bodies of requests: read as a stream and never held whole, and never longer than was allowed. */
import { Refusal } from "./refusal.ts";

/**
 * The bytes of a request as they come.
 * @throws Refusal with 413 as soon as more come than allowed, with 400 where there are none
 */
export async function* bodyOf(request: Request, mostBytes: number): AsyncGenerator<Uint8Array> {
  const said = Number(request.headers.get("content-length") ?? 0);
  if (said > mostBytes) throw tooLong(mostBytes);
  if (request.body === null) throw new Refusal(400, "E_EMPTY", "the request has no body; send the file's bytes");
  const reader = request.body.getReader();
  let bytes = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      bytes += value.byteLength;
      if (bytes > mostBytes) throw tooLong(mostBytes);
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
  if (bytes === 0) throw new Refusal(400, "E_EMPTY", "the request has no body; send the file's bytes");
  if (said > 0 && bytes !== said)
    throw new Refusal(400, "E_LENGTH", `the request said ${said} bytes and brought ${bytes}; send it again`);
}

const tooLong = (mostBytes: number): Refusal =>
  new Refusal(413, "E_TOO_LARGE", `the body is longer than ${mostBytes} bytes, which is the most that is taken`);
