/** Attacks on the server, a test each: the request, the answer, and that nothing on the disk has changed. */
import { createHash } from "node:crypto";
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { smallSet } from "../jobs/test/small-set.ts";
import { OF_THE_SERVER, WEIGHTS } from "./requests.ts";
import { jsonOf, raw, type Served, served } from "./test/served.ts";

const TOKEN = "a-token-of-the-tests";
const IMAGE_BYTES = 100_000;
let it_: Served;
let outside: string;
let before: string;

/** Every file below the folders that the server keeps, with what is in it. */
async function filesNow(): Promise<string> {
  const lines: string[] = [];
  for (const folder of [it_.data, it_.runs])
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      lines.push(
        `${path} ${createHash("sha256")
          .update(await readFile(path))
          .digest("hex")}`,
      );
    }
  return lines.sort().join("\n");
}

beforeAll(async () => {
  outside = await mkdtemp(join(tmpdir(), "medvox-outside-"));
  await writeFile(join(outside, "secret.txt"), "secret");
  const data = await smallSet(join(outside, "data"), 3);
  // A case whose image is a link that leads out of the data set.
  await cp(join(data, "imagesTr/hippocampus_001.nii.gz"), join(outside, "elsewhere.nii.gz"));
  it_ = await served({ data, limits: { imageBytes: IMAGE_BYTES, labelBytes: 50_000, jsonBytes: 10_000 } });
  before = await filesNow();
});
afterEach(async () => {
  expect(await filesNow()).toBe(before);
});
afterAll(async () => {
  await it_.close();
  await rm(outside, { recursive: true, force: true });
});

/** Whether a value of a JSON Schema can be a string of which nothing is known. */
function holdsAnyWord(schema: unknown): boolean {
  if (typeof schema !== "object" || schema === null || "enum" in schema || "const" in schema) return false;
  const { type, anyOf, oneOf, items, properties } = schema as Record<string, unknown>;
  if (type === "string" || (Array.isArray(type) && type.includes("string"))) return true;
  return [anyOf, oneOf, items, properties].some((inner) => {
    if (typeof inner !== "object" || inner === null) return false;
    return holdsAnyWord(inner) || Object.values(inner).some(holdsAnyWord);
  });
}

const own = { authorization: `Bearer ${TOKEN}` };
const hostOf = (): string => new URL(it_.server.url).host;

describe("whoever shows no token", () => {
  it.each([
    ["none", {}],
    ["a wrong one", { authorization: "Bearer a-token-of-the-testX" }],
    ["the beginning of one", { authorization: "Bearer a-token" }],
    ["one in another scheme", { authorization: `Basic ${TOKEN}` }],
    ["a made-up cookie", { cookie: "medvox=AAAA" }],
    ["the token as the cookie", { cookie: `medvox=${TOKEN}` }],
  ])("is answered 401 and told nothing: %s", async (_, headers) => {
    for (const path of ["/api/v1/cases", "/api/v1/openapi.json", "/api/v1/runs", "/api/v1/nothing"]) {
      const answer = await raw(it_.server.url, { path, headers });
      expect([path, answer.status]).toEqual([path, 401]);
      expect(answer.text).not.toContain("hippocampus");
    }
    const deleted = await raw(it_.server.url, { path: "/api/v1/jobs/x", method: "DELETE", headers });
    expect(deleted.status).toBe(401);
  });
});

describe("a name that was made to lead here (DNS rebinding)", () => {
  it.each(["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example"])(
    "is answered 421, with the token, too: %s",
    async (host) => {
      const answer = await raw(it_.server.url, { path: "/api/v1/cases", headers: { ...own, host } });
      expect(answer.status).toBe(421);
      expect(answer.text).not.toContain("hippocampus");
    },
  );
});

describe("a page of another origin", () => {
  const session = async (): Promise<string> => {
    const answer = await it_.api("/session", { method: "POST" });
    const cookie = answer.headers.get("set-cookie")!;
    expect(cookie).toMatch(/; HttpOnly/i);
    expect(cookie).toMatch(/; SameSite=Strict/i);
    expect(cookie).not.toContain(TOKEN);
    return cookie.split(";")[0];
  };

  it("cannot write with the browser's cookie; the server's own page can", async () => {
    const cookie = await session();
    const post = (origin?: string) =>
      raw(it_.server.url, {
        path: "/api/v1/jobs/train",
        method: "POST",
        headers: { cookie, "content-type": "application/json", ...(origin && { origin }) },
        body: "{}",
      });
    for (const origin of [
      undefined,
      "null",
      "http://evil.example",
      `http://evil.example/${hostOf()}`,
      "http://127.0.0.1:1",
    ])
      expect((await post(origin)).status).toBe(403);
    // Let through, and refused for what it asks.
    expect((await post(`http://${hostOf()}`)).status).toBe(400);
    expect((await raw(it_.server.url, { path: "/api/v1/cases", headers: { cookie } })).status).toBe(200);
  });

  it("cannot embed or read what is answered, refusals included", async () => {
    for (const [path, headers] of [
      ["/api/v1/cases", own],
      ["/api/v1/cases", {}],
      ["/nothing", {}],
    ] as const) {
      const answer = await raw(it_.server.url, { path, headers });
      expect(answer.headers).toMatchObject({
        "x-content-type-options": "nosniff",
        "x-frame-options": "SAMEORIGIN",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-embedder-policy": "require-corp",
        "cross-origin-resource-policy": "same-origin",
      });
      expect(answer.headers["access-control-allow-origin"]).toBeUndefined();
    }
  });
});

