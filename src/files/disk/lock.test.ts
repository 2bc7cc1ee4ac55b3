import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ConfigError, DataError } from "../../errors.ts";
import { lockFolder, lockName } from "./lock.ts";
import { ownerText, thisProcess } from "./owner.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "medvox-lock-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A lock that another owner left, so old. */
async function leave(owner: string, ageMinutes: number, text?: string): Promise<void> {
  const content = { owner, host: "node17", since: "2026-01-02T03:04:05.000Z", token: "other" };
  await writeFile(join(folder, lockName), text ?? JSON.stringify(content));
  const time = Date.now() / 1000 - 60 * ageMinutes;
  await utimes(join(folder, lockName), time, time);
}

describe("one owner at a time", () => {
  it("a second one is refused by name, in this process too, until the first lets go", async () => {
    const lock = await lockFolder(folder, "is being trained");
    await expect(lockFolder(folder, "is being trained")).rejects.toThrow(ConfigError);
    await expect(lockFolder(folder, "is being trained")).rejects.toThrow(
      new RegExp(`^${folder}: is being trained by this process since 20.*; wait until that ends, or stop it$`),
    );
    expect(await readdir(folder)).toEqual([lockName]);
    await lock.release();
    await lock.release();
    expect(await readdir(folder)).toEqual([]);
    await (await lockFolder(folder)).release();
  });

  it("of many at once exactly one gets it", async () => {
    const tries = await Promise.allSettled(Array.from({ length: 20 }, () => lockFolder(folder)));
    expect(tries.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(await readdir(folder)).toEqual([lockName]);
  });

  it("another process is refused while this one lives, and takes over when it was killed", async () => {
    const program = `import { lockFolder } from ${JSON.stringify(new URL("./lock.ts", import.meta.url).href)};
      await lockFolder(process.argv[1]); console.log("taken"); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program, folder], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    await expect(lockFolder(folder)).rejects.toThrow(`by process ${child.pid} on`);
    child.kill("SIGKILL");
    await once(child, "exit");
    const lock = await lockFolder(folder);
    expect(JSON.parse(await readFile(join(folder, lockName), "utf8"))).toMatchObject({ owner: ownerText(thisProcess) });
    await lock.release();
  }, 60_000);
});

describe("what was left behind", () => {
  const elsewhere = "0123456789ab-1-77";
  it("of another machine: refused while it is fresh, taken over once nobody has touched it", async () => {
    await leave(elsewhere, 2);
    await expect(lockFolder(folder)).rejects.toThrow("by process 1 on node17 since 2026-01-02T03:04:05.000Z");
    await leave(elsewhere, 11);
    await (await lockFolder(folder)).release();
    expect(await readdir(folder)).toEqual([]);
  });

  it("of a process of this machine that is gone: taken over at once", async () => {
    const gone = Number(execFileSync(process.execPath, ["-p", "process.pid"], { encoding: "utf8" }));
    await leave(ownerText({ ...thisProcess, pid: gone }), 0);
    await (await lockFolder(folder)).release();
  });

  it.skipIf(thisProcess.start === 0)(
    "of an earlier process with this one's id, as in a container: taken over",
    async () => {
      await leave(ownerText({ ...thisProcess, start: thisProcess.start - 5 }), 0);
      await (await lockFolder(folder)).release();
    },
  );

  it.each(["", "{", "{}", '{"owner":"nonsense","host":"a","since":"b","token":"c"}'])(
    "a lock that says nothing (%j): by age",
    async (text) => {
      await leave("", 1, text);
      await expect(lockFolder(folder)).rejects.toThrow(/it is in use by another process/);
      await leave("", 11, text);
      await (await lockFolder(folder)).release();
    },
  );

  it("of many that take over at once exactly one gets it", async () => {
    await leave(elsewhere, 11);
    const tries = await Promise.allSettled(Array.from({ length: 10 }, () => lockFolder(folder)));
    expect(tries.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });
});

describe("while it is held", () => {
  it("it is touched each minute, and a loss is told", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    try {
      const lock = await lockFolder(folder);
      const old = Date.now() / 1000 - 500;
      await utimes(join(folder, lockName), old, old);
      const before = await readFile(join(folder, lockName), "utf8");
      vi.advanceTimersByTime(60_000);
      const { stat } = await import("node:fs/promises");
      await vi.waitFor(async () =>
        expect((await stat(join(folder, lockName))).mtimeMs / 1000).toBeGreaterThan(old + 400),
      );
      expect(await readFile(join(folder, lockName), "utf8")).toBe(before);
      expect(lock.lost.aborted).toBe(false);
      await leave("0123456789ab-1-77", 0);
      vi.advanceTimersByTime(60_000);
      await vi.waitFor(() => expect(lock.lost.aborted).toBe(true));
      expect(String(lock.lost.reason)).toMatch(/by process 1 on node17/);
      // What is another's stays.
      await lock.release();
      expect(await readdir(folder)).toEqual([lockName]);
    } finally {
      vi.useRealTimers();
    }
  });

  it("a folder that does not exist is an error of the disk", async () => {
    await expect(lockFolder(join(folder, "none"))).rejects.toThrow(DataError);
  });
});
