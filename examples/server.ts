/**
 * A segmentation as a web service: one network in memory for many requests. A request is estimated before it runs, waits for its turn, tells how
 * far it is, and can be cancelled. Masks are files that are fetched when they are done.
 *
 *   npm run build && npx tsx examples/server.ts MODEL_OR_RUN [PORT]
 *   curl --data-binary @scan.nii.gz localhost:8080/masks              # { "id": 1, "windows": 8, "bytes": 1200000000 }
 *   curl localhost:8080/masks/1                                       # { "state": "working", "share": 0.5, "seconds": 3.1, "left": 3.1 }
 *   curl -O localhost:8080/masks/1/mask.nii.gz
 *   curl -X DELETE localhost:8080/masks/1                             # stops it, or forgets it
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { MedvoxError } from "medvox";
import { readVolumeHeader } from "medvox/files";
import { openSegmenter } from "medvox/med3d";

const [model, port = "8080"] = process.argv.slice(2);
if (model === undefined) throw new Error("name a model or a run");

/** What one request is about. A share of 0 means that it waits for its turn. */
interface Job {
  state: "waiting" | "working" | "done" | "failed";
  share: number;
  begun: number;
  error?: string;
  readonly mask: string;
  readonly stop: AbortController;
}

// One engine, and one prediction at a time: two at once would each take half the cores and twice the memory. The fifth that waits is refused.
await using segmenter = await openSegmenter(model, { maxMemory: 4e9, mostWaiting: 4 });
const folder = await mkdtemp(join(tmpdir(), "masks-"));
const jobs = new Map<string, Job>();

/** Predicts one file; what becomes of it is told by its job. */
async function work(image: string, job: Job): Promise<void> {
  const onProgress = ({ share }: { share: number }) => {
    if (job.state === "waiting") Object.assign(job, { state: "working", begun: performance.now() });
    job.share = share;
  };
  try {
    await segmenter.predictFile(image, job.mask, { signal: job.stop.signal, onProgress });
    job.state = "done";
  } catch (error) {
    Object.assign(job, { state: "failed", error: (error as Error).message });
  } finally {
    await rm(image, { force: true });
  }
}

const app = new Hono();
app.use(bodyLimit({ maxSize: 1e9 }));
// An error of medvox says what is wrong with the file; anything else is a fault of the server.
app.onError((error, c) => c.json({ error: error.message }, error instanceof MedvoxError ? 422 : 500));

let last = 0;
app.post("/masks", async (c) => {
  const waiting = [...jobs.values()].filter(({ state }) => state === "waiting").length;
  if (waiting >= 4) return c.json({ error: "4 requests are waiting; come again later" }, 503);
  const id = String(++last);
  const image = join(folder, `${id}-image.nii.gz`);
  await writeFile(image, new Uint8Array(await c.req.arrayBuffer()));
  // The header alone says what the prediction will take; what is more than `maxMemory` is refused here.
  const { windows, bytes } = segmenter.estimate(await readVolumeHeader(image));
  const mask = join(folder, `${id}.nii.gz`);
  const job: Job = { state: "waiting", share: 0, begun: 0, mask, stop: new AbortController() };
  jobs.set(id, job);
  void work(image, job);
  return c.json({ id, windows, bytes }, 202);
});

app.get("/masks/:id", (c) => {
  const job = jobs.get(c.req.param("id"));
  if (job === undefined) return c.notFound();
  const { state, share, begun, error } = job;
  // Windows take the same time each, so what is done says what is left.
  const seconds = state === "working" ? (performance.now() - begun) / 1000 : undefined;
  return c.json({ state, share, seconds, left: seconds && (seconds * (1 - share)) / share, error });
});

app.get("/masks/:id/mask.nii.gz", async (c) => {
  const job = jobs.get(c.req.param("id"));
  if (job?.state !== "done") return c.notFound();
  return c.body(await readFile(job.mask), 200, { "Content-Type": "application/gzip" });
});

app.delete("/masks/:id", async (c) => {
  const id = c.req.param("id");
  const job = jobs.get(id);
  if (job === undefined) return c.notFound();
  // Between two windows, or at once where it still waits.
  job.stop.abort(new Error("cancelled"));
  jobs.delete(id);
  await rm(job.mask, { force: true });
  return c.body(null, 204);
});

const server = serve({ fetch: app.fetch, port: Number(port), hostname: "localhost" }, (info) =>
  console.log(`listening on http://localhost:${info.port}`),
);
await new Promise((resolve) => process.once("SIGINT", resolve).once("SIGTERM", resolve));
server.close();
for (const { stop } of jobs.values()) stop.abort(new Error("the server ends"));
await rm(folder, { recursive: true, force: true });
