/** Jobs: begun by a request, watched by events that can be taken up again, ended by `DELETE`; their files. */

import { basename, join } from "node:path";
import { z } from "@hono/zod-openapi";
import { streamSSE } from "hono/streaming";
import { hasEnded, type Job } from "../../jobs/index.ts";
import { fileAnswer, filesBelow } from "../http/files.ts";
import { confined } from "../http/ids.ts";
import { notThere, withoutPaths } from "../http/refusal.ts";
import { askPrediction, askTraining, outOf } from "../requests.ts";
import type { ServerContext } from "../server-context.ts";
import { answers, bytes, jsonBody, newApi, refusals, route } from "./app.ts";
import { jobId, jobSchema, predictBody, trainBody } from "./schemas.ts";

const params = z.object({ id: jobId });

export function jobRoutes(context: ServerContext) {
  const { queue, runs, set } = context;
  // Results and events name files by the server's paths; clients see what they are below.
  const folders = { [set.root]: "data", [runs]: "runs" };
  const shownText = (text: string): string => withoutPaths(text, folders);
  const shown = (job: Job, files?: readonly string[]): z.output<typeof jobSchema> => {
    const { id, request, state, created, started, ended, attempts, deaths, cancelAsked, error, result } = job;
    const run = basename(request.kind === "train" ? request.run : request.model);
    const times = { created, started, ended };
    const told = JSON.parse(shownText(JSON.stringify({ error, result })));
    return {
      id,
      kind: request.kind,
      state,
      run,
      ...times,
      attempts,
      deaths,
      cancelAsked,
      ...told,
      ...(files && { files: [...files] }),
    };
  };
  const found = async (id: string): Promise<Job> => {
    const job = await queue.get(id);
    if (job === undefined) throw notThere("job");
    return job;
  };

  const api = newApi();
  const accepted = { 202: answers("it waits or runs", jobSchema), ...refusals };
  api.openapi(
    route({ method: "post", path: "/jobs/train", request: { body: jsonBody(trainBody) }, responses: accepted }),
    async (c) => c.json(shown(await askTraining(context, c.req.valid("json"))), 202),
  );
  api.openapi(
    route({ method: "post", path: "/jobs/predict", request: { body: jsonBody(predictBody) }, responses: accepted }),
    async (c) => c.json(shown(await askPrediction(context, "predict", c.req.valid("json"))), 202),
  );
  api.openapi(
    route({ method: "post", path: "/jobs/detect", request: { body: jsonBody(predictBody) }, responses: accepted }),
    async (c) => c.json(shown(await askPrediction(context, "detect", c.req.valid("json"))), 202),
  );
  api.openapi(
    route({
      method: "get",
      path: "/jobs",
      responses: { 200: answers("the newest first", z.array(jobSchema)), ...refusals },
    }),
    async (c) =>
      c.json(
        (await queue.list()).map((job) => shown(job)),
        200,
      ),
  );
  api.openapi(
    route({
      method: "get",
      path: "/jobs/{id}",
      request: { params },
      responses: { 200: answers("the job", jobSchema), ...refusals },
    }),
    async (c) => {
      const job = await found(c.req.valid("param").id);
      return c.json(shown(job, await filesBelow(outOf(queue, job.id))), 200);
    },
  );
  api.openapi(
    route({
      method: "delete",
      path: "/jobs/{id}",
      description: "Ends a job after the step at which it is; a training can be gone on with later.",
      request: { params },
      responses: { 202: answers("it ends or has ended", jobSchema), ...refusals },
    }),
    async (c) => {
      const job = await queue.cancel(c.req.valid("param").id);
      if (job === undefined) throw notThere("job");
      return c.json(shown(job), 202);
    },
  );
  api.openapi(
    route({
      method: "get",
      path: "/jobs/{id}/events",
      description:
        "Server-sent events, each with its number as id and a JobEvent as data. With `Last-Event-ID` they go on after that one. The last is `end`.",
      request: { params },
      responses: { 200: bytes("events", "text/event-stream"), ...refusals },
    }),
    async (c) => {
      const { id } = await found(c.req.valid("param").id);
      const last = Number(c.req.header("last-event-id") ?? c.req.query("after") ?? 0);
      return streamSSE(c, async (stream) => {
        const gone = new AbortController();
        stream.onAbort(() => gone.abort());
        // Proxies end connections that say nothing.
        const alive = setInterval(() => void stream.write(": alive\n\n"), 15_000);
        try {
          for await (const event of queue.events(id, Number.isInteger(last) && last > 0 ? last : 0, gone.signal))
            await stream.writeSSE({ id: String(event.n), event: event.type, data: shownText(JSON.stringify(event)) });
          const job = await queue.get(id);
          if (job !== undefined && hasEnded(job) && !gone.signal.aborted)
            await stream.writeSSE({ event: "end", data: JSON.stringify(shown(job)) });
        } finally {
          clearInterval(alive);
        }
      });
    },
  );
  // A name with slashes; it is looked up in the list of the job's files, whatever it says.
  api.get("/jobs/:id/files/:name{.+}", async (c) => {
    const { id } = await found(jobId.parse(c.req.param("id")));
    const out = outOf(queue, id);
    const name = (await filesBelow(out)).find((file) => file === c.req.param("name"));
    if (name === undefined) throw notThere("file");
    return fileAnswer(await confined(out, join(out, name)), { name: basename(name) });
  });
  return api;
}
