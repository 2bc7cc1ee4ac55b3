/**
 * Who may do what. A program shows the token in `Authorization: Bearer`; the page in the browser has a cookie, and says on every write
 * which origin it is of; a viewer that can send neither has a token in its address, which works for its routes alone and can be
 * taken back. Secrets are compared in a time that does not tell how much of them was right.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { Context, MiddlewareHandler } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { z } from "zod";
import { checkedJson } from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import { makeFolder, writeFileAtomic } from "../../files/index.ts";
import { Refusal } from "./refusal.ts";

/** Shorter tokens can be guessed. */
const SHORTEST_TOKEN = 16;
const COOKIE = "medvox";

/** A token nobody guesses: 256 bits. */
export const newToken = (): string => randomBytes(32).toString("base64url");

const keptTokens = z.array(z.strictObject({ id: z.string(), name: z.string(), hash: z.string(), created: z.string() }));
export type PathToken = Omit<z.output<typeof keptTokens>[number], "hash">;

/** @throws ConfigError for a token that is too short, or has letters that a header or address cannot carry */
function checkToken(token: string): string {
  if (token.length < SHORTEST_TOKEN || !/^[\w.~-]+$/.test(token))
    throw new ConfigError(
      `--token: has ${token.length} characters; it must have ${SHORTEST_TOKEN} or more of letters, digits and . _ ~ -`,
    );
  return token;
}

export class Access {
  readonly #token: string;
  readonly #file: string;
  readonly #session: string;
  #pathTokens: z.output<typeof keptTokens>;

  private constructor(token: string, file: string, pathTokens: z.output<typeof keptTokens>) {
    this.#token = token;
    this.#file = file;
    this.#pathTokens = pathTokens;
    // The cookie holds for as long as the token does, and is not the token.
    this.#session = createHmac("sha256", token).update("medvox session").digest("base64url");
  }

  /** @param file where the hashes of path tokens are kept */
  static async open(token: string, file: string): Promise<Access> {
    const text = await readFile(file, "utf8").catch(() => undefined);
    return new Access(checkToken(token), file, text === undefined ? [] : checkedJson(keptTokens, text, file));
  }

  /** Lets through whoever shows the token or has the cookie. @throws Refusal */
  readonly forApi: MiddlewareHandler = async (c, next) => {
    const bearer = /^Bearer (.+)$/i.exec(c.req.header("authorization") ?? "")?.[1];
    if (bearer !== undefined && same(bearer, this.#token)) return next();
    const cookie = getCookie(c, COOKIE);
    if (bearer === undefined && cookie !== undefined && same(cookie, this.#session)) {
      refuseForeignWrite(c);
      return next();
    }
    c.header("WWW-Authenticate", "Bearer");
    throw new Refusal(401, "E_TOKEN", "show the server's token: Authorization: Bearer TOKEN");
  };

  /** Lets through whoever has a path token in the address. An unknown one is answered as any address that leads nowhere. */
  readonly forPath: MiddlewareHandler = async (c, next) => {
    const hash = hashOf(c.req.param("token") ?? "");
    if (!this.#pathTokens.some((kept) => same(kept.hash, hash)))
      throw new Refusal(404, "E_MISSING", "there is nothing here");
    return next();
  };

  /** Gives the browser its cookie. */
  beginSession(c: Context): void {
    setCookie(c, COOKIE, this.#session, { httpOnly: true, sameSite: "Strict", path: "/" });
  }

  endSession(c: Context): void {
    deleteCookie(c, COOKIE, { path: "/" });
  }

  pathTokens(): readonly PathToken[] {
    return this.#pathTokens.map(({ hash: _, ...shown }) => shown);
  }

  /** Makes a path token; only its hash is kept, so it is told this once. */
  async givePathToken(name: string): Promise<PathToken & { readonly token: string }> {
    const token = newToken();
    const made = { id: randomBytes(6).toString("hex"), name, created: new Date().toISOString() };
    await this.#keep([...this.#pathTokens, { ...made, hash: hashOf(token) }]);
    return { ...made, token };
  }

  /** Whether there was one of that id. */
  async takeBack(id: string): Promise<boolean> {
    const left = this.#pathTokens.filter((kept) => kept.id !== id);
    if (left.length === this.#pathTokens.length) return false;
    await this.#keep(left);
    return true;
  }

  async #keep(tokens: z.output<typeof keptTokens>): Promise<void> {
    await makeFolder(dirname(this.#file));
    await writeFileAtomic(this.#file, `${JSON.stringify(tokens, null, 2)}\n`, { force: true });
    this.#pathTokens = tokens;
  }
}

/** A browser sends cookies with writes of other pages, too, and says whose they are. @throws Refusal */
function refuseForeignWrite(c: Context): void {
  if (c.req.method === "GET" || c.req.method === "HEAD") return;
  const origin = c.req.header("origin");
  const host = c.req.header("host");
  if (origin === `http://${host}` || origin === `https://${host}`) return;
  throw new Refusal(403, "E_ORIGIN", `a page of ${origin ?? "no origin"} may not write here`);
}

const hashOf = (secret: string): string => createHash("sha256").update(secret).digest("base64url");

function same(shown: string, secret: string): boolean {
  // Hashes have one length, so nothing tells that of the secret.
  return timingSafeEqual(createHash("sha256").update(shown).digest(), createHash("sha256").update(secret).digest());
}

/** An address as a log may have it: without the secret in it. */
export const loggedPath = (path: string): string => path.replace(/^\/k\/[^/]*/, "/k/…");
