/** Runs: what was trained, how it went, its report and its model. */
import { z } from "@hono/zod-openapi";
import { CLOSED_PAGE, fileAnswer } from "../http/files.ts";
import { withoutPaths } from "../http/refusal.ts";
import { fileOfRun, listRuns, MODEL, openServedRun, REPORT, type ServedRun } from "../runs.ts";
import type { ServerContext } from "../server-context.ts";
import { answers, bytes, newApi, refusals, route } from "./app.ts";
import { runDetailSchema, runId, runSchema } from "./schemas.ts";

const params = z.object({ id: runId });

export function runRoutes({ runs, set }: ServerContext) {
  const folders = { [set.root]: "data", [runs]: "runs" };
  const summary = ({ folder: _, config: _config, log: _log, ...rest }: ServedRun) => rest;
  const api = newApi();
  api.openapi(
    route({
      method: "get",
      path: "/runs",
      responses: { 200: answers("the newest first", z.array(runSchema)), ...refusals },
    }),
    async (c) => c.json((await listRuns(runs)).map(summary), 200),
  );
  api.openapi(
    route({
      method: "get",
      path: "/runs/{id}",
      request: { params },
      responses: { 200: answers("the run", runDetailSchema), ...refusals },
    }),
    async (c) => {
      const { folder: _, ...run } = await openServedRun(runs, c.req.valid("param").id);
      return c.json(JSON.parse(withoutPaths(JSON.stringify(run), folders)) as z.output<typeof runDetailSchema>, 200);
    },
  );
  api.openapi(
    route({
      method: "get",
      path: "/runs/{id}/report",
      request: { params },
      responses: { 200: bytes("a page of its own", "text/html"), ...refusals },
    }),
    async (c) =>
      fileAnswer(await fileOfRun(runs, c.req.valid("param").id, REPORT), {
        headers: { "Content-Security-Policy": CLOSED_PAGE },
      }),
  );
  api.openapi(
    route({
      method: "get",
      path: "/runs/{id}/model",
      request: { params },
      responses: { 200: bytes("an ONNX file"), ...refusals },
    }),
    async (c) => {
      const { id } = c.req.valid("param");
      return fileAnswer(await fileOfRun(runs, id, MODEL), { name: `${id}.onnx` });
    },
  );
  return api;
}
