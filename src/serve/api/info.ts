/** What the server has, and the browser's session. */
import { z } from "@hono/zod-openapi";
import { versions } from "../../machine.ts";
import { taskNames } from "../../tasks.ts";
import { FINAL } from "../data/served-set.ts";
import type { ServerContext } from "../server-context.ts";
import { answers, newApi, refusals, route } from "./app.ts";
import { infoSchema } from "./schemas.ts";

export function infoRoutes({ set, access, limits }: ServerContext) {
  const api = newApi();
  api.openapi(
    route({ method: "get", path: "/info", responses: { 200: answers("the server", infoSchema), ...refusals } }),
    (c) => {
      const cases = set.cases();
      return c.json(
        {
          name: set.name,
          version: versions().medvox,
          labels: { ...set.labels },
          cases: cases.length,
          labelled: cases.filter(({ labels }) => labels.has(FINAL)).length,
          tasks: taskNames(),
          problems: set.problems,
          limits: { imageBytes: limits.imageBytes, labelBytes: limits.labelBytes },
        },
        200,
      );
    },
  );
  const done = z.object({ ok: z.literal(true) });
  api.openapi(
    route({
      method: "post",
      path: "/session",
      description: "Gives a browser that shows the token a cookie, so that the page need not keep the token.",
      responses: { 200: answers("a cookie", done), ...refusals },
    }),
    (c) => {
      access.beginSession(c);
      return c.json({ ok: true as const }, 200);
    },
  );
  api.openapi(
    route({ method: "delete", path: "/session", responses: { 200: answers("no cookie any more", done), ...refusals } }),
    (c) => {
      access.endSession(c);
      return c.json({ ok: true as const }, 200);
    },
  );
  return api;
}
