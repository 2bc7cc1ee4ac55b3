/** What a request is answered with that cannot be met: a status, a stable code, and one sentence. */
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { z } from "zod";
import { ConfigError, MedvoxError } from "../../errors.ts";

export class Refusal extends MedvoxError {
  readonly status: ContentfulStatusCode;
  constructor(status: ContentfulStatusCode, code: string, message: string) {
    super(code, message);
    this.status = status;
  }
}

export const notThere = (what: string): Refusal => new Refusal(404, "E_MISSING", `${what}: there is none of that name`);

export interface Answer {
  readonly status: ContentfulStatusCode;
  readonly body: { readonly error: { readonly code: string; readonly message: string } };
  /** A fault of the server, for its log. */
  readonly isFault: boolean;
}

/** The answer that an error becomes. Folders of the server are named by what they are for: clients know no paths. */
export function answerTo(given: unknown, folders: Readonly<Record<string, string>>): Answer {
  const error = refusalOf(given);
  if (!(error instanceof MedvoxError)) {
    const message = "this is a fault of the server, which its log tells more of";
    return { status: 500, body: { error: { code: "E_INTERNAL", message } }, isFault: true };
  }
  const status = error instanceof Refusal ? error.status : error instanceof ConfigError ? 400 : 422;
  return {
    status,
    body: { error: { code: error.code, message: withoutPaths(error.message, folders) } },
    isFault: false,
  };
}

/**
 * What an error comes down to. A body that was refused while it was written to the disk arrives as the cause of a failed write; what the
 * frame itself refuses, such as a body that is no JSON, has its own kind of error.
 */
function refusalOf(error: unknown): unknown {
  for (let cause = error; cause instanceof Error; cause = cause.cause) if (cause instanceof Refusal) return cause;
  if (error instanceof z.ZodError) return new Refusal(400, "E_CONFIG", error.issues[0].message);
  if (error instanceof HTTPException && error.status < 500)
    return new Refusal(error.status as ContentfulStatusCode, "E_CONFIG", error.message);
  return error;
}

/** @param folders what stands for a folder, by its path */
export function withoutPaths(text: string, folders: Readonly<Record<string, string>>): string {
  return Object.entries(folders).reduce((shown, [path, name]) => shown.replaceAll(path, name), text);
}
