/** Files that are opened once each, however often something of them is read; the system's errors are told with the path. */
import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import { DataError } from "../errors.ts";

const pieceBytes = 2 ** 22;

/** What is read together, such as a volume's header and its voxels. Close it when done. */
export class OpenFiles {
  private readonly handles = new Map<string, FileHandle>();

  /** @throws DataError where the file cannot be read */
  async sizeOf(path: string): Promise<number> {
    const handle = await this.handleOf(path);
    return (await handle.stat().catch((error: unknown) => Promise.reject(readError(path, error)))).size;
  }

  /**
   * Up to `length` bytes from byte `start` on, fewer where the file ends before.
   * @throws DataError where the file cannot be read
   */
  async read(path: string, start: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(Math.min(length, Math.max(0, (await this.sizeOf(path)) - start)));
    let filled = 0;
    for await (const piece of this.pieces(path, start, bytes.length)) {
      bytes.set(piece, filled);
      filled += piece.length;
    }
    return bytes.subarray(0, filled);
  }

  /** The same bytes, piece by piece. */
  async *pieces(path: string, start: number, length: number): AsyncGenerator<Uint8Array> {
    const handle = await this.handleOf(path);
    for (let done = 0; done < length; ) {
      const piece = new Uint8Array(Math.min(length - done, pieceBytes));
      const { bytesRead } = await handle
        .read(piece, 0, piece.length, start + done)
        .catch((error: unknown) => Promise.reject(readError(path, error)));
      if (bytesRead === 0) break;
      done += bytesRead;
      yield piece.subarray(0, bytesRead);
    }
  }

  /** Closes one of them, or all. */
  async close(path?: string): Promise<void> {
    for (const [name, handle] of [...this.handles]) {
      if (path !== undefined && name !== path) continue;
      this.handles.delete(name);
      await handle.close();
    }
  }

  private async handleOf(path: string): Promise<FileHandle> {
    const known = this.handles.get(path);
    if (known !== undefined) return known;
    const handle = await open(path, "r").catch((error: unknown) => Promise.reject(readError(path, error)));
    this.handles.set(path, handle);
    return handle;
  }
}

function readError(path: string, error: unknown): Error {
  const code = (error as NodeJS.ErrnoException | null)?.code ?? "";
  const reasons: Record<string, string> = {
    ENOENT: "no such file",
    ENOTDIR: "no such file",
    EISDIR: "is a folder",
    EACCES: "no permission to read it",
    EPERM: "no permission to read it",
    ELOOP: "its links lead in a circle",
  };
  const reason = reasons[code] ?? (error instanceof Error ? error.message : String(error));
  return new DataError(`${path}: cannot read: ${reason}`, { cause: error });
}
