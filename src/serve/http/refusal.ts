/** What a request is answered with that cannot be met: a status, a stable code, and one sentence. */
import type { ContentfulStatusCode } from "hono/utils/http-status";
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
export function answerTo(error: unknown, folders: Readonly<Record<string, string>>): Answer {
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

/** @param folders what stands for a folder, by its path */
export function withoutPaths(text: string, folders: Readonly<Record<string, string>>): string {
  return Object.entries(folders).reduce((shown, [path, name]) => shown.replaceAll(path, name), text);
}
