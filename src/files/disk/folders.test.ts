import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { DataError } from "../../errors.ts";
import { writeFileAtomic } from "./atomic.ts";
import { makeFolder } from "./folders.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "medvox-folders-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it("makes what is missing, and is content with what is there", async () => {
  await makeFolder(join(folder, "a", "b", "c"));
  await makeFolder(join(folder, "a", "b"));
  await makeFolder(`${folder}/`);
  await Promise.all(Array.from({ length: 8 }, () => makeFolder(join(folder, "x", "y", "z"))));
  expect((await readdir(folder)).sort()).toEqual(["a", "x"]);
});

it("says which file stands in the way", async () => {
  await writeFile(join(folder, "file"), "");
  await expect(makeFolder(join(folder, "file"))).rejects.toThrow(DataError);
  await expect(makeFolder(join(folder, "file", "a", "b"))).rejects.toThrow(/\(ENOTDIR\)/);
});

/** Whether this process may mount file systems, which asks for root and a system that lets it. */
function mayMount(): boolean {
  const place = mkdtempSync(join(tmpdir(), "medvox-mount-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", place], { stdio: "ignore" });
    execFileSync("umount", [place], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

it.skipIf(!mayMount())("a read-only and a full file system are told as such (root alone can mount them)", async () => {
  const cases = [
    ["size=1m,ro", /the file system is read-only \(EROFS\)/],
    ["size=64k,nr_inodes=1", /the disk is full \(ENOSPC\)/],
  ] as const;
  for (const [options, message] of cases) {
    const place = join(folder, options);
    await mkdir(place);
    execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", place]);
    try {
      await expect(makeFolder(join(place, "runs", "a"))).rejects.toThrow(message);
      await expect(makeFolder(join(place, "a"))).rejects.toThrow(message);
      await expect(writeFileAtomic(join(place, "a.txt"), "x")).rejects.toThrow(message);
      await makeFolder(place);
    } finally {
      execFileSync("umount", [place]);
    }
  }
});
