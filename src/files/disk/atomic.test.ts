import { chmod, mkdir, mkdtemp, open, readdir, readFile, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ConfigError, DataError } from "../../errors.ts";
import { removeStaleTemporaries, temporaryName, writeFileAtomic } from "./atomic.ts";
import { ownerText, thisProcess } from "./owner.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "medvox-atomic-"));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});

/** Makes every write to a file handle fail as a full disk would, after the first `bytes` bytes went through. */
async function failWrites(code: string, method: "writeFile" | "sync" = "writeFile"): Promise<void> {
  const handle = await open(join(folder, "probe"), "w");
  const prototype = Object.getPrototypeOf(handle) as { writeFile: () => Promise<void>; sync: () => Promise<void> };
  await handle.close();
  await rm(join(folder, "probe"));
  vi.spyOn(prototype, method).mockRejectedValue(Object.assign(new Error(`${code}: made up`), { code }));
}

describe("writeFileAtomic", () => {
  it("writes text, bytes and pieces of bytes", async () => {
    await writeFileAtomic(join(folder, "a.txt"), "né");
    await writeFileAtomic(join(folder, "b.bin"), Uint8Array.of(1, 2, 3));
    await writeFileAtomic(join(folder, "c.bin"), [Uint8Array.of(1, 2), Uint8Array.of(3)]);
    expect(await readFile(join(folder, "a.txt"), "utf8")).toBe("né");
    expect([...(await readFile(join(folder, "b.bin")))]).toEqual([1, 2, 3]);
    expect([...(await readFile(join(folder, "c.bin")))]).toEqual([1, 2, 3]);
    expect((await readdir(folder)).sort()).toEqual(["a.txt", "b.bin", "c.bin"]);
  });

  it("replaces an existing file only when forced", async () => {
    const path = join(folder, "a.txt");
    await writeFileAtomic(path, "old");
    await expect(writeFileAtomic(path, "new")).rejects.toThrow(ConfigError);
    expect(await readFile(path, "utf8")).toBe("old");
    await writeFileAtomic(path, "new", { force: true });
    expect(await readFile(path, "utf8")).toBe("new");
    expect(await readdir(folder)).toEqual(["a.txt"]);
  });

  it("lets only one of many simultaneous unforced writers win", async () => {
    const path = join(folder, "a.txt");
    const results = await Promise.allSettled(Array.from({ length: 8 }, (_, i) => writeFileAtomic(path, `${i}`)));
    expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(1);
    expect(await readdir(folder)).toEqual(["a.txt"]);
  });

  it.each(["writeFile", "sync"] as const)("keeps the old file and no temporary when %s fails", async (method) => {
    const path = join(folder, "a.txt");
    await writeFile(path, "old");
    await failWrites("ENOSPC", method);
    const failure = writeFileAtomic(path, "new", { force: true });
    await expect(failure).rejects.toThrow(DataError);
    await expect(failure).rejects.toThrow(`${path}: cannot write: the disk is full (ENOSPC)`);
    vi.restoreAllMocks();
    expect(await readFile(path, "utf8")).toBe("old");
    expect(await readdir(folder)).toEqual(["a.txt"]);
  });

  it.each(["EACCES", "EROFS", "EDQUOT", "EIO"])("names the path on %s", async (code) => {
    await failWrites(code);
    const path = join(folder, "a.txt");
    await expect(writeFileAtomic(path, "new")).rejects.toThrow(new RegExp(`a\\.txt: cannot write: .*\\(${code}\\)`));
    expect(await readdir(folder)).toEqual([]);
  });

  it("says when the folder is missing, is a file, or the name is a folder's", async () => {
    await writeFile(join(folder, "file"), "");
    await mkdir(join(folder, "dir"));
    await expect(writeFileAtomic(join(folder, "no", "a"), "")).rejects.toThrow(/does not exist/);
    await expect(writeFileAtomic(join(folder, "file", "a"), "")).rejects.toThrow(/is not a folder/);
    await expect(writeFileAtomic(join(folder, "dir"), "", { force: true })).rejects.toThrow(/a folder has that name/);
    expect((await readdir(folder)).sort()).toEqual(["dir", "file"]);
  });

  it.skipIf(process.getuid?.() === 0)("says when the folder is not writable (not checkable as root)", async () => {
    await chmod(folder, 0o500);
    await expect(writeFileAtomic(join(folder, "a"), "")).rejects.toThrow(/no permission/);
    await chmod(folder, 0o700);
  });

  it("replaces what a link points to, not the link", async () => {
    await writeFile(join(folder, "real"), "old");
    await symlink(join(folder, "real"), join(folder, "link"));
    await writeFileAtomic(join(folder, "link"), "new", { force: true });
    expect(await readFile(join(folder, "real"), "utf8")).toBe("new");
  });

  describe("temporaries that were left behind", () => {
    /** Above the largest process id of Linux (2^22). */
    const dead = 99_999_999;
    const elsewhere = { place: "0123456789ab", pid: 1, start: 5 };

    async function left(name: string, ageHours: number): Promise<string> {
      await writeFile(join(folder, name), "");
      const time = Date.now() / 1000 - 3600 * ageHours;
      await utimes(join(folder, name), time, time);
      return name;
    }

    it("of this machine: by process, whatever their age", async () => {
      const gone = await left(temporaryName({ ...thisProcess, pid: dead }, 0), 0);
      const kept = [
        await left(temporaryName(thisProcess, 0), 48),
        await left(temporaryName({ ...thisProcess, pid: process.ppid, start: 0 }, 0), 48),
        await left("other.tmp", 48),
      ];
      expect(await removeStaleTemporaries(folder)).toEqual([gone]);
      expect((await readdir(folder)).sort()).toEqual(kept.sort());
    });

    it.skipIf(thisProcess.start === 0)("of an earlier process with the id of one that runs: removed", async () => {
      const names = [
        await left(temporaryName({ ...thisProcess, start: thisProcess.start - 1 }, 0), 0),
        await left(temporaryName({ ...thisProcess, pid: process.ppid, start: 1 }, 0), 0),
      ];
      expect((await removeStaleTemporaries(folder)).sort()).toEqual(names.sort());
    });

    it("of other machines and containers, and of earlier versions: by age alone", async () => {
      const old = [
        await left(temporaryName(elsewhere, 0), 25),
        await left(temporaryName({ ...elsewhere, pid: dead }, 0), 25),
        await left(`.medvox-${process.pid}-0-0.tmp`, 25),
      ];
      const live = [
        await left(temporaryName(elsewhere, 1), 23),
        await left(temporaryName({ ...elsewhere, pid: dead }, 1), 0),
        await left(`.medvox-${dead}-0-1.tmp`, 0),
      ];
      expect((await removeStaleTemporaries(folder)).sort()).toEqual(old.sort());
      expect((await readdir(folder)).sort()).toEqual(live.sort());
      expect(await removeStaleTemporaries(join(folder, "none"))).toEqual([]);
    });

    it("those that are written right now are told as this process's", async () => {
      let during: string[] = [];
      async function* pieces() {
        yield new Uint8Array(3);
        during = await readdir(folder);
        expect(await removeStaleTemporaries(folder)).toEqual([]);
        yield new Uint8Array(3);
      }
      await writeFileAtomic(join(folder, "a"), pieces());
      expect(during).toEqual([expect.stringContaining(ownerText(thisProcess))]);
      expect(await readdir(folder)).toEqual(["a"]);
    });
  });
});
