/** Routes of the API: answers in JSON, errors in words, and a schema for each. */
import { createRoute, OpenAPIHono, type RouteConfig, type z } from "@hono/zod-openapi";
import { Refusal } from "../http/refusal.ts";
import { errorSchema } from "./schemas.ts";

export type Api = OpenAPIHono;

/** A router whose requests are refused in the API's own words. */
export const newApi = (): Api =>
  new OpenAPIHono({
    defaultHook: (result) => {
      if (result.success) return;
      const [issue] = result.error.issues;
      const place = issue.path.join(".");
      throw new Refusal(400, "E_CONFIG", place === "" ? issue.message : `${place}: ${issue.message}`);
    },
  });

/** An answer in JSON, for the description of a route. */
export const answers = <T extends z.ZodType>(description: string, schema: T) => ({
  description,
  content: { "application/json": { schema } },
});

/** An answer that is a file. */
export const bytes = (description: string, type = "application/octet-stream") => ({
  description,
  content: { [type]: { schema: { type: "string" as const, format: "binary" } } },
});

/** Answers that every route may give. */
export const refusals = {
  400: answers("asked wrongly", errorSchema),
  401: answers("no token", errorSchema),
  404: answers("there is none", errorSchema),
};

/** A body in JSON. */
export const jsonBody = <T extends z.ZodType>(schema: T) => ({
  required: true,
  content: { "application/json": { schema } },
});

/** A body that is a file's bytes. */
export const fileBody = {
  required: true,
  content: { "application/octet-stream": { schema: { type: "string" as const, format: "binary" } } },
};

export const route = <const R extends RouteConfig>(config: R) => createRoute(config);
