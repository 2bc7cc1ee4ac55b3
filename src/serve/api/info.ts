/** What the server has, the browser's session, and the tokens for viewers that can only be given an address. */
import { z } from "@hono/zod-openapi";
import { versions } from "../../machine.ts";
import { taskNames } from "../../tasks.ts";
import { FINAL } from "../data/served-set.ts";
import { notThere } from "../http/refusal.ts";
import type { ServerContext } from "../server-context.ts";
import { answers, jsonBody, newApi, refusals, route } from "./app.ts";
import { infoSchema, pathTokenSchema } from "./schemas.ts";

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
  api.openapi(
    route({
      method: "get",
      path: "/path-tokens",
      responses: { 200: answers("those that hold", z.array(pathTokenSchema)), ...refusals },
    }),
    (c) => c.json([...access.pathTokens()], 200),
  );
  api.openapi(
    route({
      method: "post",
      path: "/path-tokens",
      description: "An address `/k/TOKEN/` for a viewer that can send no header. The token is told this once.",
      request: { body: jsonBody(z.object({ name: z.string().min(1).max(64) }).strict()) },
      responses: { 201: answers("made", pathTokenSchema.extend({ token: z.string(), path: z.string() })), ...refusals },
    }),
    async (c) => {
      const made = await access.givePathToken(c.req.valid("json").name);
      return c.json({ ...made, path: `/k/${made.token}/` }, 201);
    },
  );
  api.openapi(
    route({
      method: "delete",
      path: "/path-tokens/{id}",
      request: { params: z.object({ id: z.string().regex(/^[0-9a-f]{12}$/) }) },
      responses: { 200: answers("it holds no longer", done), ...refusals },
    }),
    async (c) => {
      if (!(await access.takeBack(c.req.valid("param").id))) throw notThere("path token");
      return c.json({ ok: true as const }, 200);
    },
  );
  return api;
}