describe("a path in place of an id", () => {
  const ways = [
    "../../secret.txt",
    "..%2F..%2Fsecret.txt",
    "%2e%2e/%2e%2e/secret.txt",
    "..%5C..%5Csecret.txt",
    "%00",
    ".medvox-serve",
  ];
  it.each(ways)("leads nowhere: %s", async (way) => {
    for (const path of [
      `/api/v1/cases/${way}/image`,
      `/api/v1/cases/${way}`,
      `/api/v1/runs/${way}`,
      `/api/v1/runs/${way}/report`,
      `/api/v1/jobs/${way}/files/${way}`,
      `/api/v1/${way}`,
      `/${way}`,
    ]) {
      const answer = await raw(it_.server.url, { path, headers: own });
      expect([path, [400, 404].includes(answer.status)]).toEqual([path, true]);
      expect(answer.text).not.toMatch(/secret"|root:|medvox-outside/);
    }
  });

  it("does not follow a run that is a link out of the folder of runs", async () => {
    await symlink(outside, join(it_.runs, "linked"));
    try {
      const answer = await raw(it_.server.url, { path: "/api/v1/runs/linked/report", headers: own });
      expect(answer.status).toBe(404);
      expect(answer.text).not.toContain("medvox-outside");
    } finally {
      await rm(join(it_.runs, "linked"));
    }
  });
});

describe("a setting that names a file", () => {
  /** Settings that may hold any word, and name no file. */
  const words = [
    "augmentation",
    "auxiliary",
    "balance",
    "classes",
    "groupColumn",
    "labelColumn",
    "learningRateSchedule",
    "schedule",
  ];

  it.each(["segmentation", "classification", "detection", "pretraining"])(
    "is known for what it is: %s",
    async (task) => {
      const text = await readFile(new URL(`../../schemas/${task}.json`, import.meta.url), "utf8");
      const { properties } = JSON.parse(text) as { properties: Record<string, unknown> };
      const free = Object.keys(properties).filter((key) => key !== "$schema" && holdsAnyWord(properties[key]));
      const known = [...words, ...OF_THE_SERVER, ...WEIGHTS];
      expect(free.filter((key) => !known.includes(key))).toEqual([]);
    },
  );

  it.each([
    ["segmentation", "data"],
    ["segmentation", "splits"],
    ["segmentation", "plan"],
    ["segmentation", "from"],
    ["detection", "backbone"],
    ["detection", "images"],
    ["pretraining", "sets"],
  ])("is refused before anything is read: %s %s", async (task, key) => {
    const answer = await it_.api("/jobs/train", jsonOf({ run: "x", task, config: { [key]: "/etc/passwd" } }));
    expect(answer.status).toBe(400);
    expect((await answer.json()).error.message).toContain(`config.${key}: `);
    expect(await (await it_.api("/jobs")).json()).toEqual([]);
  });
});

describe("a body that is too long, or lies", () => {
  const octets = { ...own, "content-type": "application/octet-stream" };

  it("is refused by its length before it is read, and while it comes where it says none", async () => {
    const long = await raw(it_.server.url, {
      path: "/api/v1/cases?id=long",
      method: "POST",
      headers: { ...octets, "content-length": String(2 * IMAGE_BYTES) },
      body: "x".repeat(2 * IMAGE_BYTES),
    }).catch((error: Error) => error);
    if (!(long instanceof Error)) expect(long.status).toBe(413);
    const unsaid = await it_
      .api("/cases?id=unsaid", {
        method: "POST",
        headers: octets,
        body: new Blob(["x".repeat(2 * IMAGE_BYTES)]).stream(),
        duplex: "half",
      } as RequestInit)
      .catch((error: Error) => error);
    if (!(unsaid instanceof Error)) expect(unsaid.status).toBe(413);
  });

  it("leaves nothing where the sender goes away in the middle", async () => {
    const { hostname, port } = new URL(it_.server.url);
    const incoming = (): Promise<string[]> => readdir(join(it_.data, "incoming")).catch(() => []);
    const socket = createConnection({ host: hostname, port: Number(port) });
    const closed = new Promise<void>((done) => socket.once("close", () => done()));
    socket.write(
      `POST /api/v1/cases?id=half HTTP/1.1\r\nHost: ${hostOf()}\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Type: application/octet-stream\r\nContent-Length: 50000\r\n\r\n`,
    );
    socket.write("x".repeat(1000));
    await expect.poll(async () => (await incoming()).length, { timeout: 30_000 }).toBe(1);
    socket.destroy();
    await closed;
    await expect.poll(incoming, { timeout: 30_000 }).toEqual([]);
    expect((await it_.api("/cases/half")).status).toBe(404);
  });

  it("is refused as JSON beyond its bound, and as no JSON", async () => {
    const big = await it_.api("/jobs/train", jsonOf({ run: "x", config: { notes: "x".repeat(20_000) } }));
    expect(big.status).toBe(413);
    const odd = await it_.api("/jobs/train", { ...jsonOf({}), body: "{" });
    expect(odd.status).toBe(400);
    const proto = await it_.api("/jobs/train", { ...jsonOf({}), body: `{"run":"x","__proto__":{"task":"detection"}}` });
    expect([400, 409]).toContain(proto.status);
  });
});

it("keeps secrets out of its log", async () => {
  await it_.api("/cases");
  await raw(it_.server.url, { path: "/k/some-path-token/info/", headers: own });
  await raw(it_.server.url, { path: `/api/v1/cases?token=${TOKEN}`, headers: own });
  const log = it_.lines.join("\n");
  expect(log).toContain("GET /api/v1/cases 200");
  expect(log).not.toContain(TOKEN);
  expect(log).not.toContain("some-path-token");
});
