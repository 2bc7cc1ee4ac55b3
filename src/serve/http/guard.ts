/**
 * What holds for every request and every answer: the server is asked for by a name it is known by, so that a foreign page cannot reach
 * it by a name that was made to lead here (DNS rebinding), and answers keep pages of other origins out and types as they are said.
 */
import type { MiddlewareHandler } from "hono";
import { Refusal } from "./refusal.ts";

/** Addresses that only this machine reaches. */
export const LOOPBACK: readonly string[] = ["127.0.0.1", "localhost", "[::1]"];

export const isLoopback = (host: string): boolean => LOOPBACK.includes(host) || host === "::1";

/** Puts the headers on every answer, refusals too. */
export const answerHeaders: MiddlewareHandler = async (c, next) => {
  await next();
  const headers: Record<string, string> = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "SAMEORIGIN",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
  };
  for (const [name, value] of Object.entries(headers)) c.res.headers.set(name, value);
  if (!c.res.headers.has("Cache-Control")) c.res.headers.set("Cache-Control", "no-store");
};

/** @param names of this server, without ports */
export function onlyFor(names: readonly string[]): MiddlewareHandler {
  const known = new Set(
    names.map((name) => (name.includes(":") && !name.startsWith("[") ? `[${name}]` : name).toLowerCase()),
  );
  return async (c, next) => {
    const host = (c.req.header("host") ?? "").toLowerCase().replace(/:\d+$/, "");
    if (!known.has(host))
      throw new Refusal(421, "E_HOST", `${host || "no host"}: this server is not known by that name`);
    return next();
  };
}
