import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { JobEvent, JobRequest } from "./job.ts";
import { type LocalQueue, openLocalQueue } from "./local-queue.ts";
import { type Supervisor, type SupervisorOptions, supervise } from "./supervisor.ts";
import { quickConfig, smallSet } from "./test/small-set.ts";

let root: string;
let data: string;
let queue: LocalQueue | undefined;
let supervisor: Supervisor | undefined;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "medvox-supervisor-"));
  data = await smallSet(join(root, "data"));
});
afterAll(() => rm(root, { recursive: true }));
afterEach(async () => {
  await supervisor?.close();
  await queue?.close();
});

async function open(name: string, options: Partial<SupervisorOptions> = {}): Promise<LocalQueue> {
  queue = await openLocalQueue(join(root, name));
  supervisor = supervise(queue, { folderOf: (id) => queue!.folderOf(id), ...options });
  return queue;
}

/** Reads a job's events to its end. */
async function toEnd(jobs: LocalQueue, id: string, onEvent: (event: JobEvent) => void = () => {}) {
  const events: JobEvent[] = [];
  for await (const event of jobs.events(id)) {
    events.push(event);
    onEvent(event);
  }
  return { events, job: (await jobs.get(id))! };
}

const training = (run: string): JobRequest => ({
  kind: "train",
  task: "segmentation",
  config: { ...quickConfig, data },
  run: join(root, run),
});
const weightsOf = (run: string): Promise<Buffer> => readFile(join(root, run, "checkpoints/last.safetensors"));
const predict: JobRequest = { kind: "predict", model: "none", input: "none", out: "none", options: {} };

/** A child that does what a test wants. */
async function child(name: string, body: string): Promise<URL> {
  const path = join(root, `${name}.mjs`);
  await writeFile(path, body);
  return pathToFileURL(path);
}

describe("jobs in child processes", () => {
  it("trains, resumes to the same bits after its process was killed, and predicts with what it trained", async () => {
    const jobs = await open("whole");
    const plain = await jobs.enqueue(training("plain"));
    const { job, events } = await toEnd(jobs, plain.id);
    expect(job).toMatchObject({
      state: "done",
      attempts: 1,
      result: { task: "segmentation", run: join(root, "plain") },
    });
    expect(events.map(({ n }) => n)).toEqual(events.map((_, i) => i + 1));
    expect(events.filter(({ type }) => type === "epoch").map(({ data }) => data.epoch)).toEqual([1, 2]);

    const killed = await jobs.enqueue(training("killed"));
    let pid = 0;
    let kills = 0;
    const { job: second } = await toEnd(jobs, killed.id, ({ type, data }) => {
      if (type === "process") pid = data.pid as number;
      if (type === "epoch" && kills++ === 0) process.kill(pid, "SIGKILL");
    });
    expect(second).toMatchObject({ state: "done", attempts: 2, deaths: 1 });
    expect((await weightsOf("killed")).equals(await weightsOf("plain"))).toBe(true);

    const out = join(root, "masks");
    const predicting = { model: join(root, "plain"), input: join(data, "imagesTr"), out, options: { threads: 1 } };
    const predicted = await toEnd(jobs, (await jobs.enqueue({ kind: "predict", ...predicting })).id);
    expect(predicted.job).toMatchObject({ state: "done", result: { failed: [] } });
    expect((await readdir(out)).filter((name) => name.endsWith(".nii.gz"))).toHaveLength(4);

    const wrong = await toEnd(jobs, (await jobs.enqueue({ kind: "detect", ...predicting })).id);
    expect(wrong.job).toMatchObject({ state: "failed", attempts: 1, deaths: 0, error: { code: "E_CONFIG" } });
    expect(wrong.job.error?.message).toContain("to detect, name a run or model of a detection");
  });

  it("goes on after the server was ended, and ends a cancelled training after its step, to be gone on with", async () => {
    let jobs = await open("queue-ended");
    const { id } = await jobs.enqueue(training("ended"));
    for await (const { type } of jobs.events(id)) if (type === "start") break;
    await supervisor?.close();
    expect(await jobs.get(id)).toMatchObject({ state: "queued", deaths: 0 });
    await jobs.close();
    jobs = await open("queue-ended");
    const { job } = await toEnd(jobs, id);
    expect(job).toMatchObject({ state: "done", attempts: 2, deaths: 0 });
    expect((await weightsOf("ended")).equals(await weightsOf("plain"))).toBe(true);

    const again = await jobs.enqueue(training("cancelled"));
    const cancelled = await toEnd(jobs, again.id, ({ type }) => {
      if (type === "start") void jobs.cancel(again.id);
    });
    expect(cancelled.job).toMatchObject({ state: "cancelled", deaths: 0 });
    const resumed = await toEnd(jobs, (await jobs.enqueue(training("cancelled"))).id);
    expect(resumed.job).toMatchObject({ state: "done" });
    expect((await weightsOf("cancelled")).equals(await weightsOf("plain"))).toBe(true);
  });

  it("says what a process died of, the third time", async () => {
    const module = await child("dies", `process.on("message", () => { throw new RangeError("no such luck"); });`);
    const jobs = await open("dies", { module });
    const { job } = await toEnd(jobs, (await jobs.enqueue(predict)).id);
    expect(job).toMatchObject({ state: "failed", attempts: 3, deaths: 3, error: { code: "E_DIED" } });
    expect(job.error?.message).toContain("it ended with code 1: RangeError: no such luck");
  });

  it("kills a child that does not end when it is asked to", async () => {
    const body = `process.on("message", ({ type }) => {
      if (type === "work") process.send({ type: "told", event: { type: "note", data: {} } });
    }); setInterval(() => {}, 1000);`;
    const jobs = await open("deaf", { module: await child("deaf", body), graceMs: 10 });
    const { id } = await jobs.enqueue(predict);
    const { job } = await toEnd(jobs, id, ({ type }) => {
      if (type === "note") void jobs.cancel(id);
    });
    expect(job).toMatchObject({ state: "cancelled", attempts: 1 });
  });

  it("tells its children nothing of the server's token", async () => {
    process.env.MEDVOX_TOKEN = "a secret";
    try {
      const body = `process.on("message", () => {
        process.send({ type: "done", result: { token: process.env.MEDVOX_TOKEN ?? null } }, () => process.exit());
      });`;
      const jobs = await open("token", { module: await child("token", body) });
      const { job } = await toEnd(jobs, (await jobs.enqueue(predict)).id);
      expect(job.result).toEqual({ token: null });
    } finally {
      delete process.env.MEDVOX_TOKEN;
    }
  });
});
