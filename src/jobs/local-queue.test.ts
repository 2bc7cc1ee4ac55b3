import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ConfigError } from "../errors.ts";
import { type JobRequest, newJobId } from "./job.ts";
import { type LocalQueue, openLocalQueue } from "./local-queue.ts";

let root: string;
let queue: LocalQueue;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "medvox-queue-"));
  queue = await openLocalQueue(root);
});
afterEach(async () => {
  await queue.close();
  await rm(root, { recursive: true });
});

const predict: JobRequest = { kind: "predict", model: "m", input: "i", out: "o", options: {} };
const train: JobRequest = { kind: "train", task: "segmentation", config: {}, run: "r" };
const never = new AbortController().signal;

async function statesOf(id: string): Promise<string[]> {
  const states: string[] = [];
  for await (const { type, data } of queue.events(id)) states.push(type === "state" ? String(data.state) : type);
  return states;
}

describe("a queue in a folder", () => {
  it("gives jobs in their order, by kind, and keeps what came of them", async () => {
    const first = await queue.enqueue(predict);
    const second = await queue.enqueue(train);
    const third = await queue.enqueue(predict);
    expect((await queue.take(["train"], never))?.job.id).toBe(second.id);
    const lease = await queue.take(["predict", "detect"], never);
    expect(lease?.job.id).toBe(first.id);
    await lease?.tell({ type: "progress", data: { share: 0.5 } });
    await lease?.done({ files: ["a.nii.gz"] });
    expect((await queue.take(["predict"], never))?.job.id).toBe(third.id);
    expect(await statesOf(first.id)).toEqual(["queued", "running", "progress", "done"]);
    expect(await queue.get(first.id)).toMatchObject({ state: "done", attempts: 1, result: { files: ["a.nii.gz"] } });
    expect((await queue.list()).map(({ id }) => id).sort()).toEqual([first.id, second.id, third.id].sort());
  });

  it("takes an id that is there already for the same job, and refuses one that is none", async () => {
    const id = newJobId("predict");
    const job = await queue.enqueue(predict, { id });
    expect(await queue.enqueue(predict, { id })).toBe(job);
    expect(await queue.list()).toHaveLength(1);
    await expect(queue.enqueue(predict, { id: "../../etc" })).rejects.toThrow(ConfigError);
    expect(await queue.get("../../etc")).toBeUndefined();
  });

  it("says events after a number alone, and waits for more until the job ends", async () => {
    const { id } = await queue.enqueue(predict);
    const read = (async () => {
      const numbers: number[] = [];
      for await (const { n } of queue.events(id, 1)) numbers.push(n);
      return numbers;
    })();
    const lease = await queue.take(["predict"], never);
    await lease?.tell({ type: "note", data: {} });
    await lease?.done({});
    expect(await read).toEqual([2, 3, 4]);
  });

  it("says that a job failed only after its process died three times", async () => {
    const { id } = await queue.enqueue(predict);
    for (const deaths of [1, 2]) {
      await (await queue.take(["predict"], never))?.died("SIGKILL");
      expect(await queue.get(id)).toMatchObject({ state: "queued", deaths });
    }
    const lease = await queue.take(["predict"], never);
    expect(lease?.attempt).toBe(3);
    await lease?.died("it ended with SIGSEGV");
    const job = await queue.get(id);
    expect(job).toMatchObject({ state: "failed", deaths: 3, error: { code: "E_DIED" } });
    expect(job?.error?.message).toBe("its process died 3 times, the last time so: it ended with SIGSEGV");
  });

  it("cancels a job that waits at once, and asks one that runs", async () => {
    const waiting = await queue.enqueue(predict);
    expect(await queue.cancel(waiting.id)).toMatchObject({ state: "cancelled" });
    const { id } = await queue.enqueue(predict);
    const lease = await queue.take(["predict"], never);
    expect(lease?.job.id).toBe(id);
    expect(await queue.cancel(id)).toMatchObject({ state: "running", cancelAsked: true });
    expect(lease?.stop.aborted).toBe(true);
    await lease?.cancelled();
    expect(await queue.cancel(id)).toMatchObject({ state: "cancelled" });
    expect(await queue.cancel(newJobId("train"))).toBeUndefined();
  });

  it("gives the job of a silent holder to another, whose word alone counts then", async () => {
    await queue.close();
    queue = await openLocalQueue(root, { silenceMs: 20 });
    const { id } = await queue.enqueue(predict);
    const silent = await queue.take(["predict"], never);
    const other = await queue.take(["predict"], never);
    expect(other).toMatchObject({ job: { id }, attempt: 2 });
    expect(silent?.stop.aborted).toBe(true);
    await silent?.done({ by: "silent" });
    expect(await queue.get(id)).toMatchObject({ state: "running" });
    await other?.done({ by: "other" });
    expect(await queue.get(id)).toMatchObject({ state: "done", result: { by: "other" }, deaths: 0 });
  });

  it("is another process's where one holds it, and ends waiting with the signal", async () => {
    await expect(openLocalQueue(root)).rejects.toThrow(ConfigError);
    const stop = new AbortController();
    const taking = queue.take(["predict"], stop.signal);
    stop.abort();
    expect(await taking).toBeUndefined();
  });

  it("has after a sudden end what it had: what ran waits again, what was to be cancelled is, numbers go on", async () => {
    const ran = await queue.enqueue(predict);
    const lease = await queue.take(["predict"], never);
    await lease?.tell({ type: "note", data: {} });
    const stopping = await queue.enqueue(train);
    await queue.take(["train"], never);
    await queue.cancel(stopping.id);
    const done = await queue.enqueue(predict);
    await (await queue.take(["predict"], never))?.done({ a: 1 });
    // Closing writes nothing about jobs, so the folder is what a killed process leaves, apart from its lock.
    await queue.close();
    queue = await openLocalQueue(root);
    expect(await queue.get(ran.id)).toMatchObject({ state: "queued", attempts: 1, deaths: 0 });
    expect(await queue.get(stopping.id)).toMatchObject({ state: "cancelled" });
    expect(await queue.get(done.id)).toMatchObject({ state: "done", result: { a: 1 } });
    await (await queue.take(["predict"], never))?.done({});
    const lines = (await readFile(join(queue.folderOf(ran.id), "events.jsonl"), "utf8")).trim().split("\n");
    expect(lines.map((line) => JSON.parse(line).n)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await statesOf(ran.id)).toEqual(["queued", "running", "note", "queued", "running", "done"]);
  });
});
